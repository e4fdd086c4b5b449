"""States of a training run on disk: the best one, and the last one to go on from."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy


class Round(NamedTuple):
    """Numbers about one round of training.

    Attributes:
        step: Steps from the start of training to the end of the round.
        loss: Mean loss of its batches.
        accuracy: Mean share of its batches that was right.
        score: Share of the validation data right at its end.
        seconds: How long it took, validation included.
    """

    step: int
    loss: float
    accuracy: float
    score: float
    seconds: float


_SCORE = "validation accuracy"
# What Orbax puts into the names of folders that it has not written to the end.
_UNFINISHED = ".orbax-checkpoint-tmp"


def _score(metrics: Any) -> float:
    return metrics[_SCORE]


class Checkpoints:
    """Keeps the state after the best round and after the last one, with Orbax.

    A state is written beside the others and then renamed, so a crash leaves the old ones. What a
    crash or an interrupt left half written is removed. Use it in a `with` statement.
    """

    def __init__(self, folder: Path) -> None:
        for unfinished in folder.glob(f"*{_UNFINISHED}*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        policy = preservation_policy.AnyPreservationPolicy(
            [
                preservation_policy.LatestN(n=1),
                preservation_policy.BestN(n=1, get_metric_fn=_score),
            ]
        )
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy,
            best_fn=_score,
            best_mode="max",
            enable_async_checkpointing=False,
        )
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._manager.close()

    def save(self, history: Sequence[Round], state: Any) -> None:
        """Keeps a state, with the history of the run up to it, which ends with its score."""
        self._manager.save(
            len(history),
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state),
                history=ocp.args.JsonSave({"rounds": [list(entry) for entry in history]}),
            ),
            metrics={_SCORE: history[-1].score},
        )

    def last(self, like: Any) -> tuple[tuple[Round, ...], Any] | None:
        """History and state to go on from, in the shape of `like`; None without any."""
        return self._restored(self._manager.latest_step(), like)

    def best(self, like: Any) -> tuple[tuple[Round, ...], Any] | None:
        """History up to the state of the highest score, and that state; None without any."""
        return self._restored(self._manager.best_step(), like)

    def _restored(self, number: int | None, like: Any) -> tuple[tuple[Round, ...], Any] | None:
        if number is None:
            return None
        shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), like)
        kept = self._manager.restore(
            number,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(shapes), history=ocp.args.JsonRestore()
            ),
        )
        return tuple(Round(*entry) for entry in kept["history"]["rounds"]), kept["state"]
