"""What the positions of an attention map mean: words, patches of a picture, frames, channels."""

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar

from attnreport._errors import InvalidAttentionError
from attnreport.recording.pictures import Picture, require_picture


@dataclasses.dataclass(frozen=True)
class TokenAxis:
    """Positions that are pieces of text, in reading order.

    Attributes:
        tokens: Text of each position, exactly as the tokenizer gave it.
        special: Positions of markers that are not text (`[CLS]`, `<eos>`, padding).
        words: For each position the index of the word it belongs to, or None for a position
            outside any word. Empty when word boundaries are not known.
    """

    kind: ClassVar[str] = "tokens"

    tokens: tuple[str, ...]
    special: tuple[int, ...] = ()
    words: tuple[int | None, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "tokens", _texts(self.tokens, "tokens"))
        object.__setattr__(self, "special", tuple(self.special))
        object.__setattr__(self, "words", tuple(self.words))
        _require_inside(self.special, len(self.tokens))
        if self.words and len(self.words) != len(self.tokens):
            raise InvalidAttentionError(
                f"An axis has {len(self.tokens)} tokens but {len(self.words)} word indices. "
                "Give one index per token, with None for special tokens."
            )

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def labels(self) -> tuple[str, ...]:
        """One text per position."""
        return self.tokens


@dataclasses.dataclass(frozen=True)
class GridAxis:
    """Positions that are cells of a picture, row by row, after any leading extra tokens.

    Attributes:
        height: Rows of the grid.
        width: Columns of the grid.
        leading: Names of tokens before the cells, such as a class token or registers.
        picture: What the cells are patches or features of; None without one. The grid covers the
            whole of it.
    """

    kind: ClassVar[str] = "grid"

    height: int
    width: int
    leading: tuple[str, ...] = ()
    picture: Picture | None = None

    def __post_init__(self) -> None:
        _require_positions(min(self.height, self.width), "grid cells")
        object.__setattr__(self, "leading", tuple(self.leading))
        require_picture(self.picture, "a grid axis")

    def __len__(self) -> int:
        return len(self.leading) + self.height * self.width

    @property
    def labels(self) -> tuple[str, ...]:
        """`row,column` of each cell, counted from 0, after the names of the leading tokens."""
        cells = (f"{row},{column}" for row in range(self.height) for column in range(self.width))
        return (*self.leading, *cells)


@dataclasses.dataclass(frozen=True)
class FrameAxis:
    """Positions that are stretches of a signal of equal length.

    Attributes:
        count: How many frames.
        seconds_per_frame: Distance between the starts of neighbouring frames, in seconds.
    """

    kind: ClassVar[str] = "frames"

    count: int
    seconds_per_frame: float

    def __post_init__(self) -> None:
        _require_positions(self.count, "frames")
        if not 0 < self.seconds_per_frame < math.inf:
            raise InvalidAttentionError(
                f"A frame axis has {self.seconds_per_frame} seconds per frame; it must be a "
                "positive number."
            )

    def __len__(self) -> int:
        return self.count

    @property
    def labels(self) -> tuple[str, ...]:
        """Start of each frame, in seconds."""
        return tuple(f"{index * self.seconds_per_frame:.2f} s" for index in range(self.count))


@dataclasses.dataclass(frozen=True)
class ItemAxis:
    """Positions that are named things: products of a history, fields of a table, latents.

    Attributes:
        items: Name of each position.
    """

    kind: ClassVar[str] = "items"

    items: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", _texts(self.items, "items"))

    def __len__(self) -> int:
        return len(self.items)

    @property
    def labels(self) -> tuple[str, ...]:
        """One name per position."""
        return self.items


@dataclasses.dataclass(frozen=True)
class ChannelAxis:
    """Positions that are feature channels of a layer.

    Attributes:
        count: How many channels.
    """

    kind: ClassVar[str] = "channels"

    count: int

    def __post_init__(self) -> None:
        _require_positions(self.count, "channels")

    def __len__(self) -> int:
        return self.count

    @property
    def labels(self) -> tuple[str, ...]:
        """Channel numbers, counted from 0."""
        return tuple(str(index) for index in range(self.count))


@dataclasses.dataclass(frozen=True)
class StepAxis:
    """Positions that are steps of a generation, each with what it produced.

    Attributes:
        outputs: Text produced at each step, in order.
    """

    kind: ClassVar[str] = "steps"

    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", _texts(self.outputs, "steps"))

    def __len__(self) -> int:
        return len(self.outputs)

    @property
    def labels(self) -> tuple[str, ...]:
        """What each step produced."""
        return self.outputs


Axis = TokenAxis | GridAxis | FrameAxis | ItemAxis | ChannelAxis | StepAxis

AXIS_TYPES: tuple[type[Axis], ...] = (
    TokenAxis,
    GridAxis,
    FrameAxis,
    ItemAxis,
    ChannelAxis,
    StepAxis,
)


def special_positions(axis: Axis) -> tuple[int, ...]:
    """Positions of `axis` that are markers and not content; empty for axes without markers."""
    if isinstance(axis, TokenAxis):
        return axis.special
    if isinstance(axis, GridAxis):
        return tuple(range(len(axis.leading)))
    return ()


def _texts(labels: Sequence[str], noun: str) -> tuple[str, ...]:
    """The labels as a tuple of strings, at least one."""
    if isinstance(labels, str):
        raise InvalidAttentionError(
            f"The {noun} of an axis are one text, {labels[:40]!r}. Give a list with one text per "
            "position."
        )
    found = tuple(labels)
    _require_positions(len(found), noun)
    wrong = [label for label in found if not isinstance(label, str)]
    if wrong:
        raise InvalidAttentionError(
            f"The {noun} of an axis hold {wrong[0]!r}, which is not text. Give one string per "
            "position."
        )
    return found


def _require_positions(count: int, noun: str) -> None:
    if count < 1:
        raise InvalidAttentionError(
            f"An axis has no {noun}. Attention needs at least one position to look from and one "
            "to look at; leave empty sequences out of the recording."
        )


def _require_inside(positions: Sequence[int], count: int) -> None:
    outside = [position for position in positions if not 0 <= position < count]
    if outside:
        raise InvalidAttentionError(
            f"Special position {outside[0]} lies outside an axis of {count} tokens. "
            f"Positions count from 0 to {count - 1}."
        )
