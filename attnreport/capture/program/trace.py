"""Traces a call of any function or model into a jaxpr, with a name for each array that goes in."""

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.core
import numpy as np
from flax import linen, nnx

from attnreport._errors import CaptureError
from attnreport.capture.program.functions import held_objects, with_replacements, without_jit
from attnreport.capture.program.untraceable import explanation


@dataclasses.dataclass(frozen=True)
class Traced:
    """A call as a program.

    Attributes:
        closed: The jaxpr.
        labels: Path of each of its inputs from the name of the argument that it is in, such as
            `variables['params']['query']['kernel']`.
        leaves: The arrays of the call that it was traced for.
        structure: The structure of its output.
        function: The call as a function of its arrays.
    """

    closed: Any
    labels: tuple[str, ...]
    leaves: list[Any]
    structure: Any
    function: Callable[[Sequence[Any]], Any]


@dataclasses.dataclass(frozen=True)
class Call:
    """A call in the form of a pure function of arrays.

    Attributes:
        function: From the arrays to the output.
        leaves: The arrays, or their abstract values.
        labels: Where in the call each of them stands.
    """

    function: Callable[[Sequence[Any]], Any]
    leaves: list[Any]
    labels: tuple[str, ...]


def trace(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Traced:
    """Traces `function(*args, **kwargs)` without running it.

    Args:
        function: Any function that JAX can trace, or a model that can be called.
        args: Its positional arguments; arrays may be given as `jax.ShapeDtypeStruct`.
        kwargs: Its keyword arguments.

    Raises:
        CaptureError: The function cannot be traced by JAX, or an array was deleted. Other errors
            of the function pass unchanged.
    """
    call = pure_call(function, args, kwargs)
    _require_alive(call)
    try:
        closed, shapes = jax.make_jaxpr(call.function, return_shape=True)(call.leaves)
    except Exception as error:
        why = explanation(error)
        if not why:
            raise
        raise CaptureError(why) from error
    return Traced(closed, call.labels, call.leaves, jax.tree.structure(shapes), call.function)


def require_values(traced: Traced) -> None:
    """Raises if a program cannot run, because some of its inputs are only shapes.

    Raises:
        CaptureError: An input is a `jax.ShapeDtypeStruct`, or has no entries.
    """
    for label, leaf in zip(traced.labels, traced.leaves, strict=True):
        if isinstance(leaf, jax.ShapeDtypeStruct):
            raise CaptureError(
                f"`{label}` is a ShapeDtypeStruct, and attention needs numbers. Give an array; "
                "`plan_attention` takes shapes."
            )
        if 0 in np.shape(leaf):
            raise CaptureError(
                f"`{label}` has no entries (its shape is {np.shape(leaf)}), so there is nothing "
                "to attend to. Give at least one example of at least one position."
            )


def require_no_tracers(traced: Traced) -> None:
    """Raises if a program is called while JAX traces another, so that it has no numbers yet.

    Raises:
        CaptureError: An input is being traced.
    """
    for label, leaf in zip(traced.labels, traced.leaves, strict=True):
        if isinstance(leaf, jax.core.Tracer):
            raise CaptureError(
                f"`{label}` is being traced by JAX, as inside of `jit`, `vmap` or `grad`, and a "
                "recording holds numbers. Use `with_attention` there, or call `capture_attention` "
                "outside."
            )


def pure_call(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Call:
    """A call as a function of its arrays alone.

    NNX modules among the arguments, or held by the function, are copied, so that nothing of the
    caller's changes. A model that is a pytree, such as one of Equinox, gives its arrays like an
    argument.

    Raises:
        CaptureError: The function cannot be called.
    """
    if isinstance(function, linen.Module):
        function = function.apply
    if not callable(function):
        raise CaptureError(
            f"A {type(function).__name__} cannot be called, so it has no attention to capture. "
            "Give a model, or a function around one, and then its inputs."
        )
    held = _held_modules(function)
    tree = (_as_argument(function), tuple(args), dict(kwargs), held)
    places, structure = jax.tree_util.tree_flatten_with_path(tree, is_leaf=is_module)
    # All at once, because modules may share their variables.
    graph, state = nnx.split([leaf for _, leaf in places if is_module(leaf)])
    plain = [None if is_module(leaf) else leaf for _, leaf in places]
    flat, layout = jax.tree_util.tree_flatten_with_path((plain, state), is_leaf=_is_none)
    dynamic = [number for number, (_, leaf) in enumerate(flat) if is_array(leaf)]

    def pure(arrays: Sequence[Any]) -> Any:
        leaves = [leaf for _, leaf in flat]
        for number, array in zip(dynamic, arrays, strict=True):
            leaves[number] = array
        others, variables = jax.tree.unflatten(layout, leaves)
        copies = iter(nnx.merge(graph, variables))
        new = [
            next(copies) if is_module(leaf) else other
            for (_, leaf), other in zip(places, others, strict=True)
        ]
        model, positional, named, modules = jax.tree.unflatten(structure, new)
        called = _with_modules(function if model is None else model, held, modules)
        return called(*positional, **named)

    modules = [place for place, leaf in places if is_module(leaf)]
    arguments = _names_of_arguments(function, args)
    labels = [_label(path, [place for place, _ in places], modules, arguments) for path, _ in flat]
    return Call(
        pure,
        [flat[number][1] for number in dynamic],
        tuple(labels[number] for number in dynamic),
    )


def _require_alive(call: Call) -> None:
    for label, leaf in zip(call.labels, call.leaves, strict=True):
        concrete = isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer)
        if concrete and leaf.is_deleted():
            raise CaptureError(
                f"`{label}` was deleted, as an array is that was donated to a compiled function. "
                "Capture before that, or give a copy."
            )


def is_module(value: Any) -> bool:
    """Whether `value` holds NNX state: a module, random number generators, an optimizer."""
    return isinstance(value, nnx.Pytree)


def is_array(value: Any) -> bool:
    """Whether a leaf is traced; Python numbers and everything else stay what they are."""
    if isinstance(value, jax.ShapeDtypeStruct | jax.Array):
        return True
    dtype = getattr(value, "dtype", None)
    return dtype is not None and getattr(dtype, "kind", "") in "biufcV"


def _as_argument(function: Any) -> Any:
    """The function itself if it is a tree with arrays in it; None if it is only code."""
    if is_module(function):
        return function
    leaves = jax.tree.leaves(function)
    return function if any(leaf is not function for leaf in leaves) else None


def _held_modules(function: Any) -> dict[str, Any]:
    """NNX modules that a function closes over, by name, each once."""
    if is_module(function) or _as_argument(function) is not None:
        return {}
    found = held_objects(without_jit(function), is_module)
    names = [name for name, _ in found]
    return {
        f"{name}{names[:place].count(name) or ''}": value
        for place, (name, value) in enumerate(found)
    }


def _with_modules(function: Any, held: Mapping[str, Any], copies: Mapping[str, Any]) -> Any:
    if not held:
        return function
    by_identity = {id(value): copies[name] for name, value in held.items()}
    return with_replacements(
        without_jit(function), is_module, lambda module: by_identity[id(module)]
    )


def _is_none(value: Any) -> bool:
    return value is None


def _label(
    path: Any, places: Sequence[Any], modules: Sequence[Any], arguments: Sequence[str]
) -> str:
    """The path of an array in the call: the name of its argument, and from there."""
    part, number, *inside = path
    # A list is told by places, the state of modules by keys.
    which, *before = places[number.idx] if part.idx == 0 else modules[number.key]
    name = ""
    if which.idx > 0:
        first, *before = before
        name = str(arguments[first.idx] if which.idx == 1 else first.key)
    # One part, so that everything after it is the path inside.
    root = re.sub(r"\W+", "_", name).strip("_") or "model"
    return root + jax.tree_util.keystr((*before, *inside))


def _names_of_arguments(function: Any, args: Sequence[Any]) -> list[str]:
    """The names that a function gives its positional arguments; numbers where it has none."""
    names: list[str] = []
    try:
        parameters = inspect.signature(without_jit(function)).parameters.values()
        names = [each.name for each in parameters if each.kind in _POSITIONAL]
    except (TypeError, ValueError):  # built into Python
        pass
    return [*names, *(str(place) for place in range(len(names), len(args)))]


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
