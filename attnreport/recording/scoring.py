"""What the weights of a map were computed from: queries, keys, and what became of their product."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from attnreport._errors import InvalidAttentionError
from attnreport.recording.arrays import as_numpy

if TYPE_CHECKING:
    from attnreport.recording.attention_map import Weights


@dataclasses.dataclass(frozen=True, eq=False)
class Scoring:
    r"""Queries and keys of a map whose logits are $l_{qk} = s\, q \cdot k + b_{qk}$.

    Up to a number for each row: a softmax does not notice what a whole row has in common.

    Attributes:
        query: The vectors that were multiplied on the side of the queries,
            `[head, query, feature]`: after a rotation by positions, and after a scale if the
            program applies it to them.
        key: Those of the keys, `[head, key, feature]`; heads that share keys have the same.
        scale: What their product was multiplied by, $s$; 1 where the vectors were scaled before.
            None where logits are not the product times a number, as with a soft cap, or where
            no row tells the number: the logits are then those of the map.
        bias: What was added, $b$, in units of the logits, `[head, query, key]` with one head if it
            is the same for all; None where nothing was.

    Raises:
        InvalidAttentionError: An array has not three axes, or a query, a key or the scale is not
            finite.
    """

    query: "Weights"
    key: "Weights"
    scale: float | None = 1.0
    bias: "Weights | None" = None

    def __post_init__(self) -> None:
        for name in ("query", "key", "bias"):
            array = getattr(self, name)
            if array is None:
                continue
            lazy = hasattr(array, "dtype") and not hasattr(array, "__array__")
            held = array if lazy else as_numpy(array, name)[0]
            object.__setattr__(self, name, held)
            if len(held.shape) != 3:
                raise InvalidAttentionError(
                    f"The {name} of a scoring has shape {held.shape}. Give it with three axes: "
                    "[head, query, key] for a bias, and [head, position, feature] for queries and "
                    "keys."
                )
            if not lazy and name != "bias" and not np.isfinite(held.astype(np.float64)).all():
                raise InvalidAttentionError(
                    f"The {name} of a scoring has a number that is NaN or infinite. Give finite "
                    "vectors, or no scoring."
                )
        if self.scale is not None:
            object.__setattr__(self, "scale", float(self.scale))
            if not math.isfinite(self.scale):
                raise InvalidAttentionError(
                    f"The scale of a scoring is {self.scale}. Give a finite number, or None."
                )

    def require_fits(self, shape: tuple[int, ...], place: str, *, logits: Any) -> None:
        """Raises unless the vectors are those of weights of the given shape.

        Raises:
            InvalidAttentionError: Heads, positions or features differ, or neither a scale nor
                logits are given.
        """
        heads, queries, keys = shape
        features = self.query.shape[-1]
        expected = {"query": (heads, queries, features), "key": (heads, keys, features)}
        for name, wanted in expected.items():
            found = getattr(self, name).shape
            if found != wanted:
                raise InvalidAttentionError(
                    f"The {name} vectors of {place} have shape {found}, and its weights {shape} = "
                    f"head, query, key. Give them as [head, {name}, feature] = {wanted}."
                )
        if self.bias is not None and self.bias.shape not in (shape, (1, *shape[1:])):
            raise InvalidAttentionError(
                f"The bias of {place} has shape {self.bias.shape}, and its weights {shape}. Give "
                f"it as {shape}, or as {(1, *shape[1:])} if it is the same for all heads."
            )
        if self.scale is None and logits is None:
            raise InvalidAttentionError(
                f"The scoring of {place} has no scale. Then give the map's `logits`, which cannot "
                "be computed without one."
            )
