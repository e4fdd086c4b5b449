"""What the dimensions of weights mean: batch, head, query, key."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from attnreport.capture.dimensions.factors import Axis, Factor, ancestry, canonical, stems_from
from attnreport.capture.roles.projections import Projection

Role = Literal["batch", "head", "query", "key"]


@dataclasses.dataclass(frozen=True)
class Layout:
    """How to bring weights into the order batch, head, query, key.

    Attributes:
        sizes: The weights' axes in their finest dimensions.
        order: The dimension for each place, batch first.
        shape: Batch, head, query and key.
        batch: What the batch is made of, outermost first: models that run side by side or copies of
            all examples, examples, and parts of an example, such as the windows of a picture.
    """

    sizes: tuple[int, ...]
    order: tuple[int, ...]
    shape: tuple[int, int, int, int]
    batch: tuple[int, int, int]


@dataclasses.dataclass(frozen=True, eq=False)
class Roles:
    """The role of every dimension of weights, and what was guessed.

    Attributes:
        of: The roles.
        fallbacks: What was guessed, in sentences.
        query_projection: What made the queries; None if nothing did.
        key_projection: What made the keys; None if nothing did.
        heads: The heads in the order in which the queries number them.
        models: The dimensions that number models run side by side; they come first in the batch.
        parts: The dimensions that number parts of an example; they come last in the batch.
        copies: How many batches of the examples lie behind each other in the batch.
    """

    of: dict[Factor, Role]
    fallbacks: tuple[str, ...]
    query_projection: Projection | None
    key_projection: Projection | None
    heads: Axis = ()
    models: Axis = ()
    parts: Axis = ()
    copies: int = 1

    def with_role(self, role: Role) -> list[Factor]:
        """The dimensions that have a role."""
        return [factor for factor, its in self.of.items() if its == role]

    def with_heads(self, heads: Sequence[Factor]) -> "Roles":
        """The same with some of several batch dimensions taken for heads, if it has no head."""
        batch = self.with_role("batch")
        carried = [factor for factor in batch if stems_from(factor, heads)]
        if self.with_role("head") or not carried or len(carried) == len(batch):
            return self
        return dataclasses.replace(self, of={**self.of, **dict.fromkeys(carried, "head")})

    def layout(self, axes: tuple[Axis, ...]) -> Layout:
        """How to bring weights with the given axes into canonical order."""
        factors = [canonical(factor) for axis in axes for factor in axis]
        groups = [
            [i for i, factor in enumerate(factors) if self.of[factor] == role]
            for role in ("batch", "head", "query", "key")
        ]
        groups[0].sort(key=lambda place: self._level(factors[place]))
        groups[1] = self._in_order(factors, groups[1])
        shape = [math.prod(factors[i].size for i in group) for group in groups]
        levels = [(self._level(factors[i]), factors[i].size) for i in groups[0]]
        batch = [math.prod(size for its, size in levels if its == level) for level in range(3)]
        return Layout(
            tuple(factor.size for factor in factors),
            tuple(i for group in groups for i in group),
            (shape[0], shape[1], shape[2], shape[3]),
            (batch[0] * self.copies, batch[1] // self.copies, batch[2]),
        )

    def _level(self, factor: Factor) -> int:
        """0 for models, 1 for examples, 2 for parts of an example."""
        if stems_from(factor, self.models):
            return 0
        return 2 if any(factor is canonical(each) for each in self.parts) else 1

    def _in_order(self, factors: list[Factor], heads: list[int]) -> list[int]:
        """Heads of grouped queries as the queries number them."""
        if len(heads) < 2:
            return heads
        order = [canonical(factor) for factor in self.heads]

        def place(index: int) -> int:
            lineage = {id(each) for each in ancestry(factors[index])}
            return next((i for i, f in enumerate(order) if id(f) in lineage), len(order))

        return sorted(heads, key=place)
