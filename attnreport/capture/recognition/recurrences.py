"""State that is linear in what it was: state spaces, linear attention, moving averages.

`h[t] = a[t] h[t-1] + b[t]`, where neither `a` nor `b` depends on the state, is such a loop; LSTM
and GRU cells are none, because their gates look at the state. Such a recurrence may run as a loop,
as an associative scan, or as a long convolution by Fourier transforms.
"""

from collections.abc import Iterator

from attnreport.capture.program.graph import Graph, Node, Scope, Value, feeds
from attnreport.capture.program.lineage import MOVES, source
from attnreport.capture.roles.normalizers import quotients


def recurrences(graph: Graph) -> Iterator[Node]:
    """Operations that are linear recurrences: loops, and products of a scan or of transforms."""
    for node in graph.nodes:
        if node.primitive in ("scan", "while"):
            found = _is_linear_loop(node.scopes[0]) or _divides_sums(node)
        elif node.primitive == "max":
            found = _joins_neighbors(node) and _is_of_logarithms(node)
        elif node.primitive == "div":
            found = _divides_running_sums(node)
        elif node.primitive == "mul":
            found = _joins_neighbors(node) or _is_convolution(node)
        else:
            found = node.primitive == "sub" and _joins_neighbors(node) and _is_of_logarithms(node)
        if found:
            yield node


def may_be_softmax(node: Node) -> bool:
    """Whether a recurrence may be a softmax over one key at a time.

    It hands on a running maximum, or divides sums by sums.
    """
    if node.primitive in ("scan", "while"):
        return bool(_running_maxima(node.scopes[0])) or _divides_sums(node)
    return node.primitive in ("max", "div")


def _divides_sums(node: Node) -> bool:
    """Whether of two arrays that a loop only adds to, one is divided by the other later."""
    body = node.scopes[0]
    inputs = [value for value in body.inputs if value.link == "carry"]
    states = dict(_states(body))
    sums = [
        node.outputs[number]
        for number, value in enumerate(inputs)
        if value in states and (_linear_terms(states[value], value) or ([], []))[1]
    ]
    return any(
        source(numerator) in sums and source(denominator) in sums
        for each in sums
        for after in _moved_on(each)
        for use, _ in after.uses
        for numerator, denominator in quotients(use)
    )


def _moved_on(value: Value) -> Iterator[Value]:
    """A value and its copies in other layouts."""
    waiting = [value]
    while waiting:
        current = waiting.pop()
        yield current
        waiting += [
            made for node, _ in current.uses if node.primitive in MOVES for made in node.outputs
        ]


def _divides_running_sums(node: Node) -> bool:
    """Whether cumulative sums are divided by cumulative sums, as in a running mean."""
    parts = [source(each).node for pair in quotients(node) for each in pair]
    return bool(parts) and all(part is not None and part.primitive == "cumsum" for part in parts)


def _is_linear_loop(body: Scope) -> bool:
    inputs = {value for value in body.inputs if value.link == "carry"}
    # A running maximum only keeps exponentials small, as in RWKV.
    steady = _running_maxima(body)
    return any(_is_state(body, inputs - steady, *state) for state in _states(body))


def _states(body: Scope) -> list[tuple[Value, Value]]:
    """The arrays that a loop hands on, and what an iteration makes of them."""
    inputs = [value for value in body.inputs if value.link == "carry"]
    return [
        (value, output)
        for value, output in zip(inputs, body.outputs, strict=False)
        if value.is_float and not value.is_scalar and output is not value
    ]


def _running_maxima(body: Scope) -> set[Value]:
    inputs = {value for value in body.inputs if value.link == "carry"}
    return {state for state, output in _states(body) if _is_running_maximum(body, inputs, output)}


def _is_running_maximum(body: Scope, carries: set[Value], output: Value) -> bool:
    node = source(output).node
    own = {value for value in carries if _leads_to(output, value)}
    return (
        node is not None and node.primitive == "max" and not _depends(output, body, carries - own)
    )


def _is_state(body: Scope, carries: set[Value], state: Value, output: Value) -> bool:
    """Whether a carried value is scaled and added to, or added to and read by a product."""
    terms = _linear_terms(output, state)
    if terms is None:
        return False
    factors, added = terms
    if not added or any(_depends(each, body, carries) for each in (*factors, *added)):
        return False
    read = {state, output}
    return bool(factors) or any(
        node.primitive == "dot_general" for value in read for node, _ in value.uses
    )


def _linear_terms(output: Value, state: Value) -> tuple[list[Value], list[Value]] | None:
    """What a state is multiplied with, and what is added to it, on the way to its new value."""
    factors: list[Value] = []
    added: list[Value] = []
    current = source(output)
    for _ in range(8):
        if current is state:
            return factors, added
        node = current.node
        if node is None or node.primitive not in ("add", "mul", "sub"):
            return None
        on_the_way = [each for each in map(source, node.inputs) if _leads_to(each, state)]
        if len(on_the_way) != 1:
            return None
        others = [each for each in node.inputs if source(each) is not on_the_way[0]]
        (factors if node.primitive == "mul" else added).extend(others)
        current = on_the_way[0]
    return None


def _leads_to(value: Value, state: Value) -> bool:
    waiting = [value]
    for _ in range(12):
        if not waiting:
            return False
        current = source(waiting.pop())
        if current is state:
            return True
        if current.node is not None and current.node.primitive in ("add", "mul", "sub", "max"):
            waiting.extend(current.node.inputs)
    return False


def _depends(value: Value, body: Scope, carries: set[Value]) -> bool:
    """Whether a value depends on floating-point state, or was computed in a backward pass."""
    seen = {value}
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if current in carries and current.is_float:
            return True
        if current.node is not None and any("transpose(" in name for name in current.node.names):
            return True
        for each in feeds(current):
            if each not in seen and any(scope is body for scope in each.scope.enclosing()):
                seen.add(each)
                waiting.append(each)
    return False


def _joins_neighbors(node: Node) -> bool:
    """Whether entries are multiplied with those beside them, as an associative scan does."""
    parts = [source(each).node for each in node.inputs]
    if any(part is None or not _is_every_second(part) for part in parts):
        return False
    first, second = (part for part in parts if part is not None)
    same = source(first.inputs[0]) is source(second.inputs[0])
    return same and first.params["start_indices"] != second.params["start_indices"]


def _is_every_second(node: Node) -> bool:
    return node.primitive == "slice" and 2 in (node.params["strides"] or ())


def _is_of_logarithms(node: Node) -> bool:
    """Whether a difference becomes an exponential, as in the sum of numbers given as logarithms."""
    waiting = [node.outputs[0]]
    through = ("sub",) if node.primitive == "max" else ("abs", "neg")
    for _ in range(8):
        if not waiting:
            return False
        for after, _ in waiting.pop().uses:
            if after.primitive == "exp":
                return True
            if after.primitive in through:
                waiting.extend(after.outputs)
    return False


def _is_convolution(node: Node) -> bool:
    """Whether the Fourier transforms of two arrays are multiplied."""
    before = [source(each).node for each in node.inputs]
    return all(each is not None and each.primitive == "fft" for each in before)
