"""Words of a sentence pair, and which translates which."""

import dataclasses
from typing import NamedTuple


@dataclasses.dataclass(eq=False, slots=True)
class Word:
    """An English word; two words with the same text are two words."""

    text: str


class Translated(NamedTuple):
    """A German word and the English words it translates."""

    text: str
    sources: tuple[Word, ...]


class Part(NamedTuple):
    """A piece of a sentence in both languages, each in its own order."""

    english: list[Word]
    german: list[Translated]


def pair(english: str, german: str) -> Part:
    """One English word and the German word that translates it."""
    word = Word(english)
    return Part([word], [Translated(german, (word,))])


def joined(*parts: Part) -> Part:
    """Parts after each other in both languages."""
    return Part(
        [word for part in parts for word in part.english],
        [word for part in parts for word in part.german],
    )


EMPTY = Part([], [])
