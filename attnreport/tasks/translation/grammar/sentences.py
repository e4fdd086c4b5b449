"""Puts a sentence into words, with the links between them."""

import dataclasses

import numpy as np
from jaxtyping import Bool

from attnreport.tasks.translation.grammar.clauses import clause_words, infinitive_clause
from attnreport.tasks.translation.grammar.closed_classes import (
    CONJUNCTIONS,
    COORDINATORS,
    QUESTION_WORDS,
)
from attnreport.tasks.translation.grammar.trees import (
    Joined,
    Linked,
    Question,
    Reported,
    Sentence,
    Statement,
    WithInfinitive,
)
from attnreport.tasks.translation.grammar.words import Part, Translated, Word, joined, pair


@dataclasses.dataclass(frozen=True, slots=True)
class SentencePair:
    """A sentence in both languages, and which words translate which.

    Attributes:
        english: Words of the English sentence.
        german: Words of the German sentence.
        links: For each German word, the positions of the English words it translates: several
            where German has one word for them (`im`, in the). English words that German does
            without (`does` of a question, `of` before an owner) have no link. Without any link,
            nobody knows which word translates which.
    """

    english: tuple[str, ...]
    german: tuple[str, ...]
    links: tuple[tuple[int, ...], ...]

    def alignment(self) -> Bool[np.ndarray, "german english"]:
        """True where a German word translates an English one.

        Both axes end with an end marker, which translates nothing: it has no link.
        """
        matrix = np.zeros((len(self.german) + 1, len(self.english) + 1), dtype=bool)
        for position, sources in enumerate(self.links):
            matrix[position, list(sources)] = True
        return matrix


def sentence_pair(sentence: Sentence) -> SentencePair:
    """The sentence in words."""
    part = _sentence_words(sentence)
    positions = {id(word): position for position, word in enumerate(part.english)}
    return SentencePair(
        tuple(word.text for word in part.english),
        tuple(word.text for word in part.german),
        tuple(tuple(positions[id(word)] for word in target.sources) for target in part.german),
    )


def _sentence_words(sentence: Sentence) -> Part:
    if isinstance(sentence, Statement):
        return clause_words(sentence.clause, front=sentence.front)
    if isinstance(sentence, Question):
        word = f"{sentence.word} {QUESTION_WORDS[sentence.word]}" if sentence.word else ""
        return joined(clause_words(sentence.clause, "question", word=word), pair("?", "?"))
    if isinstance(sentence, Linked):
        return _linked(sentence)
    if isinstance(sentence, Reported):
        german = "dass" if sentence.word == "that" else QUESTION_WORDS[sentence.word]
        content = clause_words(sentence.content, "subordinate")
        return joined(clause_words(sentence.main), _opened(sentence.word, german, content))
    if isinstance(sentence, WithInfinitive):
        return joined(
            clause_words(sentence.main), infinitive_clause(sentence.infinitive, sentence.purpose)
        )
    return _joined_clauses(sentence)


def _linked(sentence: Linked) -> Part:
    german = CONJUNCTIONS[sentence.conjunction]
    subordinate = clause_words(sentence.subordinate, "subordinate")
    if not sentence.fronted:
        opened = _opened(sentence.conjunction, german, subordinate)
        return joined(clause_words(sentence.main), opened)
    first = joined(pair(sentence.conjunction, german), subordinate, pair(",", ","))
    return joined(first, clause_words(sentence.main, "continued"))


def _opened(english: str, german: str, clause: Part) -> Part:
    """A clause behind a comma, which English leaves out, and the word that opens it."""
    word = Word(english)
    opening = [Translated(",", (word,)), Translated(german, (word,))]
    return Part([word, *clause.english], [*opening, *clause.german])


def _joined_clauses(sentence: Joined) -> Part:
    first, second = clause_words(sentence.first), clause_words(sentence.second)
    middle = pair(sentence.word, COORDINATORS[sentence.word])
    if sentence.word == "but":
        middle = joined(pair(",", ","), middle)
    return joined(first, middle, second)
