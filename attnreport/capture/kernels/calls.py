"""Fused kernels in a program, as equations that can be run again with other operands.

A kernel that has a derivative of its own stands in a call with a custom rule. That call is what is
run again then: it can be differentiated, and the program stays as it is where it is not entered.
Some kernels do only a part of the work; then it is the function around them that is attention.
"""

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from attnreport.capture.kernels.blocks import seen_inside
from attnreport.capture.kernels.readings import Signature
from attnreport.capture.program.addresses import equation_at
from attnreport.capture.program.graph import Graph, Node, Value
from attnreport.capture.program.jaxprs import Address, Path, is_literal, open_jaxpr
from attnreport.capture.program.lineage import copies
from attnreport.capture.program.places import Places
from attnreport.capture.roles.requirements import is_backward

_KERNEL = re.compile(r"pallas_call|custom_call|ffi_call|dot_product_attention|flash|mosaic|triton")
_ATTENTION = re.compile(r"attention|attn|flash|fmha|mha|sdpa", re.IGNORECASE)


def is_kernel(node: Node) -> bool:
    """Whether an operation is a kernel, which computes what the program does not show."""
    return _is_kernels_name(node.primitive)


@functools.cache
def _is_kernels_name(primitive: str) -> bool:
    return _KERNEL.search(primitive) is not None


def kernel_name(node: Node) -> str:
    """What a kernel is called."""
    keys = ("name", "target_name", "call_target_name")
    return str(next(filter(None, map(node.params.get, keys)), node.primitive))


@dataclasses.dataclass(frozen=True, eq=False)
class KernelCall:
    """A kernel, or a call that it stands in.

    Attributes:
        node: The kernel.
        equation: What is run again.
        path: Where that is.
        operands: The values that go into it; None for numbers in the program's text.
        results: The values that come out of it.
        addresses: Where replay finds the operands, without entering any call; None for numbers.
        signature: What it takes and gives.
    """

    node: Node
    equation: Any
    path: Path
    operands: tuple[Value | None, ...]
    results: tuple[Value | None, ...]
    addresses: tuple[Address | None, ...]
    signature: Signature

    @property
    def name(self) -> str:
        """What the kernel is called."""
        return kernel_name(self.node)

    def operand(self, number: int) -> Value:
        """An operand that is a value of the program."""
        value = self.operands[number]
        if value is None:
            raise ValueError("A number in the program's text is no operand of an attention.")
        return value

    def result(self, number: int) -> Value:
        """A result, where replay finds it without entering the call."""
        made = self.equation.outvars[number].aval
        return Value(made.shape, made.dtype, self.node.scope, (self.path, number), self.node)

    def holds(self, path: Path) -> bool:
        """Whether something else of the program stands inside."""
        return path[: len(self.path)] == self.path

    def filled(self, values: Sequence[Any]) -> list[Any]:
        """All operands, given those that have addresses."""
        given = iter(values)
        return [atom.val if is_literal(atom) else next(given) for atom in self.equation.invars]

    def run(self, operands: Sequence[Any]) -> Sequence[Any]:
        """The results for other operands."""
        primitive = self.equation.primitive
        params = primitive.get_bind_params(self.equation.params)
        if "donated_invars" in params:
            params = {**params, "donated_invars": (False,) * len(operands)}
        results = primitive.bind(*operands, **params)
        return results if primitive.multiple_results else [results]


def kernel_calls(graph: Graph) -> Iterator[Iterator[KernelCall]]:
    """Every kernel of a forward pass that may be attention, and the calls around it."""
    nodes = [node for node in graph.nodes if is_kernel(node) and _may_be_attention(graph, node)]
    if nodes:
        places = Places(graph)
        yield from (_calls(graph, node, places) for node in nodes)


def _may_be_attention(graph: Graph, node: Node) -> bool:
    if is_backward(node) or "cond" in node.path or not any(map(graph.is_live, node.outputs)):
        return False
    if node.primitive == "pallas_call":
        # Without any exponential no scores are normalized in it.
        return _has_exponential(node.params.get("jaxpr"))
    return _ATTENTION.search(kernel_name(node)) is not None


def _has_exponential(jaxpr: Any) -> bool:
    equations = getattr(open_jaxpr(jaxpr), "eqns", ())
    return any(
        equation.primitive.name in ("exp", "exp2")
        or any(map(_has_exponential, _inner(equation.params.values())))
        for equation in equations
    )


def _inner(parameters: Iterable[Any]) -> Iterator[Any]:
    for parameter in parameters:
        if hasattr(open_jaxpr(parameter), "eqns"):
            yield parameter
        elif isinstance(parameter, (tuple, list)):
            yield from _inner(parameter)


def _calls(graph: Graph, node: Node, places: Places) -> Iterator[KernelCall]:
    """A kernel, with its own rule for derivatives if it has one, and what else it is called in."""
    path = _with_own_rule(graph.closed, node.path) or node.path
    yield _call(graph, node, path, places)
    while path[-2:-1] == ("call",):
        path = path[:-2]
        call = _call(graph, node, path, places)
        if sum(shape is not None for shape in call.signature.operands) <= _MOST_OPERANDS:
            yield call


def _call(graph: Graph, node: Node, path: Path, places: Places) -> KernelCall:
    equation = equation_at(graph.closed, path)
    around, at = path[:-1], places.addresses(path[:-1])
    operands = tuple(places.value(around, atom) for atom in equation.invars)
    results = tuple(places.value_at((path, number)) for number in range(len(equation.outvars)))
    return KernelCall(
        node=node,
        equation=equation,
        path=path,
        operands=operands,
        results=results,
        addresses=tuple(None if is_literal(atom) else at[atom] for atom in equation.invars),
        signature=_signature(graph, node, operands, results),
    )


def _signature(
    graph: Graph, node: Node, operands: Sequence[Value | None], results: Sequence[Value | None]
) -> Signature:
    names, grids, result_grids = seen_inside(node)
    mine = [_position(value, node.inputs) for value in operands]
    theirs = [_position(value, results) for value in node.outputs]
    live = [value if value is not None and graph.is_live(value) else None for value in results]
    return Signature(
        operands=tuple(map(_float_shape, operands)),
        results=tuple(map(_float_shape, live)),
        names=tuple("" if at is None else names[at] for at in mine),
        grids=tuple(None if at is None else grids[at] for at in mine),
        result_grids=tuple(
            result_grids[theirs.index(at)] if at in theirs else None for at in range(len(results))
        ),
    )


def _float_shape(value: Value | None) -> tuple[int, ...] | None:
    return value.shape if value is not None and value.is_float else None


def _with_own_rule(closed: Any, path: Path) -> Path | None:
    """The innermost call around an equation that has a rule of its own for derivatives."""
    while len(path) > 1 and path[-2] == "call":
        path = path[:-2]
        if equation_at(closed, path).primitive.name.startswith(("custom_jvp", "custom_vjp")):
            return path
    return None


def _position(value: Value | None, among: Sequence[Value | None]) -> int | None:
    """Which of some values is the given one; on the way to it no axis changes its place."""
    for number, each in enumerate(among):
        if value is not None and each is not None and _is_handed_on(value, each):
            return number
    return None


def _is_handed_on(value: Value, to: Value) -> bool:
    for each in copies(to):
        if each is value:
            return True
        if each.shape != value.shape or (each.node and each.node.primitive == "transpose"):
            return False
    return False


_MOST_OPERANDS = 8
