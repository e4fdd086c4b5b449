"""What more has to hold of normalized weights for an attention, besides that they are used."""

import itertools
from collections.abc import Iterator

from attnreport.capture.dimensions.axis_rules import batch_axes
from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis, ancestry, stems_from, whole
from attnreport.capture.dimensions.products import Product
from attnreport.capture.program.graph import Node, Value, feeds
from attnreport.capture.program.lineage import (
    carries_numbers,
    entries,
    is_given,
    upstream,
)
from attnreport.capture.roles.contractions import Contraction
from attnreport.capture.roles.normalizers import inverted
from attnreport.capture.roles.scores import Scores, is_matrix, is_parameter
from attnreport.capture.roles.sites import Site


def is_scored(site: Site) -> bool:
    """Whether weights come from scores, instead of being given, counted, or precisions.

    The mean of measurements, each divided by its variance, has the reciprocals of numbers that each
    of them brings along, and no two tokens meet in these.
    """
    scores = site.scores
    if site.form == "quotient by the sum":
        if scores.node is None or scores.query is None:
            return False
        if is_parameter(scores.query) and any(inverted(scores.logits)):
            return False
    return not is_parameter(scores.logits)


def is_per_channel(site: Site) -> bool:
    """Whether weights that have all dimensions of the values weigh each channel by itself.

    The mean of scores under their own softmax, and its entropy, only look like that: there the
    values are made of the scores entry by entry. So does the expectation over the classes of a
    classifier, whose scores are products with a matrix of classes.
    """
    if len(site.roles.of) < 3 or site.scores.node is None or site.scores.of_parameters:
        return False
    mine = set(_entrywise(site.scores.logits))
    return not any(each in mine for each in _entrywise(site.contraction.values))


def is_result(value: Value) -> bool:
    """Whether a value goes into the program's output, and into nothing else but entry by entry.

    A gradient with respect to activations does so if a program takes a step along it, as Hopfield
    networks do; in training it goes on to the gradients of parameters.
    """
    seen = {value}
    waiting = [value]
    while waiting:
        current = waiting.pop()
        for node, _ in current.uses:
            if node.primitive in _SUMMING or node.scopes or node.primitive.startswith("scatter"):
                return False
            following = [each for each in node.outputs if each not in seen]
            seen.update(following)
            waiting.extend(following)
    return True


def feeds_dense_layer(use: Contraction, over: Axis) -> bool:
    """Whether weights are the features of a layer, such as the categories of several latents.

    Its matrix sums over all latents, not only over what each of them is normalized over. Entries
    that were looked up for each token are no matrix, and nor is what has examples.
    """
    examples = use.node.primitive == "dot_general" and batch_axes(use.node)[0]
    return not examples and is_matrix(use.values) and sums_more(use, over)


def sums_more(use: Contraction, over: Axis) -> bool:
    """Whether a product sums over more than what its weights are normalized over."""
    return not all(stems_from(each, over) for each in whole(use.over))


def is_made_of_scores(values: Value, scores: Scores) -> bool:
    """Whether values are made of nothing but the scores, as in the entropy of a distribution.

    So are the places of the largest, which put the shares of a few experts in a row for all.
    """
    node = scores.logits.node

    def before(value: Value) -> list[Value]:
        return [] if value.node is node else feeds(value)

    return node is not None and not any(map(is_given, upstream(values, before)))


def tells_keys_apart(dimensions: Dimensions, use: Contraction) -> bool:
    """Whether values differ from key to key by numbers of the program's inputs.

    The expectation of a function over fixed numbers, such as the atoms of a distribution, has
    values that differ by these numbers only.
    """
    keys = {id(each) for factor in (*use.over, *use.theirs) for each in ancestry(factor)}
    seen = {use.values}
    waiting = [use.values]
    while waiting:
        current = waiting.pop()
        has_keys = any(id(each) in keys for each in dimensions.within(current))
        if not has_keys or not carries_numbers(current, counts=True):
            continue
        before = entries(current)
        if not before:
            return True
        waiting.extend(each for each in before if each not in seen)
        seen.update(before)
    return False


def is_dense_layer(product: Product | None) -> bool:
    """Whether a product is of two given arrays without a batch: an input and a layer's matrix."""
    return (
        product is not None and not product.shared[0] and all(map(is_parameter, product.operands))
    )


def is_backward(node: Node) -> bool:
    """Whether an operation belongs to the backward pass of a differentiation."""
    return any("transpose(" in name for name in node.names)


def comes_from_backward(node: Node) -> bool:
    """Whether an operation works on gradients, as those of an optimizer do."""
    return any(
        each.node is not None and is_backward(each.node)
        for value in node.inputs
        for each in itertools.islice(upstream(value), _FAR)
    )


def is_recomputed(node: Node) -> bool:
    """Whether an operation of the forward pass runs once more for the backward pass."""
    return is_backward(node) and any("rematted_computation" in name for name in node.names)


def _entrywise(value: Value) -> Iterator[Value]:
    """A value and what it is computed from entry by entry."""
    seen = {value}
    waiting = [value]
    while waiting:
        current = waiting.pop()
        yield current
        node = current.node
        if node is not None and node.primitive not in _SUMMING:
            following = [each for each in node.inputs if each not in seen and not each.is_scalar]
            seen.update(following)
            waiting.extend(following)


_FAR = 2000
_SUMMING = frozenset(
    """dot_general conv_general_dilated reduce_sum reduce_max gather scan while cond""".split()
)
