"""Texts as words: as they are written, as the model tells them apart, and as people do."""

import keyword
import re
import unicodedata
from collections.abc import Iterable

# A word in double quotes, which is code in Python's help, ends where the quotes do.
_PIECE = re.compile(r'[(\[]*"[^"\s]+"[.,;:)\]]*|\S+')
_PLAIN = re.compile(r"[^\W\d_]+")
_SMALL = frozenset("a an and as at be by for from how in is it not of on or the to vs with".split())


def split_words(text: str) -> tuple[str, ...]:
    """The words of a text as they are written, with the punctuation they touch."""
    return tuple(_PIECE.findall(text))


def word_key(word: str) -> str:
    """What the model reads for a word: the same for all ways to write it.

    Punctuation around a word and its case are gone. A word in double quotes keeps these and its
    case, because in Python's help it is code, and `"with"` is not the preposition.
    """
    bare = _stripped(word, kept='"_@%&|^~<>=+-*/')
    if len(bare) > 2 and bare[0] == bare[-1] == '"':
        return f'"{bare[1:-1].removesuffix("()")}"'
    bare = _stripped(word, kept="_").lower().removesuffix("’s").removesuffix("'s")
    return bare or word


def word_root(key: str) -> str:
    """What a word is compared by with the words of a title: quotes and plural are gone.

    A keyword of Python in quotes keeps them.
    """
    bare = key.strip('"')
    if key.startswith('"') and keyword.iskeyword(bare):
        return key
    bare = bare.lower()
    if len(bare) > 4 and bare.endswith("ies"):
        return f"{bare[:-3]}y"
    if bare.endswith("sses"):
        return bare[:-2]
    return bare[:-1] if len(bare) > 3 and bare.endswith("s") and not bare.endswith("ss") else bare


def title_roots(names: Iterable[str]) -> frozenset[str]:
    """The roots of all words of some titles and names, without articles, prepositions and such."""
    keys = {word_key(word) for name in names for word in split_words(name)}
    return frozenset(word_root(key) for key in keys - _SMALL if re.search(r"\w", key))


def is_prose(words: Iterable[str]) -> bool:
    """Whether more than half of the words are plain ones, and so not code or a table."""
    plain = [bool(_PLAIN.fullmatch(word_key(word))) for word in words]
    return 2 * sum(plain) > len(plain)


def _stripped(word: str, kept: str) -> str:
    """A word without the punctuation around it, other than what is kept."""
    start, end = 0, len(word)
    while start < end and _goes(word[start], kept):
        start += 1
    while end > start and _goes(word[end - 1], kept):
        end -= 1
    return word[start:end]


def _goes(character: str, kept: str) -> bool:
    return character not in kept and unicodedata.category(character)[0] in "PSC"
