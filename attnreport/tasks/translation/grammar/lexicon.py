"""Words of the storybook language with their forms, read from the tables beside this file."""

import dataclasses
import functools
from collections.abc import Iterator, Mapping

from attnreport.tasks.translation.grammar.adjectives import ADJECTIVES
from attnreport.tasks.translation.grammar.closed_classes import (
    ADVERBS,
    DETERMINERS,
    DIRECTIONS,
    PREPOSITIONS,
    PRONOUNS,
)
from attnreport.tasks.translation.grammar.nouns import NOUNS
from attnreport.tasks.translation.grammar.verbs import ATTITUDES, MOTION, PLACES, VERBS


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Noun:
    """A noun; `weak` ones take the form of their plural in every case but the nominative."""

    english: str
    english_plural: str
    german: str
    german_plural: str
    genitive: str
    gender: str
    weak: bool
    classes: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Adjective:
    """An adjective; `stem` is the German form that endings are put on.

    Of two adjectives before a noun the one of lower `rank` comes first, in both languages.
    """

    rank: int
    english: str
    german: str
    stem: str
    comparative: tuple[str, str] | None
    classes: frozenset[str]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Verb:
    """A verb with its forms and with what it asks for.

    Attributes:
        english: Base form, third person, participle.
        particle: What follows the English verb, such as `up`; empty without one.
        infinitive: German infinitive, prefix included.
        third: German third person, without its prefix.
        first: German first person; empty where it is not used.
        participle: German participle.
        prefix: The part of a German verb that stands apart from it in main clauses.
        auxiliary: Auxiliary of the perfect, `hat` or `ist`.
        subjects: Classes of nouns that can be its subject.
        objects: Case and classes of each object, in German order.
        places: Preposition and classes of the places it may have.
        place_needed: Whether it must have a place.
        directions: Preposition and classes of its directions; it must have one if there are any.
        companions: Of `with` and `for`, those it may have.
        manner: Kind of the adverbs of manner that fit it; empty for none.
        state: Whether it tells of something that lasts.
    """

    english: tuple[str, str, str]
    particle: str
    infinitive: str
    third: str
    first: str
    participle: str
    prefix: str
    auxiliary: str
    subjects: frozenset[str] = frozenset()
    objects: tuple[tuple[str, frozenset[str]], ...] = ()
    places: tuple[tuple[str, frozenset[str]], ...] = ()
    place_needed: bool = False
    directions: tuple[tuple[str, frozenset[str]], ...] = ()
    companions: tuple[str, ...] = ()
    manner: str = ""
    state: bool = False


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Attitude:
    """A verb that a clause follows: one with `that`, a `question`, or an infinitive with `to`."""

    verb: Verb
    followed_by: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Determiner:
    """A determiner; an empty form is not used.

    Attributes:
        english: Singular form.
        english_plural: Plural form.
        stem: German stem.
        declension: How it and the adjectives after it decline; see
            `attnreport.tasks.translation.grammar.german`.
    """

    english: str
    english_plural: str
    stem: str
    declension: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PersonalPronoun:
    """A pronoun; `person` is `i`, `third` or `plural`."""

    english: tuple[str, str]
    german: tuple[str, str, str]
    person: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Preposition:
    """A preposition and the case it takes in German."""

    english: str
    german: str
    case: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Adverb:
    """An adverb; `links` has for each German word the English words it translates."""

    english: tuple[str, ...]
    german: tuple[str, ...]
    links: tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Lexicon:
    """All words, each table by the English form, or by a name where that is not unique."""

    nouns: Mapping[str, Noun]
    adjectives: Mapping[str, Adjective]
    verbs: Mapping[str, Verb]
    attitudes: Mapping[str, Attitude]
    determiners: Mapping[str, Determiner]
    pronouns: Mapping[str, PersonalPronoun]
    places: Mapping[str, Preposition]
    directions: Mapping[str, Preposition]
    adverbs: Mapping[str, Adverb]


@functools.cache
def lexicon() -> Lexicon:
    """The lexicon that ships with the package. Verbs are named by their German infinitives."""
    prepositions = {row[0][0]: _preposition(row) for row in _rows(PREPOSITIONS)}
    both = {row[0][0]: _preposition(row) for row in _rows(DIRECTIONS)}
    return Lexicon(
        nouns={row[0][0]: _noun(row) for row in _rows(NOUNS)},
        adjectives={row[0][1]: _adjective(row) for row in _rows(ADJECTIVES)},
        verbs={row[1][0]: _verb(row) for row in _rows(VERBS)},
        attitudes={row[1][0]: _attitude(row) for row in _rows(ATTITUDES)},
        determiners={row[0][0] or row[0][1]: _determiner(row) for row in _rows(DETERMINERS)},
        pronouns={row[0][0]: _pronoun(row) for row in _rows(PRONOUNS)},
        places=prepositions,
        directions=prepositions | both,
        adverbs={" ".join(row[0]): _adverb(row) for row in _rows(ADVERBS)},
    )


def _rows(table: str) -> Iterator[list[list[str]]]:
    """The lines of a table, as words between bars; a dash is an empty word."""
    for line in filter(str.strip, table.splitlines()):
        yield [["" if word == "-" else word for word in part.split()] for part in line.split("|")]


def _noun(row: list[list[str]]) -> Noun:
    (singular, plural), (german, german_plural, genitive), (gender,), classes = row
    everything = {singular, *classes}
    if everything & {"person", "animal"}:
        everything.add("being")
    if everything & {"room", "surface", "large", "barrier", "shore", "landmark"}:
        everything.add("place")
    weak = gender.endswith("*")
    return Noun(
        singular,
        plural,
        german,
        german_plural,
        genitive,
        gender[0],
        weak,
        frozenset(everything),
    )


def _adjective(row: list[list[str]]) -> Adjective:
    (rank, english), (german, stem), comparative, classes = row
    pair = (comparative[0], comparative[1]) if len(comparative) == 2 else None
    return Adjective(int(rank), english, german, stem, pair, frozenset(classes))


def _verb(row: list[list[str]]) -> Verb:
    (base, third, participle, particle), german, (prefix, auxiliary), (subjects,), frame = row
    infinitive, german_third, german_participle = german
    words = [word for part in frame if part for word in MOTION.get(part, part).split()]
    macros = [part for part in words if part.rstrip("!") in PLACES]
    return Verb(
        (base, third, participle),
        particle,
        infinitive,
        german_third,
        "",
        german_participle,
        prefix,
        auxiliary,
        subjects=_classes(subjects),
        objects=tuple(_pair(part, ":") for part in words if part.startswith(("acc:", "dat:"))),
        places=tuple(
            _pair(part, ".") for macro in macros for part in PLACES[macro.rstrip("!")].split()
        ),
        place_needed=any(macro.endswith("!") for macro in macros),
        directions=tuple(_pair(part, ".") for part in words if "." in part),
        companions=tuple(part for part in words if part in ("with", "for")),
        manner=next((part[4:] for part in words if part.startswith("how:")), ""),
        state="state" in words,
    )


def _attitude(row: list[list[str]]) -> Attitude:
    (base, third), (infinitive, german_third, first), followed_by = row
    verb = Verb((base, third, ""), "", infinitive, german_third, first, "", "", "hat")
    return Attitude(verb, tuple(followed_by))


def _determiner(row: list[list[str]]) -> Determiner:
    (singular, plural), (stem,), (declension,) = row
    return Determiner(singular, plural, stem, declension)


def _pronoun(row: list[list[str]]) -> PersonalPronoun:
    (subject, other), (nominative, accusative, dative), (person,) = row
    return PersonalPronoun((subject, other), (nominative, accusative, dative), person)


def _preposition(row: list[list[str]]) -> Preposition:
    (english,), (german,), (case,) = row
    return Preposition(english, german, case)


def _adverb(row: list[list[str]]) -> Adverb:
    english, german, links = row
    numbers = tuple(tuple(int(number) for number in link.split(",")) for link in links)
    return Adverb(tuple(english), tuple(german), numbers)


def _pair(text: str, separator: str) -> tuple[str, frozenset[str]]:
    name, classes = text.split(separator)
    return name, _classes(classes)


def _classes(text: str) -> frozenset[str]:
    return frozenset(text.split("/"))
