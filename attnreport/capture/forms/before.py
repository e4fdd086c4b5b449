"""Weights that are normalized before they are used: `softmax(s) @ v`, in any spelling."""

import dataclasses
from collections.abc import Iterator, Sequence

from attnreport.capture.dimensions.factors import copies_in
from attnreport.capture.forms.facts import Facts
from attnreport.capture.forms.shares import are_segments
from attnreport.capture.program.graph import Value
from attnreport.capture.program.lineage import carries_numbers, source
from attnreport.capture.roles.contractions import Contraction, Step, covers, mixed_parts
from attnreport.capture.roles.normalizers import Normalized, is_constant, is_mask
from attnreport.capture.roles.requirements import (
    feeds_dense_layer,
    is_backward,
    is_made_of_scores,
    is_per_channel,
    is_recomputed,
    is_scored,
    sums_more,
)
from attnreport.capture.roles.scores import scores_of
from attnreport.capture.roles.sites import Site


@dataclasses.dataclass(frozen=True, eq=False)
class Hit:
    """Something normalized that the weights of a contraction are linear in."""

    step: Step
    normalized: Normalized


def hits_of(facts: Facts, use: Contraction, steps: Sequence[Step]) -> list[Hit]:
    """What is normalized over the keys of a contraction, nearest to it first.

    Args:
        facts: Those of the program.
        use: The contraction.
        steps: From its weights back, through what is linear in them.
    """
    hits = [
        Hit(step, each)
        for step in steps
        if (each := facts.normalized.get(step.value))
        and (covers(use.over, each.over) or covers(step.over, each.over))
    ]
    forward = not is_backward(use.node) or is_recomputed(use.node)
    return [each for each in hits if forward or _is_used_as_is(facts, use, each)]


def normalized_before(
    facts: Facts, use: Contraction, steps: Sequence[Step], hit: Hit
) -> Iterator[Site]:
    """The attentions of a hit: one, or one for each part that was put together."""
    each = hit.normalized
    for step in mixed_parts(facts.dimensions, steps, hit.step, each.over) or [hit.step]:
        site = _site(facts, use, step, each)
        used = is_apart(facts, use) or is_per_channel(site)
        used &= not feeds_dense_layer(use, each.over)
        used &= not _is_signed(facts, site, each)
        used &= not is_made_of_scores(use.values, site.scores)
        used &= site.scores.node is not None or not are_segments(site.scores.logits)
        if used and is_scored(site) and carries_numbers(each.numerator):
            yield site


def is_apart(facts: Facts, use: Contraction) -> bool:
    """Whether values are more than a mask of the weights, whose sum would be no use of them."""
    mine, theirs = (facts.dimensions.ids(each) for each in (use.weights, use.values))
    return bool(theirs - mine) or (mine != theirs and not is_mask(use.values))


def _is_signed(facts: Facts, site: Site, each: Normalized) -> bool:
    """Whether scores themselves are divided by their sum, so that some are negative, as by decay.

    Products of features that are never negative are weights, however they are computed.
    """
    if each.form != "quotient by the sum" or facts.intervals.is_nonnegative(each.numerator):
        return False
    waiting = [each.numerator]
    for _ in range(_NEAR):
        node = source(waiting.pop()).node if waiting else None
        if node is not None and node is site.scores.node:
            return True
        if node is not None and node.primitive in ("mul", "neg"):
            waiting.extend(node.inputs)
        elif node is not None and node.primitive == "div":
            waiting.append(node.inputs[0])
        elif node is not None and node.primitive == "select_n":
            kept = [value for value in node.inputs[1:] if not is_constant(value)]
            waiting.extend(kept if len(kept) == 1 else [])
    return False


def _is_used_as_is(facts: Facts, use: Contraction, hit: Hit) -> bool:
    """Whether a backward pass has weights; gradients are scaled and added up weights."""
    return (
        facts.numbers.same(hit.step.value, use.weights)
        and (is_recomputed(use.node) or not _is_recomputed(hit.normalized.value))
        and not sums_more(use, hit.normalized.over)
    )


def _site(facts: Facts, use: Contraction, step: Step, each: Normalized) -> Site:
    shares = None if step.mixed else facts.scalings.after(use, [], totals=facts.totals_of(each))
    recipe = shares and facts.scalings.recipe(step.shown, shares)
    partial = each.shared or recipe is not None or step.shown is not step.value
    # Of the keys that scores were normalized over, some may be dropped before the values.
    mine = facts.dimensions.within(step.shown)
    kept = copies_in(mine, use.over)
    over = kept if step.shown is not step.value and kept else each.over
    return facts.site(
        use,
        step.shown,
        (*copies_in(mine, shares.merged), *over) if shares and recipe else over,
        scores_of(facts.dimensions, each.numerator, each.over),
        form=each.form,
        sums="at most one" if partial else "one",
        mixed=step.mixed,
        recipe=recipe or None,
    )


def _is_recomputed(value: Value) -> bool:
    return value.node is not None and is_recomputed(value.node)


_NEAR = 16
