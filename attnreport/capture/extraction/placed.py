"""A matrix product of weights and values as an Einstein sum, told by the places of its axes.

Where rows and columns of a picture look at each other in turn, one dimension holds queries in one
product and keys in the next, so that identities of dimensions do not tell which is which. Places
always do, where the program writes a matrix product.
"""

from collections.abc import Mapping

from attnreport.capture.dimensions.axis_rules import batch_axes, contracted_axes, free_axes
from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.roles.contractions import Contraction

Lettered = tuple[str, tuple[int, ...]]
_Axes = list[list[tuple[str | None, int]]]


def placed(
    dimensions: Dimensions, use: Contraction, letters: Mapping[int, str | None]
) -> tuple[Lettered, Lettered] | None:
    """Letters and sizes of the values and of the result; None if it is no matrix product.

    Args:
        dimensions: Those of the program.
        use: The contraction.
        letters: Those of the dimensions of its weights, by identity.
    """
    node = use.node
    if node.primitive != "dot_general" or use.output is not node.outputs[0]:
        return None
    if {use.weights, use.values} != set(node.inputs) or use.weights is use.values:
        return None
    side = node.inputs.index(use.weights)
    axes = dimensions.of(use.weights)
    mine: _Axes = [[(letters[id(factor)], factor.size) for factor in axis] for axis in axes]
    known = [letter for axis in mine for letter, _ in axis]
    if None in known or len(set(known)) < len(known):
        return None
    theirs: _Axes = [
        [(chr(65 + place), size)] if size > 1 else [] for place, size in enumerate(use.values.shape)
    ]
    for pairs in (batch_axes(node), contracted_axes(node)):
        for ours, other in zip(pairs[side], pairs[1 - side], strict=True):
            theirs[other] = mine[ours]
    sides = (mine, theirs) if side == 0 else (theirs, mine)
    kept = [mine[place] for place in batch_axes(node)[side]]
    kept += [sides[each][place] for each in (0, 1) for place in free_axes(node, each)]
    return _lettered(theirs), _lettered(kept)


def _lettered(axes: _Axes) -> Lettered:
    found = [each for axis in axes for each in axis]
    return "".join(str(letter) for letter, _ in found), tuple(size for _, size in found)
