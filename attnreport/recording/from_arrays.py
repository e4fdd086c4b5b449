"""Makes a Recording of weights that the caller already has, from any array library."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from attnreport._errors import InvalidAttentionError
from attnreport.recording.arrays import as_numpy
from attnreport.recording.attention_map import UNORDERED, AttentionMap, Kind
from attnreport.recording.axes import Axis
from attnreport.recording.checks import Checks
from attnreport.recording.labels import Labels, axes_per_example, numbered, plain_text
from attnreport.recording.masks import masks_per_example
from attnreport.recording.recording import Example, Recording, Source
from attnreport.recording.validation import (
    require_attention,
    require_axes_fit,
    require_logits,
    require_logits_fit,
)

Padding = Literal["right", "left"]


def recording_from_arrays(
    weights: Any,
    tokens: Labels | Sequence[Labels] | None = None,
    *,
    key_tokens: Labels | Sequence[Labels] | None = None,
    kind: Kind | None = None,
    group: str = "",
    names: Sequence[str] | None = None,
    mask: Any = None,
    reference: Any = None,
    logits: Any = None,
    padding: Padding = "right",
    normalized: bool = True,
    example_names: Sequence[str] | None = None,
    source: Source | None = None,
    checks: Checks | None = None,
) -> Recording:
    """A recording of the given weights, checked to be attention.

    The arrays are not copied where their library allows it; do not write to them afterwards.

    Args:
        weights: One `[layer, head, query, key]` array, or a list with one `[head, query, key]`
            array per layer, or a list with one `[batch, head, query, key]` array per layer.
            NumPy, JAX, or PyTorch (through DLPack); float16, bfloat16, float32 or float64.
            Layers may differ in their numbers of heads.
        tokens: Labels of the query positions: texts, or any axis. With a batch, one such
            sequence per example; an example with fewer tokens than positions was padded, and
            the padding is cut off. None numbers the positions of each layer.
        key_tokens: Labels of the key positions, in the same form; `tokens` if left out.
        kind: `self` or `cross` by default, depending on `key_tokens`.
        group: Name of the stack of layers, such as `encoder self-attention`.
        names: Module path of each layer; `layer 0`, `layer 1`, … if left out.
        mask: True where a query may look at a key; `[query, key]`, `[head, query, key]`, or
            either with a batch axis in front. An axis of length 1 stands for all positions.
        reference: True where a correct alignment links query and key; `[query, key]`, or with a
            batch axis in front.
        logits: Scores before the softmax, in the form of `weights`.
        padding: The side on which shorter examples of a batch were padded.
        normalized: Say False for weights whose rows are not meant to sum to one. They may then be
            any finite numbers from 0 up, as in ReLU attention; those of a gate stay within 1.
        example_names: A name per example.
        source: Where the weights come from.
        checks: What is already verified; the row sums are measured here.

    Raises:
        InvalidAttentionError: The arrays or labels cannot be attention. The message names the
            layer, the example and the cell.
    """
    if padding not in ("right", "left"):
        raise InvalidAttentionError(f"`padding` is {padding!r}. Say 'right' or 'left'.")
    layers, batched = _layers(weights, "weights")
    scores = _logits_like(logits, layers, batched)
    count = len(layers[0].values)
    names = _named(names, len(layers), "layer")
    example_names = _named(example_names, count, "example")
    queries = axes_per_example(tokens, example_names, batched=batched, argument="tokens")
    keys = queries
    if key_tokens is not None:
        keys = axes_per_example(key_tokens, example_names, batched=batched, argument="key_tokens")
    parts = [
        _layer_parts(layer, score, mask, reference)
        for layer, score in zip(layers, scores, strict=True)
    ]
    settings = _Settings(
        kind=kind or ("self" if key_tokens is None else "cross"),
        group=group,
        padding=padding if batched else None,
        normalized=normalized and kind != "gate",
        checks=checks or Checks(),
    )
    examples = []
    for index, example_name in enumerate(example_names):
        of_example = f" of example {example_name!r}" if batched else ""
        maps = tuple(
            _attention_map(
                layer_parts[index],
                queries[index],
                keys[index],
                name=name,
                place=f"layer {name!r}{of_example}",
                settings=settings,
            )
            for name, layer_parts in zip(names, parts, strict=True)
        )
        # The keys are experts or entries of a memory; what went in stands on the other axis.
        axis = queries[index] if kind in UNORDERED else keys[index]
        text = "" if axis is None else plain_text(axis)
        examples.append(Example(name=example_name, maps=maps, input=text))
    return Recording(tuple(examples), source=source or Source())


@dataclasses.dataclass(frozen=True)
class _Layer:
    """One layer of all examples."""

    values: Float[np.ndarray, "batch head query key"]
    precision: str


@dataclasses.dataclass(frozen=True)
class _Part:
    """One layer of one example, padding included."""

    weights: Float[np.ndarray, "head query key"]
    precision: str
    mask: Bool[np.ndarray, "..."] | None
    reference: Bool[np.ndarray, "..."] | None
    logits: Float[np.ndarray, "head query key"] | None

    def cut(self, queries: slice, keys: slice) -> "_Part":
        """The part without its padding."""
        window = (..., queries, keys)
        return dataclasses.replace(
            self,
            weights=self.weights[window],
            mask=None if self.mask is None else self.mask[window],
            reference=None if self.reference is None else self.reference[window],
            logits=None if self.logits is None else self.logits[window],
        )


@dataclasses.dataclass(frozen=True)
class _Settings:
    """What holds for every map of a recording."""

    kind: Kind
    group: str
    padding: Padding | None
    normalized: bool
    checks: Checks


def _layers(weights: Any, noun: str) -> tuple[list[_Layer], bool]:
    """Each layer as `[batch, head, query, key]`; whether a batch was given."""
    if not isinstance(weights, list | tuple):
        array, precision = as_numpy(weights, noun)
        if array.ndim != 4:
            raise InvalidAttentionError(
                f"The {noun} have shape {array.shape}. One array needs four axes, [layer, head, "
                "query, key]; for a batch, give a list with one [batch, head, query, key] array "
                "per layer."
            )
        if array.shape[0] == 0:
            raise InvalidAttentionError(f"The {noun} have no layer. Give at least one.")
        return [_Layer(layer[np.newaxis], precision) for layer in array], False
    if not weights:
        raise InvalidAttentionError(
            f"The list of {noun} is empty. Give one array per layer, [head, query, key]."
        )
    layers = [as_numpy(layer, f"{noun} of layer {index}") for index, layer in enumerate(weights)]
    ranks = {array.ndim for array, _ in layers}
    if ranks not in ({3}, {4}):
        shapes = ", ".join(str(array.shape) for array, _ in layers)
        raise InvalidAttentionError(
            f"The layers of the {noun} have shapes {shapes}. Give every layer as [head, query, "
            "key], or every layer as [batch, head, query, key]."
        )
    if ranks == {3}:
        return [_Layer(array[np.newaxis], precision) for array, precision in layers], False
    sizes = [array.shape[0] for array, _ in layers]
    if len(set(sizes)) != 1 or sizes[0] == 0:
        raise InvalidAttentionError(
            f"The layers of the {noun} have batches of {sizes} examples. Every layer needs the "
            "same examples, at least one."
        )
    return [_Layer(array, precision) for array, precision in layers], True


def _logits_like(logits: Any, layers: Sequence[_Layer], batched: bool) -> list[_Layer | None]:
    if logits is None:
        return [None] * len(layers)
    scores, scores_batched = _layers(logits, "logits")
    if len(scores) != len(layers) or scores_batched != batched:
        raise InvalidAttentionError(
            f"The weights have {len(layers)} layers and the logits {len(scores)}. Give logits in "
            "the form of the weights: the same layers, with a batch axis in both or in neither."
        )
    for index, (score, layer) in enumerate(zip(scores, layers, strict=True)):
        require_logits_fit(score.values.shape, layer.values.shape, f"layer {index}")
    return list(scores)


def _layer_parts(layer: _Layer, score: _Layer | None, mask: Any, reference: Any) -> list[_Part]:
    """One layer split into its examples."""
    batch, heads, queries, keys = layer.values.shape
    masks = masks_per_example(mask, (batch, heads, queries, keys))
    references = masks_per_example(reference, (batch, 1, queries, keys), "reference")
    return [
        _Part(
            weights=layer.values[index],
            precision=layer.precision,
            mask=masks[index],
            reference=references[index],
            logits=None if score is None else score.values[index],
        )
        for index in range(batch)
    ]


def _attention_map(
    part: _Part,
    query: Axis | None,
    key: Axis | None,
    *,
    name: str,
    place: str,
    settings: _Settings,
) -> AttentionMap:
    _, queries, keys = part.weights.shape
    query = numbered(max(1, queries)) if query is None else query
    key = numbered(max(1, keys)) if key is None else key
    advice = ""
    if settings.padding is not None:
        part = part.cut(
            _window(len(query), queries, settings.padding),
            _window(len(key), keys, settings.padding),
        )
        if len(key) < keys:
            advice = _padding_advice(keys - len(key), settings.padding)
    require_axes_fit(part.weights.shape, len(query), len(key), place)
    error = require_attention(
        part.weights,
        place,
        precision=part.precision,
        mask=part.mask,
        normalized=settings.normalized,
        bounded=settings.normalized or settings.kind == "gate",
        advice=advice,
    )
    if part.logits is not None:
        require_logits(part.logits, place)
    return AttentionMap(
        name=name,
        weights=part.weights,
        query=query,
        key=key,
        kind=settings.kind,
        group=settings.group,
        mask=part.mask,
        reference=part.reference,
        logits=part.logits,
        normalized=settings.normalized,
        precision=part.precision,
        checks=dataclasses.replace(settings.checks, row_sum_error=error),
    )


def _window(length: int, size: int, padding: Padding) -> slice:
    """Where the `length` real positions lie in a padded axis of `size`."""
    if length >= size:
        return slice(None)
    return slice(0, length) if padding == "right" else slice(size - length, size)


def _padding_advice(cut: int, padding: Padding) -> str:
    other = "left" if padding == "right" else "right"
    return (
        f"There are {cut} more keys than labels, and they were cut off on the {padding} as "
        f"padding: mask the padding in the model, say `padding={other!r}`, or label every key."
    )


def _named(names: Sequence[str] | None, count: int, noun: str) -> list[str]:
    if names is None:
        return [f"{noun} {index}" for index in range(count)]
    if len(names) != count:
        raise InvalidAttentionError(
            f"There are {count} {noun}s but {len(names)} {noun} names. Give one per {noun}."
        )
    return list(names)
