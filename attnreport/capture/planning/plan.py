"""Plans what capture takes out of a program: found without running it, chosen, and weighed."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from attnreport._errors import CaptureError
from attnreport.capture.choice.budget import reductions_after
from attnreport.capture.choice.options import Options
from attnreport.capture.choice.selection import (
    Candidate,
    Choice,
    Grouping,
    choices,
    numbered,
    usual_group,
)
from attnreport.capture.extraction.attention import About
from attnreport.capture.extraction.proofs import Product, is_masked, product_of, with_checked_parts
from attnreport.capture.extraction.stacking import Stacking, bounds, stacking_of
from attnreport.capture.extraction.wanted import Wanted, wanted_of
from attnreport.capture.planning.notes import (
    DROPOUT,
    kind_notes,
    left_out_note,
    loop_notes,
    name_notes,
    reduced_note,
)
from attnreport.capture.planning.planned import Plan, Planned
from attnreport.capture.program.graph import Graph
from attnreport.capture.program.lineage import is_random
from attnreport.capture.program.trace import Traced
from attnreport.capture.recognition.names import names_of, source_line
from attnreport.capture.recognition.nearest import nearest
from attnreport.capture.recognition.recognizer import Analysis
from attnreport.capture.roles.sites import Site


def plan_of(
    traced: Traced, options: Options, model: str = "", group: Grouping = usual_group
) -> Plan:
    """The plan of a traced program.

    Args:
        traced: The program.
        options: What to take.
        model: Name of the model, for an attention that is all of it.
        group: From name and kind to the stack in which layers are numbered.

    Raises:
        CaptureError: The selection matches nothing.
    """
    analysis = Analysis(Graph(traced.closed, traced.labels))
    sites = analysis.sites()
    stackings = [stacking_of(traced.closed, site, options.steps) for site in sites]
    candidates = _candidates(sites, stackings, names_of(sites, model), group)
    chosen = choices(candidates, options)
    random = any(is_random(output) for output in analysis.facts.graph.root.outputs)
    planned = tuple(
        _planned(analysis, site, stacking, candidate, choice, options, random)
        for site, stacking, candidate, choice in zip(
            sites, stackings, candidates, chosen, strict=True
        )
    )
    said = analysis.said() or ([] if sites else [nearest(analysis)])
    plan = Plan(
        planned,
        tuple(map(str, said)),
        options,
        random,
        tuple(_notes(traced.closed, planned, options, random)),
        bounds(traced.closed, sites, options.steps),
    )
    return _within_budget(plan) if options.over_budget == "reduce" else plan


def _candidates(
    sites: Sequence[Site], stackings: Sequence[Stacking], names: Sequence[str], group: Grouping
) -> list[Candidate]:
    groups = [group(name, site.kind) for name, site in zip(names, sites, strict=True)]
    layers = numbered(groups, [each.count for each in stackings])
    return [
        Candidate(
            name=name,
            kind=site.kind,
            group=stack,
            layers=numbers,
            heads=stacking.heads(site.layout.shape[1]),
            guessed=bool(site.fallbacks) or site.sums == "to be measured",
        )
        for name, site, stack, numbers, stacking in zip(
            names, sites, groups, layers, stackings, strict=True
        )
    ]


def _notes(
    closed: Any, planned: Sequence[Planned], options: Options, random: bool
) -> Iterator[str]:
    if any(is_random(each.site.contraction.weights) for each in planned if random and each.kept):
        yield DROPOUT
    yield from name_notes([(each.name, each.about.place) for each in planned if each.kept])
    if options.steps is None:
        yield from loop_notes(closed, [(each.name, each.site) for each in planned if each.kept])
    left_out = [each for each in planned if each.choice.left_out == "kind"]
    if options.kinds == Options.kinds:
        yield from kind_notes([(each.name, each.site.kind) for each in left_out])
    yield from left_out_note(each.name for each in planned if each.choice.left_out == "guess")


def _planned(
    analysis: Analysis,
    site: Site,
    stacking: Stacking,
    candidate: Candidate,
    choice: Choice,
    options: Options,
    random: bool,
) -> Planned:
    if options.reduce == "head mean" and len(set(choice.heads)) > 1:
        raise CaptureError(
            f"`heads` keeps different heads of the layers of {candidate.name}, which come out of "
            "one loop, so there is no one mean of them. Keep the same heads, or leave out "
            '`reduce="head mean"`.'
        )
    wanted = wanted_of(analysis.facts.dimensions, site, options.want)
    same, products = _products(analysis, site)
    if site.parts and None not in products:
        site = with_checked_parts(site, [each for each in products if each is not None])
    *front, _, queries, keys = stacking.shape(site.layout.shape, len(choice.layers))
    about = About(
        kind=site.kind,
        axes=stacking.axes(cut=len(choice.layers) < stacking.count),
        form=site.form,
        sums=site.sums,
        place=source_line(site.weights.node),
        fallbacks=site.fallbacks,
        reduction=options.reduce or "",
        # Every weight is used, so an output depends on random numbers if weights do.
        random=random and is_random(site.weights),
        precision=str(site.contraction.weights.dtype),
        layers=choice.layers,
        heads=choice.all_heads,
        models=site.layout.batch[0],
        parts=site.layout.batch[2],
        unproved=_unproved(site.mixed or not same, None not in products),
        notes=(*wanted.notes, *_uncut(wanted, choice, candidate.heads)),
    )
    return Planned(
        name=candidate.name,
        site=site,
        about=about,
        stacking=stacking,
        layers=candidate.layers,
        choice=choice,
        wanted=wanted,
        shape=(*front, len(choice.all_heads), queries, keys),
        bytes=0,
        products=products,
        weights="weights" in options.want,
    ).weighed()


def _products(analysis: Analysis, site: Site) -> tuple[bool, tuple[Product | None, ...]]:
    """Whether the program uses weights as they are, and how it multiplies each segment of them."""
    numbers = analysis.facts.numbers
    every, products = True, list[Product | None]()
    for part in site.parts or (site,):
        used = part.contraction.weights
        same = numbers.same(used, part.weights)
        one = same or is_masked(numbers, used, part.weights)
        products.append(product_of(analysis.facts.dimensions, part) if one else None)
        every &= same
    return every, tuple(products)


def _unproved(changed: bool, told: bool) -> str:
    """Why weights are not multiplied with values to prove them; empty if they are."""
    if changed:
        return "the program changes the weights before it uses them (dropout, mixing of heads)"
    return "" if told else "the dimensions of its result cannot be told apart"


def _uncut(wanted: Wanted, choice: Choice, heads: int) -> list[str]:
    """A sentence on what keeps all heads although some were chosen."""
    names = list(wanted.with_all_heads()) if len(choice.all_heads) < heads else []
    if not names:
        return []
    return [
        f"All heads are in {', '.join(names)}: no axis of it alone holds the heads of the weights."
    ]


def _within_budget(plan: Plan) -> Plan:
    """The plan with the first reduction that fits; as it is where none is needed or enough."""
    if plan.bytes <= plan.options.budget:
        return plan
    for reduce in reductions_after(plan.options.reduce):
        if reduce == "head mean" and any(map(_keeps_uneven_heads, plan.kept)):
            continue
        attentions = tuple(each.reduced(reduce) for each in plan.attentions)
        options = dataclasses.replace(plan.options, reduce=reduce)
        smaller = dataclasses.replace(plan, attentions=attentions, options=options)
        if smaller.bytes <= options.budget:
            note = reduced_note(len(plan.kept), plan.bytes, options.budget, reduce, smaller.bytes)
            return dataclasses.replace(smaller, notes=(*smaller.notes, note))
    return plan


def _keeps_uneven_heads(planned: Planned) -> bool:
    """Whether layers of one loop keep different heads, so that there is no one mean of them."""
    return len(set(planned.choice.heads)) > 1
