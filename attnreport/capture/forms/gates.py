"""Finds gates: strengths between 0 and 1 that scale whole channels or whole places.

A gate is pooled from the very array it scales (squeeze and excitation, Hu et al. 2018; CBAM, Woo
et al. 2018), and repeated along what was pooled. That sets it apart from the gates of GLU and of
recurrent cells, which scale every number by a number of its own.
"""

import math
from collections.abc import Iterator
from typing import Any

from attnreport.capture.dimensions.axis_rules import contracted_axes
from attnreport.capture.dimensions.dimensions import Dimensions, repeated_along
from attnreport.capture.dimensions.factors import Axis, Factor, canonical, stems_from
from attnreport.capture.forms.bounds import Bounds
from attnreport.capture.forms.facts import Facts
from attnreport.capture.program.graph import Node, Value, feeds
from attnreport.capture.program.lineage import Numbers, is_given, source
from attnreport.capture.roles.contractions import Contraction
from attnreport.capture.roles.loops import loops_of
from attnreport.capture.roles.requirements import is_backward
from attnreport.capture.roles.roles import Role, Roles
from attnreport.capture.roles.scores import Scores
from attnreport.capture.roles.sites import Recipe, Site, address_of

_FARTHEST = 300


def gates(facts: Facts) -> Iterator[Site]:
    """Every gate of a program."""
    graph, dimensions = facts.graph, facts.dimensions
    for node in graph.nodes:
        result = node.outputs[0] if node.primitive in ("mul", "div") else None
        if result is None or result in facts.normalized or not graph.is_live(result):
            continue
        if is_backward(node):
            continue
        for gate, scaled, inverse in _scalings(node):
            squashed = source(gate)
            if source(scaled) in facts.normalized:
                continue  # shares of what weights get, such as that of a copy mechanism
            if not _is_share(facts.intervals.of(gate), inverse) or squashed.node is None:
                continue
            repeated = _repeated(dimensions, gate, scaled) if gate.is_float else set()
            if repeated and _is_pooled(dimensions, facts.numbers, squashed, scaled, repeated):
                site = _site(dimensions, node, squashed, scaled, inverse)
                if site.over:
                    yield site


def _scalings(node: Node) -> Iterator[tuple[Value, Value, bool]]:
    """A possible gate, what it scales, and whether that is divided by it."""
    first, second = node.inputs
    yield second, first, node.primitive == "div"
    if node.primitive == "mul":
        yield first, second, False


def _is_share(bounds: Bounds, inverse: bool) -> bool:
    """Whether numbers within bounds, or their inverses, lie between 0 and 1."""
    low, high = bounds
    return low >= 1 if inverse else low >= 0 and high <= 1


def _repeated(dimensions: Dimensions, gate: Value, scaled: Value) -> set[int]:
    """The dimensions of what is scaled that the gate does not have."""
    own = dimensions.ids(gate) - repeated_along(dimensions, gate)
    return dimensions.ids(scaled) - own if own else set()


def _is_pooled(
    dimensions: Dimensions, numbers: Numbers, gate: Value, scaled: Value, repeated: set[int]
) -> bool:
    """Whether a gate is pooled from what it scales, along what it is repeated along.

    Something learned or a sigmoid has to come in on the way: a division by a norm is no gate.
    """
    targets = {numbers.of(each) for each in _scaled_before(scaled)}
    pooled = learned = False
    seen = {gate}
    waiting = [gate]
    while waiting and len(seen) < _FARTHEST:
        value = waiting.pop(0)
        node = value.node
        learned |= value.is_float and (is_given(value) or _is_closed_over(value))
        learned |= node is not None and node.primitive == "logistic"
        for operand, gone in () if node is None else _removed(dimensions, node):
            left_out = {id(canonical(factor)) for factor in gone} & repeated
            before = {numbers.of(each) for each in _scaled_before(operand)}
            pooled |= bool(left_out) and not before.isdisjoint(targets)
        for each in feeds(value):
            if each not in seen and numbers.of(each) not in targets:
                seen.add(each)
                waiting.append(each)
    return pooled and learned


def _is_closed_over(value: Value) -> bool:
    return value.constant is not None and not value.is_scalar


def _scaled_before(scaled: Value) -> Iterator[Value]:
    """An array, and what it was before gates or masks scaled it."""
    current = source(scaled)
    for _ in range(4):
        yield current
        node = current.node
        if node is None or node.primitive != "mul":
            return
        current = source(max(node.inputs, key=lambda each: math.prod(source(each).shape)))


def _removed(dimensions: Dimensions, node: Node) -> Iterator[tuple[Value, Axis]]:
    """Operands of an operation and the dimensions that it takes out of them."""
    if node.primitive.startswith(("reduce_", "arg")) and "axes" in node.params:
        axes = dimensions.of(node.inputs[0])
        yield node.inputs[0], tuple(f for place in node.params["axes"] for f in axes[place])
    elif node.primitive == "dot_general":
        for side in (0, 1):
            axes = dimensions.of(node.inputs[side])
            places = contracted_axes(node)[side]
            yield node.inputs[side], tuple(f for place in places for f in axes[place])
    elif node.primitive == "conv_general_dilated":
        axes = dimensions.of(node.inputs[0])
        yield node.inputs[0], axes[node.params["dimension_numbers"].lhs_spec[1]]
    elif node.primitive.startswith("reduce_window"):
        yield node.inputs[0], dimensions.within(node.inputs[0])


def _site(dimensions: Dimensions, node: Node, gate: Value, scaled: Value, inverse: bool) -> Site:
    first = [canonical(factor) for factor in dimensions.of(scaled)[0]]
    of: dict[Factor, Role] = {
        canonical(factor): "batch" if any(stems_from(each, [factor]) for each in first) else "key"
        for axis in dimensions.of(gate)
        for factor in axis
    }
    keys = tuple(factor for factor, role in of.items() if role == "key")
    scores = Scores(gate, None, None, None, (), "unknown", (), ())

    def share(array: Any) -> Any:
        return 1 / array if inverse else array

    roles = Roles(of, (), None, None)
    return Site(
        weights=gate,
        recipe=Recipe((address_of(gate),), share, undo=share),
        over=keys,
        form="gate",
        sums="free",
        mixed=False,
        contraction=Contraction(node, gate, scaled, keys, node.outputs[0]),
        scores=scores,
        roles=roles,
        layout=roles.layout(dimensions.of(gate)),
        loops=loops_of(dimensions, gate, scores, roles),
    )
