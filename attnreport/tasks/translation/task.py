"""The task of learning to translate, for the one training loop there is."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Key

from attnreport.models.translator import PADDING, Translator, TranslatorSizes
from attnreport.tasks.trained import Recipe
from attnreport.tasks.training import Losses, Schedule
from attnreport.tasks.translation.batches import Batch, Languages, bucketed, shuffled_batches
from attnreport.tasks.translation.corpus import Corpus, make_corpus
from attnreport.tasks.translation.evaluation import Quality, measure, sentences_right
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.plan import TranslationPlan
from attnreport.tasks.translation.selection import choose_examples
from attnreport.tasks.translation.vocabulary import Vocabulary

# The code that only this task depends on.
SOURCES = (
    "models/looking.py",
    "models/transformer.py",
    "models/transformer_layers.py",
    "models/translator.py",
    "models/translator_decoding.py",
    "tasks/translation/batches.py",
    "tasks/translation/corpus.py",
    "tasks/translation/evaluation.py",
    "tasks/translation/grammar",
    "tasks/translation/plan.py",
    "tasks/translation/selection.py",
    "tasks/translation/task.py",
    "tasks/translation/vocabulary.py",
)


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was measured about a trained translator, and what it needs to go on.

    Attributes:
        languages: Its vocabularies.
        quality: Its quality on the test sentences.
        examples: Test sentences worth looking at.
    """

    languages: Languages
    quality: Quality
    examples: tuple[SentencePair, ...]

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Findings":
        """The findings that `TranslationTask.facts` put down."""
        source, target = (Vocabulary(tuple(facts[side])) for side in ("source", "target"))
        examples = tuple(
            SentencePair(tuple(english), tuple(german), tuple(tuple(link) for link in links))
            for english, german, links in facts["examples"]
        )
        return cls(Languages(source, target), Quality(**facts["quality"]), examples)


class TranslationTask:
    """Learns to translate the sentences of a plan.

    Args:
        plan: What to learn from, and how.
        languages: The vocabularies, if they are known; so the corpus is only made to train.
    """

    scored = "sentences right"

    def __init__(self, plan: TranslationPlan, languages: Languages | None = None) -> None:
        self.plan = plan
        self._known = languages

    @property
    def schedule(self) -> Schedule:
        """How long and how fast to learn."""
        return self.plan.schedule

    @functools.cached_property
    def corpus(self) -> Corpus:
        """The sentences."""
        return make_corpus(self.plan.corpus, seed=self.schedule.seed)

    @functools.cached_property
    def languages(self) -> Languages:
        """The vocabularies."""
        return self._known or Languages.of(self.corpus.train)

    @functools.cached_property
    def _buckets(self) -> list[Batch]:
        return bucketed(self.corpus.train, self.languages, bucket_widths(self.plan.width))

    def new_model(self, rngs: nnx.Rngs) -> Translator:
        """A translator before any training."""
        sizes = dataclasses.asdict(self.plan.sizes)
        words = len(self.languages.source), len(self.languages.target)
        return Translator(TranslatorSizes(*words, **sizes), rngs=rngs)

    def batches(self, epoch: int) -> list[Batch]:
        """The batches of an epoch, in an order of its own."""
        return shuffled_batches(self._buckets, self.plan.batch, (self.schedule.seed, epoch))

    def loss(self, model: Translator, batch: Batch, key: Key[Array, ""]) -> Losses:
        """Mean cross-entropy of real words in nats, and share of them that are right."""
        target = jnp.asarray(batch.target)
        logits = model(jnp.asarray(batch.source), target)
        real = target != PADDING
        count = real.sum()
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, target)
        right = (logits.argmax(axis=-1) == target) & real
        return Losses(jnp.where(real, losses, 0.0).sum() / count, right.sum() / count)

    def score(self, model: Translator) -> float:
        """Share of validation sentences that are translated word for word."""
        pairs = self.corpus.validation
        return float(sentences_right(model, self.languages, pairs, self.plan.width).mean())

    def facts(self, model: Translator) -> dict[str, Any]:
        """Vocabularies, quality on the test sentences, and some of these; see `Findings`."""
        pairs, width = self.corpus.test, self.plan.width
        right = sentences_right(model, self.languages, pairs, width)
        quality = measure(model, self.languages, pairs, width, right)
        examples = choose_examples(pairs, right.tolist())
        return {
            "source": self.languages.source.words,
            "target": self.languages.target.words,
            "quality": dataclasses.asdict(quality),
            "examples": [(pair.english, pair.german, pair.links) for pair in examples],
        }


def translation_recipe(plan: TranslationPlan) -> Recipe[Translator]:
    """How to come by the translator of a plan."""

    def task(facts: Mapping[str, Any] | None) -> TranslationTask:
        return TranslationTask(plan, Findings.of(facts).languages if facts else None)

    return Recipe("translation", plan, SOURCES, task)


def bucket_widths(longest: int) -> tuple[int, ...]:
    """Widths of batches for English sentences of up to `longest` words, end marker included."""
    return (*(width for width in (8, 12) if width < longest), longest)
