"""Finds every attention of a program.

Every sum of products is looked at twice, once with each operand as the weights. They are weights
of an attention if they are normalized over what is summed, before or after, and if both they and
the values are computed from numbers that go into the program. Where no operation shows how rows
are normalized, but scores of two sets of tokens lead to them, the numbers will tell.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

from attnreport.capture.blocks import (
    Blocks,
    assembled,
    blocks_of,
    is_counted,
    logits_beside,
    logits_recipe,
)
from attnreport.capture.bounds import Intervals
from attnreport.capture.contractions import (
    Contraction,
    Step,
    Walk,
    contractions,
    mixed_parts,
)
from attnreport.capture.dimensions import Dimensions
from attnreport.capture.factors import Axis, canonical, stems_from, whole
from attnreport.capture.gates import gates
from attnreport.capture.graph import Graph, Node, Value
from attnreport.capture.kernels import Kernels
from attnreport.capture.kinds import Kinds
from attnreport.capture.later import Scaling, Scalings
from attnreport.capture.lineage import Numbers, carries_numbers, source
from attnreport.capture.loops import loops_of
from attnreport.capture.normalizers import Normalized, Normalizers, Sum, is_mask, unmasked
from attnreport.capture.requirements import (
    feeds_dense_layer,
    is_backward,
    is_dense_layer,
    is_per_channel,
    is_recomputed,
    is_result,
    is_scored,
    sums_more,
    tells_keys_apart,
    weighs_itself,
)
from attnreport.capture.roles import Assignment
from attnreport.capture.said import Said, kernels, linear_attention, pieces, segments, unused
from attnreport.capture.scores import Scores, key_side, scores_of
from attnreport.capture.sites import Recipe, Site, Sums, address_of


class Analysis:
    """What is known of a program, and where its attention is.

    Attributes:
        graph: The program.
        dimensions: Which axes are one dimension.
        numbers: Which values are the same computation.
        intervals: What numbers values can hold.
        normalized: Every value that is divided by its own sum.
    """

    def __init__(self, graph: Graph):
        """Analyses a program."""
        self.graph = graph
        self.dimensions = Dimensions(graph)
        self.numbers = Numbers()
        self.intervals = Intervals()
        self._normalizers = Normalizers(self.dimensions, self.numbers)
        self._walk = Walk(self.dimensions)
        self._scalings = Scalings(self.dimensions, self.numbers, self._normalizers)
        self.normalized = {each.value: each for each in self._normalizers.all_in(graph)}
        self._assignment = Assignment(self.dimensions, self.numbers, self._is_weights)
        self._totals = {each.total for each in self.normalized.values()}
        self._pieces: list[Node] = []
        self._sums_by_number: dict[int, list[Sum]] = {}
        self._sums = [each for node in graph.nodes if (each := self._normalizers.sum_of(node))]

    def sites(self) -> list[Site]:
        """Every attention that an output depends on, in the order in which they run."""
        return list(self._sites)

    @functools.cached_property
    def _sites(self) -> list[Site]:
        found: dict[tuple[Value, frozenset[int]], Site] = {}
        for contraction in contractions(self.graph, self.dimensions):
            if self._is_candidate(contraction):
                for site in self._at(contraction):
                    found.setdefault(_identity(site), site)
        known = (self.dimensions, self.intervals, self.numbers)
        for site in gates(self.graph, *known, self.normalized):
            found.setdefault(_identity(site), site)
        found = self._with_carried_heads(found)
        parts = (self.dimensions, self.numbers, self._is_weights)
        fused = Kernels(*parts).sites(self.graph, list(found.values()))
        found |= {_identity(site): site for site in fused}
        kinds = Kinds(*parts)
        return [
            dataclasses.replace(site, kind=kinds.of(site))
            for site in sorted(found.values(), key=_order)
        ]

    def _with_carried_heads(self, found: Mapping[Any, Site]) -> dict[Any, Site]:
        """Heads of one attention are heads of another that only carries them along."""
        heads = [f for site in found.values() for f in site.roles.with_role("head")]
        sites: dict[Any, Site] = {}
        for identity, site in found.items():
            roles = site.roles.with_heads(heads)
            layout = roles.layout(self.dimensions.of(site.weights))
            sites[identity] = dataclasses.replace(site, roles=roles, layout=layout)
        return sites

    def said(self) -> list[Said]:
        """What was seen but is not captured."""
        sites = self._sites
        captured = {each.contraction.node.scope for each in sites if each.assemble is not None}

        def is_forward(node: Node) -> bool:
            return not is_backward(node) and not captured.intersection(node.scopes)

        return [
            *kernels(self.graph, {each.contraction.node for each in sites}),
            *segments(self.graph, self.numbers),
            *linear_attention(self.graph, self._is_weights, is_forward),
            *pieces(self._pieces),
            *([] if sites else unused(self.normalized.values(), is_forward)),
        ]

    def _is_candidate(self, use: Contraction) -> bool:
        # What only adds up weights to normalize them again makes no use of them.
        dead = use.node in self._totals or not self.graph.is_live(use.output)
        backward = is_backward(use.node) and not is_result(use.output)
        return bool(use.over) and not dead and not backward and not is_recomputed(use.node)

    def _at(self, use: Contraction) -> Iterator[Site]:
        steps = list(self._walk.back(use.weights, use.over, self.normalized.__contains__))
        hits = [
            (step, each)
            for step in steps
            if (each := self.normalized.get(step.value)) and _covers(use.over, each.over)
        ]
        if not carries_numbers(use.values, counts=True):
            return
        if hits and not tells_keys_apart(self.dimensions, use):
            return
        if is_backward(use.node):
            # The backward pass scales and adds up weights; a gradient that is weights does not.
            hits = [
                (step, each)
                for step, each in hits
                if self.numbers.same(step.value, use.weights)
                and not _is_recomputed(each.value)
                and not sums_more(use, each.over)
            ]
        mine, theirs = (self.dimensions.ids(each) for each in (use.weights, use.values))
        # A sum of weights where a mask allows is no use of them.
        apart = bool(theirs - mine) or (mine != theirs and not is_mask(use.values))
        for step, each in hits:
            for part in mixed_parts(self.dimensions, steps, step, each.over) or [step]:
                site = self._normalized_before(use, part, each)
                used = apart or is_per_channel(site)
                used &= not feeds_dense_layer(use, each.over)
                used &= not weighs_itself(each.value, use.values)
                if used and is_scored(site) and carries_numbers(each.numerator):
                    yield site
        if not apart:
            return
        known = any(_covers(use.over, each.over) for _, each in hits)
        if not known and not is_backward(use.node):
            blocks = self._blocks(use, steps)
            if blocks is not None:
                site = self._in_blocks(use, blocks)
            else:
                site = self._normalized_after(use, steps) or self._to_be_measured(use, steps)
            if site is not None:
                yield site

    def _is_weights(self, value: Value) -> bool:
        return any(each in self.normalized for each in unmasked(value))

    def _normalized_before(self, use: Contraction, step: Step, each: Normalized) -> Site:
        shares = None if step.mixed else self._scalings.after(use, [])
        recipe = shares and self._scalings.recipe(step.shown, shares)
        scores = scores_of(self.dimensions, each.numerator, each.over)
        partial = each.shared or recipe is not None or step.shown is not step.value
        return self._site(
            use,
            step.shown,
            each.over,
            scores,
            form=each.form,
            sums="at most one" if partial else "one",
            mixed=step.mixed,
            recipe=recipe or None,
        )

    def _normalized_after(self, use: Contraction, steps: list[Step]) -> Site | None:
        for step in steps:
            # Weights are never negative; the features that a layer norm centers are.
            sums = self._sums_of(use, step) if self.intervals.is_nonnegative(step.value) else []
            scaling = self._scalings.after(use, sums) if sums else None
            recipe = scaling and self._scalings.recipe(step.value, scaling)
            if scaling and recipe and carries_numbers(step.value):
                return self._site(
                    use,
                    step.value,
                    sums[0].over,
                    scores_of(self.dimensions, step.value, sums[0].over),
                    form="normalized after use",
                    sums="one" if self._is_alone(scaling, sums) else "at most one",
                    recipe=recipe,
                )
        return None

    def _sums_of(self, use: Contraction, step: Step) -> list[Sum]:
        """The sums of a value over the dimensions that a contraction sums over."""
        if not self._sums_by_number:
            for each in self._sums:
                for value in unmasked(each.summand):
                    number = self.numbers.of(value)
                    self._sums_by_number.setdefault(number, []).append(each)
        found = {
            id(each): each
            for value in unmasked(step.value)
            for each in self._sums_by_number.get(self.numbers.of(value), ())
        }
        return [each for each in found.values() if _covers(use.over, each.over)]

    def _blocks(self, use: Contraction, steps: list[Step]) -> Blocks | None:
        sums = [each for step in steps for each in self._sums_of(use, step)]
        values = [step.value for step in steps]
        return blocks_of(self.dimensions, self.numbers, use, values, sums) if sums else None

    def _in_blocks(self, use: Contraction, blocks: Blocks) -> Site | None:
        """Weights whose rows go through several iterations of a loop over keys."""
        over = _in(self.dimensions, blocks.exponential, use.over)
        scores = scores_of(self.dimensions, blocks.exponential, over)
        logits = logits_beside(blocks.exponential)
        axes = self.dimensions.of(logits)
        complete = blocks.whole and is_counted(self.graph.closed, blocks.loop)
        if not complete or axes != self.dimensions.of(blocks.exponential):
            self._pieces.append(use.node)
            return None
        if not carries_numbers(logits):
            return None
        site = self._site(
            use,
            blocks.exponential,
            over,
            scores,
            form="softmax in blocks of keys",
            sums="one",
            mixed=True,
            recipe=logits_recipe(logits, blocks),
        )
        loops = loops_of(self.dimensions, site.weights, scores, site.roles, blocks.loop)
        return dataclasses.replace(site, loops=loops, assemble=assembled)

    def _is_alone(self, scaling: Scaling, sums: list[Sum]) -> bool:
        terms = [self._normalizers.denominator(each) for each in scaling.divisors]
        return not scaling.factors and not any(each.shared for each in terms)

    def _to_be_measured(self, use: Contraction, steps: list[Step]) -> Site | None:
        weights = source(steps[0].value)
        over = _in(self.dimensions, weights, use.over)
        if not over or weights.node is None or not carries_numbers(weights):
            return None
        scores = scores_of(self.dimensions, weights, over, anything=True)
        # What is linear in the scores is not normalized by anything.
        if not scores.of_tokens or scores.node in {step.value.node for step in steps}:
            return None
        # Heads and features are dimensions of scores too, but it is keys that weights sum over.
        product = scores.product
        made = () if product is None else product.made[key_side(product, over)]
        if not all(stems_from(each, made) for each in over) or is_dense_layer(product):
            return None
        scaling = self._scalings.after(use, [], itself=True)
        recipe = scaling and self._scalings.recipe(weights, scaling)
        low, high = self.intervals.of(weights)
        if low < 0:
            return None
        gate = high <= 1 and recipe is None
        return self._site(
            use,
            weights,
            over,
            scores,
            form="sigmoid" if gate else "by its numbers",
            sums="free" if gate else "to be measured",
            recipe=recipe or None,
        )

    def _site(
        self,
        use: Contraction,
        weights: Value,
        over: Axis,
        scores: Scores,
        *,
        form: str,
        sums: Sums,
        mixed: bool = False,
        recipe: Recipe | None = None,
    ) -> Site:
        roles = self._assignment.roles(weights, over, use, scores)
        return Site(
            weights=weights,
            recipe=recipe or Recipe((address_of(weights),), lambda array: array),
            over=over,
            form=form,
            sums=sums,
            mixed=mixed,
            contraction=use,
            scores=scores,
            roles=roles,
            layout=roles.layout(self.dimensions.of(weights)),
            loops=loops_of(self.dimensions, weights, scores, roles),
        )


def _order(site: Site) -> int:
    return -1 if site.weights.node is None else site.weights.node.order


def _is_recomputed(value: Value) -> bool:
    return value.node is not None and is_recomputed(value.node)


def _identity(site: Site) -> tuple[Value, frozenset[int]]:
    """One array may serve as weights over two of its axes, as in slots and back."""
    return site.weights, frozenset(id(canonical(factor)) for factor in site.over)


def _in(dimensions: Dimensions, value: Value, over: Axis) -> Axis:
    """The dimensions of a value that contracted ones are copies of."""
    mine = dimensions.within(value)
    return tuple(factor for factor in mine if any(stems_from(each, [factor]) for each in over))


def _covers(contracted: Axis, over: Axis) -> bool:
    """Whether a contraction sums over all dimensions that weights are normalized over."""
    return bool(over) and all(
        any(stems_from(factor, [each]) for factor in contracted) for each in whole(over)
    )
