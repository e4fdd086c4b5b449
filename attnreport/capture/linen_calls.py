"""Recognizes calls of Flax Linen modules, which take their variables as the first input."""

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from flax import linen

from attnreport._errors import CaptureError

_SOWN = "intermediates"


def linen_call(model: Any, inputs: Sequence[Any]) -> tuple[linen.Module, Sequence[Any]] | None:
    """The module and its variables and inputs, if `model` is a way to call a Linen module.

    Ways are the module itself, a module bound to its variables, `module.apply`, and either under
    `functools.partial` or `jax.jit`.
    """
    if isinstance(model, linen.Module):
        if model.scope is None:
            return model, inputs
        module, variables = model.unbind()
        return module, (variables, *inputs)
    if isinstance(model, functools.partial) and not model.keywords:
        return linen_call(model.func, (*model.args, *inputs))
    if inspect.ismethod(model) and isinstance(model.__self__, linen.Module):
        return (model.__self__, inputs) if model.__name__ == "apply" else None
    inner = getattr(model, "__wrapped__", None)
    return linen_call(inner, inputs) if callable(model) and inner is not None else None


def linen_variables(module: linen.Module, inputs: Sequence[Any]) -> dict[str, Any]:
    """The variables of a call, without what an earlier call sowed.

    Raises:
        CaptureError: The first input holds no variables.
    """
    if not inputs or not isinstance(inputs[0], Mapping):
        raise CaptureError(
            f"`{type(module).__name__}` is a Linen module, and the first input is not its "
            "variables. Call `capture_attention(module, variables, …)`, for example with "
            '`{"params": params}`.'
        )
    return {name: tree for name, tree in inputs[0].items() if name != _SOWN}
