"""The graph of a program: calls dissolved, scopes linked, definitions and uses."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from attnreport.capture.program.graph import Graph, Value, feeds, inner_results
from tests.capture.recognizing import graph_of

X = np.ones((3, 4), np.float32)


def _only(graph: Graph, primitive: str):
    (node,) = [node for node in graph.nodes if node.primitive == primitive]
    return node


def test_calls_stand_in_the_scope_of_their_caller():
    @jax.jit
    def inner(x):
        return jax.checkpoint(jnp.sin)(x)

    graph = graph_of(lambda x: inner(x) + 1, X)
    sine = _only(graph, "sin")
    assert sine.scope is graph.root
    assert sine.path[1::2] == ("call",) * len(sine.path[1::2])
    assert _only(graph, "add").inputs[0] is sine.outputs[0]


def test_uses_are_the_operands_numbers():
    graph = graph_of(lambda x: x - 2 * x, X)
    (x,) = graph.root.inputs
    assert [(node.primitive, number) for node, number in x.uses] == [("mul", 1), ("sub", 0)]


def test_a_scan_links_constants_carries_and_slices():
    def fn(w, start, xs):
        return lax.scan(lambda c, x: (c * w + x, c), start, xs)

    graph = graph_of(fn, X[0], X[0], X)
    body = _only(graph, "scan").scopes[0]
    assert [value.link for value in body.inputs] == ["same", "carry", "scanned"]
    assert [value.outer for value in body.inputs] == graph.root.inputs
    carry = body.inputs[1]
    assert feeds(carry) == [graph.root.inputs[1], body.outputs[0]]
    assert inner_results(graph.root.outputs[0]) == [body.outputs[0]]


def test_a_while_loop_has_a_body_and_a_condition():
    def fn(limit, x):
        return lax.while_loop(lambda s: s[0] < limit, lambda s: (s[0] + 1, s[1] * 2), (0, x))[1]

    node = _only(graph_of(fn, 3, X), "while")
    assert [scope.kind for scope in node.scopes] == ["body", "cond"]
    assert [value.link for value in node.scopes[1].inputs] == ["same", "carry", "carry"]


def test_branches_depend_on_what_chooses_them():
    graph = graph_of(lambda p, x: lax.cond(p, jnp.sin, jnp.cos, x), True, X)
    (output,) = graph.root.outputs
    assert len(inner_results(output)) == 2
    assert graph.is_live(graph.root.inputs[0])


def test_what_no_output_needs_is_not_live():
    def fn(x, y):
        jnp.sin(y)
        return x + 1

    graph = graph_of(fn, X, X)
    assert [graph.is_live(value) for value in graph.root.inputs] == [True, False]
    assert not graph.is_live(_only(graph, "sin").outputs[0])


def test_labels_and_constants_have_addresses():
    table = jnp.arange(12.0).reshape(3, 4)
    graph = Graph(jax.make_jaxpr(lambda x: x + table)(X), ["[0]"])
    first, second = _only(graph, "add").inputs
    assert (first.label, first.address) == ("[0]", (("in",), 0))
    assert isinstance(second, Value)
    assert second.constant is not None
    assert second.address == (("const",), 0)
