"""Back from weights to the scores they come from: logits, mask, bias, query and key."""

import dataclasses

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis, ancestry, canonical, stems_from
from attnreport.capture.dimensions.products import Product, distance_of, product_of
from attnreport.capture.program.graph import Node, Value, feeds
from attnreport.capture.program.lineage import MOVES, is_given, source, upstream
from attnreport.capture.roles.normalizers import is_constant, unmasked


@dataclasses.dataclass(frozen=True, eq=False)
class Scores:
    """How weights were scored.

    Attributes:
        logits: What the normalizer was given, masks and biases included.
        node: The operation that scored; None if none was found.
        query: Its operand on the side of the queries.
        key: Its operand on the side of the keys.
        features: The dimensions that the score sums over.
        form: `dot`, `additive`, or `unknown`.
        masks: Conditions under which scores were replaced.
        biases: Terms that were added to the scores.
        product: The sum of products that scored; None if none was found.
    """

    logits: Value
    node: Node | None
    query: Value | None
    key: Value | None
    features: Axis
    form: str
    masks: tuple[Value, ...]
    biases: tuple[Value, ...]
    product: Product | None = None

    @property
    def of_tokens(self) -> bool:
        """Whether both sides of the score were computed, so that neither is a parameter."""
        if self.node is None:
            return False
        sides = [side for side in (self.query, self.key) if side is not None]
        learned = [is_parameter(side) for side in sides]
        if self.form == "additive" and self.product is not None:
            # A vector scores what queries and keys add up to; a matrix is the next layer.
            side = self.product.operands.index(self.query) if self.query is not None else 0
            return not self.product.own[side]
        # An input with a batch is given tokens, such as a cache of keys; a matrix is learned.
        batched = self.product is not None and bool(self.product.shared[0])
        if all(learned):
            # Of two given arrays, the one with more axes is the tokens.
            return self.key is None or rank(self.key) >= rank(sides[0])
        return not any(
            flag and (len(side.shape) < 3 or not batched)
            for flag, side in zip(learned, sides, strict=True)
        )

    @property
    def of_parameters(self) -> bool:
        """Whether the keys are learned, such as experts, codes or prototypes."""
        return self.key is not None and not self.of_tokens and is_parameter(self.key)


def is_parameter(value: Value) -> bool:
    """Whether a value is an input or constant of the program, or parts of some put together.

    In a loop over layers, a parameter is what the loop takes a slice of.
    """
    waiting = [value]
    for _ in range(_PARTS):
        if not waiting:
            return True
        current = source(waiting.pop())
        node = current.node
        if node is None and current.outer is None:
            continue
        if node is None and current.outer is not None and current.link != "carry":
            waiting.append(current.outer)
        elif node is not None and node.primitive == "concatenate":
            waiting.extend(node.inputs)
        elif node is not None and node.primitive in _TAKING:
            waiting.append(node.inputs[0])
        else:
            return False
    return False


def looked_up_in(value: Value) -> Value | None:
    """The given array whose entries scores chose, as the largest ones do; None if there is none.

    Entries that whole numbers of the inputs name, such as words, are tokens.
    """
    for each in unmasked(value):
        if each.node is not None and each.node.primitive == "gather" and is_parameter(each):
            table, places = each.node.inputs
            scored = any(each.is_float and is_given(each) for each in upstream(places))
            return table if scored else None
    return None


def is_matrix(value: Value) -> bool:
    """Whether a value is a parameter and no entries of one, looked up for each token."""
    return is_parameter(value) and looked_up_in(value) is None


def rank(value: Value) -> int:
    """Number of axes that are longer than one."""
    return sum(size != 1 for size in value.shape)


@dataclasses.dataclass
class _Found:
    nodes: list[tuple[Node, Product]] = dataclasses.field(default_factory=list)
    masks: list[Value] = dataclasses.field(default_factory=list)


def scores_of(
    dimensions: Dimensions, numerator: Value, over: Axis, *, anything: bool = False
) -> Scores:
    """The scores of a normalized value.

    Args:
        dimensions: Those of the program.
        numerator: What was normalized.
        over: The dimensions of the keys.
        anything: Whether to go through operations of every kind on the way, because how the value
            was normalized is not known.
    """
    logits = numerator if anything else logits_of(numerator)
    found = _walk(dimensions, logits, over, anything)
    masks = tuple(found.masks)
    if not found.nodes:
        return Scores(logits, None, None, None, (), "unknown", masks, ())
    # Where there are products too, distances, as of points in space, only add to them.
    made = [each for each in found.nodes if product_of(dimensions, each[0])] or found.nodes
    each = [_scored(logits, node, product, over, masks) for node, product in made]
    # Mixing of heads and relative positions lie nearer to the weights than the product itself.
    ordered = sorted(each, key=lambda scores: _distance(scores, over))
    return next((scores for scores in ordered if scores.of_tokens), each[0])


def _distance(scores: Scores, over: Axis) -> tuple[int, int]:
    """How far scores are from a product of queries and keys, then their place in the program.

    Relative positions come after the product of queries and keys, layers of keys alone before.
    """
    if scores.product is None or scores.node is None:
        return 0, 0
    # A bias by pairs has both queries and keys on one side.
    made = scores.product.made[key_side(scores.product, over)]
    others = sum(not stems_from(factor, over) for factor in made)
    return others, -scores.node.order if others else scores.node.order


def _scored(
    logits: Value, node: Node, product: Product, over: Axis, masks: tuple[Value, ...]
) -> Scores:
    side = key_side(product, over)
    query, key = product.operands[1 - side], product.operands[side]
    form = "additive" if _passes_tanh(key) else "dot"
    return Scores(logits, node, query, key, product.summed[0], form, masks, (), product)


def key_side(product: Product, over: Axis) -> int:
    """Which operand of a score has the keys: 0 or 1."""
    left, right = (any(stems_from(each, made) for each in over) for made in product.made)
    return 0 if left and not right else 1


def logits_of(numerator: Value) -> Value:
    """What an exponential was taken of, before the maximum was subtracted for its stability."""
    current = source(numerator)
    for _ in range(6):
        node = current.node
        if node is None:
            return current
        if node.primitive in ("exp", "exp2", "logistic", "square", "integer_pow"):
            current = source(node.inputs[0])
        elif node.primitive == "select_n" and current is source(numerator):
            kept = [each for each in node.inputs[1:] if not is_constant(each)]
            if len(kept) != 1:
                return current
            current = source(kept[0])
        elif node.primitive == "sub" and is_maximum(node.inputs[1]):
            return source(node.inputs[0])
        else:
            return current
    return current


def is_maximum(value: Value) -> bool:
    """Whether a value is a maximum, or the logarithm of a sum, that keeps exponentials small."""
    waiting = [value]
    for _ in range(12):
        if not waiting:
            return False
        node = source(waiting.pop()).node
        if node is None:
            continue
        if node.primitive in ("reduce_max", "pmax", "log", "cummax"):
            return True
        if node.primitive in ("max", "select_n", "add", "scan", "while"):
            waiting.extend(node.inputs)
    return False


def _walk(dimensions: Dimensions, logits: Value, over: Axis, anything: bool) -> _Found:
    found = _Found()
    wide = {id(each) for factor in dimensions.within(logits) for each in ancestry(factor)}
    seen = {logits}
    waiting = [(logits, 0)]
    while waiting:
        value, depth = waiting.pop(0)
        node = value.node
        following: list[Value] = []
        product = None if node is None else _scoring(dimensions, node)
        if node is None:
            following = [value.outer] if value.outer is not None and value.link == "same" else []
        elif product is not None and _is_score(dimensions, node, product, over, wide):
            found.nodes.append((node, product))
            following = _below(product, over, wide)
        elif node.primitive == "select_n":
            found.masks.append(node.inputs[0])
            following = node.inputs[1:]
        elif node.primitive in _THROUGH or node.primitive in MOVES:
            following = node.inputs
        elif anything and node.primitive not in ("dot_general", "conv_general_dilated"):
            following = feeds(value)
        for each in following:
            if each not in seen and depth < _DEEPEST and _keeps(dimensions, each, over):
                seen.add(each)
                waiting.append((each, depth + 1))
    return found


def _scoring(dimensions: Dimensions, node: Node) -> Product | None:
    """A product or a distance."""
    return distance_of(dimensions, node) or product_of(dimensions, node)


def _below(product: Product, over: Axis, wide: set[int]) -> list[Value]:
    """Where to look for scores below a product that only mixes those of several heads.

    The dimension that such a product sums over is one of the scores, so it is added to `wide`.
    """
    side = key_side(product, over)
    if not is_parameter(product.operands[1 - side]) or len(product.operands[side].shape) < 3:
        return []
    wide |= {id(each) for factor in product.summed[side] for each in ancestry(factor)}
    return [product.operands[side]]


def _keeps(dimensions: Dimensions, value: Value, over: Axis) -> bool:
    """Whether a value still tells keys apart, so that it may hold scores."""
    ancestors = {id(each) for factor in over for each in ancestry(factor)}
    return any(
        id(each) in ancestors for factor in dimensions.within(value) for each in ancestry(factor)
    )


def _is_score(
    dimensions: Dimensions, node: Node, product: Product, over: Axis, wide: set[int]
) -> bool:
    """Whether all dimensions of a product's result are dimensions of the weights."""
    # The square of a norm is no score.
    if len(set(map(source, product.operands))) < 2 and not any(product.made):
        return False
    factors = dimensions.within(node.outputs[0])
    if not all(id(canonical(factor)) in wide for factor in factors):
        return False
    return any(stems_from(each, factors) for each in over)


def _passes_tanh(value: Value | None) -> bool:
    waiting = [] if value is None else [value]
    for _ in range(24):
        if not waiting:
            return False
        node = source(waiting.pop()).node
        if node is None:
            continue
        if node.primitive == "tanh":
            return True
        if node.primitive in ("mul", "add", "select_n", "max"):
            waiting.extend(node.inputs)
    return False


_DEEPEST = 30
_PARTS = 64
_TAKING = frozenset("slice dynamic_slice gather split".split())
_THROUGH = frozenset(
    """add add_any sub sort top_k mul div neg max min clamp tanh concatenate slice dynamic_slice pad
    dynamic_update_slice gather split integer_pow square pow sqrt exp expm1 log abs erf logistic
    rev""".split()
)
