"""A small hierarchical classifier of Python's own help, and which words it looks at."""

import jax
import numpy as np
from flax import nnx

from attnreport import Recording
from attnreport.nn import HierarchicalPooling, HierarchicalWeights
from attnreport.recording import AttentionMap, Example, ItemAxis, Source, TokenAxis
from attnreport.tasks.keywords.help_topics import help_collection
from attnreport.tasks.keywords.words import word_key
from attnreport.tasks.training import Schedule
from attnreport.tasks.translation.vocabulary import Vocabulary
from figures.training import Labeling, trained

FEATURES, TOPICS = 32, 8
SENTENCES, WORDS = 6, 24

Document = list[list[str]]


class DocumentReader(nnx.Module):
    """Scores of topics, from words pooled to sentences and sentences to the document."""

    def __init__(self, words: int, rngs: nnx.Rngs) -> None:
        self.words = nnx.Embed(words, FEATURES, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.pooling = HierarchicalPooling(FEATURES, FEATURES, FEATURES, rngs=rngs)
        self.topics = nnx.Linear(2 * FEATURES, TOPICS, rngs=rngs)

    def __call__(self, words: jax.Array) -> tuple[jax.Array, HierarchicalWeights]:
        """The scores, and the weights of both levels."""
        embedded = self.dropout(self.words(words))
        pooled, weights = self.pooling(embedded, mask=words != 0, return_weights=True)
        return self.topics(self.dropout(pooled)), weights


def sentences_of(words: tuple[str, ...]) -> Document:
    """The sentences of a passage, as many and as long as fit."""
    sentences: Document = [[]]
    for word in words:
        sentences[-1].append(word)
        if word.endswith((".", ":", ";")):
            sentences.append([])
    return [sentence[: WORDS - 1] for sentence in sentences if sentence][:SENTENCES]


def record_document() -> Recording:
    """What the classifier looks at in a passage of the test that it has right."""
    collection = help_collection(most=TOPICS)
    parts = [
        [(sentences_of(passage.words), passage.label) for passage in part]
        for part in (collection.train, collection.test)
    ]
    vocabulary = Vocabulary.of(
        [word_key(word) for word in sentence] for document, _ in parts[0] for sentence in document
    )

    def numbers(documents: list[tuple[Document, str]]) -> tuple[np.ndarray, np.ndarray]:
        inputs = np.zeros((len(documents), SENTENCES, WORDS), np.int32)
        for row, (document, _) in enumerate(documents):
            keys = [[word_key(word) for word in sentence] for sentence in document]
            # The end marker of each sentence is no word.
            inputs[row, : len(document), : WORDS - 1] = vocabulary.encode(keys, WORDS)[:, :-1]
        inputs[inputs == 2] = 0
        labels = [collection.labels.index(label) for _, label in documents]
        return inputs, np.asarray(labels, np.int32)

    train, test = map(numbers, parts)
    task = Labeling(
        lambda rngs: DocumentReader(len(vocabulary), rngs),
        train,
        test,
        Schedule(epochs=30, rounds=1, patience=30),
        size=32,
    )
    model, score = trained(task)
    scores, _ = model(test[0])
    right = np.asarray(scores.argmax(axis=-1)) == test[1]
    several = [len(document) >= 3 for document, _ in parts[1]]
    shown = int(np.flatnonzero(right & np.asarray(several))[0])
    document, label = parts[1][shown]
    _, weights = model(test[0][[shown]])
    words, sentences = (np.asarray(each[0, 0]) for each in weights)
    # What a word has of the document: its share of its sentence, times that of the sentence.
    shares = [sentences[0, row] * words[row, : len(each)] for row, each in enumerate(document)]
    text = [word for sentence in document for word in sentence]
    attention = AttentionMap(
        "words of sentences",
        np.concatenate(shares)[None, None],
        ItemAxis((label,)),
        TokenAxis(tuple(text)),
        kind="pooling",
    )
    source = Source(model="Hierarchical classifier", data=f"{score:.0%} of test passages right.")
    return Recording((Example(label, (attention,), input=" ".join(text)),), source)
