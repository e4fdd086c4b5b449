"""What comes out of a program beside its own output: its attention, as a pytree."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jax

from attnreport.capture.proofs import Proof


@dataclasses.dataclass(frozen=True)
class About:
    """What is known of an attention before the program runs.

    Attributes:
        kind: `self`, `cross`, `pooling`, `gate` or `router`.
        axes: Names of the axes of its weights; loops in front, then batch, head, query, key.
        form: What was recognized, such as `softmax`.
        sums: What the operations say of the sum of a row: `one`, `at most one` (a mask or a sink
            takes the rest), `free` (gates), or `to be measured`.
        place: File and line of the code that computes it.
        fallbacks: What was guessed, a sentence each.
        reduction: How the weights were reduced on the device; empty if they were not.
        random: Whether the weights depend on random numbers that the program draws.
    """

    kind: str
    axes: tuple[str, ...]
    form: str
    sums: str
    place: str = ""
    fallbacks: tuple[str, ...] = ()
    reduction: str = ""
    random: bool = False


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Captured:
    """One attention of a program.

    Attributes:
        weights: `[*loops, batch, head, query, key]`, or what the reduction made of it.
        others: What else was wanted, by name.
        proof: What the numbers say about it.
        ran: Whether the branch that holds it was taken; an array of booleans over the loops.
        iterations: How many iterations of each `while` loop around it count, outermost first.
        about: What was known before the program ran.
    """

    weights: Any
    others: dict[str, Any]
    proof: Proof
    ran: Any
    iterations: tuple[Any, ...]
    about: About = dataclasses.field(metadata={"static": True})

    @property
    def kind(self) -> str:
        """What attends to what."""
        return self.about.kind

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the weights' axes."""
        return self.about.axes

    @property
    def form(self) -> str:
        """What was recognized."""
        return self.about.form

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """What was guessed, a sentence each."""
        return self.about.fallbacks


class Attention(Mapping[str, Captured]):
    """The attentions of a program by name, in the order in which they run. A pytree."""

    def __init__(self, captured: Mapping[str, Captured]):
        """Holds the given attentions."""
        self._captured = dict(captured)

    def __getitem__(self, name: str) -> Captured:
        return self._captured[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._captured)

    def __len__(self) -> int:
        return len(self._captured)

    def __repr__(self) -> str:
        lines = [f"  {name}: {each.kind}, {each.form}" for name, each in self.items()]
        return "\n".join([f"Attention of {len(self)}:", *lines])


jax.tree_util.register_pytree_node(
    Attention,
    lambda attention: (tuple(attention.values()), tuple(attention)),
    lambda names, captured: Attention(dict(zip(names, captured, strict=True))),
)
