"""What more has to hold of normalized weights for an attention, besides that they are used."""

from collections.abc import Iterator

from attnreport.capture.graph import Node, Value
from attnreport.capture.products import Product
from attnreport.capture.scores import is_parameter
from attnreport.capture.sites import Site


def is_scored(site: Site) -> bool:
    """Whether weights come from scores, instead of being given or counted."""
    if site.form == "quotient by the sum" and site.scores.node is None:
        return False
    return not is_parameter(site.scores.logits)


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


def is_dense_layer(product: Product | None) -> bool:
    """Whether a product is of two given arrays without a batch: an input and a layer's matrix."""
    return (
        product is not None and not product.shared[0] and all(map(is_parameter, product.operands))
    )


def is_backward(node: Node) -> bool:
    """Whether an operation belongs to the backward pass of a differentiation."""
    return any("transpose(" in name for name in node.names)


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


_SUMMING = frozenset(
    """dot_general conv_general_dilated reduce_sum reduce_max gather scan while cond""".split()
)
