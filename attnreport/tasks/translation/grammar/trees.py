"""What a sentence of the storybook language is made of, before it is put into words.

A tree says everything that both languages need; the words and their order follow from it. So each
tree is one English sentence and one German sentence, and the links between their words are known.
"""

import dataclasses
from typing import Literal

from attnreport.tasks.translation.grammar.lexicon import (
    Adjective,
    Adverb,
    Determiner,
    Noun,
    PersonalPronoun,
    Preposition,
    Verb,
)

Tense = Literal["present", "perfect", "future", "can", "must", "wants", "should", "may"]


@dataclasses.dataclass(frozen=True, slots=True)
class Relative:
    """A clause about a noun; the place of the noun in it is taken by an `Opening`.

    Attributes:
        clause: The clause.
        commas: Whether English sets it off with commas (*the king, who …*), as German always does.
    """

    clause: "Clause"
    commas: bool


@dataclasses.dataclass(frozen=True, slots=True)
class NounPhrase:
    """A noun with what stands around it."""

    noun: Noun
    determiner: Determiner | None
    adjectives: tuple[Adjective, ...] = ()
    plural: bool = False
    owner: "NounPhrase | None" = None
    relative: Relative | None = None

    @property
    def gender(self) -> str:
        """Gender of the noun, or `p` in the plural."""
        return "p" if self.plural else self.noun.gender


@dataclasses.dataclass(frozen=True, slots=True)
class Couple:
    """Two noun phrases joined by `and`."""

    first: NounPhrase
    second: NounPhrase


@dataclasses.dataclass(frozen=True, slots=True)
class Pronoun:
    """A pronoun. `gender` is that of the noun an `it` stands for; empty when it is not needed."""

    word: PersonalPronoun
    gender: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Opening:
    """A pronoun that opens its clause: of a relative clause, or of a question for who or what.

    Attributes:
        english: Its form as a subject and as an object.
        gender: That of the noun it stands for; in a question `m` for a person, `n` for a thing.
        question: Whether it asks.
    """

    english: tuple[str, str]
    gender: str
    question: bool = False


Nominal = NounPhrase | Couple | Pronoun | Opening


@dataclasses.dataclass(frozen=True, slots=True)
class Adjunct:
    """A preposition with a noun phrase: a place, a direction, a companion."""

    preposition: Preposition
    phrase: NounPhrase


@dataclasses.dataclass(frozen=True, slots=True)
class Description:
    """What the subject is like: *very tired*, *quicker than the hare*."""

    adjective: Adjective
    very: bool = False
    than: NounPhrase | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Clause:
    """A verb with its subject, objects and adverbials.

    Attributes:
        subject: None in an infinitive.
        verb: The verb; that of a description is `BE` of
            `attnreport.tasks.translation.grammar.verb_forms`.
        tense: Present, perfect, future, or the modal verb.
        objects: As many as the verb asks for.
        place: Where, where to, or with whom.
        manner: How.
        when: An adverb of time or frequency.
        often: Whether `when` is one of frequency, which English puts before the verb.
        negated: Whether it is denied.
        description: What the subject is like, with the verb `BE`.
    """

    subject: Nominal | None
    verb: Verb
    tense: Tense = "present"
    objects: tuple[Nominal, ...] = ()
    place: Adjunct | None = None
    manner: Adverb | None = None
    when: Adverb | None = None
    often: bool = False
    negated: bool = False
    description: Description | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Statement:
    """A main clause; `front` is what stands before its verb in German instead of the subject."""

    clause: Clause
    front: Literal["", "when", "place"] = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """A question; `word` is empty when it asks for yes or no, or when the clause has an Opening."""

    clause: Clause
    word: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Linked:
    """A main clause and a subordinate clause, which comes first when `fronted`."""

    main: Clause
    conjunction: str
    subordinate: Clause
    fronted: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Reported:
    """A main clause whose verb is followed by `that` or a question word and a clause."""

    main: Clause
    word: str
    content: Clause


@dataclasses.dataclass(frozen=True, slots=True)
class WithInfinitive:
    """A main clause and an infinitive, which tells its purpose or completes its verb."""

    main: Clause
    infinitive: Clause
    purpose: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Joined:
    """Two main clauses joined by `and` or `but`."""

    first: Clause
    word: str
    second: Clause


Sentence = Statement | Question | Linked | Reported | WithInfinitive | Joined
