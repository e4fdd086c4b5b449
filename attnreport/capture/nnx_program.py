"""Flax NNX: runs a copy of the model in which multi-head attention sows its weights.

`nnx.capture` collects what modules sow, but `nnx.MultiHeadAttention` sows only when its caller
says `sow_weights=True`. The copy's attention modules are therefore given a subclass that says so.
The class takes the place of the old one inside one copy of one model: no class of Flax or of the
caller changes, so nothing has to be undone and other threads see nothing.
"""

import inspect
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax
import jax
from flax import nnx

from attnreport._errors import CaptureError
from attnreport.capture.flax_attention import sowing_attention
from attnreport.capture.functions import held_objects, innermost, with_replacements, without_jit
from attnreport.capture.program import Program, array_leaves, fresh_trace, is_array, leading_length
from attnreport.capture.sown import FACTS, MASK, WEIGHTS, Sown, call_facts

Tree = tuple[Sequence[Any], Mapping[str, Any]]


def nnx_program(
    function: Callable[..., Any], inputs: Sequence[Any], kwargs: Mapping[str, Any]
) -> Program:
    """A call of an NNX module, or of a function around NNX modules, as a program.

    Raises:
        CaptureError: Neither the function nor its inputs hold an NNX module.
    """
    function = without_jit(function)
    nodes = _nodes(function, inputs, kwargs)
    if not any(isinstance(node, nnx.Module) for node in nodes.values()):
        raise CaptureError(_no_module(function))
    graph, state = nnx.split(nodes)
    numbers = {id(node): name for name, node in nodes.items()}
    leaves, tree = jax.tree.flatten((tuple(inputs), dict(kwargs)), is_leaf=is_node)
    traced = {str(place): leaf for place, leaf in enumerate(leaves) if is_array(leaf)}
    attention_calls: list[type] = []

    def call(copies: Mapping[str, Any], arrays: Mapping[str, Any]) -> Any:
        def copy_of(node: Any) -> Any:
            return copies[numbers[id(node)]]

        new = [
            copy_of(leaf) if is_node(leaf) else arrays.get(str(place), leaf)
            for place, leaf in enumerate(leaves)
        ]
        args, keywords = jax.tree.unflatten(tree, new)
        return with_replacements(function, is_node, copy_of)(*args, **keywords)

    def plain(arrays: Any) -> list[jax.Array]:
        with warnings.catch_warnings():
            # A model that sows by itself does so into a copy that is thrown away.
            warnings.filterwarnings("ignore", "(?s).*sow.*outside of", DeprecationWarning)
            return array_leaves(call(nnx.merge(graph, arrays[0]), arrays[1]))

    def captured(arrays: Any) -> tuple[list[jax.Array], Sown, Any]:
        copies = nnx.merge(graph, arrays[0])
        _let_attention_sow(copies, attention_calls)
        with fresh_trace():
            output, intermediates = nnx.capture(call, nnx.Intermediate)(copies, arrays[1])
        sown = _sown(intermediates, root=_only_root(nodes))
        return array_leaves(output), sown, nnx.state(copies, nnx.RngState)

    return Program(
        arrays=(state, traced),
        plain=plain,
        captured=captured,
        reseeded=lambda arrays, random: (nnx.merge_state(arrays[0], random), arrays[1]),
        unheard=lambda heard: _unheard(nodes, heard),
        silence=lambda: _silence(nodes, attention_calls),
        refusal=_REFUSAL,
        examples=leading_length(traced.values()),
        model=_model_name(function, nodes),
        framework="Flax NNX",
        versions={"jax": jax.__version__, "flax": flax.__version__},
    )


_REFUSAL = (
    "An attention module runs inside a transformation that lets no intermediates out. Use the "
    "transformations of `flax.nnx` (`nnx.jit`, `nnx.remat`, `nnx.scan`) in place of those of "
    "`jax`, and pass the module as an argument; give the intermediates of a scanned or vmapped "
    "module an axis, `nnx.StateAxes({nnx.Intermediate: 0, ...: None})`. `nnx.cond`, "
    "`nnx.while_loop` and `nnx.fori_loop` cannot be captured through."
)


def is_node(value: Any) -> bool:
    """Whether `value` holds NNX state: a module, random number generators, an optimizer."""
    return isinstance(value, nnx.Pytree)


def _nodes(
    function: Any, inputs: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, nnx.Pytree]:
    """Everything with NNX state that a call reaches, each once, by a name for its paths."""
    named = held_objects(function, is_node)
    named += held_objects(dict(kwargs), is_node)
    for name, value in zip(_parameter_names(function, len(inputs)), inputs, strict=True):
        leaves = jax.tree.leaves(value, is_leaf=is_node)
        nodes = [leaf for leaf in leaves if is_node(leaf)]
        named += [(f"{name}.{i}" if len(nodes) > 1 else name, n) for i, n in enumerate(nodes)]
    result: dict[str, nnx.Pytree] = {}
    for name, node in named:
        if any(node is other for other in result.values()):
            continue
        name, count = name or type(node).__name__, 2
        unique = name
        while unique in result:
            unique, count = f"{name}_{count}", count + 1
        result[unique] = node
    return result


def _parameter_names(function: Any, count: int) -> list[str]:
    try:
        parameters = inspect.signature(innermost(function)).parameters.values()
    except (TypeError, ValueError):  # some callables written in C tell nothing
        parameters = ()
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return [names[i] if i < len(names) else f"input {i}" for i in range(count)]


def _let_attention_sow(nodes: Any, log: list[type]) -> None:
    class Sowing(nnx.MultiHeadAttention):
        def __call__(
            self,
            inputs_q: jax.Array,
            inputs_k: jax.Array | None = None,
            inputs_v: jax.Array | None = None,
            *,
            mask: jax.Array | None = None,
            **options: Any,  # those that this version of Flax knows
        ) -> jax.Array:
            log.append(type(self))
            facts = call_facts(inputs_q, inputs_k, mask, is_causal=options.get("is_causal", False))
            decode = options.get("decode")
            if self.decode if decode is None else decode:
                # The keys are a cache of another length, and its mask is made inside.
                facts.pop(MASK, None)
            for name, fact in facts.items():
                self.sow(nnx.Intermediate, name, fact)
            options["sow_weights"] = True
            return super().__call__(inputs_q, inputs_k, inputs_v, mask=mask, **options)

    classes: dict[type, type] = {nnx.MultiHeadAttention: Sowing}
    for _, module in nnx.iter_modules(nodes):
        if isinstance(module, nnx.MultiHeadAttention):
            cls = type(module)
            if cls not in classes:
                # After the caller's subclass and before Flax's class, where its `super()` arrives.
                classes[cls] = types.new_class(cls.__name__, (cls, Sowing))
            module.__class__ = classes[cls]
            if module.attention_fn is nnx.dot_product_attention:
                module.attention_fn = sowing_attention


def _sown(intermediates: Any, root: str) -> Sown:
    sown: dict[str, dict[str, tuple[jax.Array, ...]]] = {}
    for path, variable in nnx.to_flat_state(intermediates):
        *modules, name = (str(part) for part in path)
        if name not in FACTS:
            continue
        values = variable.get_value()
        values = values if isinstance(values, tuple) else (values,)
        sown.setdefault(_dotted(modules, root), {})[name] = values
    return {path: facts for path, facts in sown.items() if WEIGHTS in facts}


def _dotted(modules: Sequence[str], root: str) -> str:
    inside = list(modules)
    if inside and inside[0] == root:
        inside = inside[1:] or inside
    return ".".join(inside)


def _only_root(nodes: Mapping[str, nnx.Pytree]) -> str:
    """The name that begins every path, when it tells nothing; empty when there are several."""
    modules = [name for name, node in nodes.items() if isinstance(node, nnx.Module)]
    return modules[0] if len(modules) == 1 else ""


def _attention_paths(nodes: Mapping[str, nnx.Pytree]) -> list[str]:
    root = _only_root(nodes)
    graph: Any = nodes  # any graph of nodes will do, not only a module
    return [
        _dotted([str(part) for part in path], root)
        for path, module in nnx.iter_modules(graph)
        if isinstance(module, nnx.MultiHeadAttention)
    ]


def _unheard(nodes: Mapping[str, nnx.Pytree], heard: frozenset[str]) -> str:
    missing = [path for path in _attention_paths(nodes) if path not in heard]
    if not missing:
        return ""
    return (
        f"{', '.join(missing)} gave no weights: not called with these inputs, or called inside a "
        "transformation that drops intermediates."
    )


def _silence(nodes: Mapping[str, nnx.Pytree], attention_calls: Sequence[type]) -> str:
    paths = _attention_paths(nodes)
    where = ", ".join(paths[:3]) + (", …" if len(paths) > 3 else "")
    if attention_calls:
        return (
            f"Multi-head attention ran ({where}), but no weights came out. Either it runs inside "
            "a transformation that drops what is sown, such as `jax.lax.scan`, or `nnx.scan` with "
            "a module that is not scanned: give intermediates an axis there, "
            "`nnx.StateAxes({nnx.Intermediate: 0, ...: None})`. Or its `attention_fn` does not "
            "sow: use `flax.nnx.dot_product_attention`."
        )
    if paths:
        return (
            f"The model holds multi-head attention ({where}), but did not use it on these inputs. "
            "Capture a call that does."
        )
    names = ", ".join(dict.fromkeys(type(node).__name__ for node in nodes.values()))
    return (
        f"{names} ran without any attention that can be captured today: "
        "`flax.nnx.MultiHeadAttention`, the modules of `attnreport.nn`, and any module that calls "
        f'`self.sow(nnx.Intermediate, "{WEIGHTS}", weights)` with post-softmax weights [batch, '
        "head, query, key]. Sow the weights so, or pass them to `Recording.from_arrays`."
    )


def _no_module(function: Any) -> str:
    name = getattr(function, "__name__", type(function).__name__)
    return (
        f"`{name}` neither is nor holds a Flax module that capture can see. Supported today: an "
        "NNX module; a function that gets NNX modules as arguments or closes over them; "
        "`capture_attention(module, variables, …)` for Linen. For other models, return the "
        "weights and use `Recording.from_arrays`."
    )


def _model_name(function: Any, nodes: Mapping[str, nnx.Pytree]) -> str:
    if is_node(function):
        return type(function).__name__
    modules = [type(node).__name__ for node in nodes.values() if isinstance(node, nnx.Module)]
    return ", ".join(dict.fromkeys(modules))
