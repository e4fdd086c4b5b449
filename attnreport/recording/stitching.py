"""Puts the attention of a generation, which comes in steps, together into one map a layer.

A decoder that keeps keys and values reads the prompt at once and then one token at a time. So its
attention comes in pieces: some rows for the prompt, one row for each step after it, each over the
keys that were there, or over a cache with room for more.
"""

import dataclasses
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from attnreport._errors import InvalidAttentionError
from attnreport.recording.attention_map import AttentionMap
from attnreport.recording.axes import Axis, TokenAxis
from attnreport.recording.checks import Check, Checks
from attnreport.recording.generation import Generation
from attnreport.recording.labels import Labels, axes_per_example, plain_text
from attnreport.recording.layers import layer_numbers, with_numbers
from attnreport.recording.recording import Example, Recording
from attnreport.recording.step_signs import ReadText, StepSigns
from attnreport.recording.validation import ROW_SUM_TOLERANCE

Weights = Float[np.ndarray, "head query key"]
Allowed = Bool[np.ndarray, "head query key"]


def stitch_steps(
    recording: Recording,
    prompt: Labels | Sequence[Labels],
    generation: Generation | Sequence[Generation],
    *,
    layers: Sequence[Sequence[str]] | None = None,
) -> Recording:
    """The recording of a decoder that wrote token by token, with one map for each of its layers.

    `capture_attention(generate, ...)` and `Recording.from_steps` give the pieces: rows of the
    prompt and of single steps, over keys of which some may not have been written yet. They become
    one map over prompt and output in which each row looks at itself and those before it, as one
    pass over the whole text would give it. Cross-attention has a row for each token that was read,
    and keeps its keys. What has no steps, such as an encoder, stays as it is: a single map that is
    not causal, whose queries have labels of their own, or whose rows end where no text does, unless
    `layers` names it.

    The row of the last token of the prompt wrote the first token of the output, the row of that one
    the second, and so on (`AttentionMap.first_step`); the last token of the output has a row only
    if the model read it, too.

    Args:
        recording: What was captured of the generation.
        prompt: Tokens that the model read before it wrote, with markers such as `<s>`; one
            sequence per example, or just one for a single example. Empty for a decoder whose rows
            stand for the tokens that they write, as those of a recurrent translator do.
        generation: What it wrote, one per example, or just one for a single example. An example
            that ended early has fewer tokens than the others, and its rows end with them.
        layers: For each layer the names of its pieces in the order in which they ran. Left out,
            pieces whose names differ in `(call 1)`, `(call 2)`, … only belong together.

    Raises:
        InvalidAttentionError: The pieces do not fit together or do not fit the tokens; or a row
            looks at a key that is written after it, as in a cache that turns around; or a single
            example has more rows than tokens, as if it is padded on the left.
    """
    prompts, generations = _per_example(recording, prompt, generation)
    texts = [ReadText.of(*both) for both in zip(prompts, generations, strict=True)]
    steps = StepSigns(
        frozenset(end for text in texts for end in (text.least, len(text.tokens))),
        frozenset(name for names in layers or () for name in names),
        alone=len(texts) == 1,
    )
    columns = zip(recording.examples, prompts, generations, texts, strict=True)
    examples = tuple(
        _stitched_example(example, before, written, text, layers, steps)
        for example, before, written, text in columns
    )
    return dataclasses.replace(recording, examples=examples)


def _per_example(
    recording: Recording, prompt: Any, generation: Any
) -> tuple[list[TokenAxis | None], list[Generation]]:
    """Prompt and generation of each example."""
    names = [example.name for example in recording.examples]
    generations = [generation] if isinstance(generation, Generation) else list(generation)
    if len(generations) != len(names):
        raise InvalidAttentionError(
            f"The recording has {len(names)} examples, and there are {len(generations)} "
            "generations. Give one per example."
        )
    if not isinstance(prompt, str | Axis) and len(prompt) == 0:
        return [None] * len(names), generations
    single = isinstance(prompt, Axis) or (
        not isinstance(prompt, str) and isinstance(prompt[0], str)
    )
    given = [prompt] if single and len(names) == 1 else prompt
    axes = axes_per_example(given, names, batched=True, argument="prompt")
    for axis in axes:
        if not isinstance(axis, TokenAxis):
            raise InvalidAttentionError(
                f"`prompt` is an axis of {axis and axis.kind}. Give the texts of its tokens."
            )
    return [axis for axis in axes if isinstance(axis, TokenAxis)], generations


def _stitched_example(
    example: Example,
    prompt: TokenAxis | None,
    written: Generation,
    text: ReadText,
    layers: Sequence[Sequence[str]] | None,
    steps: StepSigns,
) -> Example:
    numbers = dict(zip(map(id, example.maps), layer_numbers(example.maps), strict=True))
    pieces = _pieces_of(example, layers)
    maps = [_stitched_map(each, text, example.name, steps) for each in pieces]
    if all(attention.first_step is None for attention in maps):
        raise InvalidAttentionError(
            f"No map of example {example.name!r} looks like the steps of a generation of "
            f"{len(text.tokens)} tokens, {text.prompt} of them a prompt: rows that look at "
            "themselves and those before, or cross-attention with a row per token. It has "
            f"{', '.join(map(_described, example.maps[:4]))}. If the names of pieces do not tell "
            "which belong together, or a map has other labels or more rows than the text, say it "
            "with `layers`."
        )
    return dataclasses.replace(
        example,
        maps=with_numbers(maps, [numbers[id(each[0])] for each in pieces]),
        # Without labels, capture takes the numbers of the positions for the input.
        input=(prompt and plain_text(prompt)) or example.input,
        output=example.output or plain_text(text.axis(text.prompt, len(text.tokens))),
        generation=written,
    )


def _pieces_of(
    example: Example, layers: Sequence[Sequence[str]] | None
) -> list[list[AttentionMap]]:
    """The maps of an example, those of one layer together."""
    together: dict[str, list[AttentionMap]] = {}
    named = {name: f"\n{number}" for number, names in enumerate(layers or ()) for name in names}
    for attention in example.maps:
        own = attention.name if layers else re.sub(r" \(call \d+\)", "", attention.name)
        together.setdefault(named.get(attention.name, own), []).append(attention)
    missing = set(named) - {attention.name for attention in example.maps}
    if missing:
        raise InvalidAttentionError(
            f"Example {example.name!r} has no map {sorted(missing)[0]!r}, which `layers` names. It "
            f"has {', '.join(repr(each.name) for each in example.maps[:8])}."
        )
    for number, names in enumerate(layers or ()):
        together[f"\n{number}"].sort(key=lambda attention: list(names).index(attention.name))
    return list(together.values())


def _stitched_map(
    pieces: Sequence[AttentionMap], text: ReadText, example: str, steps: StepSigns
) -> AttentionMap:
    """One map of the pieces of a layer; the only piece itself if it has no steps."""
    first = pieces[0]
    place = f"The attention {_base_name(first)!r} of example {example!r}"
    if len({(each.heads, each.kind, each.normalized) for each in pieces}) > 1:
        raise InvalidAttentionError(
            f"{place} has pieces that differ in their heads or in what they are: "
            f"{', '.join(map(_described, pieces[:4]))}. Only pieces of one layer fit together."
        )
    keys = max(len(each.key) for each in pieces)
    weights = np.concatenate([_widened(each.array(), keys, 0.0) for each in pieces], axis=1)
    allowed = np.concatenate([_widened(_allowed(each), keys, False) for each in pieces], axis=1)
    # A step over a cache may be taken for cross-attention, which hardly has weights of exactly 0.
    tolerance = 0 if first.kind == "cross" else ROW_SUM_TOLERANCE.get(first.precision, 1e-3)
    before = _rows_before(weights, allowed & (weights > tolerance))
    rows = weights.shape[1]
    if before is not None and text.fits(before, before + rows):
        if steps.leave(pieces, text, before):
            return first
        steps.require_no_more(place, text, before + rows)
        return _causal(pieces, weights, allowed, text, before)
    across = first.kind == "cross" and all(len(each.key) == keys for each in pieces)
    if across and rows >= text.least:
        if steps.leave(pieces, text, 0):
            return first
        steps.require_no_more(place, text, rows)
        return _across(pieces, weights, allowed, text)
    if len(pieces) > 1 and before is not None:
        raise _misfit(place, text, before, before + rows)
    if len(pieces) > 1:
        raise InvalidAttentionError(
            f"{place} has {len(pieces)} pieces that do not make a causal map: "
            f"{_first_late(weights, tolerance)}. Steps are stitched if each token looks at itself "
            "and those before it in the order in which they were read; a cache that turns around, "
            "is padded on the left or is not kept at all is in another order. In the last case, "
            "the last step alone has all rows: keep that with `layers`, or record one pass over "
            "the whole text."
        )
    return first


def _causal(
    pieces: Sequence[AttentionMap], weights: Weights, allowed: Allowed, text: ReadText, before: int
) -> AttentionMap:
    """Self-attention: rows from number `before` on, over all tokens up to the last row."""
    end = min(before + weights.shape[1], len(text.tokens))
    rows = slice(0, end - before)
    causal = np.arange(end) <= np.arange(before, end)[:, np.newaxis]
    key = text.axis(0, end)
    found = _joined(
        pieces,
        weights[:, rows, :end],
        allowed[:, rows, :end] & causal,
        query=key if before == 0 else text.axis(before, end),
        key=key,
        first_step=text.first_step - before,
    )
    group = "self-attention" if found.group == "cross-attention" else found.group
    return dataclasses.replace(found, kind="self", group=group)


def _misfit(place: str, text: ReadText, first: int, end: int) -> InvalidAttentionError:
    return InvalidAttentionError(
        f"{place} has rows for the tokens {first} to {end - 1}, but the text has {text.prompt} "
        f"tokens of the prompt and {len(text.tokens) - text.prompt} that were written. Each token "
        "that was written needs the row of the token before it: give all tokens that the model "
        "read, markers included, and capture the reading of the prompt too."
    )


def _across(
    pieces: Sequence[AttentionMap], weights: Weights, allowed: Allowed, text: ReadText
) -> AttentionMap:
    """Cross-attention: a row for each token that was read."""
    end = min(weights.shape[1], len(text.tokens))
    query, key = text.axis(0, end), pieces[0].key
    kept = weights[:, :end], allowed[:, :end]
    return _joined(pieces, *kept, query=query, key=key, first_step=text.first_step)


def _joined(
    pieces: Sequence[AttentionMap],
    weights: Weights,
    allowed: Allowed,
    *,
    query: TokenAxis,
    key: Axis,
    first_step: int,
) -> AttentionMap:
    shared = bool((allowed == allowed[:1]).all())
    mask = allowed[0] if shared else allowed
    return dataclasses.replace(
        pieces[0],
        name=_base_name(pieces[0]),
        weights=np.ascontiguousarray(weights),
        query=query,
        key=key,
        mask=None if mask.all() else mask,
        reference=None,
        logits=None,
        checks=_checks(pieces),
        first_step=first_step,
        scoring=None,
    )


def _checks(pieces: Sequence[AttentionMap]) -> Checks:
    """The worst of what was checked of the pieces, and that they are some."""
    found = [each.checks for each in pieces]
    errors, differences = (
        [each for each in numbers if each is not None]
        for numbers in (
            [checks.row_sum_error for checks in found],
            [checks.output_difference for checks in found],
        )
    )
    known = [checks.deterministic for checks in found if checks.deterministic is not None]
    rows = [len(each.query) for each in pieces]
    text = f"{rows[0]} rows" if len(rows) == 1 else f"pieces of {_listed(rows)} rows"
    stitched = Check("stitched", detail=f"Steps of a generation in one map, from {text}.")
    return Checks(
        max(errors) if len(errors) == len(found) else None,
        max(differences) if len(differences) == len(found) else None,
        deterministic=all(known) if len(known) == len(found) else None,
        others=tuple(dict.fromkeys([*(c for each in found for c in each.others), stitched])),
    )


def _rows_before(weights: Weights, used: Allowed) -> int | None:
    """How many rows of the text came before the first one; None if they are not causal.

    Row `r` of the text looks at the keys up to `r`. So the last key that a row looks at says the
    least that its number can be.
    """
    _, rows, keys = weights.shape
    last = np.where(used.any(0), np.arange(keys), -1).max(-1)
    before = max(0, int((last - np.arange(rows)).max()))
    return before if before + rows <= keys else None


def _first_late(weights: Weights, tolerance: float) -> str:
    """The first weight on a key that comes after its row, in words."""
    _, rows, keys = weights.shape
    late = (weights > tolerance) & (np.arange(keys) > np.arange(rows)[:, np.newaxis])
    if not late.any():
        return f"there are {rows} rows over {keys} keys"
    head, row, key = (int(each) for each in np.argwhere(late)[0])
    return f"row {row} of head {head} gives {weights[head, row, key]:.3g} to key {key}"


def _allowed(attention: AttentionMap) -> Allowed:
    shape = (attention.heads, len(attention.query), len(attention.key))
    return np.broadcast_to(attention.allowed(), shape)


def _widened(array: np.ndarray, keys: int, fill: Any) -> np.ndarray:
    """The array with room for keys that come later."""
    room = ((0, 0), (0, 0), (0, keys - array.shape[-1]))
    return np.pad(array, room, constant_values=fill) if room[-1][1] else array


def _base_name(attention: AttentionMap) -> str:
    return re.sub(r" \(call \d+\)", "", attention.name)


def _described(attention: AttentionMap) -> str:
    sizes = f"{len(attention.query)} × {len(attention.key)}"
    return f"{attention.name!r} ({attention.kind}, {sizes})"


def _listed(rows: Iterable[int]) -> str:
    """The numbers of rows; several alike in a row as one: `4, then 7 times 1`."""
    runs: list[list[int]] = []
    for count in rows:
        if runs and runs[-1][0] == count:
            runs[-1][1] += 1
        else:
            runs.append([count, 1])
    return ", then ".join(str(count) if n == 1 else f"{n} times {count}" for count, n in runs)
