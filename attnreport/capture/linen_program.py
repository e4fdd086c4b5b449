"""Flax Linen: intercepts multi-head attention so that it sows its weights.

`nn.intercept_methods` adds `sow_weights=True` to calls of `MultiHeadDotProductAttention` in this
thread, for as long as the trace takes.
"""

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import flax
import jax
from flax import linen
from flax.core.scope import union_filters

from attnreport._errors import CaptureError
from attnreport.capture.program import Program, array_leaves, fresh_trace, is_array, leading_length
from attnreport.capture.sown import FACTS, WEIGHTS, Sown, call_facts

_COLLECTION = "intermediates"
_FLAX_ATTENTION = inspect.unwrap(linen.MultiHeadDotProductAttention.__call__)


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


def linen_program(
    module: linen.Module, inputs: Sequence[Any], kwargs: Mapping[str, Any]
) -> Program:
    """`module.apply(*inputs, **kwargs)` as a program; the first input holds the variables.

    Raises:
        CaptureError: The first input holds no variables.
    """
    variables = _variables(module, inputs)
    options = dict(kwargs)
    mutable = options.pop("mutable", False)
    options.pop("capture_intermediates", None)
    rngs = options.pop("rngs", None)
    leaves, tree = jax.tree.flatten((tuple(inputs[1:]), options))
    traced = {str(place): leaf for place, leaf in enumerate(leaves) if is_array(leaf)}
    log: list[str] = []

    def call(arrays: Any, mutable: Any) -> Any:
        variables, rngs, values = arrays
        new = [values.get(str(place), leaf) for place, leaf in enumerate(leaves)]
        args, keywords = jax.tree.unflatten(tree, new)
        return module.apply(variables, *args, rngs=rngs, mutable=mutable, **keywords)

    def plain(arrays: Any) -> list[jax.Array]:
        output = call(arrays, mutable)
        return array_leaves(output if mutable is False else _without_intermediates(output))

    def captured(arrays: Any) -> tuple[list[jax.Array], Sown, Any]:
        with fresh_trace(), linen.intercept_methods(functools.partial(_sowing, log)):
            output, state = call(arrays, union_filters(mutable, _COLLECTION))
        kept = output if mutable is False else _without_intermediates((output, state))
        return array_leaves(kept), _sown(module, state.get(_COLLECTION, {})), ()

    return Program(
        arrays=(variables, rngs, traced),
        plain=plain,
        captured=captured,
        reseeded=lambda arrays, _: (arrays[0], _other_keys(arrays[1]), arrays[2]),
        unheard=lambda heard: _unheard(heard, log),
        silence=lambda: _silence(module, log),
        refusal=_REFUSAL,
        examples=leading_length(traced.values()),
        model=type(module).__name__,
        framework="Flax Linen",
        versions={"jax": jax.__version__, "flax": flax.__version__},
    )


_REFUSAL = (
    "An attention module runs inside a transformation that lets no intermediates out: use the "
    "lifted transformations of `flax.linen` in place of those of `jax`, with `'intermediates': 0` "
    "in the `variable_axes` of `nn.scan` and `nn.vmap`."
)


def _variables(module: linen.Module, inputs: Sequence[Any]) -> dict[str, Any]:
    if not inputs or not isinstance(inputs[0], Mapping):
        raise CaptureError(
            f"`{type(module).__name__}` is a Linen module, and the first input is not its "
            "variables. Call `capture_attention(module, variables, …)`, for example with "
            '`{"params": params}`.'
        )
    return {name: tree for name, tree in inputs[0].items() if name != _COLLECTION}


def _sowing(log: list[str], next_method: Any, args: Any, kwargs: Any, context: Any) -> Any:
    """Interceptor: lets Flax's multi-head attention sow, and leaves all else alone."""
    module = context.module
    if (
        context.method_name != "__call__"
        or not isinstance(module, linen.MultiHeadDotProductAttention)
        # A subclass with a signature of its own ends in this same interceptor when it calls up.
        or inspect.unwrap(context.orig_method.func) is not _FLAX_ATTENTION
    ):
        return next_method(*args, **kwargs)
    log.append(_dotted(module, module.path))
    if not _takes_module(module.attention_fn):
        return next_method(*args, **kwargs)
    if not module.decode:
        arguments = inspect.signature(context.orig_method).bind(*args, **kwargs).arguments
        keys = arguments.get("inputs_k", arguments.get("inputs_kv"))
        for name, fact in call_facts(arguments["inputs_q"], keys, arguments.get("mask")).items():
            module.sow(_COLLECTION, name, fact)
    return next_method(*args, **{**kwargs, "sow_weights": True})


def _takes_module(attention_fn: Any) -> bool:
    parameters = inspect.signature(attention_fn).parameters
    return "module" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _without_intermediates(output: tuple[Any, Mapping[str, Any]]) -> tuple[Any, Mapping[str, Any]]:
    result, state = output
    return result, {name: tree for name, tree in state.items() if name != _COLLECTION}


def _sown(module: linen.Module, intermediates: Mapping[str, Any]) -> Sown:
    sown: dict[str, dict[str, tuple[jax.Array, ...]]] = {}

    def visit(tree: Mapping[str, Any], path: tuple[str, ...]) -> None:
        facts = {
            name: value if isinstance(value, tuple) else (value,)
            for name, value in tree.items()
            if name in FACTS
        }
        if WEIGHTS in facts:
            sown[_dotted(module, path)] = facts
        for name, value in tree.items():
            if isinstance(value, Mapping):
                visit(value, (*path, name))

    visit(intermediates, ())
    return sown


def _dotted(module: linen.Module, path: Sequence[str]) -> str:
    return ".".join(path) or type(module).__name__


def _other_keys(rngs: Any) -> Any:
    return jax.tree.map(lambda key: jax.random.fold_in(key, 1), rngs)


def _unheard(heard: frozenset[str], log: Sequence[str]) -> str:
    missing = [path for path in dict.fromkeys(log) if path not in heard]
    if not missing:
        return ""
    return f"{', '.join(missing)} ran, but gave no weights: {_WHY_NOT}"


_WHY_NOT = (
    "either it runs inside a lifted transformation that drops intermediates, such as `nn.scan` "
    "or `nn.vmap` without an entry for them (add `'intermediates': 0` to its `variable_axes`), "
    "or its `attention_fn` takes no `module` to sow with."
)


def _silence(module: linen.Module, log: Sequence[str]) -> str:
    if log:
        return f"{', '.join(dict.fromkeys(log))} ran, but no weights came out: {_WHY_NOT}"
    return (
        f"`{type(module).__name__}` ran without any attention that can be captured today: "
        "`flax.linen.MultiHeadDotProductAttention`, its subclasses, and any module that calls "
        f'`self.sow("{_COLLECTION}", "{WEIGHTS}", weights)` with post-softmax weights [batch, '
        "head, query, key]. Sow the weights so, or pass them to `Recording.from_arrays`."
    )
