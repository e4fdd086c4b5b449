"""Weights that are normalized only after they were used: `(exp(s) @ v) / sum(exp(s))`."""

from collections.abc import Sequence

from attnreport.capture.dimensions.factors import copies_in
from attnreport.capture.forms.facts import Facts
from attnreport.capture.forms.scalings import Scaling
from attnreport.capture.program.lineage import carries_numbers
from attnreport.capture.roles.contractions import Contraction, Step
from attnreport.capture.roles.normalizers import Sum
from attnreport.capture.roles.scores import scores_of
from attnreport.capture.roles.sites import Site


def normalized_after(facts: Facts, use: Contraction, steps: Sequence[Step]) -> Site | None:
    """The attention whose result is divided by the sums of its weights; None if it is not."""
    for step in steps:
        # Weights are never negative; the features that a layer norm centers are.
        if not facts.intervals.is_nonnegative(step.value):
            continue
        sums = facts.sums_of(step.value, use)
        scaling = facts.scalings.after(use, sums) if sums else None
        recipe = scaling and facts.scalings.recipe(step.value, scaling)
        if scaling and recipe and carries_numbers(step.value):
            return facts.site(
                use,
                step.value,
                (*copies_in(facts.dimensions.within(step.value), scaling.merged), *sums[0].over),
                scores_of(facts.dimensions, step.value, sums[0].over),
                form="normalized after use",
                sums="one" if _is_alone(facts, scaling, sums) else "at most one",
                recipe=recipe,
            )
    return None


def _is_alone(facts: Facts, scaling: Scaling, sums: Sequence[Sum]) -> bool:
    terms = [facts.normalizers.denominator(each) for each in scaling.divisors]
    return not scaling.factors and not any(each.shared for each in terms)
