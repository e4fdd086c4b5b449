import dataclasses
import signal
from collections.abc import Callable, Iterator

import pytest

from attnreport.models.transformer_layers import TransformerSizes
from attnreport.tasks.training import Schedule
from attnreport.tasks.translation.corpus import CorpusSizes
from attnreport.tasks.translation.grammar.lexicon import lexicon
from attnreport.tasks.translation.grammar.trees import (
    Adjunct,
    Clause,
    NounPhrase,
    Pronoun,
    Statement,
)
from attnreport.tasks.translation.grammar.verb_forms import BE
from attnreport.tasks.translation.plan import RecurrentSizes, TranslationPlan
from tests.tasks.translation.saying import texts


def nominal(text: str) -> NounPhrase | Pronoun:
    """`the old king`, `two black cats`, `him`: a phrase by what it is in English."""
    words = lexicon()
    for pronoun in words.pronouns.values():
        if text in pronoun.english:
            return Pronoun(pronoun)
    *before, last = text.split()
    noun = next(n for n in words.nouns.values() if last in (n.english, n.english_plural))
    plural = last == noun.english_plural
    adjectives = tuple(words.adjectives[word] for word in before if word in words.adjectives)
    article = {"an": "a", "these": "this"}.get(before[0], before[0]) if before else ""
    return NounPhrase(noun, words.determiners.get(article), adjectives, plural)


def clause(subject: str | NounPhrase | Pronoun | None, verb: str, *objects, **options) -> Clause:
    """A clause by English phrases and a German verb.

    `place` is a preposition and a noun phrase, in the dative for a place and in the accusative
    with `direction=True`; `when` and `manner` are adverbs.
    """
    words = lexicon()
    direction = options.pop("direction", False)
    if "place" in options:
        name, _, phrase = options["place"].partition(" ")
        preposition = (words.directions if direction else words.places)[name]
        options["place"] = Adjunct(preposition, nominal(phrase))
    for kind in ("when", "manner"):
        if kind in options:
            options[kind] = words.adverbs[options[kind]]
    attitudes = {name: attitude.verb for name, attitude in words.attitudes.items()}
    found = BE if verb == "sein" else words.verbs.get(verb) or attitudes[verb]
    return Clause(
        nominal(subject) if isinstance(subject, str) else subject,
        found,
        objects=tuple(nominal(each) if isinstance(each, str) else each for each in objects),
        **options,
    )


@pytest.fixture
def usual_interrupts() -> Iterator[None]:
    """Python's own handler, also where the tests run in the background, which ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(name="clause", scope="session")
def clause_fixture() -> Callable[..., Clause]:
    return clause


@pytest.fixture(name="nominal", scope="session")
def nominal_fixture() -> Callable[[str], NounPhrase | Pronoun]:
    return nominal


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache for trained models."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ATTNREPORT_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def small_plan() -> TranslationPlan:
    """A training of a few seconds, which learns little."""
    return TranslationPlan(
        CorpusSizes(train=800, validation=60, test=80, longest=7),
        Schedule(epochs=2),
        RecurrentSizes(embedding=12, hidden=16, scoring=12),
        batch=32,
    )


@pytest.fixture(scope="session")
def transformer_plan(small_plan) -> TranslationPlan:
    """The same with a Transformer of two layers of two heads."""
    sizes = TransformerSizes(features=16, heads=2, layers=2, feed_forward=24)
    return dataclasses.replace(small_plan, sizes=sizes)


@pytest.fixture
def says(clause):
    """English and German of a statement about one clause."""
    return lambda *arguments, front="", **options: texts(
        Statement(clause(*arguments, **options), front)
    )
