"""Takes lines away from a program as long as it still fails."""

import time
from collections.abc import Callable, Iterator, Sequence

from attnreport.capture.reproduction.sketch import Line, Sketch

Fails = Callable[[Sketch], bool]


def shrunk(sketch: Sketch, fails: Fails, *, seconds: float) -> Sketch:
    """A small part of a program that fails like the whole.

    Lines are taken away by halves, then by quarters and so on, until no single one can go
    (Zeller and Hildebrandt 2002, "Simplifying and Isolating Failure-Inducing Input"). Loops and
    branches give way to one run of what is in them, if that fails too.

    Args:
        sketch: The program, which fails.
        fails: Whether a part of it fails in the same way.
        seconds: When to stop, however far it is.
    """
    limit = time.monotonic() + seconds

    def still(part: Sketch) -> bool:
        return time.monotonic() < limit and fails(part)

    smaller = _fewer_lines(sketch, still)
    opened = next((each for each in _opened(smaller) if still(each)), None)
    while opened is not None:
        smaller = _fewer_lines(opened, still)
        opened = next((each for each in _opened(smaller) if still(each)), None)
    return smaller


def _opened(sketch: Sketch) -> Iterator[Sketch]:
    for line in sketch.lines:
        for body in line.bodies:
            yield sketch.opened(line, body)


def _fewer_lines(sketch: Sketch, fails: Fails) -> Sketch:
    """The program without each line that it fails without."""
    parts = 2
    while len(sketch.lines) > 1:
        pieces = _pieces(sketch.lines, parts)
        rest = ([line for line in sketch.lines if line not in set(piece)] for piece in pieces)
        smaller = next((part for lines in rest if fails(part := sketch.only(set(lines)))), None)
        if smaller is not None:
            sketch, parts = smaller, max(parts - 1, 2)
        elif parts >= len(sketch.lines):
            break
        else:
            parts = min(2 * parts, len(sketch.lines))
    return sketch


def _pieces(lines: Sequence[Line], count: int) -> Iterator[Sequence[Line]]:
    """The lines in so many pieces, the last first: what comes after a failure is of no use."""
    size = -(-len(lines) // count)
    starts = range(0, len(lines), size)
    return (lines[start : start + size] for start in reversed(starts))
