"""Which dimensions weights share with the values that they are multiplied with."""

from attnreport.capture.dimensions.axis_rules import batch_axes
from attnreport.capture.dimensions.dimensions import Dimensions, repeated_along
from attnreport.capture.dimensions.factors import Factor, ancestry
from attnreport.capture.roles.contractions import Contraction


def shared_by(dimensions: Dimensions, use: Contraction) -> set[int]:
    """The identities of dimensions that values have as well as weights, and of their originals.

    Two copies of one dimension, as rows and columns of a picture may be, are told by the places
    that a product multiplies with each other.
    """
    repeated = repeated_along(dimensions, use.values)
    have = dimensions.ids(use.values) - repeated - use.summed
    by_name = {
        factor for axis in dimensions.of(use.weights) for factor in axis if id(factor) in have
    }
    return {
        id(each) for f in by_name | _by_place(dimensions, use, repeated) for each in ancestry(f)
    }


def _by_place(dimensions: Dimensions, use: Contraction, repeated: set[int]) -> set[Factor]:
    if use.node.primitive != "dot_general":
        return set()
    side = int(use.node.inputs[0] is use.values)
    mine, theirs = dimensions.of(use.weights), dimensions.of(use.values)
    places = zip(batch_axes(use.node)[side], batch_axes(use.node)[1 - side], strict=True)
    return {
        factor
        for ours, other in places
        for factor in mine[ours]
        if not all(id(each) in repeated for each in theirs[other])
    }
