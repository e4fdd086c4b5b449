"""One attention operation on one example: weights, what its positions mean, and its checks."""

import dataclasses
import functools
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from attnreport._errors import InvalidAttentionError
from attnreport.recording.arrays import PRECISIONS, as_numpy
from attnreport.recording.axes import Axis
from attnreport.recording.checks import Checks
from attnreport.recording.scoring import Scoring
from attnreport.recording.validation import (
    checked_layer,
    checked_mask,
    checked_reference,
    checked_step,
    require_axes_fit,
    require_logits_fit,
)

Kind = Literal["self", "cross", "pooling", "gate", "router", "memory", "activation"]
UNORDERED: tuple[Kind, ...] = ("router", "memory")
KINDS: tuple[Kind, ...] = ("self", "cross", "pooling", "gate", "router", "memory", "activation")


@runtime_checkable
class Weights(Protocol):
    """An array `[head, query, key]` whose heads are read when they are asked for.

    A NumPy array is one; so is an array of a recording on disk.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of `[head, query, key]`."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number format of the stored weights."""
        ...

    def __getitem__(self, index: int, /) -> np.ndarray: ...


@dataclasses.dataclass(frozen=True, eq=False)
class AttentionMap:
    """The weights of one attention operation for one example.

    Attributes:
        name: Path of the module in the model, such as `decoder.attention`.
        kind: What attends to what: `self`, `cross`, `pooling` (what a model has learned asks, the
            same for all examples, such as latents or a class probe), `gate` (independent strengths
            in [0, 1] that need not sum to one), `router` (how a mixture of experts shares each
            position out: keys are experts; after a cut to the top experts the rows need not sum
            to one), `memory` (keys and values are learned and not computed), or `activation` (how
            strongly a model responds to each key, as shares: no attention, but something to
            compare it with). Experts and the entries of a memory stand in no order.
        weights: Post-softmax weights; `weights[h, q]` is a distribution over keys.
        query: What the positions that look mean.
        key: What the positions that are looked at mean.
        group: Which stack of layers the map belongs to, such as `encoder self-attention`.
            Maps of one group are drawn together.
        layer: Number of its layer in the model's stack of that group, counted from 0; None if
            it is the map's place in the group.
        mask: True where a query may look at a key; None when nothing is known of a mask.
        reference: True where a correct alignment links query and key; None without one.
        reference_name: What it links each query to, in words for a caption, such as `the digit's
            box, drawn to whole cells`; empty where that is an alignment.
        logits: Pre-softmax scores, in the layout of `weights`.
        normalized: Whether rows sum to one.
        precision: Number format the model computed the weights in, such as `bfloat16`.
        checks: What was verified about this map.
        first_step: The query whose row wrote the first token of the example's `generation`; the
            next row wrote the next one, and so on. None where no row of the map wrote a token.
        scoring: The queries and keys that it was computed from; None where they were not captured.
    """

    name: str
    weights: Weights
    query: Axis
    key: Axis
    kind: Kind = "self"
    group: str = ""
    layer: int | None = None
    mask: Bool[np.ndarray, "query key"] | Bool[np.ndarray, "head query key"] | None = None
    reference: Bool[np.ndarray, "query key"] | None = None
    reference_name: str = ""
    logits: Weights | None = None
    normalized: bool = True
    precision: str = "float32"
    checks: Checks = dataclasses.field(default_factory=Checks)
    first_step: int | None = None
    scoring: Scoring | None = None

    def __post_init__(self) -> None:
        place = f"attention map {self.name!r}"
        if self.kind not in KINDS:
            raise InvalidAttentionError(
                f"The kind of {place} is {self.kind!r}. Choose one of {', '.join(KINDS)}."
            )
        set_field = functools.partial(object.__setattr__, self)
        set_field("weights", _held(self.weights, "weights"))
        shape = self.weights.shape
        require_axes_fit(shape, len(self.query), len(self.key), place)
        if self.mask is not None:
            set_field("mask", checked_mask(self.mask, shape, "mask"))
        if self.reference is not None:
            set_field("reference", checked_reference(self.reference, shape))
        if self.logits is not None:
            set_field("logits", _held(self.logits, "logits"))
            require_logits_fit(self.logits.shape, shape, place)
        if self.layer is not None:
            set_field("layer", checked_layer(self.layer, place))
        if self.first_step is not None:
            set_field("first_step", checked_step(self.first_step, shape[1], place))
        if self.scoring is not None:
            self.scoring.require_fits(shape, place, logits=self.logits)
        if not self.group:
            set_field("group", f"{self.kind}-attention")

    def __repr__(self) -> str:
        """What it is and how large, without the weights."""
        sizes = f"{self.heads} × {len(self.query)} × {len(self.key)}"
        return f"AttentionMap({self.name!r}, {self.kind}, {sizes} {self.precision})"

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.weights.shape[0]

    def head(self, index: int) -> Float[np.ndarray, "query key"]:
        """Weights of one head as float32, read from disk if they are there."""
        return np.asarray(self.weights[index], dtype=np.float32)

    def array(self) -> Float[np.ndarray, "head query key"]:
        """Weights of all heads as float32, read from disk if they are there."""
        return np.stack([self.head(index) for index in range(self.heads)])

    def allowed(self) -> Bool[np.ndarray, "head query key"] | Bool[np.ndarray, "1 query key"]:
        """Where a query may look at a key; all True when no mask is known."""
        if self.mask is None:
            return np.ones((1, len(self.query), len(self.key)), dtype=bool)
        return self.mask if self.mask.ndim == 3 else self.mask[np.newaxis]


def _held(array: Any, noun: str) -> Weights:
    """The array as it is if it reads its heads on demand, and otherwise in NumPy.

    So a recording outlives the library and the device that its weights come from.
    """
    if isinstance(array, np.ndarray) or not hasattr(array, "dtype") or hasattr(array, "__array__"):
        return as_numpy(array, noun)[0]
    if np.dtype(array.dtype).name not in PRECISIONS:
        raise InvalidAttentionError(
            f"The {noun} are of type {array.dtype}; attention {noun} are float16, bfloat16, "
            "float32 or float64."
        )
    return array
