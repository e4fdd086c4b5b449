"""From what was captured of one attention to calls: layers apart, steps of a decoder as queries."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from attnreport._errors import CaptureError
from attnreport.capture.choice.options import few
from attnreport.capture.extraction.attention import Captured
from attnreport.capture.extraction.biases import NOTHING_ADDED, UNTOLD
from attnreport.capture.extraction.stacking import Stacking
from attnreport.capture.planning.planned import Planned
from attnreport.capture.results.calls import Call
from attnreport.capture.results.scoring import scoring_of
from attnreport.recording import Check, Kind
from attnreport.recording.layers import numbers_text


def calls_of(planned: Planned, captured: Captured, *, verify: bool) -> Iterator[Call]:
    """The calls of one attention, one for each layer that ran.

    Args:
        planned: The attention as it was planned.
        captured: What was captured of it.
        verify: Whether it is known if its weights depend on random numbers.

    Raises:
        CaptureError: Rounding to eight bits left nothing of a row.
    """
    stacking, name = planned.stacking, planned.name
    weights = _by_layer(np.asarray(captured.weights), planned)
    allowed = captured.others.get("mask")
    masks = None if allowed is None else _by_layer(np.asarray(allowed), planned)
    checks = _checks(captured)
    scored = _scored(planned, captured)
    for place, (layer, heads) in enumerate(
        zip(planned.choice.layers, planned.choice.heads, strict=True)
    ):
        index = _index(planned, layer)
        if not _has_run(stacking, captured, index):
            continue
        arrays = [
            _one_layer(array[place], planned, captured, index)
            for array in ((weights,) if masks is None else (weights, masks))
        ]
        own, *mask = (_own_heads(array, planned, heads) for array in arrays)
        if captured.about.reduction == "uint8":
            own = _from_eight_bits(name, own, captured)
        suffix = "".join(f"[{number}]" for number in index.values())
        call = Call(
            name=name + suffix + _heads_text(planned, heads),
            path=name,
            weights=own,
            mask=_with_empty_rows(mask[0], own) if mask else None,
            deterministic=not captured.about.random if verify else None,
            kind=cast(Kind, captured.kind),
            normalized=captured.about.sums in ("one", "to be measured"),
            checks=(*checks, *_heads_check(planned, heads)),
            layer=layer,
            scoring=scoring_of(
                {
                    **{n: _own_heads(each[place], planned, heads) for n, each in scored.items()},
                    "mask": mask[0] if mask else None,
                },
                captured.about.precision,
            ),
        )
        yield from _examples_of(call, planned.site.layout.batch)


def _scored(planned: Planned, captured: Captured) -> dict[str, np.ndarray]:
    """Queries, keys, logits and bias with all layers in front; nothing if weights were reduced.

    Steps and blocks of a loop have no queries and keys, so the loops are those over layers.
    """
    others, about = captured.others, captured.about
    whole = about.sums in ("one", "at most one", "to be measured") and not about.reduction
    if not whole or not {"queries", "keys", "logits"} <= set(others):
        return {}
    names = ("queries", "keys", "logits", "bias")
    return {name: _by_layer(np.asarray(others[name]), planned) for name in names if name in others}


def _with_empty_rows(mask: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A mask that hides rows without any weight, such as those that a rectifier left empty."""
    return mask & weights.any(axis=-1, keepdims=True)


def _examples_of(call: Call, batch: tuple[int, int, int]) -> Iterator[Call]:
    """A call whose batch is the examples, for each model and each part of an example."""
    models, _, parts = batch
    weights, mask = (
        None if each is None else each.reshape(models, -1, parts, *each.shape[1:])
        for each in (call.weights, call.mask)
    )
    assert weights is not None
    several = models > 1 or parts > 1
    for model, part in np.ndindex(models, parts):
        number = f"[{model}]" * (models > 1) + f" (part {part + 1})" * (parts > 1)
        yield dataclasses.replace(
            call,
            name=call.name + number,
            weights=weights[model, :, part],
            mask=None if mask is None else _mask(mask[model, :, part]),
            scoring=call.scoring and call.scoring.map(functools.partial(_part, batch, model, part)),
            layer=None if several else call.layer,
        )


def _part(batch: tuple[int, int, int], model: int, part: int, array: np.ndarray) -> np.ndarray:
    """The examples of one model and part."""
    models, _, parts = batch
    return array.reshape(models, -1, parts, *array.shape[1:])[model, :, part]


def not_kept(planned: Planned, captured: Captured) -> Iterator[str]:
    """Sentences on layers that did not run, and on iterations that are not kept."""
    stacking = planned.stacking
    indices = [_index(planned, layer) for layer in planned.choice.layers]
    missing = [index for index in indices if not _has_run(stacking, captured, index)]
    if missing:
        # Numbers of layers count on from attention to attention, but each loop counts its own.
        single = len(missing[0]) == 1
        where = (
            f"iteration {numbers_text([each for index in missing for each in index.values()])}"
            if single
            else few(["".join(f"[{each}]" for each in index.values()) for index in missing])
        )
        yield (
            f"Of {planned.name}, {where} did not run: a branch was not taken, or a loop ended "
            "before."
        )
    for place, ran in enumerate(captured.iterations):
        length = stacking.lengths[place]
        most = 0 if ran is None else int(np.max(ran))
        if most > length > 1:
            yield (
                f"The loop around {planned.name} ran {most} times, of which the first {length} are "
                "kept. Say more `steps` to keep more."
            )


def _index(planned: Planned, layer: int) -> dict[int, int]:
    """The iteration of each loop that a layer is, by the place of the loop."""
    places, lengths = planned.stacking.layers, planned.stacking.lengths
    number = planned.layers.index(layer)
    index = np.unravel_index(number, [lengths[place] for place in places]) if places else ()
    return dict(zip(places, map(int, index), strict=True))


def _by_layer(array: np.ndarray, planned: Planned) -> np.ndarray:
    """An array with all layers on one axis in front."""
    stacking = planned.stacking
    kept = len(planned.choice.layers)
    if kept < stacking.count:
        return np.moveaxis(array, stacking.front.index(stacking.layers[0]), 0)
    axes = [stacking.front.index(place) for place in stacking.layers]
    moved = np.moveaxis(array, axes, range(len(axes)))
    return moved.reshape(kept, *moved.shape[len(axes) :])


def _one_layer(
    array: np.ndarray, planned: Planned, captured: Captured, index: Mapping[int, int]
) -> np.ndarray:
    """`[batch, head, query, key]` of one layer, without steps that a decoder did not take."""
    stacking = planned.stacking
    steps = [place for place in stacking.front if place not in stacking.layers]
    if not steps:
        return array
    ran = _of_layer(captured.iterations[steps[0]], stacking, index, np.max)
    taken = array if ran is None else array[: max(int(ran), 1)]
    return np.moveaxis(taken[..., 0, :], 0, -2)


def _has_run(stacking: Stacking, captured: Captured, index: Mapping[int, int]) -> bool:
    """Whether the branches around a layer were taken, and its loops came to it."""
    if not _of_layer(captured.ran, stacking, index, np.any):
        return False
    counts = (
        (_of_layer(ran, stacking, index, np.max), index.get(place, 0))
        for place, ran in enumerate(captured.iterations)
    )
    return all(ran is None or iteration < ran for ran, iteration in counts)


def _of_layer(
    array: Any, stacking: Stacking, index: Mapping[int, int], reduce: Callable[..., Any]
) -> Any:
    """What an array with an axis for each of the outer loops says of one layer."""
    if array is None:
        return None
    found = np.asarray(array)
    for place in reversed(range(found.ndim)):
        # An axis of one iteration stands for all of them.
        here = min(index[place], found.shape[place] - 1) if place in index else None
        found = np.take(found, here, place) if here is not None else reduce(found, axis=place)
    return found


def _own_heads(array: np.ndarray, planned: Planned, heads: tuple[int, ...]) -> np.ndarray:
    """The heads of one layer, where other layers of its loop keep others."""
    together = planned.choice.all_heads
    if heads == together or array.shape[1] != len(together):
        return array
    return array[:, [together.index(head) for head in heads]]


def _heads_text(planned: Planned, heads: tuple[int, ...]) -> str:
    """Which heads of the model these are, as the end of a name; empty if they are all."""
    whole = planned.stacking.heads(planned.site.layout.shape[1])
    mean = planned.about.reduction == "head mean" and len(heads) > 1
    if len(heads) == whole and not mean:
        return ""
    noun = "head" if len(heads) == 1 else "heads"
    return f" ({'mean of ' * mean}{noun} {numbers_text(heads)})"


def _heads_check(planned: Planned, heads: tuple[int, ...]) -> Iterator[Check]:
    text = _heads_text(planned, heads)
    whole = planned.stacking.heads(planned.site.layout.shape[1])
    if text:
        yield Check(
            "heads",
            detail=f"Of the {whole} heads of the model, this map shows {text.strip(' ()')}"
            + ("." if text.startswith(" (mean") else ", numbered from 0 here."),
        )


def _from_eight_bits(name: str, weights: np.ndarray, captured: Captured) -> np.ndarray:
    """Weights that were rounded to steps of 1/255; rows that summed to one do so again.

    Raises:
        CaptureError: Rounding left nothing of a row.
    """
    exact = weights.astype(np.float32) / 255
    if captured.about.sums != "one":
        return exact
    sums = exact.sum(-1, keepdims=True)
    if not sums.all():
        raise CaptureError(
            f"{name} has rows of {weights.shape[-1]} keys in which no weight is over 1/510, so "
            'eight bits hold nothing of them. Say `reduce="bfloat16"`, and if that is over the '
            "budget, keep fewer layers or heads."
        )
    return exact / sums


def _mask(allowed: np.ndarray) -> np.ndarray | None:
    """The mask, with one head where all have the same; None if nothing is masked."""
    if allowed.all():
        return None
    same = (allowed == allowed[:, :1]).all()
    return allowed[:, :1] if same else allowed


def _checks(captured: Captured) -> tuple[Check, ...]:
    about = captured.about
    checks = [Check("form", detail=f"Recognized as {about.form} ({about.place or 'code'}).")]
    product = np.asarray(captured.proof.product_error)
    if np.isnan(product).all():
        detail = f"Not multiplied out{about.unproved and ': '}{about.unproved}."
        checks.append(Check("weights times values", detail=detail))
    else:
        error = float(np.nanmax(product))
        detail = "Difference from the program's own result, relative to its largest number."
        checks.append(Check("weights times values", error, held=True, detail=detail))
    checks += [Check("guess", held=None, detail=sentence) for sentence in captured.fallbacks]
    checks += [Check("note", held=None, detail=sentence) for sentence in _told(about.notes)]
    return tuple(checks)


def _told(notes: Sequence[str]) -> Iterator[str]:
    """The notes that a reader of the map must know: not those on biases, which are not shown."""
    yield from (note for note in notes if not note.startswith((NOTHING_ADDED.reason, UNTOLD)))
