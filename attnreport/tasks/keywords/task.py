"""The task of learning what texts are about, for the one training loop there is."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Key

from attnreport.models.text_classifier import MEAN, PADDING, TextClassifier, TextClassifierSizes
from attnreport.recording import Confusion
from attnreport.tasks.keywords.collection import Collection
from attnreport.tasks.keywords.encoding import Encoding, Texts
from attnreport.tasks.keywords.measuring import Measurer, Quality, confusion
from attnreport.tasks.keywords.plan import KeywordsPlan
from attnreport.tasks.shown import shown_examples
from attnreport.tasks.trained import Recipe
from attnreport.tasks.training import Losses, Schedule, new_model

# The code that only this task depends on.
SOURCES = (
    "analysis/trust/faithfulness.py",
    "analysis/examples/ranking.py",
    "models/text_classifier.py",
    "tasks/keywords/collection.py",
    "tasks/keywords/encoding.py",
    "tasks/keywords/folders.py",
    "tasks/keywords/help_topics.py",
    "tasks/keywords/measuring.py",
    "tasks/keywords/plan.py",
    "tasks/keywords/task.py",
    "tasks/keywords/truth.py",
    "tasks/keywords/words.py",
    "tasks/shown.py",
)


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was measured about a trained text classifier.

    Attributes:
        quality: Its quality on the test passages.
        untrained: The same before training, when its weights are random; None where there is no
            attention that is trained.
        confusion: How often it took each label for each.
        right: How many test passages it gave their label.
        shown: Numbers of the test passages that a report shows.
    """

    quality: Quality
    untrained: Quality | None
    confusion: Confusion
    right: int
    shown: tuple[int, ...]

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Findings":
        """The findings that `KeywordsTask.facts` put down."""
        counts = np.array(facts["counts"], dtype=np.int64)
        untrained = facts["untrained"]
        return cls(
            Quality.of(facts["quality"]),
            None if untrained is None else Quality.of(untrained),
            Confusion(tuple(facts["labels"]), counts),
            facts["right"],
            tuple(facts["shown"]),
        )


class KeywordsTask:
    """Learns what passages are about.

    Args:
        plan: How to learn.
        collection: The passages.
    """

    scored = "passages right"

    def __init__(self, plan: KeywordsPlan, collection: Collection) -> None:
        self.plan, self.collection = plan, collection

    @property
    def schedule(self) -> Schedule:
        """How long and how fast to learn."""
        return self.plan.schedule

    @functools.cached_property
    def encoding(self) -> Encoding:
        """Their words and labels."""
        return Encoding.of(self.collection)

    @functools.cached_property
    def _train(self) -> Texts:
        return self.encoding.texts(self.collection.train, self.collection.width)

    def new_model(self, rngs: nnx.Rngs) -> TextClassifier:
        """A text classifier before any training."""
        plan = self.plan
        sizes = TextClassifierSizes(
            len(self.encoding),
            len(self.encoding.labels),
            embedding=plan.embedding,
            scoring=plan.scoring,
            hops=plan.hops,
            dropout=plan.dropout,
            attention=plan.attention,
        )
        return TextClassifier(sizes, rngs=rngs)

    def batches(self, epoch: int) -> list[Texts]:
        """The batches of an epoch; passages that do not fill one are left out of a pass."""
        texts, size = self._train, min(self.plan.batch, len(self._train.words))
        random = np.random.default_rng((self.schedule.seed, epoch))
        orders = [random.permutation(len(texts.words)) for _ in range(self.plan.passes)]
        parts = [
            order[start : start + size]
            for order in orders
            for start in range(0, len(order) - size + 1, size)
        ]
        return [Texts(texts.words[part], texts.labels[part]) for part in parts]

    def loss(self, model: TextClassifier, batch: Texts, key: Key[Array, ""]) -> Losses:
        """Mean cross-entropy in nats, and share of passages right."""
        words = jnp.asarray(batch.words)
        kept = jax.random.bernoulli(key, 1 - self.plan.word_dropout, words.shape)
        logits = model(jnp.where(kept, words, PADDING))
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.labels)
        return Losses(losses.mean(), (logits.argmax(axis=-1) == batch.labels).mean())

    def score(self, model: TextClassifier) -> float:
        """Share of validation passages whose likeliest label is right."""
        passages = self.collection.validation
        right = self.encoding.texts(passages, self.collection.width).labels
        return float((self.measurer(model).read(passages).labels == right).mean())

    def measurer(self, model: TextClassifier) -> Measurer:
        """What measures a model of this task."""
        return Measurer(model, self.encoding, self.collection.titles, self.collection.width)

    def facts(self, model: TextClassifier) -> dict[str, Any]:
        """Quality on the test passages, trained and not, and confusion; see `Findings`."""
        quality, outcomes = self.measurer(model).quality(self.collection.test)
        confused = confusion(self.encoding.labels, outcomes)
        untrained = None if self.plan.attention == MEAN else self._untrained()
        return {
            "quality": dataclasses.asdict(quality),
            "untrained": None if untrained is None else dataclasses.asdict(untrained),
            "labels": confused.labels,
            "counts": confused.counts.tolist(),
            "right": int((outcomes.targets == outcomes.outputs).sum()),
            "shown": shown_examples(*outcomes),
        }

    def _untrained(self) -> Quality:
        """The quality of the model before training."""
        model = new_model(self, self.schedule.seed)
        model.eval()
        return self.measurer(model).quality(self.collection.test)[0]


def keywords_recipe(plan: KeywordsPlan, collection: Collection) -> Recipe[TextClassifier]:
    """How to come by the text classifier of a plan for a collection."""
    return Recipe("keywords", plan, SOURCES, lambda _: KeywordsTask(plan, collection))
