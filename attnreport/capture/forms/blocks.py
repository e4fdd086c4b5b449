"""Softmax in blocks of keys: a loop that carries sums or puts them out, and a division after it.

An iteration of such a loop (Milakov and Gimelshein 2018 carry running sums, Rabe and Staats 2021
put out the sums of each block) knows only a piece of each row, scaled by what it knew so far. The
pieces are no weights. The logits of all blocks are: one softmax over the keys of all of them
gives the weights that act on the values.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import canonical, copies_in
from attnreport.capture.forms.facts import Facts
from attnreport.capture.program.graph import Node, Scope, Value
from attnreport.capture.program.lineage import MOVES, Numbers, carries_numbers, source
from attnreport.capture.program.trip_counts import largest_count
from attnreport.capture.roles.contractions import Contraction, Step
from attnreport.capture.roles.loops import loops_of
from attnreport.capture.roles.normalizers import Normalized, quotients, unmasked
from attnreport.capture.roles.scores import is_maximum, scores_of
from attnreport.capture.roles.sites import Recipe, Site, address_of
from attnreport.capture.roles.turns import changes, given_by


@dataclasses.dataclass(frozen=True, eq=False)
class Blocks:
    """A loop over blocks of keys.

    Attributes:
        loop: The body of the loop; None if segments are merged without one.
        exponential: The exponential of the logits of a block.
        terms: The same as it is added up, where masks may have set entries to zero.
        whole: Whether the running sums start at zero, so that the blocks are all there is.
    """

    loop: Scope | None
    exponential: Value
    terms: Value
    whole: bool


def blocks_of(facts: Facts, use: Contraction, steps: Sequence[Step]) -> Blocks | None:
    """The loop that adds up a contraction block by block; None if there is none.

    Args:
        facts: Those of the program.
        use: The contraction of a block.
        steps: From its weights back, through what is linear in them.
    """
    summed = [step.value for step in steps if facts.sums_of(step.value, use)]
    sums = [each for value in summed for each in facts.sums_of(value, use)]
    dimensions, numbers = facts.dimensions, facts.numbers
    found = next(_exponentials(summed), None)
    loop = _loop_over_keys(use)
    if found is None or loop is None:
        return None
    stacked = _stacked(dimensions, loop)
    outputs = _Downstream(use.output, dimensions, stacked)
    for each in sums:
        total = _Downstream(each.node.outputs[0], dimensions, stacked)
        added = outputs.carries(loop)
        # What the quotient of both goes into is the state of a layer or step.
        totals = [value for value in total.carries(loop) if value not in added]
        if added and totals and _divides(outputs, total):
            whole = all(_starts_at_zero(facts, carry) for carry in (*added, *totals))
            return Blocks(loop, *found, whole)
        both = outputs.summed and total.summed and _divides(outputs, total)
        if both and outputs.factors(numbers) == total.factors(numbers):
            return Blocks(loop, *found, True)
    return None


def segments_of(
    facts: Facts, use: Contraction, steps: Sequence[Step], hits: Sequence[Normalized]
) -> Blocks | None:
    """The segments that are merged by their shares of all keys; None if there are none.

    Where no loop goes through them and the result can be followed, each has weights of its own.

    Args:
        facts: Those of the program.
        use: The contraction of a segment.
        steps: From its weights back, through what is linear in them.
        hits: What is normalized in it already.
    """
    sums = [] if hits else [each for step in steps for each in facts.sums_of(step.value, use)]
    totals = [node for each in hits for node in facts.totals_of(each)]
    totals += [each.node for each in sums]
    shares = facts.scalings.shares.after(use, totals)
    made = [each.numerator for each in hits] + [step.value for step in steps]
    found = next(_exponentials(made), None)
    if not shares or found is None:
        return None
    loop = _loop_over_keys(use)
    added = _Downstream(use.output, facts.dimensions, set()).carries(loop) if loop else []
    if loop is not None and added:
        logarithms = facts.scalings.shares.carried_into(shares, use)
        whole = all(_starts_at_zero(facts, each) for each in added)
        whole &= all(_starts_empty(facts, each) for each in logarithms)
        return Blocks(loop, *found, whole)
    scaling = facts.scalings.after(use, sums, totals=totals)
    return None if scaling and scaling.shares else Blocks(None, *found, False)


def are_complete(facts: Facts, use: Contraction, blocks: Blocks) -> bool:
    """Whether the logits of all blocks can be had, so that weights can be made of them."""
    logits = _logits_beside(blocks.exponential)
    if blocks.loop is None or not blocks.whole:
        return False
    complete = _is_counted(facts.graph.closed, blocks.loop)
    complete &= not goes_through_queries(facts, use, blocks)
    values = logits, blocks.terms, blocks.exponential
    return complete and len({facts.dimensions.of(each) for each in values}) == 1


def goes_through_queries(facts: Facts, use: Contraction, blocks: Blocks) -> bool:
    """Whether the loop over blocks of keys has other queries in each iteration, too."""
    loop = blocks.loop
    over = copies_in(facts.dimensions.within(blocks.exponential), use.over)
    query = scores_of(facts.dimensions, blocks.exponential, over).query
    return loop is not None and query is not None and any(map(changes, given_by(query, loop)))


def in_blocks(facts: Facts, use: Contraction, blocks: Blocks) -> Site | None:
    """The attention whose rows go through several iterations of a loop over keys."""
    logits = _logits_beside(blocks.exponential)
    if not carries_numbers(logits):
        return None
    over = copies_in(facts.dimensions.within(blocks.exponential), use.over)
    scores = scores_of(facts.dimensions, blocks.exponential, over)
    site = facts.site(
        use,
        blocks.exponential,
        over,
        scores,
        form="softmax in blocks of keys",
        sums="one",
        mixed=True,
        recipe=_logits_recipe(logits, blocks),
    )
    loops = loops_of(facts.dimensions, logits, scores, site.roles, blocks.loop)
    return dataclasses.replace(site, loops=loops, assemble=weights_of)


def _loop_over_keys(use: Contraction) -> Scope | None:
    """The innermost loop whose iterations have values of their own; None if there is none.

    A loop inside of it may go through blocks of queries, which all meet the same values.
    """
    loops = (scope for scope in use.node.scope.enclosing() if scope.kind in ("scan", "body"))
    return next((loop for loop in loops if any(map(changes, given_by(use.values, loop)))), None)


def _logits_beside(exponential: Value) -> Value:
    """What an exponential was taken of, before the maximum was subtracted, in the same axes."""
    node = exponential.node
    assert node is not None
    inner = node.inputs[0].node
    if inner is not None and inner.primitive == "sub" and is_maximum(inner.inputs[1]):
        return inner.inputs[0]
    return node.inputs[0]


def _stacked(dimensions: Dimensions, loop: Scope) -> set[int]:
    """The dimensions that number the iterations of a loop in what it puts out."""
    carried = sum(value.link == "carry" for value in loop.inputs)
    outputs = [] if loop.node is None or loop.kind != "scan" else loop.node.outputs[carried:]
    return {id(canonical(f)) for each in outputs for f in dimensions.of(each)[0]}


def _is_counted(closed: Any, loop: Scope) -> bool:
    """Whether the program's text tells how often a loop runs at most."""
    return loop.kind == "scan" or largest_count(closed, loop.path[:-1]) is not None


def _logits_recipe(logits: Value, blocks: Blocks) -> Recipe:
    """How to get the logits of a block, minus infinity where the program takes no weight.

    No logit is exactly zero, so that zeros in the result of replay are blocks that did not run.
    """
    scale = jnp.log(2.0) if _is_base_two(blocks.exponential) else 1.0

    def compute(scores: Any, terms: Any) -> Any:
        scores = scores.astype(jnp.float32) * scale
        scores = jnp.where(scores == 0, jnp.finfo(jnp.float32).tiny, scores)
        return jnp.where(terms == 0, -jnp.inf, scores)

    return Recipe((address_of(logits), address_of(blocks.terms)), compute)


def weights_of(logits: Any) -> Any:
    """Weights from the logits of all blocks, `[*loops, batch, head, query, key]`."""
    logits = jnp.where(logits == 0, -jnp.inf, logits)
    seen = jnp.isfinite(logits).any(-1, keepdims=True)
    return jnp.where(seen, jax.nn.softmax(jnp.where(seen, logits, 0.0), axis=-1), 0.0)


class _Downstream:
    """What is computed from a value by operations that keep rows apart, out of loops too.

    Attributes:
        values: What is computed from it.
        summed: Whether it is added up over the iterations of a loop that puts it out.
    """

    def __init__(self, start: Value, dimensions: Dimensions, stacked: set[int]):
        self.values = {start}
        self.summed = False
        self._multiplied: list[Value] = []
        waiting = [start]
        while waiting:
            value = waiting.pop()
            following = list(_next(value))
            for node, number in value.uses:
                if node.primitive == "reduce_sum":
                    axes = dimensions.of(value)
                    gone = {id(f) for place in node.params["axes"] for f in axes[place]}
                    if gone and gone <= stacked:
                        self.summed = True
                        following += node.outputs
                elif node.primitive == "mul" and not self.summed:
                    self._multiplied.append(node.inputs[1 - number])
            for each in following:
                if each not in self.values:
                    self.values.add(each)
                    waiting.append(each)

    def factors(self, numbers: Numbers) -> set[int]:
        """What it is multiplied with before it is added up."""
        return {numbers.of(each) for each in self._multiplied}

    def carries(self, loop: Scope) -> list[Value]:
        """The carried inputs of a loop's body that the value is added to."""
        inputs = [value for value in loop.inputs if value.link == "carry"]
        return [
            value
            for value, output in zip(inputs, loop.outputs, strict=False)
            if output in self.values and value.is_float
        ]


def _next(value: Value) -> Iterator[Value]:
    for node, _ in value.uses:
        if node.primitive in _ROWWISE or node.primitive in MOVES:
            yield from node.outputs
        elif node.scopes:
            for scope in node.scopes:
                yield from (each for each in scope.inputs if each.outer is value)
    node = value.scope.node
    if node is not None and value.scope.kind != "cond":
        for number, output in enumerate(value.scope.outputs):
            if output is value and number < len(node.outputs):
                yield node.outputs[number]


def _divides(outputs: _Downstream, total: _Downstream) -> bool:
    nodes: set[Node] = {node for value in outputs.values for node, _ in value.uses}
    return any(
        numerator in outputs.values and (denominator in total.values)
        for node in nodes
        for numerator, denominator in quotients(node)
    )


def _starts_at_zero(facts: Facts, carry: Value) -> bool:
    start = source(carry.outer) if carry.outer is not None else carry
    return start.is_float and facts.intervals.of(start) == (0, 0)


def _starts_empty(facts: Facts, carry: Value) -> bool:
    """Whether the logarithm of a running sum starts so low that the sum is none."""
    start = source(carry.outer) if carry.outer is not None else carry
    return start.is_float and facts.intervals.of(start)[1] <= _NONE


def _exponentials(values: Sequence[Value]) -> Iterator[tuple[Value, Value]]:
    """Exponentials, and what masks made of them."""
    for value in values:
        for each in unmasked(value):
            if each.node is not None and each.node.primitive in ("exp", "exp2"):
                yield each, value


def _is_base_two(exponential: Value) -> bool:
    return exponential.node is not None and exponential.node.primitive == "exp2"


_NONE = -1e4
_ROWWISE = frozenset(
    """add add_any mul div sub max select_n log exp integer_pow slice dynamic_update_slice
    scatter""".split()
)
