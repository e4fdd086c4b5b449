"""What comes out of a program beside its own output: its attention, as a pytree."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from attnreport.capture.choice.options import near_names
from attnreport.capture.extraction.proofs import Proof


@dataclasses.dataclass(frozen=True)
class About:
    """What is known of an attention before the program runs.

    Attributes:
        kind: `self`, `cross`, `pooling`, `gate`, `router` or `memory`.
        axes: Names of the axes of its weights; loops in front, then batch, head, query, key.
        form: What was recognized, such as `softmax`.
        sums: What the operations say of the sum of a row: `one`, `at most one` (a mask or a sink
            takes the rest), `free` (gates), or `to be measured`.
        place: File and line of the code that computes it.
        fallbacks: What was guessed, a sentence each.
        reduction: How the weights were reduced on the device; empty if they were not.
        random: Whether the weights depend on random numbers that the program draws.
        precision: Number format in which the program has the weights.
        layers: Numbers of the layers that are kept, one for each entry along the loops in front,
            other than the steps of a decoder.
        heads: Numbers of the heads that are kept.
        models: How many models run side by side, as under `vmap`, or how often the program puts the
            examples into one batch, as guidance without a classifier does. They are outermost in
            the axis of the batch, which is models × examples × parts.
        parts: How many parts of each example, such as the windows of a picture, are innermost in
            the axis of the batch.
        unproved: Why weights times values are not compared with the program's own result; empty if
            they are.
        notes: What was wanted and cannot be had, or not as it is wanted, a sentence each.
    """

    kind: str
    axes: tuple[str, ...]
    form: str
    sums: str
    place: str = ""
    fallbacks: tuple[str, ...] = ()
    reduction: str = ""
    random: bool = False
    precision: str = "float32"
    layers: tuple[int, ...] = ()
    heads: tuple[int, ...] = ()
    models: int = 1
    parts: int = 1
    unproved: str = ""
    notes: tuple[str, ...] = ()


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Captured:
    """One attention of a program.

    Attributes:
        weights: `[*loops, batch, head, query, key]`, or what the reduction made of it; None if
            they were not wanted.
        others: What else was wanted, by name: `logits`, `mask` and `bias` with the axes of the
            weights; `queries` and `keys` as `[*loops, batch, head, position, feature]`; `query`,
            `key`, `value` and `output` with an axis for each loop, and then as the program lays
            them out. Logits whose axes are others than those of the weights stay as they are, and
            `about.notes` says so of whatever is missing.
        proof: What the numbers say about it, all heads and layers included.
        ran: Whether the branch that holds it was taken; an array of booleans over the loops.
        iterations: For each loop around it, outermost first, how often it ran if it is a `while`
            loop, and None if its length is fixed.
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
    """The attentions of a program by name, in the order in which they run. A pytree.

    Attributes:
        notes: What a reader must know, a sentence each: what was seen but is not captured, what
            was reduced and why, dropout.
        failure: Why there is no attention, if capture itself failed; empty if it did not.
    """

    def __init__(
        self, captured: Mapping[str, Captured], notes: Sequence[str] = (), failure: str = ""
    ):
        """Holds the given attentions."""
        self._captured = dict(captured)
        self.notes = tuple(notes)
        self.failure = failure

    def __getitem__(self, name: str) -> Captured:
        if name not in self._captured:
            names = list(self._captured)
            there = near_names(str(name), names) if names else "There is none."
            raise KeyError(f"No attention is called {name!r}. {self.failure or there}")
        return self._captured[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._captured)

    def __len__(self) -> int:
        return len(self._captured)

    def __repr__(self) -> str:
        lines = [f"  {name}: {each.kind}, {each.form}" for name, each in self.items()]
        notes = [self.failure] if self.failure else self.notes
        return "\n".join([f"Attention of {len(self)}:", *lines, *notes])


jax.tree_util.register_pytree_node(
    Attention,
    lambda attention: (
        tuple(attention.values()),
        (tuple(attention), attention.notes, attention.failure),
    ),
    lambda known, captured: Attention(
        dict(zip(known[0], captured, strict=True)), notes=known[1], failure=known[2]
    ),
)
