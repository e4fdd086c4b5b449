"""A task that is learned in a moment: which of some numbers is the largest."""

import dataclasses
from typing import Any

import numpy as np
import optax
from flax import nnx

from attnreport.tasks.trained import Recipe
from attnreport.tasks.training import Losses, Schedule

NUMBERS = 5


@dataclasses.dataclass(frozen=True)
class ComparingPlan:
    """What there is to vary."""

    schedule: Schedule = dataclasses.field(
        default_factory=lambda: Schedule(epochs=4, learning_rate=0.05)
    )
    dropout: float = 0.0


class Comparer(nnx.Module):
    """Scores the numbers, after dropping some."""

    def __init__(self, dropout: float, rngs: nnx.Rngs) -> None:
        self.dropout = nnx.Dropout(dropout, rngs=rngs)
        self.scores = nnx.Linear(NUMBERS, NUMBERS, rngs=rngs)

    def __call__(self, numbers):
        return self.scores(self.dropout(numbers))


class Comparing:
    """The task; `made` counts how often data were made."""

    scored = "largest found"
    made = 0

    def __init__(self, plan: ComparingPlan) -> None:
        self.plan = plan
        self.keys = []

    @property
    def schedule(self) -> Schedule:
        return self.plan.schedule

    def new_model(self, rngs: nnx.Rngs) -> Comparer:
        return Comparer(self.plan.dropout, rngs)

    def batches(self, epoch: int) -> list[dict[str, np.ndarray]]:
        type(self).made += 1
        random = np.random.default_rng((self.schedule.seed, epoch))
        numbers = random.normal(size=(10, 16, NUMBERS)).astype(np.float32)
        return [{"numbers": part, "largest": part.argmax(axis=1)} for part in numbers]

    def loss(self, model: Comparer, batch: Any, key: Any) -> Losses:
        scores = model(batch["numbers"])
        losses = optax.softmax_cross_entropy_with_integer_labels(scores, batch["largest"])
        return Losses(losses.mean(), (scores.argmax(axis=1) == batch["largest"]).mean())

    def score(self, model: Comparer) -> float:
        numbers = np.random.default_rng(99).normal(size=(200, NUMBERS)).astype(np.float32)
        return float((model(numbers).argmax(axis=1) == numbers.argmax(axis=1)).mean())

    def facts(self, model: Comparer) -> dict[str, Any]:
        return {"score": self.score(model), "numbers": (NUMBERS,)}


def comparing_recipe(plan: ComparingPlan) -> Recipe[Comparer]:
    return Recipe("comparing", plan, (), lambda facts: Comparing(plan))
