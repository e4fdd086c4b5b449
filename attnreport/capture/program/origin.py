"""Names the model that a call runs, the library it is written in, and their versions."""

import importlib.metadata
import inspect
import types
from collections.abc import Mapping, Sequence
from typing import Any

import flax
import jax
from flax import linen, nnx

from attnreport.capture.program.functions import held_objects, innermost, without_jit
from attnreport.capture.program.trace import is_module

# Package of the class of a model: the library's name and its distribution.
_LIBRARIES = {
    "equinox": ("Equinox", "equinox"),
    "haiku": ("Haiku", "dm-haiku"),
    "penzai": ("Penzai", "penzai"),
    "transformers": ("Hugging Face Flax", "transformers"),
}


def origin_of(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """`model`, `framework` and `versions` of a call, as an outcome has them."""
    args = (*args, *kwargs.values())
    owner = getattr(innermost(without_jit(function)), "__self__", function)
    if isinstance(owner, linen.Module):
        return _origin(type(owner).__name__, "Flax Linen", flax=flax.__version__)
    modules = [
        type(each).__name__ for each in _modules(function, args) if isinstance(each, nnx.Module)
    ]
    if modules:
        return _origin(", ".join(dict.fromkeys(modules)), "Flax NNX", flax=flax.__version__)
    named = function if hasattr(function, "__name__") else type(owner)
    for candidate in (owner, *args):
        of_class = [cls.__module__ for cls in type(candidate).__mro__]
        for package in (each.partition(".")[0] for each in (*of_class, _home(candidate))):
            if package in _LIBRARIES:
                framework, distribution = _LIBRARIES[package]
                version = importlib.metadata.version(distribution)
                shown = _wrapped(candidate, package)
                name = getattr(shown, "__name__", type(shown).__name__)
                return _origin(name, framework, **{package: version})
    return _origin(named.__name__, "JAX")


def _wrapped(function: Any, package: str) -> Any:
    """The caller's function that one of a library was made from, as by `haiku.transform`.

    Returns:
        The given one if there is none.
    """
    waiting, seen = [innermost(function)], set()
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, tuple):
            waiting.extend(current)
        if not isinstance(current, types.FunctionType) or id(current) in seen:
            continue
        if current.__module__.partition(".")[0] != package:
            return current
        seen.add(id(current))
        waiting.extend(inspect.getclosurevars(current).nonlocals.values())
    return function


def _home(function: Any) -> str:
    return str(getattr(innermost(without_jit(function)), "__module__", ""))


def _modules(function: Any, args: Sequence[Any]) -> list[Any]:
    if is_module(function):
        return [function]
    leaves = jax.tree.leaves(list(args), is_leaf=is_module)
    held = [value for _, value in held_objects(without_jit(function), is_module)]
    return [*held, *(leaf for leaf in leaves if is_module(leaf))]


def _origin(model: str, framework: str, **versions: str) -> dict[str, Any]:
    return {
        "model": model,
        "framework": framework,
        "versions": {"jax": jax.__version__, **versions},
    }
