"""Draws random clauses."""

import dataclasses
from collections.abc import Mapping

from attnreport.tasks.translation.grammar.choosing import Chooser
from attnreport.tasks.translation.grammar.closed_classes import FREQUENCIES, MANNERS, TIMES
from attnreport.tasks.translation.grammar.lexicon import Adverb, Noun, Verb, lexicon
from attnreport.tasks.translation.grammar.phrase_sampling import PhraseSampler, adjectives_of
from attnreport.tasks.translation.grammar.trees import (
    Adjunct,
    Clause,
    Description,
    Nominal,
    Pronoun,
    Tense,
)
from attnreport.tasks.translation.grammar.verb_forms import BE, DENIABLE
from attnreport.tasks.translation.grammar.verb_groups import (
    all_verbs,
    verbs_that_extend,
    weather_verbs,
)

Tenses = Mapping[Tense, float]

ANY_TENSE: Tenses = {
    "present": 0.56,
    "perfect": 0.2,
    "future": 0.08,
    "can": 0.05,
    "must": 0.04,
    "wants": 0.04,
    "should": 0.02,
    "may": 0.01,
}
# At the same time as something else, or before it.
RELATED: Tenses = {"present": 0.74, "future": 0.1, "can": 0.08, "must": 0.08}
# Already the case, as a reason is.
GIVEN: Tenses = {"present": 0.68, "perfect": 0.18, "can": 0.05, "must": 0.05, "wants": 0.04}
PRESENT: Tenses = {"present": 1.0}
_LASTING: Tenses = {"present": 0.88, "future": 0.12}
# How many adjectives the noun phrases after the subject have.
_LATER = {"rich": "plain", "plain": "bare", "bare": "bare"}


class ClauseSampler:
    """Draws clauses with the choices of a Chooser.

    A `style` says how rich in adjectives a clause is: `rich`, `plain` or `bare`. `timed` allows an
    adverb of time or frequency, `placed` a place.
    """

    def __init__(self, choose: Chooser) -> None:
        self.choose = choose
        self.phrases = PhraseSampler(choose)

    def clause(
        self,
        style: str,
        verb: Verb | None = None,
        *,
        timed: bool = True,
        placed: bool = True,
        tenses: Tenses = ANY_TENSE,
        pronouns: bool = True,
    ) -> Clause:
        """A clause, about anything or with a given verb.

        Args:
            style: How rich in adjectives.
            verb: Its verb.
            timed: Whether it may have an adverb of time or frequency.
            placed: Whether it may have a place.
            tenses: How likely each tense is; a clause in one of `RELATED` is not denied.
            pronouns: Whether its subject may be a pronoun, or two nouns.
        """
        verb = verb or self.choose.one(all_verbs())
        tense = self._tense(verb, tenses)
        denied = tense in DENIABLE and tenses is ANY_TENSE and self.choose.chance(0.09)
        if pronouns:
            subject = self._subject(verb, tense, style, denied)
        else:
            subject = self.phrases.noun_phrase(
                verb.subjects, style, denied="subject" if denied else ""
            )
        manner = None if denied else self._manner(verb)
        clause = Clause(
            subject,
            verb,
            tense,
            self._objects(verb, _LATER[style], subject, denied=denied, known=manner is not None),
            self._place(verb, _LATER[style]) if placed or verb.directions else None,
            manner,
            negated=denied,
        )
        return self._timed(clause) if timed and not denied else clause

    def with_subject(
        self,
        subject: Nominal,
        verb: Verb,
        style: str,
        *,
        timed: bool = True,
        tenses: Tenses = ANY_TENSE,
    ) -> Clause:
        """A clause with a given subject and verb."""
        tense = self._tense(verb, tenses)
        manner = self._manner(verb)
        later = _LATER[style]
        clause = Clause(
            subject,
            verb,
            tense,
            self._objects(verb, later, subject, denied=False, known=manner is not None),
            self._place(verb, later),
            manner,
        )
        return self._timed(clause) if timed else clause

    def with_object(self, item: Nominal, verb: Verb, style: str, *, timed: bool = True) -> Clause:
        """A clause with a given verb and its one object."""
        tense = self._tense(verb, ANY_TENSE)
        subject = self._subject(verb, tense, style, denied=False)
        clause = Clause(subject, verb, tense, (item,))
        return self._timed(clause) if timed else clause

    def infinitive(self, subject: Nominal | None) -> Clause:
        """An infinitive with something beside it; `subject` is who does it."""
        verb = self.choose.one(verbs_that_extend())
        objects = self._objects(verb, "plain", subject, denied=False, known=False)
        place = self._place(verb, "plain") if verb.directions else None
        return Clause(None, verb, objects=objects, place=place)

    def weather(self) -> Clause:
        """`it rains`, `the sun shines`."""
        verb = self.choose.one(weather_verbs())
        if "weather" in verb.subjects:
            return Clause(Pronoun(lexicon().pronouns["it"]), verb)
        return Clause(self.phrases.noun_phrase(verb.subjects, "bare"), verb)

    def description(self, style: str) -> Clause:
        """`the old house is empty`."""
        general = self.choose.weighted({"being": 0.55, "thing": 0.25, "room": 0.1, "drink": 0.1})
        subject = self.phrases.definite(frozenset({general}), style)
        said = frozenset(adjective.rank for adjective in subject.adjectives)
        return self.described(subject, subject.noun, said, denied=self.choose.chance(0.1))

    def described(
        self,
        subject: Nominal,
        noun: Noun,
        said: frozenset[int] = frozenset(),
        *,
        denied: bool = False,
    ) -> Clause:
        """What the subject is like; `noun` is what it is.

        Args:
            subject: The subject.
            noun: The noun of the subject, or the one its pronoun stands for.
            said: Ranks of adjectives before the noun, which could contradict others of that rank.
            denied: Whether it is not like that.
        """
        options = [word for word in adjectives_of(noun) if word.rank not in said]
        adjective = self.choose.one(options or adjectives_of(noun))
        than = None
        if adjective.comparative and self.choose.chance(0.5):
            general = {"animal", "person", "thing", "room"} & noun.classes
            than = self.phrases.definite(frozenset(general), "bare")
        # Colors and materials have no degrees.
        very = than is None and adjective.rank < 4 and self.choose.chance(0.3)
        return Clause(subject, BE, description=Description(adjective, very, than), negated=denied)

    def _tense(self, verb: Verb, tenses: Tenses) -> Tense:
        if verb.state:
            tenses = _LASTING if tenses is ANY_TENSE else PRESENT
        return self.choose.weighted(tenses)

    def _subject(self, verb: Verb, tense: Tense, style: str, denied: bool) -> Nominal:
        # The lexicon has forms of the first person for few verbs.
        first = tense != "present"
        return self.phrases.subject(verb.subjects, style, first=first, denied=denied)

    def _objects(
        self, verb: Verb, style: str, subject: Nominal | None, *, denied: bool, known: bool
    ) -> tuple[Nominal, ...]:
        """The objects the verb asks for, `known` ones if they must be definite."""
        made: list[Nominal] = []
        for number, (_, classes) in enumerate(verb.objects):
            last = number == len(verb.objects) - 1
            if known or (denied and not last):
                made.append(self.phrases.definite(classes, style))
            elif last and number and denied:
                made.append(self.phrases.noun_phrase(classes, style, denied="object"))
            elif number:
                made.append(self.phrases.noun_phrase(classes, style))
            else:
                made.append(self.phrases.object(classes, style, subject, denied))
        return tuple(made)

    def _place(self, verb: Verb, style: str) -> Adjunct | None:
        if verb.directions:
            return self.phrases.place(verb.directions, style, direction=True)
        if verb.places and (verb.place_needed or self.choose.chance(0.3)):
            return self.phrases.place(verb.places, style, direction=False)
        if verb.companions and self.choose.chance(0.25):
            companions = tuple((name, frozenset({"person"})) for name in verb.companions)
            return self.phrases.place(companions, style, direction=False)
        return None

    def _manner(self, verb: Verb) -> Adverb | None:
        if verb.manner and self.choose.chance(0.2):
            return lexicon().adverbs[self.choose.one(MANNERS[verb.manner])]
        return None

    def _timed(self, clause: Clause) -> Clause:
        """The clause, perhaps with an adverb of frequency or of time that fits its tense."""
        often = FREQUENCIES.get(clause.tense)
        adverbs = lexicon().adverbs
        if often and clause.manner is None and self.choose.chance(0.13):
            return dataclasses.replace(clause, when=adverbs[self.choose.one(often)], often=True)
        if self.choose.chance(0.16):
            times = TIMES.get(clause.tense, TIMES["modal"])
            return dataclasses.replace(clause, when=adverbs[self.choose.one(times)])
        return clause
