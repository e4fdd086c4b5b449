"""What the devices along an axis of a mesh hold of a value: blocks, and how they travel."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal

from attnreport.capture.program.graph import Value

# For each device, the number of the block that it holds.
Held = tuple[int, ...]
# What travels: by which permutations a device sends blocks on; for each device, where it sends to.
Permutation = tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True)
class Turning:
    """A block that a loop hands on from device to device.

    Attributes:
        carried: What the loop carries.
        turns: The permutations that this iteration has applied to it so far.
    """

    carried: Value
    turns: tuple[Permutation, ...] = ()


# A divided axis of which each device has a single position, and which was squeezed.
SINGLE = -1
# The divided axes of a value by their places: empty where all devices hold the same. `own`: no
# numbers of the inputs, but which device it is. None: unknown.
Blocks = Mapping[int, Held | Turning]
State = Blocks | Literal["own"] | None


def permuted(held: Held, pairs: Permutation) -> Held:
    """The block that each device holds after each has sent its own on."""
    after = list(held)
    for sender, receiver in pairs:
        after[receiver] = held[sender]
    return tuple(after)


def moved(state: Mapping[int, Held | Turning], where: Callable[[int], int]) -> State:
    """The same with other places; what is at no place stays there."""
    return {SINGLE if p == SINGLE else where(p): held for p, held in state.items()}
