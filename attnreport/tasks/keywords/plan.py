"""What a training of a text classifier depends on."""

import dataclasses
import hashlib
from os import PathLike
from typing import Self

from attnreport.tasks.keywords.collection import Collection
from attnreport.tasks.keywords.folders import folder_collection
from attnreport.tasks.keywords.help_topics import help_collection
from attnreport.tasks.training import Schedule

# Passages that a training sees, the same one many times: so many texts are read less often.
_SEEN = 40_000
# An epoch goes several times through few passages, so that keeping states takes no time.
_PASSES = 3
_MOST_EPOCHS, _FEWEST_EPOCHS = 20, 2
# Of a quick training.
_FEW_LABELS, _FEW_TEXTS, _FEW_EPOCHS = 8, 100, 5


@dataclasses.dataclass(frozen=True)
class KeywordsPlan:
    """Everything that a training of a text classifier depends on, besides code and machine.

    Attributes:
        digest: Of the passages, which differ between versions of Python.
        schedule: How long and how fast to learn.
        attention: How words are pooled: one of `attnreport.models.TEXT_ATTENTIONS`, or `mean`.
        embedding: Features of a word.
        scoring: Features of the network that scores a word.
        hops: How many times `self-attentive` looks.
        dropout: Share of the features of words that training drops.
        word_dropout: Share of the words that training takes out, so that the model does not learn
            to lean on few.
        batch: Passages in a batch.
        passes: How many times an epoch goes through all passages.
    """

    digest: str
    schedule: Schedule
    attention: str = "additive"
    embedding: int = 64
    scoring: int = 64
    hops: int = 4
    dropout: float = 0.5
    word_dropout: float = 0.5
    batch: int = 32
    passes: int = 1

    @classmethod
    def of(
        cls,
        collection: Collection,
        *,
        seed: int = 0,
        attention: str = "additive",
        quick: bool = False,
    ) -> Self:
        """The usual plan.

        Args:
            collection: What to learn from.
            seed: Of the training.
            attention: How words are pooled.
            quick: Whether few epochs will do.
        """
        most = _FEW_EPOCHS if quick else _MOST_EPOCHS
        times = _SEEN // len(collection.train)
        passes = min(max(times // _MOST_EPOCHS, 1), _PASSES)
        epochs = max(min(times // passes, most), _FEWEST_EPOCHS)
        # Validation scores of so few passages go up and down, so nothing stops it early.
        schedule = Schedule(
            seed, epochs=epochs, rounds=1, patience=epochs, learning_rate=2e-2, hurried=quick
        )
        return cls(_digest(collection), schedule, attention, passes=passes)


def load_collection(
    data: "str | PathLike[str] | None" = None, *, seed: int = 0, quick: bool = False
) -> Collection:
    """The passages to learn from.

    Args:
        data: A folder of labelled texts; the help of this Python if left out.
        seed: Decides which are held out.
        quick: Whether a few labels will do.

    Raises:
        DataError: The folder holds no labelled texts.
        MissingDependencyError: This Python came without its help topics.
    """
    labels = _FEW_LABELS if quick else None
    if data is None:
        return help_collection(seed=seed, most=labels)
    return folder_collection(data, seed=seed, most=labels, texts=_FEW_TEXTS if quick else None)


def _digest(collection: Collection) -> str:
    """A short key of all passages."""
    digest = hashlib.sha256()
    for part in (collection.train, collection.validation, collection.test):
        for passage in part:
            digest.update(f"{passage.label}\n{passage.text}\n\n".encode(errors="surrogatepass"))
        digest.update(b"\n")
    return digest.hexdigest()[:16]
