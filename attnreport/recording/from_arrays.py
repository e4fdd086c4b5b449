"""Makes a Recording of weights that the caller already has, from any array library."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from attnreport._errors import InvalidAttentionError
from attnreport.recording.attention_map import AttentionMap, Checks, Kind
from attnreport.recording.axes import AXIS_TYPES, Axis, TokenAxis
from attnreport.recording.recording import Example, Recording, Source
from attnreport.recording.validation import (
    require_finite,
    require_in_unit_interval,
    require_rows_sum_to_one,
)

Labels = Axis | Sequence[str]

# Markers of the usual tokenizers. A caller with others gives a TokenAxis.
SPECIAL_TOKENS = frozenset(
    {"[CLS]", "[SEP]", "[PAD]", "[MASK]", "[BOS]", "[EOS]"}
    | {"<s>", "</s>", "<pad>", "<bos>", "<eos>", "<cls>", "<sep>", "<mask>"}
    | {"<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>", "<|im_start|>", "<|im_end|>"}
)


def recording_from_arrays(
    weights: Any,
    tokens: Labels | Sequence[Labels] | None = None,
    *,
    key_tokens: Labels | Sequence[Labels] | None = None,
    kind: Kind | None = None,
    group: str = "",
    names: Sequence[str] | None = None,
    mask: Any = None,
    padding: Literal["right", "left"] = "right",
    normalized: bool = True,
    example_names: Sequence[str] | None = None,
    source: Source | None = None,
    checks: Checks | None = None,
) -> Recording:
    """A recording of the given weights, checked to be attention.

    Args:
        weights: One `[layer, head, query, key]` array, or a list with one `[head, query, key]`
            array per layer, or a list with one `[batch, head, query, key]` array per layer.
            NumPy, JAX, or PyTorch (through DLPack); float16, bfloat16, float32 or float64.
            Layers may differ in their numbers of heads.
        tokens: Labels of the query positions: texts, or any axis. With a batch, one such
            sequence per example; an example with fewer tokens than positions was padded, and
            the padding is cut off. None numbers the positions.
        key_tokens: Labels of the key positions, in the same form; `tokens` if left out.
        kind: `self` or `cross` by default, depending on `key_tokens`.
        group: Name of the stack of layers, such as `encoder self-attention`.
        names: Module path of each layer; `layer 0`, `layer 1`, … if left out.
        mask: True where a query may look at a key; `[query, key]`, `[head, query, key]`, or
            either with a batch axis in front.
        padding: The side on which shorter examples of a batch were padded.
        normalized: Say False for weights whose rows are not meant to sum to one.
        example_names: A name per example.
        source: Where the weights come from.
        checks: What is already verified; the row sums are measured here.

    Raises:
        InvalidAttentionError: The arrays or labels cannot be attention. The message names the
            layer, the example and the cell.
    """
    layers, batched = _layers(weights)
    count = layers[0][0].shape[0]
    queries = _labels_per_example(tokens, count, batched, "tokens")
    keys = queries
    if key_tokens is not None:
        keys = _labels_per_example(key_tokens, count, batched, "key_tokens")
    masks = _masks_per_example(mask, count)
    names = _named(names, len(layers), "layer")
    example_names = _named(example_names, count, "example")
    resolved_kind: Kind = kind or ("self" if key_tokens is None else "cross")
    examples = []
    for index, example_name in enumerate(example_names):
        maps = tuple(
            _attention_map(
                array[index],
                precision=precision,
                name=name,
                place=f"Layer {name!r}" + (f" of example {example_name!r}" if batched else ""),
                query=queries[index],
                key=keys[index],
                mask=masks[index],
                padding=padding if batched else None,
                normalized=normalized and resolved_kind != "gate",
                kind=resolved_kind,
                group=group,
                checks=checks or Checks(),
            )
            for name, (array, precision) in zip(names, layers, strict=True)
        )
        examples.append(Example(name=example_name, maps=maps, input=_text(maps[0].key)))
    return Recording(tuple(examples), source=source or Source())


def as_numpy(array: Any) -> tuple[np.ndarray, str]:
    """The array in NumPy, and the name of the number format it came in.

    bfloat16, which NumPy lacks, widens to float32 without loss. PyTorch tensors are detached and
    moved to the host.

    Raises:
        InvalidAttentionError: It is not an array of real floating-point numbers.
    """
    if type(array).__module__.partition(".")[0] == "torch":
        array = array.detach().cpu()
        precision = str(array.dtype).removeprefix("torch.")
        array = np.from_dlpack(array.float() if precision == "bfloat16" else array)
    else:
        try:
            array = np.asarray(array)
        except ValueError as error:
            raise InvalidAttentionError(
                f"The weights are not a rectangular array of numbers ({error}). Give one array "
                "per layer."
            ) from error
        precision = array.dtype.name
    if precision == "bfloat16":
        array = array.astype(np.float32)
    if precision not in ("bfloat16", "float16", "float32", "float64"):
        raise InvalidAttentionError(
            f"The weights are of type {precision}; attention weights are float16, bfloat16, "
            "float32 or float64."
        )
    return array, precision


def _layers(weights: Any) -> tuple[list[tuple[np.ndarray, str]], bool]:
    """Each layer as `[batch, head, query, key]` with its precision; whether a batch was given."""
    if not isinstance(weights, list | tuple):
        array, precision = as_numpy(weights)
        if array.ndim != 4:
            raise InvalidAttentionError(
                f"The weights have shape {array.shape}. One array needs four axes, [layer, head, "
                "query, key]; for a batch, give a list with one [batch, head, query, key] array "
                "per layer."
            )
        if array.shape[0] == 0:
            raise InvalidAttentionError("The weights have no layer. Give at least one.")
        return [(layer[np.newaxis], precision) for layer in array], False
    if not weights:
        raise InvalidAttentionError(
            "The list of weights is empty. Give one array per layer, [head, query, key]."
        )
    layers = [as_numpy(layer) for layer in weights]
    ranks = {array.ndim for array, _ in layers}
    if ranks not in ({3}, {4}):
        shapes = ", ".join(str(array.shape) for array, _ in layers)
        raise InvalidAttentionError(
            f"The layers have shapes {shapes}. Give every layer as [head, query, key], or every "
            "layer as [batch, head, query, key]."
        )
    if ranks == {3}:
        return [(array[np.newaxis], precision) for array, precision in layers], False
    sizes = [array.shape[0] for array, _ in layers]
    if len(set(sizes)) != 1 or sizes[0] == 0:
        raise InvalidAttentionError(
            f"The layers have batches of {sizes} examples. Every layer needs the same examples, "
            "at least one."
        )
    return layers, True


def _labels_per_example(labels: Any, count: int, batched: bool, argument: str) -> list[Axis | None]:
    """An axis per example; None where positions are to be numbered."""
    if labels is None:
        return [None] * count
    if isinstance(labels, str):
        raise InvalidAttentionError(
            f"`{argument}` is one text, {labels[:40]!r}. Give a list with one text per position."
        )
    if not batched:
        return [_axis(labels, argument)]
    if isinstance(labels, AXIS_TYPES) or (len(labels) and isinstance(labels[0], str)):
        raise InvalidAttentionError(
            f"The weights hold a batch of {count} examples, but `{argument}` is one sequence of "
            "labels. Give a list with one sequence per example."
        )
    if len(labels) != count:
        raise InvalidAttentionError(
            f"The weights hold a batch of {count} examples, but `{argument}` has {len(labels)} "
            "sequences. Give one per example."
        )
    return [_axis(each, argument) for each in labels]


def _axis(labels: Labels, argument: str) -> Axis:
    if isinstance(labels, AXIS_TYPES):
        return labels
    wrong = [label for label in labels if not isinstance(label, str)]
    if wrong:
        raise InvalidAttentionError(
            f"`{argument}` holds {wrong[0]!r}, which is not text. Give one string per position, "
            "for example `tokenizer.convert_ids_to_tokens(ids)`."
        )
    tokens = tuple(str(label) for label in labels)
    special = tuple(index for index, token in enumerate(tokens) if token in SPECIAL_TOKENS)
    return TokenAxis(tokens, special)


def _masks_per_example(mask: Any, count: int) -> list[np.ndarray | None]:
    if mask is None:
        return [None] * count
    array = np.asarray(mask, dtype=bool)
    if array.ndim == 4 or (array.ndim == 3 and count > 1 and array.shape[0] == count):
        if array.shape[0] != count:
            raise InvalidAttentionError(
                f"The mask holds {array.shape[0]} examples, but the weights hold {count}. Give "
                "one mask per example, or one [query, key] mask for all."
            )
        return [each[0] if each.ndim == 3 and each.shape[0] == 1 else each for each in array]
    return [array] * count


def _named(names: Sequence[str] | None, count: int, noun: str) -> list[str]:
    if names is None:
        return [f"{noun} {index}" for index in range(count)]
    if len(names) != count:
        raise InvalidAttentionError(
            f"There are {count} {noun}s but {len(names)} {noun} names. Give one per {noun}."
        )
    return list(names)


def _attention_map(
    weights: np.ndarray,
    *,
    precision: str,
    name: str,
    place: str,
    query: Axis | None,
    key: Axis | None,
    mask: np.ndarray | None,
    padding: Literal["right", "left"] | None,
    normalized: bool,
    kind: Kind,
    group: str,
    checks: Checks,
) -> AttentionMap:
    if query is None:
        query = TokenAxis(tuple(str(index) for index in range(max(1, weights.shape[1]))))
    if key is None:
        key = TokenAxis(tuple(str(index) for index in range(max(1, weights.shape[2]))))
    if padding is not None:
        window = (
            _window(len(query), weights.shape[1], padding),
            _window(len(key), weights.shape[2], padding),
        )
        weights = weights[:, *window]
        mask = None if mask is None else mask[..., *window]
    # Building the map first checks shapes, so that the checks below may rely on them.
    attention = AttentionMap(
        name=name,
        weights=weights,
        query=query,
        key=key,
        kind=kind,
        group=group,
        mask=mask,
        normalized=normalized,
        precision=precision,
    )
    require_finite(weights, place)
    require_in_unit_interval(weights, place, precision)
    error = None
    if normalized:
        error = require_rows_sum_to_one(weights, place, precision, attention.mask)
    return dataclasses.replace(attention, checks=dataclasses.replace(checks, row_sum_error=error))


def _window(length: int, size: int, padding: Literal["right", "left"]) -> slice:
    """Where the `length` real positions lie in a padded axis of `size`."""
    if length >= size:
        return slice(None)
    return slice(0, length) if padding == "right" else slice(size - length, size)


def _text(axis: Axis) -> str:
    """The text of an axis without its markers, pieces of one word joined."""
    if not isinstance(axis, TokenAxis):
        return ""
    words: list[str] = []
    for position, token in enumerate(axis.tokens):
        if position in axis.special:
            continue
        if token.startswith("##") and words:
            words[-1] += token[2:]
        else:
            words.append(token.lstrip("Ġ▁"))
    return " ".join(words)
