"""English and German sentences for training, validation and test, made by a seeded grammar."""

import dataclasses
import random
from collections.abc import Iterator

from attnreport.tasks.translation.grammar import (
    Chooser,
    SentencePair,
    SentenceSampler,
    sentence_pair,
)
from attnreport.tasks.translation.grammar.lexicon import lexicon
from attnreport.tasks.translation.grammar.trees import Adjunct, Clause, NounPhrase, Statement


@dataclasses.dataclass(frozen=True)
class CorpusSizes:
    """How much to make, and how long sentences are.

    Attributes:
        train: Number of sentence pairs to learn from.
        validation: Number of pairs that decide which state of the model is kept.
        test: Number of pairs that measure the model that was kept.
        shortest: Fewest English words of a sentence, punctuation included.
        longest: Most English words, and most German words less one, punctuation included.
    """

    train: int = 40_000
    validation: int = 1_000
    test: int = 2_000
    shortest: int = 5
    longest: int = 16


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Sentence pairs; no English sentence occurs twice, in one part or in two."""

    train: tuple[SentencePair, ...]
    validation: tuple[SentencePair, ...]
    test: tuple[SentencePair, ...]


def make_corpus(sizes: CorpusSizes | None = None, *, seed: int = 0) -> Corpus:
    """The corpus of a seed: the same sentences on every machine.

    Some sentences of the language are held out of all three parts; see `held_out_pairs`.
    """
    sizes = sizes or CorpusSizes()
    pairs = _distinct_pairs(sizes, seed)
    parts = (
        tuple(next(pairs) for _ in range(count))
        for count in (sizes.train, sizes.validation, sizes.test)
    )
    return Corpus(*parts)


def held_out_pairs() -> tuple[SentencePair, ...]:
    """Sentences of the language that no corpus contains.

    It is one: *the quick brown fox jumps over the lazy dog*, *der schnelle braune fuchs springt
    über den faulen hund*.
    """
    words = lexicon()
    the = words.determiners["the"]
    adjective = words.adjectives
    fox = NounPhrase(words.nouns["fox"], the, (adjective["quick"], adjective["brown"]))
    dog = NounPhrase(words.nouns["dog"], the, (adjective["lazy"],))
    over = Adjunct(words.directions["over"], dog)
    return (sentence_pair(Statement(Clause(fox, words.verbs["springen"], place=over))),)


def _distinct_pairs(sizes: CorpusSizes, seed: int) -> Iterator[SentencePair]:
    sampler = SentenceSampler(Chooser(random.Random(seed).random))
    seen = {pair.english for pair in held_out_pairs()}
    while True:
        pair = sentence_pair(sampler.sentence())
        fits = sizes.shortest <= len(pair.english) <= sizes.longest
        if fits and len(pair.german) <= sizes.longest + 1 and pair.english not in seen:
            seen.add(pair.english)
            yield pair
