"""Shows on standard error how training goes."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from attnreport.tasks.training import Losses

# Reading a number waits for its step. Doing it for every step would slow training down; doing it
# for none would let steps pile up, which an interrupt would then have to wait for.
_EVERY = 20


class TrainingProgress:
    """A bar with loss, validation score and time left. Use it in a `with` statement.

    Args:
        scored: What the validation score is the share of.
        shown: Whether to show it at all.
    """

    def __init__(self, scored: str, *, shown: bool) -> None:
        self._bar = Progress(
            TextColumn("Training"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}"),
            TextColumn("{task.fields[scored]} {task.fields[score]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not shown,
        )
        self._task = self._bar.add_task("", total=None, loss="–", scored=scored, score="–")
        self._steps = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def begin(self, steps: int, done: int) -> None:
        """Training begins, at `done` of `steps` steps."""
        self._bar.update(self._task, total=steps, completed=done)

    def step(self, losses: Losses) -> None:
        """A step was started."""
        self._steps += 1
        self._bar.advance(self._task)
        if self._steps % _EVERY == 0:
            self._bar.update(self._task, loss=f"{float(losses.loss):.3f}")

    def validated(self, score: float) -> None:
        """A round ended, with this share of the validation data right."""
        self._bar.update(self._task, score=f"{score:.1%}")


def announce(text: str, *, shown: bool) -> None:
    """Prints a line on standard error."""
    if shown:
        Console(stderr=True).print(text, highlight=False, markup=False)
