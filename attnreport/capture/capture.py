"""From a model and its inputs to a recording of the attention it used."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax.numpy as jnp
from flax import linen

from attnreport._errors import CaptureError, InvalidAttentionError
from attnreport.capture.calls import Call, attention_calls, with_one_batch
from attnreport.capture.execution import Run, run
from attnreport.capture.functions import held_objects
from attnreport.capture.labels import Axes, Labels
from attnreport.capture.linen_program import linen_call, linen_program
from attnreport.capture.naming import group_of, kind_of, stack_of
from attnreport.capture.nnx_program import nnx_program
from attnreport.capture.program import Program
from attnreport.capture.sown import WEIGHTS
from attnreport.recording import Checks, Kind, Recording, Source

# Rounding adds up over layers: outputs that differ by less, relative to the largest, are the same.
_ROUNDINGS = 8
_SMALLEST_TOLD = 1e-5


def capture_attention(
    model: Any,
    *inputs: Any,
    kwargs: Mapping[str, Any] | None = None,
    tokens: Any = None,
    key_tokens: Any = None,
    example_names: Sequence[str] | None = None,
    kind: Kind | Callable[[str], Kind] | None = None,
    group: str | Callable[[str], str] | None = None,
    mask: Any = None,
    padding: Literal["right", "left"] = "right",
    normalized: bool = True,
    source: Source | None = None,
    verify: bool = True,
    **unknown: Any,
) -> Recording:
    """A recording of the attention that a model uses on the given inputs.

    The model is not edited and does not change: capture compiles a copy of it with `jax.jit` and
    runs that, so that parameters, batch statistics, caches and random number generators of the
    caller's model stay as they were. Works with

    * a Flax NNX module: `capture_attention(model, x)`;
    * a function that gets NNX modules as arguments or closes over them, compiled or not:
      `capture_attention(lambda model, x: model.encode(x), model, x)`;
    * a Flax Linen module: `capture_attention(module, variables, x)`, or `module.apply` in its
      place. `kwargs` then holds the arguments of `apply`, such as `rngs` and `method`.

    In these it finds `nnx.MultiHeadAttention`, `linen.MultiHeadDotProductAttention`, the modules
    of `attnreport.nn`, and any module that sows `attention_weights` as an `nnx.Intermediate` or
    into Linen's `intermediates`. A boolean `attention_mask` sown beside it becomes the map's
    mask, and a boolean scalar `attention_same_input` tells self-attention from cross-attention.
    Weights are those after the softmax and before dropout. The leading axis of the weights
    is the batch; each of its examples becomes an example of the recording. The layers of a
    scanned or vmapped stack become maps `path[0]`, `path[1]`, …; the steps of a decoder scanned
    over time become the queries of one map.

    Args:
        model: The module or function to run.
        inputs: Its positional arguments. Arrays are traced; Python numbers stay what they are.
        kwargs: Its keyword arguments, such as `{'deterministic': True}`, and its own `mask`.
        tokens: Labels of the positions, one sequence of texts or one axis per example, or just
            one for a single example. An example with fewer labels than positions was padded, and
            its padding is cut off. In an encoder-decoder model, labels of the decoder's input.
        key_tokens: In an encoder-decoder model, labels of the encoder's input.
        example_names: A name per example.
        kind: What attends to what, for all maps or as a function of the module path. Left out,
            queries and keys computed from one array are self-attention, and otherwise the module
            path and then the lengths decide.
        group: Stack of layers that a map belongs to, for all maps or as a function of the module
            path. Left out, `encoder self-attention`, `decoder self-attention`, `self-attention`
            or `cross-attention`, depending on the path and the kind.
        mask: A label for the recording, which the model does not see: True where a query may look
            at a key, for all maps or as a function of the module path that may return None; where
            it is left out, what the model's calls tell. A mask for the model goes into `kwargs`.
        padding: The side on which shorter examples were padded.
        normalized: Say False if rows are not meant to sum to one.
        source: Where the weights come from; model, framework and versions are filled in.
        verify: Run the model twice more, to measure how far its output is from the output
            without capture, and whether the weights depend on random numbers. For a second run
            the state of `nnx.Rngs` goes on from the first, and keys in Linen's `rngs` change;
            keys passed as plain arrays do not.
        unknown: Refused, with a word on where the model's own keyword arguments go.

    Raises:
        CaptureError: The model runs, but no attention can be taken out of it; the message says
            why and what to do. An error that the model raises by itself passes unchanged.
        InvalidAttentionError: Labels or mask do not fit, or what was sown is not attention.
    """
    _require_known(unknown)
    program = _program(model, inputs, kwargs or {})
    finished = run(program, verify=verify)
    if not finished.sown:
        raise CaptureError(program.silence())
    calls = with_one_batch(attention_calls(finished, program.examples), program.examples)
    names = _example_names(len(calls[0].weights), example_names)
    labels = Labels.of(tokens, key_tokens, names)
    kinds: list[Kind] = [_kind(call, kind) for call in calls]
    labels = labels.in_model(
        [(call.weights.shape[-1], call.mask) for call in calls], "cross" in kinds, padding
    )
    places = [
        _place(call, labels, resolved, group, mask)
        for call, resolved in zip(calls, kinds, strict=True)
    ]
    labels.require_used(
        [axes for place in places for axes in (place.query, place.key)],
        [length for call in calls for length in call.weights.shape[-2:]],
    )
    maps = [
        Recording.from_arrays(
            [call.weights],
            place.query,
            key_tokens=place.key,
            kind=place.kind,
            group=place.group,
            names=[call.name],
            mask=place.mask,
            padding=padding,
            normalized=normalized,
            example_names=names,
            checks=Checks(
                output_difference=finished.output_difference, deterministic=call.deterministic
            ),
        )
        for call, place in zip(calls, places, strict=True)
    ]
    recording = Recording.join_groups(maps)
    return dataclasses.replace(recording, source=_source(source, program, finished))


@dataclasses.dataclass(frozen=True)
class _Place:
    """What the positions of a call mean, and which maps it belongs with."""

    query: Axes
    key: Axes
    kind: Kind
    group: str
    mask: Any


def _program(model: Any, inputs: Sequence[Any], kwargs: Mapping[str, Any]) -> Program:
    linen_form = linen_call(model, inputs)
    if linen_form is not None:
        return linen_program(*linen_form, kwargs)
    if not callable(model):
        raise CaptureError(
            f"A {type(model).__name__} cannot be called, so it has no attention to capture. Give "
            "a Flax module, or a function around one, and then its inputs."
        )
    held = held_objects(model, lambda value: isinstance(value, linen.Module))
    if held:
        name, module = held[0]
        raise CaptureError(
            f"The function uses a Linen module (`{name or type(module).__name__}`), and what that "
            "sows does not come out of a function. Call `capture_attention(module, variables, …)`"
            '; another method than `__call__` goes in `kwargs={"method": …}`.'
        )
    return nnx_program(model, inputs, kwargs)


def _example_names(count: int, given: Sequence[str] | None) -> Sequence[str]:
    if given is not None and len(given) != count:
        raise InvalidAttentionError(
            f"The model ran on a batch of {count} examples, but `example_names` has {len(given)} "
            "names. Give one name per example."
        )
    return given or [f"example {number}" for number in range(count)]


def _require_known(unknown: Mapping[str, Any]) -> None:
    if unknown:
        name, value = next(iter(unknown.items()))
        shown = value if isinstance(value, bool | int | float | str) else "…"
        raise CaptureError(
            f"`capture_attention` has no option `{name}`. If it is the model's, pass the model's "
            f"own keyword arguments as `kwargs={{{name!r}: {shown!r}}}`."
        )


def _kind(call: Call, kind: Kind | Callable[[str], Kind] | None) -> Kind:
    *_, queries, keys = call.weights.shape
    given = kind(call.path) if callable(kind) else kind
    return given or kind_of(call.path, call.same_input, queries, keys)


def _place(
    call: Call,
    labels: Labels,
    kind: Kind,
    group: str | Callable[[str], str] | None,
    mask: Any,
) -> _Place:
    *_, queries, keys = call.weights.shape
    stack = stack_of(call.path)
    query, key = labels.axes_of(kind, stack, queries, keys)
    given = mask(call.path) if callable(mask) else mask
    return _Place(
        query=query,
        key=key,
        kind=kind,
        group=(group(call.path) if callable(group) else group) or group_of(stack, kind),
        mask=call.mask if given is None else given,
    )


def _source(source: Source | None, program: Program, finished: Run) -> Source:
    source = source or Source()
    notes = [*source.notes, program.unheard(frozenset(finished.sown))]
    if finished.random:
        notes.append(
            "The model drew random numbers while it ran, so dropout was on: this is one sample, "
            "with weights as they were before dropout zeroed some of them. Call `model.eval()`, or "
            "say `deterministic=True`, for the weights that it predicts with."
        )
    notes.append(_difference_note(finished))
    return dataclasses.replace(
        source,
        model=source.model or program.model,
        framework=source.framework or program.framework,
        versions=source.versions or program.versions,
        notes=tuple(note for note in notes if note),
    )


def _difference_note(finished: Run) -> str:
    """A sentence if capture changed the output by more than rounding explains; else empty."""
    difference, largest = finished.output_difference, finished.largest_output
    if not difference or not largest:
        return ""
    formats = [array.dtype for facts in finished.sown.values() for array in facts[WEIGHTS]]
    rounding = max(float(jnp.finfo(each).eps) for each in formats)
    if difference <= max(_ROUNDINGS * rounding, _SMALLEST_TOLD) * largest:
        return ""
    return (
        f"Capture changed the output by up to {difference:.2g}, which is {difference / largest:.2g}"
        " of its largest value and more than rounding explains: these weights may differ from "
        "those that the model uses by itself."
    )
