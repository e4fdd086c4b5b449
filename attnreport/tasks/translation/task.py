"""The task of learning to translate, for the one training loop there is."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Key

from attnreport.models.translator import PADDING
from attnreport.tasks.trained import Recipe
from attnreport.tasks.training import Losses, Schedule
from attnreport.tasks.translation.batches import Batch, Languages, bucketed, shuffled_batches
from attnreport.tasks.translation.corpus import Corpus, make_corpus
from attnreport.tasks.translation.evaluation import Quality, measure, sentences_right
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.own_data import OwnPairs
from attnreport.tasks.translation.plan import TranslationPlan
from attnreport.tasks.translation.selection import choose_examples
from attnreport.tasks.translation.systems import System, logits, new_system
from attnreport.tasks.translation.trust import Removals, measure_removals
from attnreport.tasks.translation.vocabulary import Vocabulary

# The code that only this task depends on.
SOURCES = (
    "models/looking.py",
    "models/transformer.py",
    "models/transformer_decoding.py",
    "models/transformer_layers.py",
    "models/translator.py",
    "models/translator_decoding.py",
    "tasks/translation/batches.py",
    "tasks/translation/corpus.py",
    "tasks/translation/evaluation.py",
    "tasks/translation/grammar",
    "tasks/translation/own_data.py",
    "tasks/translation/plan.py",
    "tasks/translation/selection.py",
    "tasks/translation/systems.py",
    "tasks/translation/task.py",
    "tasks/translation/trust.py",
    "tasks/translation/vocabulary.py",
)


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was measured about a trained translator, and what it needs to go on.

    Attributes:
        languages: Its vocabularies.
        quality: Its quality on the test sentences.
        examples: Test sentences worth looking at.
        removals: What is left without words and without heads.
    """

    languages: Languages
    quality: Quality
    examples: tuple[SentencePair, ...]
    removals: Removals

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Findings":
        """The findings that `TranslationTask.facts` put down."""
        source, target = (Vocabulary(tuple(facts[side])) for side in ("source", "target"))
        examples = tuple(
            SentencePair(tuple(english), tuple(german), tuple(tuple(link) for link in links))
            for english, german, links in facts["examples"]
        )
        return cls(
            Languages(source, target),
            Quality.of(facts["quality"]),
            examples,
            Removals.of(facts["removals"]),
        )


class TranslationTask:
    """Learns to translate the sentences of a plan.

    Args:
        plan: What to learn from, and how.
        languages: The vocabularies, if they are known; so the corpus is only made to train.
        own: Sentence pairs in place of those that the grammar makes.
    """

    scored = "sentences right"

    def __init__(
        self,
        plan: TranslationPlan,
        languages: Languages | None = None,
        own: OwnPairs | None = None,
    ) -> None:
        self.plan = plan
        self._known, self._own = languages, own

    @property
    def schedule(self) -> Schedule:
        """How long and how fast to learn."""
        return self.plan.schedule

    @functools.cached_property
    def corpus(self) -> Corpus:
        """The sentences."""
        if self._own is not None:
            return self._own.corpus(self.plan)
        return make_corpus(self.plan.corpus, seed=self.schedule.seed)

    @functools.cached_property
    def languages(self) -> Languages:
        """The vocabularies."""
        return self._known or Languages.of(self.corpus.train, most=self.plan.vocabulary)

    @functools.cached_property
    def _buckets(self) -> list[Batch]:
        return bucketed(self.corpus.train, self.languages, self.plan.widths)

    def new_model(self, rngs: nnx.Rngs) -> System:
        """A translator before any training."""
        return new_system(self.plan.sizes, self.languages, rngs)

    def batches(self, epoch: int) -> list[Batch]:
        """The batches of an epoch, in an order of its own."""
        return shuffled_batches(self._buckets, self.plan.batch, (self.schedule.seed, epoch))

    def loss(self, model: System, batch: Batch, key: Key[Array, ""]) -> Losses:
        """Mean cross-entropy of real words in nats, and share of them that are right."""
        target = jnp.asarray(batch.target)
        scores = logits(model, jnp.asarray(batch.source), target)
        real = target != PADDING
        count = real.sum()
        losses = optax.softmax_cross_entropy_with_integer_labels(scores, target)
        right = (scores.argmax(axis=-1) == target) & real
        return Losses(jnp.where(real, losses, 0.0).sum() / count, right.sum() / count)

    def score(self, model: System) -> float:
        """Share of validation sentences that are translated word for word."""
        pairs = self.corpus.validation
        return float(sentences_right(model, self.languages, pairs, self.plan.width).mean())

    def facts(self, model: System) -> dict[str, Any]:
        """Vocabularies, quality on the test sentences, and some of these; see `Findings`."""
        corpus, languages, width = self.corpus, self.languages, self.plan.width
        right = sentences_right(model, languages, corpus.test, width)
        quality = measure(
            model,
            languages,
            validation=corpus.validation,
            test=corpus.test,
            width=width,
            right=right,
        )
        examples = choose_examples(corpus.test, right.tolist())
        return {
            "source": languages.source.words,
            "target": languages.target.words,
            "quality": dataclasses.asdict(quality),
            "examples": [(pair.english, pair.german, pair.links) for pair in examples],
            "removals": dataclasses.asdict(
                measure_removals(model, languages, corpus.test[: self.plan.removals], width)
            ),
        }


def translation_recipe(plan: TranslationPlan, own: OwnPairs | None = None) -> Recipe[System]:
    """How to come by the translator of a plan, trained on its own sentence pairs if given."""

    def task(facts: Mapping[str, Any] | None) -> TranslationTask:
        return TranslationTask(plan, Findings.of(facts).languages if facts else None, own)

    return Recipe("translation", plan, SOURCES, task)
