"""Weights of which only their numbers can tell whether their rows sum to one.

Scores of two sets of tokens lead to them, and a contraction over the tokens of one set uses them:
sparsemax by sorting, entmax by bisection, Sinkhorn, a sigmoid of each score.
"""

from collections.abc import Sequence

from attnreport.capture.dimensions.axis_rules import AXIS_RULES
from attnreport.capture.dimensions.factors import copies_in, stems_from
from attnreport.capture.forms.facts import Facts
from attnreport.capture.program.graph import Value
from attnreport.capture.program.lineage import MOVES, carries_numbers, source, upstream
from attnreport.capture.roles.contractions import Contraction, Step
from attnreport.capture.roles.requirements import is_dense_layer
from attnreport.capture.roles.scores import Scores, key_side, scores_of
from attnreport.capture.roles.sites import Site


def to_be_measured(facts: Facts, use: Contraction, steps: Sequence[Step]) -> Site | None:
    """An attention if the numbers say so when the program runs; None if they cannot."""
    weights = source(steps[0].value)
    over = copies_in(facts.dimensions.within(weights), use.over)
    if not over or weights.node is None or not carries_numbers(weights):
        return None
    scores = scores_of(facts.dimensions, weights, over, anything=True)
    # What is linear in the scores is not normalized by anything.
    if not scores.of_tokens or scores.node in {step.value.node for step in steps}:
        return None
    # Heads and features are dimensions of scores too, but it is keys that weights sum over.
    product = scores.product
    made = () if product is None else product.made[key_side(product, over)]
    if not all(stems_from(each, made) for each in over) or is_dense_layer(product):
        return None
    scaling = facts.scalings.after(use, [], itself=True)
    recipe = scaling and facts.scalings.recipe(weights, scaling)
    low, high = facts.intervals.of(weights)
    if low < 0:
        return None
    gate = high <= 1 and recipe is None
    return facts.site(
        use,
        weights,
        over,
        scores,
        form="sigmoid" if gate else "by its numbers",
        sums="free" if gate else "to be measured",
        recipe=recipe or None,
    )


def is_unnormalized(site: Site) -> bool:
    """Whether weights of which only numbers could tell are made of each score by itself.

    Nothing on the way from scores to weights looks at more than one score of a row, so nothing
    normalizes rows: so it is with a rectifier between two dense layers.
    """
    scaled = len(site.recipe.addresses) > 1
    return site.sums == "to be measured" and not scaled and not _looks_at_rows(site)


def _looks_at_rows(site: Site) -> bool:
    scores = site.scores

    def before(value: Value) -> list[Value]:
        alone = value.node is not scores.node and _is_entrywise(value)
        return value.node.inputs if alone and value.node is not None else []

    return any(
        value.node is not scores.node and not _is_entrywise(value) and _comes_from(value, scores)
        for value in upstream(site.weights, before)
    )


def _is_entrywise(value: Value) -> bool:
    """Whether each number of a value is made of the numbers in its place."""
    node = value.node
    if node is None or node.scopes:
        return False
    if node.primitive in MOVES:
        return True
    return node.primitive not in AXIS_RULES and not node.primitive.startswith(("sort", "cum"))


def _comes_from(value: Value, scores: Scores) -> bool:
    return any(each.node is scores.node for each in upstream(value))
