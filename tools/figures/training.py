"""Trains the small models of the figures with the package's own trainer."""

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from attnreport.tasks.training import Losses, Schedule, Trainer

Model = TypeVar("Model", bound=nnx.Module)


class Unwatched:
    """Nobody is told how training goes."""

    def begin(self, steps: int, done: int) -> None:
        """Training begins."""

    def step(self, losses: Losses) -> None:
        """A step was started."""

    def validated(self, score: float) -> None:
        """A round ended."""


@dataclasses.dataclass(frozen=True)
class Labeling:
    """Inputs whose labels a model learns; a label below 0 does not count.

    Attributes:
        maker: Makes the model, of which a call gives `(scores, weights)`.
        train: Inputs and labels to learn from.
        test: Inputs and labels that decide which round is kept, and that are reported.
        schedule: How long and how fast.
        size: Examples of a batch.
    """

    maker: Any
    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    schedule: Schedule
    size: int = 64

    @property
    def scored(self) -> str:
        """What the score is the share of."""
        return "labels right"

    def new_model(self, rngs: nnx.Rngs) -> Any:
        """A model before training."""
        return self.maker(rngs)

    def batches(self, epoch: int) -> Sequence[tuple[np.ndarray, np.ndarray]]:
        """Batches in an order that depends on the epoch."""
        order = np.random.default_rng([self.schedule.seed, epoch]).permutation(len(self.train[0]))
        whole = len(order) // self.size * self.size
        rows = order[:whole].reshape(-1, self.size)
        return [(self.train[0][row], self.train[1][row]) for row in rows]

    def loss(self, model: Any, batch: Any, key: jax.Array) -> Losses:
        """Cross-entropy, and the share of labels that are right."""
        del key  # nothing else is drawn at random
        inputs, labels = batch
        scores, _ = model(inputs)
        counted = labels >= 0
        every = optax.softmax_cross_entropy_with_integer_labels(scores, jnp.maximum(labels, 0))
        right = scores.argmax(axis=-1) == labels
        total = counted.sum()
        return Losses((every * counted).sum() / total, (right & counted).sum() / total)

    def score(self, model: Any) -> float:
        """The share of the test's labels that are right."""
        inputs, labels = self.test
        scores, _ = nnx.jit(lambda model, inputs: model(inputs))(model, inputs)
        counted = labels >= 0
        return float((np.asarray(scores.argmax(axis=-1)) == labels)[counted].mean())


def trained(task: Labeling) -> tuple[Any, float]:
    """The best model of a training, and its share of right labels."""
    done = Trainer(task).train(None, Unwatched())
    return done.model, max(entry.score for entry in done.history)
