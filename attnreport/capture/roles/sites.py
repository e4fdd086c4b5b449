"""What an attention is: weights, how to get them out of the program, and what they are used for."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import jax.numpy as jnp

from attnreport.capture.dimensions.factors import Axis
from attnreport.capture.program.graph import Value
from attnreport.capture.program.jaxprs import Address
from attnreport.capture.roles.contractions import Contraction
from attnreport.capture.roles.loops import Loop
from attnreport.capture.roles.roles import Layout, Roles
from attnreport.capture.roles.scores import Scores

Sums = Literal["one", "at most one", "to be measured", "free"]


@dataclasses.dataclass(frozen=True, eq=False)
class Recipe:
    """How the weights come out of the program.

    Attributes:
        addresses: The values they are computed from, all in one scope.
        compute: From those values to the weights, in the axes of the first.
        checked: From those values to the weights and their distance from the program's own result;
            None where the dimensions of weights and values tell how to multiply them out.
        undo: From the weights back to the value that they are computed from, if that is one.
    """

    addresses: tuple[Address, ...]
    compute: Callable[..., Any]
    checked: Callable[..., tuple[Any, Any]] | None = None
    undo: Callable[[Any], Any] = lambda weights: weights

    def run(self, *values: Any) -> tuple[Any, Any]:
        """The weights and their distance from the program's own result; NaN if that is not told."""
        if self.checked is None:
            return self.compute(*values), jnp.float32(jnp.nan)
        return self.checked(*values)


@dataclasses.dataclass(frozen=True, eq=False)
class Site:
    """One attention of the program.

    Attributes:
        weights: The value that holds the weights, normalized or not.
        recipe: How to get the weights as they act on the values.
        over: Dimensions of the keys.
        form: How the program normalizes, such as `softmax`.
        sums: What the operations say of the sum of a row.
        mixed: Whether the program combines the weights linearly before it uses them.
        contraction: Where values are combined with the weights.
        scores: Where the weights come from.
        roles: What the dimensions mean.
        layout: How to bring the weights of one iteration into canonical order.
        loops: The loops around the weights, outermost first.
        kind: What it attends to: `self`, `cross`, `pooling`, `gate`, `router` or `memory`.
        assemble: From what the recipe gave for all iterations, loops over keys merged, to the
            weights, `[*loops, batch, head, query, key]`; None if the recipe gives the weights.
        parts: The segments of its keys, in their order, where each has values of its own.
    """

    weights: Value
    recipe: Recipe
    over: Axis
    form: str
    sums: Sums
    mixed: bool
    contraction: Contraction
    scores: Scores
    roles: Roles
    layout: Layout
    loops: tuple[Loop, ...] = ()
    kind: str = ""
    assemble: Callable[[Any], Any] | None = None
    parts: tuple["Site", ...] = ()

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """What was guessed, in sentences."""
        orders = [
            f"A loop takes blocks of its {loop.role} axis at places that the program's text does "
            "not tell, so they stand in the order in which it takes them."
            for loop in self.loops
            if not loop.turns.known
        ]
        return (*self.roles.fallbacks, *dict.fromkeys(orders))


def address_of(value: Value) -> Address:
    """Where replay finds a value that is not a number in the program's text."""
    if value.address is None:
        raise ValueError("A number in the program's text has no address.")
    return value.address
