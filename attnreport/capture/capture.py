"""From a model and its inputs to a recording of the attention it used."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast

from attnreport._errors import CaptureError, InvalidAttentionError
from attnreport.capture.ambiguity import require_apart
from attnreport.capture.choice.budget import REDUCTIONS
from attnreport.capture.choice.naming import stack_of
from attnreport.capture.choice.options import Heads, Numbers, Options, OverBudget
from attnreport.capture.choice.selection import Grouping, usual_group
from attnreport.capture.linen_calls import linen_call, linen_variables
from attnreport.capture.results.calls import Call, with_one_batch
from attnreport.capture.results.explaining import with_scoring
from attnreport.capture.results.labels import Axes, Labels
from attnreport.capture.results.outcome import Outcome
from attnreport.capture.universal import capture_call
from attnreport.recording import Checks, Kind, Recording, Source
from attnreport.recording.layers import layer_numbers, with_numbers


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
    select: str | Sequence[str] | None = None,
    kinds: Sequence[str] = Options.kinds,
    layers: Numbers | None = None,
    heads: Heads | None = None,
    reduce: Literal["uint8", "bfloat16", "head mean"] | None = None,
    budget: int = Options.budget,
    over_budget: OverBudget = Options.over_budget,
    steps: int | None = None,
    strict: bool = False,
    queries_and_keys: bool = False,
    **model_kwargs: Any,
) -> Recording:
    """A recording of the attention that a model uses on the given inputs.

    The call is traced by JAX, every attention in the program is found by what it computes, and the
    program is run with the weights as further results. So nothing has to be prepared in the model,
    and it does not matter which library it is written in:

    * a Flax NNX or Equinox module, or any other object that can be called:
      `capture_attention(model, x)`;
    * a function of arrays, parameters and models, compiled or not, which may close over them:
      `capture_attention(lambda model, x: model.encode(x), model, x)`;
    * a Flax Linen module: `capture_attention(module, variables, x)`, or `module.apply` in its
      place; a transformed function of Haiku: `capture_attention(net.apply, params, key, x)`.

    The model does not change: NNX modules are copied, so that batch statistics, caches and random
    number generators of the caller's stay as they were. Attention is found inside loops (`scan`,
    `while`), branches, `jit`, `remat`, `vmap` and `shard_map` as well. Each is checked on its own
    numbers; one that fails is left out, and the source of the recording says so.

    Weights are those after the softmax and before dropout, in the format in which they meet the
    values. Each example of the batch becomes an example of the recording; layers of a scanned stack
    become maps `path[0]`, `path[1]`, …; the steps of a decoder that asks one question a step become
    the queries of one map, which `attnreport.stitch_steps` joins with the rows of the prompt.
    Scores below -5000 are taken to be masked. A layer has the number that it has in the model, also
    if others are left out; heads of a map are numbered from 0, so where only some are kept its name
    says which.

    Args:
        model: The module or function to run.
        inputs: Its positional arguments. Arrays are traced; Python numbers stay what they are.
        kwargs: Keyword arguments of the model whose names are also options here, such as
            `kwargs={'mask': mask}`; others may be among them.
        tokens: Labels of the positions, one sequence of texts or one axis per example, or just
            one for a single example. An example with fewer labels than positions was padded, and
            its padding is cut off. In an encoder-decoder model, labels of the decoder's input.
        key_tokens: In an encoder-decoder model, labels of the encoder's input.
        example_names: A name per example.
        kind: What attends to what, for all maps or as a function of the name. Left out, what the
            program shows.
        group: Stack of layers that a map belongs to, for all maps or as a function of the name.
            Left out, `encoder self-attention`, `decoder self-attention`, `self-attention` or
            `cross-attention`, depending on the name and the kind.
        mask: A label for the recording, which the model does not see: True where a query may look
            at a key, for all maps or as a function of the name that may return None; where it is
            left out, what the logits tell. A mask for the model goes into `kwargs`.
        padding: The side on which shorter examples were padded.
        normalized: Say False if rows are not meant to sum to one.
        source: Where the weights come from; model, framework and versions are filled in.
        verify: Run the model once more without capture, to measure how far its output is from the
            output with capture, and say whether weights depend on random numbers.
        select: Patterns of names to keep, such as `*layers.3*`; all if left out. A name that
            several attentions have matches all of them.
        kinds: Kinds to keep, as they are recognized; routers of mixtures of experts, and memories
            whose keys and values are learned (so is a dense layer behind a softmax), only if they
            are named.
        layers: Numbers of the layers to keep in each group; all if left out. `plan_attention` shows
            them, for the groups that there are if `group` is left out.
        heads: Numbers of the heads to keep, such as `[0, 3]`, or a mapping from patterns of names
            and numbers of layers to such numbers, or to None for all heads:
            `{5: [0, 3], "decoder.*": None}`. What no key matches is left out.
        reduce: Makes less of the weights on the device: `bfloat16` rounds them, `uint8` rounds them
            to steps of 1/255, `head mean` leaves one head, the mean of all that are kept.
        budget: Most bytes that may leave the device.
        over_budget: What to do with more than that. `refuse` is an error that says how large it
            would be and what helps, before the model runs: rounding and averaging change numbers
            that are read later, so nobody gets them unasked. `reduce` takes the first of bfloat16,
            uint8 and the mean of the heads that fits; the source of the recording says which and
            why.
        steps: How many iterations of a `while` loop to keep, where its condition does not tell.
        strict: Leave out what is only a guess.
        queries_and_keys: Keep what the weights were computed from, too, where they are a softmax of
            products of queries and keys: with it the report says of each weight how it came about.
            It takes 2 × features numbers more for each token and head, and is left out where
            weights are reduced, and in loops over steps or blocks.
        model_kwargs: All other keyword arguments go to the model.

    Raises:
        CaptureError: No attention can be taken out of the call; the message says why and what to
            do. An error that the model raises by itself passes unchanged. If capture itself fails,
            the error holds the model's output as `output`.
        InvalidAttentionError: Labels or mask do not fit.
    """
    options = {name: value for name, value in locals().items() if name in _DEFAULTS}
    given = {**model_kwargs, **(kwargs or {})}
    changed = {name for name, value in options.items() if value is not _DEFAULTS[name]}
    require_apart(model, inputs, given, changed)
    chosen = Options(
        select=select,
        kinds=kinds,
        layers=layers,
        heads=heads,
        want=("weights", "mask", *(_SCORED if queries_and_keys else ())),
        reduce=_whole(reduce),
        budget=budget,
        over_budget=over_budget,
        steps=steps,
        strict=strict,
    )

    def group_of(name: str, found: str) -> str:
        return _group(name, _kind(name, found, kind), group)

    outcome = _outcome(model, inputs, given, chosen, verify, group_of)
    calls = with_one_batch(outcome.calls, outcome.examples)
    names = _example_names(len(calls[0].weights), example_names)
    labels = Labels.of(tokens, key_tokens, names)
    resolved: list[Kind] = [_kind(call.path, call.kind, kind) for call in calls]
    labels = labels.in_model(
        [(call.weights.shape[-1], call.mask) for call in calls], "cross" in resolved, padding
    )
    places = [
        _place(call, labels, each, group, mask) for call, each in zip(calls, resolved, strict=True)
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
            normalized=normalized and call.normalized,
            example_names=names,
            checks=Checks(
                output_difference=outcome.output_difference,
                deterministic=call.deterministic,
                others=call.checks,
            ),
        )
        for call, place in zip(calls, places, strict=True)
    ]
    maps = [with_scoring(each, call, padding) for each, call in zip(maps, calls, strict=True)]
    recording = _with_layers(Recording.join_groups(maps), [call.layer for call in calls])
    return dataclasses.replace(recording, source=_source(source, outcome))


@dataclasses.dataclass(frozen=True)
class _Place:
    """What the positions of a call mean, and which maps it belongs with."""

    query: Axes
    key: Axes
    kind: Kind
    group: str
    mask: Any


def _outcome(
    model: Any,
    inputs: Sequence[Any],
    kwargs: Mapping[str, Any],
    options: Options,
    verify: bool,
    group: Grouping,
) -> Outcome:
    linen_form = linen_call(model, inputs)
    if linen_form is not None:
        module, arguments = linen_form
        model, inputs = module.apply, (linen_variables(module, arguments), *arguments[1:])
    return capture_call(model, inputs, kwargs, options=options, verify=verify, group=group)


def _with_layers(recording: Recording, layers: Sequence[int | None]) -> Recording:
    """The recording with the numbers that the model's layers have.

    In a group in which a map has none, because it is a part of an example such as a window, all
    are numbered by their place.

    Args:
        recording: The recording, the same maps in each example.
        layers: The number of each map; None if it has none.
    """
    maps = recording.examples[0].maps
    unclear = {each.group for each, layer in zip(maps, layers, strict=True) if layer is None}
    places = layer_numbers(maps)
    numbers = [
        place if layer is None or each.group in unclear else layer
        for each, layer, place in zip(maps, layers, places, strict=True)
    ]
    return dataclasses.replace(
        recording,
        examples=tuple(
            dataclasses.replace(example, maps=with_numbers(example.maps, numbers))
            for example in recording.examples
        ),
    )


def _example_names(count: int, given: Sequence[str] | None) -> Sequence[str]:
    if given is not None and len(given) != count:
        raise InvalidAttentionError(
            f"The model ran on a batch of {count} examples, but `example_names` has {len(given)} "
            "names. Give one name per example."
        )
    return given or [f"example {number}" for number in range(count)]


def _whole(reduce: str | None) -> str | None:
    if reduce in (None, *REDUCTIONS):
        return reduce
    raise CaptureError(
        f"A recording holds whole maps, and `reduce={reduce!r}` would not leave them whole. Choose "
        f"{', '.join(f'`{name}`' for name in REDUCTIONS)}; `with_attention` has all reductions."
    )


def _kind(name: str, found: str, kind: Kind | Callable[[str], Kind] | None) -> Kind:
    return (kind(name) if callable(kind) else kind) or cast(Kind, found)


def _group(name: str, kind: Kind, group: str | Callable[[str], str] | None) -> str:
    return (group(name) if callable(group) else group) or usual_group(name, kind)


def _place(
    call: Call,
    labels: Labels,
    kind: Kind,
    group: str | Callable[[str], str] | None,
    mask: Any,
) -> _Place:
    *_, queries, keys = call.weights.shape
    query, key = labels.axes_of(kind, stack_of(call.path), queries, keys)
    given = mask(call.path) if callable(mask) else mask
    return _Place(
        query=query,
        key=key,
        kind=kind,
        group=_group(call.path, kind, group),
        mask=call.mask if given is None else given,
    )


def _source(source: Source | None, outcome: Outcome) -> Source:
    source = source or Source()
    return dataclasses.replace(
        source,
        model=source.model or outcome.model,
        framework=source.framework or outcome.framework,
        versions=source.versions or outcome.versions,
        notes=(*source.notes, *outcome.notes),
    )


_SCORED = ("queries", "keys", "logits", "bias")

_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(capture_attention).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY and name != "kwargs"
}
