"""German declension: articles, adjective endings, noun forms, relative pronouns.

Cases are numbered 0 to 3: nominative, accusative, dative, genitive. Genders are `m`, `f`, `n`, and
`p` for the plural of all three.

Source: Duden, Die Grammatik, chapters on articles, adjectives and nouns.
"""

import functools

from attnreport.tasks.translation.grammar.lexicon import Adjective, Determiner, Noun

NOMINATIVE, ACCUSATIVE, DATIVE, GENITIVE = range(4)
# Cases by the names that the tables use.
CASES = {"acc": ACCUSATIVE, "dat": DATIVE}

_DEFINITE = {
    "m": ("der", "den", "dem", "des"),
    "f": ("die", "die", "der", "der"),
    "n": ("das", "das", "dem", "des"),
    "p": ("die", "die", "den", "der"),
}
# Endings of `dieser`, and of an adjective that no article declines for.
_STRONG_DETERMINER = {
    "m": ("er", "en", "em", "es"),
    "f": ("e", "e", "er", "er"),
    "n": ("es", "es", "em", "es"),
    "p": ("e", "e", "en", "er"),
}
_MIXED_DETERMINER = _STRONG_DETERMINER | {
    "m": ("", "en", "em", "es"),
    "n": ("", "", "em", "es"),
}
_STRONG = _STRONG_DETERMINER | {
    "m": ("er", "en", "em", "en"),
    "n": ("es", "es", "em", "en"),
}
_MIXED = {
    "m": ("er", "en", "en", "en"),
    "f": ("e", "e", "en", "en"),
    "n": ("es", "es", "en", "en"),
    "p": ("en", "en", "en", "en"),
}
_WEAK = _MIXED | {"m": ("e", "en", "en", "en"), "n": ("e", "e", "en", "en")}

# Declension of a determiner -> endings of the determiner, endings of adjectives after it.
_DECLENSIONS = {
    "definite": (None, _WEAK),
    "strong": (_STRONG_DETERMINER, _WEAK),
    "mixed": (_MIXED_DETERMINER, _MIXED),
    "parallel": (_STRONG_DETERMINER, _STRONG),
    "none": (None, _STRONG),
}
_RELATIVE = {
    "m": ("der", "den", "dem"),
    "f": ("die", "die", "der"),
    "n": ("das", "das", "dem"),
    "p": ("die", "die", "denen"),
}


def determiner_form(determiner: Determiner, case: int, gender: str) -> str:
    """The determiner as it stands before a noun: `den`, `einem`, `diese`, `zwei`."""
    if determiner.declension == "definite":
        return _DEFINITE[gender][case]
    endings, _ = _DECLENSIONS[determiner.declension]
    return determiner.stem + (endings[gender][case] if endings else "")


def adjective_form(
    adjective: Adjective, determiner: Determiner | None, case: int, gender: str
) -> str:
    """The adjective as it stands before a noun, after `determiner` or after none."""
    _, endings = _DECLENSIONS[determiner.declension if determiner else "none"]
    return adjective.stem + endings[gender][case]


@functools.cache
def noun_form(noun: Noun, case: int, plural: bool) -> str:
    """The noun in a case: `hund`, `hundes`, `hunden`, `bären`."""
    if plural:
        ending = "n" if case == DATIVE and noun.german_plural[-1] not in "ns" else ""
        return noun.german_plural + ending
    if case == GENITIVE:
        return noun.genitive
    return noun.german_plural if noun.weak and case != NOMINATIVE else noun.german


def relative_pronoun(case: int, gender: str) -> str:
    """The pronoun that opens a relative clause: `der`, `dem`, `denen`."""
    return _RELATIVE[gender][case]


def question_pronoun(case: int, person: bool) -> str:
    """The pronoun that asks for a person (`wer`, `wen`, `wem`) or for a thing (`was`)."""
    return ("wer", "wen", "wem")[case] if person else "was"
