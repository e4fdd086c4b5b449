"""Draws random sentences of the storybook language."""

import dataclasses
from collections.abc import Callable

from attnreport.tasks.translation.grammar.choosing import Chooser
from attnreport.tasks.translation.grammar.clause_sampling import (
    ANY_TENSE,
    GIVEN,
    PRESENT,
    RELATED,
    ClauseSampler,
    Tenses,
)
from attnreport.tasks.translation.grammar.lexicon import Attitude, lexicon
from attnreport.tasks.translation.grammar.trees import (
    Clause,
    Joined,
    Linked,
    NounPhrase,
    Opening,
    Question,
    Relative,
    Reported,
    Sentence,
    Statement,
    WithInfinitive,
)
from attnreport.tasks.translation.grammar.verb_groups import (
    all_verbs,
    verbs_of_motion,
    verbs_somewhere,
    verbs_with_object,
    verbs_with_subject,
)

_PERSONS = frozenset({"being", "person"})
_THINGS = frozenset({"thing", "food"})
_BEINGS = frozenset({"being", "person", "animal", "prey", "singer"})
_KINDS = {
    "statement": 0.4,
    "description": 0.06,
    "question": 0.1,
    "relative": 0.13,
    "linked": 0.13,
    "reported": 0.08,
    "infinitive": 0.06,
    "joined": 0.04,
}
_TOGETHER: Tenses = {"present": 0.8, "perfect": 0.2}
_CONJUNCTIONS = {
    "because": 0.26,
    "although": 0.15,
    "while": 0.15,
    "when": 0.24,
    "before": 0.1,
    "until": 0.1,
}


class SentenceSampler:
    """Draws sentences with the choices of a Chooser."""

    def __init__(self, choose: Chooser) -> None:
        self.choose = choose
        self.clauses = ClauseSampler(choose)
        self._makers: dict[str, Callable[[], Sentence]] = {
            "statement": self._statement,
            "description": self._description,
            "question": self._question,
            "relative": self._relative,
            "linked": self._linked,
            "reported": self._reported,
            "infinitive": self._infinitive,
            "joined": self._joined,
        }

    def sentence(self) -> Sentence:
        """A random sentence."""
        self.clauses.phrases.said.clear()
        return self._makers[self.choose.weighted(_KINDS)]()

    def _statement(self) -> Statement:
        clause = self.clauses.clause("rich")
        if clause.when is not None and not clause.often and self.choose.chance(0.45):
            return Statement(clause, "when")
        if clause.place is not None and clause.verb.places and self.choose.chance(0.1):
            return Statement(clause, "place")
        return Statement(clause)

    def _description(self) -> Statement:
        return Statement(self.clauses.description("plain"))

    def _question(self) -> Question:
        kind = self.choose.weighted({"": 0.42, "who": 0.16, "whom": 0.14, "what": 0.1, "wh": 0.18})
        if kind == "":
            return Question(self.clauses.clause("plain"))
        if kind == "wh":
            return self._adverbial_question()
        if kind == "who":
            opening = Opening(("who", "whom"), "m", question=True)
            verb = self.choose.one(verbs_with_subject(_PERSONS))
            return Question(self.clauses.with_subject(opening, verb, "plain"))
        if kind == "whom":
            opening = Opening(("who", "whom"), "m", question=True)
            verb = self.choose.one(verbs_with_object(_PERSONS))
        else:
            opening = Opening(("what", "what"), "n", question=True)
            verb = self.choose.one(verbs_with_object(_THINGS))
        return Question(self.clauses.with_object(opening, verb, "plain"))

    def _adverbial_question(self) -> Question:
        word = self.choose.one(("where", "when", "why"))
        if word == "where":
            verb = self.choose.one(verbs_somewhere())
            return Question(self.clauses.clause("plain", verb, placed=False), word)
        return Question(self.clauses.clause("plain", timed=word == "why"), word)

    def _relative(self) -> Statement:
        if self.choose.chance(0.5):
            verb = self.choose.one(all_verbs())
            subject = self._with_relative(verb.subjects, commas=True)
            return Statement(self.clauses.with_subject(subject, verb, "bare", timed=False))
        verb = self.choose.one(verbs_with_object(_BEINGS))
        item = self._with_relative(verb.objects[0][1] & _BEINGS, commas=False)
        return Statement(self.clauses.with_object(item, verb, "bare", timed=False))

    def _with_relative(self, classes: frozenset[str], commas: bool) -> NounPhrase:
        phrase = self.clauses.phrases.definite(classes)
        opening = self.clauses.phrases.opening(phrase, commas)
        if self.choose.chance(0.4):
            verb = self.choose.one(verbs_with_object(phrase.noun.classes))
            clause = self.clauses.with_object(opening, verb, "bare", timed=False)
        else:
            verb = self.choose.one(verbs_with_subject(phrase.noun.classes))
            clause = self.clauses.with_subject(opening, verb, "bare", timed=False)
        return dataclasses.replace(phrase, relative=Relative(clause, commas))

    def _linked(self) -> Linked:
        conjunction = self.choose.weighted(_CONJUNCTIONS)
        reason = conjunction in ("because", "although")
        fronted = conjunction != "until" and self.choose.chance(0.35)
        first_tenses, other_tenses = (ANY_TENSE, GIVEN) if reason else (RELATED, PRESENT)
        if fronted:
            first_tenses, other_tenses = other_tenses, first_tenses
        # What goes on until something happens is something that lasts.
        verb = self.choose.one(verbs_somewhere()) if conjunction == "until" else None
        kind = self.choose.weighted({"other": 0.3, "weather": 0.25, "same": 0.45})
        if kind == "weather":
            tenses = ANY_TENSE if reason else RELATED
            main = self.clauses.clause("plain", verb, timed=False, tenses=tenses)
            return Linked(main, conjunction, self.clauses.weather(), fronted)
        first = self.clauses.clause("plain", verb, timed=False, tenses=first_tenses)
        second = self._second(first, other_tenses, kind == "same", conjunction, fronted)
        if fronted:
            return Linked(second, conjunction, first, fronted)
        return Linked(first, conjunction, second)

    def _second(
        self, first: Clause, tenses: Tenses, same: bool, conjunction: str, fronted: bool
    ) -> Clause:
        """A clause that follows another one, about the `same` subject if a pronoun can name it."""
        subject = first.subject
        again = self.clauses.phrases.again(subject) if same and subject is not None else None
        # After an object it would be open whom the pronoun means.
        if again is None or (fronted and first.objects):
            return self.clauses.clause("bare", timed=False, tenses=tenses, pronouns=False)
        classes = _PERSONS
        if isinstance(subject, NounPhrase):
            classes = subject.noun.classes
            state = conjunction in ("because", "although", "when") and not fronted
            if state and self.choose.chance(0.45):
                return self.clauses.described(again, subject.noun)
        verb = self.choose.one(verbs_with_subject(classes))
        return self.clauses.with_subject(again, verb, "bare", timed=False, tenses=tenses)

    def _reported(self) -> Reported:
        attitude = self.choose.one(_attitudes("that", "question"))
        asked = "question" in attitude.followed_by
        if asked and "that" in attitude.followed_by:
            asked = self.choose.chance(0.5)
        main = self._attitude_clause(attitude, denied=self.choose.chance(0.12))
        word = self.choose.one(("whether", "where", "why", "when")) if asked else "that"
        if word == "where":
            verb = self.choose.one(verbs_somewhere())
            return Reported(main, word, self.clauses.clause("plain", verb, placed=False))
        if self.choose.chance(0.15):
            return Reported(main, word, self.clauses.description("plain"))
        return Reported(main, word, self.clauses.clause("plain", timed=word != "when"))

    def _attitude_clause(self, attitude: Attitude, denied: bool = False) -> Clause:
        subject = self.clauses.phrases.subject(_PERSONS, "bare", first=True, denied=denied)
        return Clause(subject, attitude.verb, negated=denied)

    def _infinitive(self) -> WithInfinitive:
        if self.choose.chance(0.35):
            verb = self.choose.one(verbs_of_motion())
            main = self.clauses.clause("bare", verb, timed=False)
            return WithInfinitive(main, self.clauses.infinitive(main.subject), purpose=True)
        main = self._attitude_clause(self.choose.one(_attitudes("to")))
        return WithInfinitive(main, self.clauses.infinitive(main.subject), purpose=False)

    def _joined(self) -> Joined:
        first, second = (
            self.clauses.clause("bare", timed=False, tenses=_TOGETHER, pronouns=False)
            for _ in range(2)
        )
        return Joined(first, self.choose.weighted({"and": 0.6, "but": 0.4}), second)


def _attitudes(*kinds: str) -> tuple[Attitude, ...]:
    every = lexicon().attitudes.values()
    return tuple(attitude for attitude in every if set(kinds) & set(attitude.followed_by))
