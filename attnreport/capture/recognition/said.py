"""What is seen in a program but cannot be captured, in sentences.

Linear attention, state spaces, softmax over segments and fused kernels have no weights that could
be taken out of the program as they are. A reader who looks for their attention has to know that.
"""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Literal

import jax.numpy as jnp
import numpy as np

from attnreport.capture.dimensions.axis_rules import batch_axes, contracted_axes
from attnreport.capture.kernels.calls import is_kernel, kernel_name
from attnreport.capture.program.graph import Graph, Node, Value
from attnreport.capture.program.jaxprs import constants
from attnreport.capture.program.lineage import MOVES, Numbers, carries_numbers, source
from attnreport.capture.recognition.names import source_line
from attnreport.capture.recognition.recurrences import may_be_softmax, recurrences
from attnreport.capture.roles.normalizers import Normalized, quotients
from attnreport.capture.roles.requirements import is_backward
from attnreport.capture.roles.scores import is_parameter
from attnreport.capture.roles.sites import Site


@dataclasses.dataclass(frozen=True)
class Said:
    """Something that was seen.

    Attributes:
        sentence: What it is, why there are no weights, and what to do.
        place: File and line, or the name stack; empty if neither is known.
        what: `linear attention`, `segments`, `kernel`, `blocks`, `unnormalized` or `softmax`.
    """

    sentence: str
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}" if self.place else self.sentence


def say(what: str, node: Node, sentence: str) -> Said:
    """Something seen at an operation."""
    return Said(sentence, source_line(node) or "/".join(node.names), what)


def kernels(graph: Graph, captured: Collection[Node] = ()) -> Iterator[Said]:
    """Kernels that may compute attention, other than those whose weights are measured."""
    for node in graph.nodes:
        if not is_kernel(node) or is_backward(node) or node in captured:
            continue
        arrays = [each for each in node.inputs if each.is_float and len(each.shape) > 2]
        if len(arrays) > 2:
            operands = ", ".join(f"{each.dtype}{list(each.shape)}" for each in arrays)
            yield say(
                "kernel",
                node,
                f"The fused kernel `{kernel_name(node)}` takes {operands}, which were not read as "
                "queries, keys and values. If it is attention, its weights are in no array of the "
                "program. Run the model with an implementation in plain JAX "
                "(for `jax.nn.dot_product_attention`: `implementation='xla'`) to capture them.",
            )


def segments(graph: Graph, numbers: Numbers) -> Iterator[Said]:
    """Softmax over the edges of a graph: each row is spread over entries of one long axis."""
    for node in graph.nodes:
        if any(_is_over_segments(numbers, *pair) for pair in quotients(node)):
            yield say(
                "segments",
                node,
                "Weights are normalized over segments, such as the edges that end in one node of "
                "a graph. They are no matrix of queries and keys, so they are not captured; "
                "return them from the function and use `Recording.from_arrays`.",
            )


def _is_over_segments(numbers: Numbers, numerator: Value, denominator: Value) -> bool:
    below = source(denominator).node
    if below is not None and below.primitive == "gather":
        added = _added_up(below.inputs[0])
        return added is not None and numbers.same(added, numerator)
    above, below = _added_up(numerator), _added_up(denominator)
    product = None if above is None else source(above).node
    if below is None or product is None or product.primitive != "mul":
        return False
    return any(numbers.same(each, below) for each in product.inputs)


def _added_up(value: Value) -> Value | None:
    """What a `scatter-add` adds to an array."""
    current = source(value)
    for _ in range(4):
        node = current.node
        if node is None:
            return None
        if node.primitive == "scatter-add":
            return node.inputs[2]
        if node.primitive not in ("select_n", "max", "add"):
            return None
        current = max(map(source, node.inputs[node.primitive == "select_n" :]), key=_rank)
    return None


def _rank(value: Value) -> int:
    return -1 if value.node is None else value.node.order


def linear_attention(
    graph: Graph, is_weights: Callable[[Value], bool], is_forward: Callable[[Node], bool]
) -> Iterator[Said]:
    """Products of three arrays of tokens, and linear recurrences over them."""
    seen: set[str] = set()
    nodes = [*_products_of_three(graph, is_weights), *recurrences(graph)]
    for node in filter(is_forward, nodes):
        said = say("linear attention", node, _KEY_BY_KEY if may_be_softmax(node) else _LINEAR)
        if said.place not in seen:
            seen.add(said.place)
            yield said


Pieces = Literal["loop", "pairs", "segments"]


def pieces(nodes: Mapping[Node, Pieces]) -> Iterator[Said]:
    """Blocks of weights that cannot be put together.

    Args:
        nodes: Where they are used, and what goes through them: a loop over keys, one over pairs of
            blocks, or none.
    """
    sentences = {"loop": _LOOP_OF_BLOCKS, "pairs": _LOOP_OF_PAIRS, "segments": _MERGED_SEGMENTS}
    for node, what in nodes.items():
        yield say("blocks", node, sentences[what])


def unnormalized(sites: Iterable[Site], is_forward: Callable[[Node], bool]) -> Iterator[Said]:
    """Scores that act on values one by one; those of layers, which have matrices, are none."""
    for site in sites:
        product, use = site.scores.product, site.contraction
        operands = [use.values] if product is None else [*product.operands, use.values]
        if is_forward(use.node) and not any(map(is_parameter, operands)):
            yield say("unnormalized", use.node, _UNNORMALIZED)


_LINEAR = (
    "Here is linear attention or a state space: queries, keys and values (or what a state reads "
    "and remembers) are multiplied without normalizing scores, so there are no attention weights "
    "to show."
)
_KEY_BY_KEY = (
    "Here is linear attention, a state space, or attention that takes one key at a time and "
    "divides at the end: whatever weights it has are in no array of the program. If it is a "
    "softmax, let the loop take several keys at a time, and its weights can be put together."
)
_UNNORMALIZED = (
    "Products of two computed arrays act on values each by itself, and nothing normalizes their "
    "rows. If they are scores, as in attention by a rectifier, they are no shares of anything. "
    "Divide them by their sum over the keys, or return them and use `Recording.from_arrays`."
)
_LOOP_OF_BLOCKS = (
    "A loop goes through blocks of keys, but how often it runs is not known before, or its sums do "
    "not start at zero, so the rows of its weights cannot be put together. Give the loop a fixed "
    "number of iterations."
)
_MERGED_SEGMENTS = (
    "Results of several segments of keys are merged by the logarithms of their sums, in a way that "
    "cannot be followed, so the weights of a segment are not those that act on its values. Merge "
    "with one factor for each segment, as in "
    "`jnp.exp(lse - jnp.logaddexp(lse, other))[..., None] * result`."
)


_LOOP_OF_PAIRS = (
    "One loop goes through blocks of queries and of keys at once, so it cannot be told which of "
    "them make up a row. Let one loop go through the queries and another one through the keys."
)


def unused(
    graph: Graph, normalized: Iterable[Normalized], is_forward: Callable[[Node], bool]
) -> Iterator[Said]:
    """Where a program without attention came nearest to it."""
    advice = _CLOSED_OVER if _closes_over_arrays(graph) else ""
    nodes = [each.value.node for each in normalized if each.form != "quotient by the sum"]
    for node in [each for each in nodes if each is not None and is_forward(each)][:_NEAREST]:
        yield say(
            "softmax",
            node,
            "A softmax comes nearest to attention, but it was not found to be one: weights are "
            "made of computed scores, and average values that are computed from the inputs and "
            "have features of their own, over the axis that they are normalized over."
            f"{advice}",
        )


def _closes_over_arrays(graph: Graph) -> bool:
    return any(
        np.ndim(each) > 1 and jnp.issubdtype(each.dtype, jnp.inexact)
        for each in constants(graph.closed)
    )


_CLOSED_OVER = (
    " Arrays that the function closes over are constants of it, not inputs: pass as arguments "
    "what is attended to."
)


def _products_of_three(graph: Graph, is_weights: Callable[[Value], bool]) -> Iterator[Node]:
    for node in graph.nodes:
        if node.primitive != "dot_general" or not graph.is_live(node.outputs[0]):
            continue
        below = [_product_below(each) for each in node.inputs]
        if any(is_weights(source(e)) for each in below if each is not None for e in each.inputs):
            continue
        for side, first in enumerate(below):
            if first is None:
                continue
            operands = [*((each, first) for each in first.inputs), (node.inputs[1 - side], node)]
            computed = all(_is_computed(*each) for each in operands)
            if computed and not is_weights(source(node.inputs[1 - side])):
                yield node
                break


def _product_below(value: Value) -> Node | None:
    """The product that a value is, up to layout, scale and mask."""
    waiting = [value]
    for _ in range(16):
        if not waiting:
            return None
        node = source(waiting.pop(0)).node
        if node is None:
            continue
        if node.primitive == "dot_general" and contracted_axes(node)[0]:
            return node
        if node.primitive in _SCALING or node.primitive in MOVES:
            waiting.extend(node.inputs[node.primitive == "select_n" :])
    return None


def _is_computed(value: Value, product: Node) -> bool:
    """Whether an operand holds tokens: it is computed, or both are given and have a batch."""
    if not carries_numbers(value):
        return False
    given = all(map(is_parameter, product.inputs)) and bool(batch_axes(product)[0])
    return given or not is_parameter(value)


_NEAREST = 3
_SCALING = frozenset("dot_general mul div select_n neg cumsum slice".split())
