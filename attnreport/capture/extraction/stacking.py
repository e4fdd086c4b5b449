"""The loops around weights as axes of what is taken out: how long, and which of them are layers."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attnreport.capture.program.jaxprs import Path
from attnreport.capture.program.trip_counts import largest_count
from attnreport.capture.roles.layouts import CANONICAL
from attnreport.capture.roles.loops import FOLDED, MERGED, Loop
from attnreport.capture.roles.sites import Site


@dataclasses.dataclass(frozen=True)
class Stacking:
    """The loops around an attention.

    Attributes:
        loops: The loops, outermost first.
        lengths: How many iterations of each are kept.
        front: Places of the loops that are axes of the weights, not joined to one of theirs.
        layers: Places of the loops whose iterations are layers: all in front but the steps of a
            decoder that asks one question a step.
    """

    loops: tuple[Loop, ...]
    lengths: tuple[int, ...]
    front: tuple[int, ...]
    layers: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many layers there are."""
        return math.prod(self.lengths[place] for place in self.layers)

    def heads(self, iteration: int) -> int:
        """How many heads there are.

        Args:
            iteration: How many there are in one iteration.
        """
        pairs = zip(self.loops, self.lengths, strict=True)
        return iteration * math.prod(length for loop, length in pairs if loop.role == "head")

    def axes(self, *, cut: bool) -> tuple[str, ...]:
        """Names of the axes of canonical weights.

        Args:
            cut: Whether only some layers are left, on one axis.
        """
        names = [str(self.loops[place].role) for place in self.front]
        if cut and len(self.layers) > 1:
            names = ["layer", *(self.loops[p].role for p in self.front if p not in self.layers)]
            first = self.front.index(self.layers[0])
            names = [*names[1 : first + 1], names[0], *names[first + 1 :]]
        return (*names, *CANONICAL)

    def shape(self, iteration: Sequence[int], layers: int) -> tuple[int, ...]:
        """Shape of canonical weights.

        Args:
            iteration: That of one iteration, `[batch, head, query, key]`.
            layers: How many layers are left.
        """
        sizes = list(iteration)
        for loop, length in zip(self.loops, self.lengths, strict=True):
            if loop.role in MERGED:
                sizes[MERGED.index(loop.role)] *= length
        front = [self.lengths[place] for place in self.front]
        if layers < self.count:
            first = self.front.index(self.layers[0])
            rest = [self.lengths[p] for p in self.front if p not in self.layers]
            front = [*rest[:first], layers, *rest[first:]]
        return (*front, *sizes)

    def cut(self, tree: Any, kept: Sequence[int], present: Sequence[int]) -> Any:
        """Arrays with only some of the layers.

        Args:
            tree: Arrays with an axis in front for each loop of `present`.
            kept: Places of the layers to keep.
            present: Places of loops; all that are layers are among them.
        """
        if len(kept) == self.count:
            return tree
        axes = [list(present).index(place) for place in self.layers]
        first = axes[0]
        joined = range(first, first + len(axes))

        def cut(array: Any) -> jax.Array:
            moved = jnp.moveaxis(array, axes, joined)
            shape = moved.shape
            flat = moved.reshape(*shape[:first], self.count, *shape[first + len(axes) :])
            return jnp.take(flat, np.asarray(kept), axis=first, mode="clip")

        return jax.tree.map(cut, tree)


def stacking_of(closed: Any, site: Site, steps: int | None) -> Stacking:
    """The loops around an attention of a program.

    Args:
        closed: The program.
        site: The attention.
        steps: How many iterations to keep of a loop whose text does not tell.
    """
    lengths = tuple(_length(closed, loop, steps) for loop in site.loops)
    front = tuple(n for n, loop in enumerate(site.loops) if loop.role not in FOLDED)
    queries = site.layout.shape[2] * math.prod(
        length for loop, length in zip(site.loops, lengths, strict=True) if loop.role == "query"
    )
    step = next((n for n in front if site.loops[n].role == "step" and queries == 1), None)
    return Stacking(site.loops, lengths, front, tuple(n for n in front if n != step))


def unbounded(closed: Any, loop: Loop) -> bool:
    """Whether only running tells how often a loop runs."""
    is_while = loop.path[-1:] == ("body",)
    return is_while and loop.length is None and largest_count(closed, loop.path[:-1]) is None


def bounds(closed: Any, sites: Sequence[Site], steps: int | None) -> dict[Path, int] | None:
    """How many iterations to keep of the loops whose text does not tell; None if nobody says."""
    if steps is None:
        return None
    loops = {loop for site in sites for loop in site.loops}
    return {loop.path: steps for loop in loops if unbounded(closed, loop)}


def _length(closed: Any, loop: Loop, steps: int | None) -> int:
    if loop.length is not None:
        return loop.length
    return largest_count(closed, loop.path[:-1]) or steps or 1
