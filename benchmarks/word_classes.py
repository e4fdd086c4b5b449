"""Tells of a German word of the storybook language what kind of word it is."""

import functools
from collections.abc import Sequence

from attnreport.tasks.translation.grammar.lexicon import lexicon

CLASSES = ("nouns", "verbs", "split prefixes", "adjectives", "articles", "other words", "marks")
# Forms of auxiliary and modal verbs.
_AUXILIARIES = frozenset(
    "bin ist sind habe hat haben werde wird werden will wollen muss müssen kann können soll sollen "
    "darf dürfen möchte möchten sein".split()
)
_ENDINGS = ("", "e", "er", "en", "em", "es", "as", "ie")


def word_class(sentence: Sequence[str], place: int) -> str:
    """The class of a word, by its form and, where a prefix is also a preposition, by its place.

    `ihr` and `sein` count as articles, and so does `kein` with its forms.
    """
    word = sentence[place]
    following = sentence[place + 1] if place + 1 < len(sentence) else ","
    if word in (",", "?"):
        return "marks"
    if word in _prefixes() and following in (",", "?", "und", "aber"):
        return "split prefixes"
    return next((name for name, words in _forms().items() if word in words), "other words")


@functools.cache
def _prefixes() -> frozenset[str]:
    return frozenset(verb.prefix for verb in lexicon().verbs.values() if verb.prefix)


@functools.cache
def _forms() -> dict[str, frozenset[str]]:
    """All forms of the words of each class, as far as the form alone tells."""
    words = lexicon()
    stems = [*(each.stem for each in words.determiners.values()), "kein"]
    verbs = [*words.verbs.values(), *(each.verb for each in words.attitudes.values())]
    forms = [(verb.infinitive, verb.third, verb.first, verb.participle) for verb in verbs]
    joined = [
        tuple(verb.prefix + form for form in (verb.third, verb.infinitive))
        for verb in verbs
        if verb.prefix
    ]
    nouns = [(each.german, each.german_plural, each.genitive) for each in words.nouns.values()]
    adjectives = [(each.german, each.stem) for each in words.adjectives.values()]
    return {
        "articles": frozenset(stem + ending for stem in stems for ending in _ENDINGS),
        "nouns": frozenset(form for each in nouns for form in each),
        "verbs": frozenset(form for each in (*forms, *joined) for form in each) | _AUXILIARIES,
        "adjectives": frozenset(
            form + ending for each in adjectives for form in each for ending in _ENDINGS
        ),
    }
