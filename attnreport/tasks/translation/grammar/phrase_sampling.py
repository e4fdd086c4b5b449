"""Draws random noun phrases, places and pronouns."""

import dataclasses
import functools
from collections.abc import Mapping

from attnreport.tasks.translation.grammar.choosing import Chooser
from attnreport.tasks.translation.grammar.lexicon import Adjective, Determiner, Noun, lexicon
from attnreport.tasks.translation.grammar.trees import (
    Adjunct,
    Couple,
    Nominal,
    NounPhrase,
    Opening,
    Pronoun,
)

PERSONS = frozenset({"being", "person"})

_ADJECTIVES = {
    "rich": {0: 0.36, 1: 0.46, 2: 0.18},
    "plain": {0: 0.72, 1: 0.28},
    "bare": {0: 1.0},
}
_POSSESSIVES = {"my": 0.3, "his": 0.3, "her": 0.25, "our": 0.15}
_SINGULAR = {"the": 0.48, "a": 0.26, "own": 0.16, "this": 0.06, "every": 0.04}
_PERSON = {"the": 0.66, "a": 0.22, "this": 0.08, "every": 0.04}
_PLURAL = {
    "the": 0.43,
    "this": 0.08,
    "all": 0.07,
    "some": 0.09,
    "many": 0.09,
    "two": 0.08,
    "three": 0.06,
    "": 0.1,
}
_KIN = {"own": 0.75, "the": 0.25}
_MASS = {"": 0.55, "the": 0.35, "own": 0.1}
_PLACE = {"the": 0.8, "a": 0.1, "own": 0.05, "this": 0.05}
_SKY = {"the": 1.0}
# What a denied verb can stand with: `every` and `all` would leave open what is denied.
_DENIED = {"the": 0.8, "this": 0.2}
_DENIED_OBJECT = {"the": 0.6, "a": 0.4}


@functools.cache
def nouns_of(classes: frozenset[str]) -> tuple[Noun, ...]:
    """The nouns that are in one of the classes."""
    return tuple(noun for noun in lexicon().nouns.values() if noun.classes & classes)


@functools.cache
def adjectives_of(noun: Noun) -> tuple[Adjective, ...]:
    """The adjectives that fit a noun."""
    every = lexicon().adjectives.values()
    return tuple(adjective for adjective in every if adjective.classes & noun.classes)


class PhraseSampler:
    """Draws phrases with the choices of a Chooser.

    Attributes:
        choose: Makes the choices.
        said: Nouns of the sentence so far, which are not drawn again.
    """

    def __init__(self, choose: Chooser) -> None:
        self.choose = choose
        self.said: set[Noun] = set()

    def noun_phrase(
        self, classes: frozenset[str], style: str = "rich", *, denied: str = "", place: bool = False
    ) -> NounPhrase:
        """A noun of one of the classes with determiner and adjectives.

        Args:
            classes: Classes of nouns.
            style: How many adjectives: `rich`, `plain` or `bare`.
            denied: `subject` or `object` if the clause is denied.
            place: Whether it says where something is.
        """
        noun = self._noun(classes)
        plural = bool(noun.english_plural) and self.choose.chance(0.06 if place else 0.18)
        determiner = self._determiner(noun, plural, denied, place)
        adjectives = self._adjectives(noun, style)
        phrase = NounPhrase(noun, determiner, adjectives, plural)
        named = determiner is not None and determiner.english == "the"
        if not named or denied or not noun.classes & {"thing", "kin"} or self.choose.chance(0.88):
            return phrase
        owner = self._noun(frozenset({"person"}))
        return dataclasses.replace(
            phrase, owner=NounPhrase(owner, determiner, plural=self.choose.chance(0.12))
        )

    def definite(self, classes: frozenset[str], style: str = "plain") -> NounPhrase:
        """A noun of one of the classes that the listener knows: `the king`, `my old friend`."""
        noun = self._noun(classes)
        plural = bool(noun.english_plural) and self.choose.chance(0.15)
        own = "kin" in noun.classes and not self.choose.chance(0.3)
        determiner = self._named("own" if own else "the")
        return NounPhrase(noun, determiner, self._adjectives(noun, style), plural)

    def subject(self, classes: frozenset[str], style: str, *, first: bool, denied: bool) -> Nominal:
        """A noun phrase, two of them, or a pronoun; `first` allows `i`."""
        if classes & PERSONS and self.choose.chance(0.2):
            pronouns = {"he": 0.3, "she": 0.3, "they": 0.15, "we": 0.15, "i": 0.1}
            word = self.choose.weighted(pronouns)
            return Pronoun(lexicon().pronouns["he" if word == "i" and not first else word])
        if not denied and self.choose.chance(0.06):
            return Couple(self.definite(classes, "bare"), self.definite(classes, "bare"))
        return self.noun_phrase(classes, style, denied="subject" if denied else "")

    def object(
        self, classes: frozenset[str], style: str, subject: Nominal | None, denied: bool
    ) -> Nominal:
        """A noun phrase, or a pronoun that is not the subject's."""
        if classes & PERSONS and self.choose.chance(0.16):
            names = ["him", "her", "them", "me", "us"]
            words = [word for word in lexicon().pronouns.values() if word.english[1] in names]
            if isinstance(subject, Pronoun):
                others = {"i": ("we",), "we": ("i",)}.get(subject.word.english[0], ())
                taken = {subject.word.english[0], *others}
                words = [word for word in words if word.english[0] not in taken]
            return Pronoun(self.choose.one(words))
        return self.noun_phrase(classes, style, denied="object" if denied else "")

    def place(
        self, options: tuple[tuple[str, frozenset[str]], ...], style: str, *, direction: bool
    ) -> Adjunct:
        """A preposition and a noun phrase, from pairs of a preposition and classes of nouns."""
        name, classes = self.choose.one(options)
        words = lexicon()
        preposition = (words.directions if direction else words.places)[name]
        return Adjunct(preposition, self.noun_phrase(classes, style, place=True))

    def opening(self, phrase: NounPhrase, commas: bool) -> Opening:
        """The pronoun that opens a relative clause about a noun."""
        if "person" in phrase.noun.classes:
            return Opening(("who", "whom"), phrase.gender)
        return Opening(("which", "which") if commas else ("that", "that"), phrase.gender)

    def again(self, phrase: Nominal) -> Pronoun | None:
        """The pronoun that stands for a phrase already said; None where English has no sure one."""
        words = lexicon().pronouns
        if isinstance(phrase, Couple) or (isinstance(phrase, NounPhrase) and phrase.plural):
            return Pronoun(words["they"])
        if not isinstance(phrase, NounPhrase):
            return None
        if "animal" in phrase.noun.classes:
            return Pronoun(words["it"], phrase.gender)
        if "person" in phrase.noun.classes and phrase.gender != "n":
            return Pronoun(words["he" if phrase.gender == "m" else "she"])
        return None

    def _noun(self, classes: frozenset[str]) -> Noun:
        options = nouns_of(classes)
        noun = self.choose.one(options)
        # Some classes have few nouns, so that one may have to be said twice.
        for _ in range(5):
            if noun not in self.said:
                break
            noun = self.choose.one(options)
        self.said.add(noun)
        return noun

    def _determiner(self, noun: Noun, plural: bool, denied: str, place: bool) -> Determiner | None:
        name = self.choose.weighted(_determiners(noun, plural, denied, place))
        if name == "a" and (plural or "mass" in noun.classes):
            return None
        return self._named(name)

    def _named(self, name: str) -> Determiner | None:
        if name == "own":
            name = self.choose.weighted(_POSSESSIVES)
        return lexicon().determiners[name] if name else None

    def _adjectives(self, noun: Noun, style: str) -> tuple[Adjective, ...]:
        options = adjectives_of(noun)
        count = min(self.choose.weighted(_ADJECTIVES[style]), len(options))
        if count == 0:
            return ()
        first = self.choose.one(options)
        if count == 1:
            return (first,)
        second = self.choose.one(options)
        if first.rank == second.rank:
            return (first,)
        return (first, second) if first.rank < second.rank else (second, first)


def _determiners(noun: Noun, plural: bool, denied: str, place: bool) -> Mapping[str, float]:
    """How likely each determiner is; `a` stands for none where there is no `a`."""
    if "kin" in noun.classes:
        return _KIN
    if denied:
        return _DENIED if denied == "subject" else _DENIED_OBJECT
    if noun.classes & {"sky", "wind"}:
        return _SKY
    if plural:
        return _PLURAL
    if "mass" in noun.classes:
        return _MASS
    if place or "place" in noun.classes:
        return _PLACE
    return _PERSON if "person" in noun.classes else _SINGULAR
