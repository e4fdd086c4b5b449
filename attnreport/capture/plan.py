"""What capture would take out of a program: found without running it, chosen, and weighed."""

import dataclasses
import difflib
import fnmatch
import itertools
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from attnreport._errors import CaptureError
from attnreport.capture.attention import About
from attnreport.capture.factors import canonical
from attnreport.capture.graph import Graph
from attnreport.capture.layouts import axes_names, canonical_weights
from attnreport.capture.lineage import is_random, source, upstream
from attnreport.capture.loops import MERGED
from attnreport.capture.names import names_of, source_line
from attnreport.capture.nearest import nearest
from attnreport.capture.proofs import Product, product_of, proof
from attnreport.capture.recognizer import Analysis
from attnreport.capture.reductions import reduction
from attnreport.capture.replay import Probe
from attnreport.capture.roles import Layout
from attnreport.capture.sites import Site, address_of
from attnreport.capture.trace import Traced

KINDS = ("self", "cross", "pooling", "gate", "router")
WANTED = ("weights", "logits", "query", "key", "value", "output")
BUDGET = 2 << 30
UNLIMITED = sys.maxsize
# Masks put scores to minus infinity, or so far below all others that nothing is left of them.
MASKED = -5000.0


@dataclasses.dataclass(frozen=True)
class Options:
    """What to take out of a program.

    Attributes:
        select: Pattern of names to keep, such as `*layer_3*`, or several; None keeps all.
        kinds: The kinds to keep.
        want: What to take of each: weights, logits, query, key, value, output.
        reduce: Reduction of the weights on the device; see `attnreport.capture.reductions`.
        budget: Most bytes that may leave the program.
        steps: How many iterations of a `while` loop to keep, where its condition does not tell.
        strict: Whether to refuse what is only a guess.
        masks: Whether to tell which scores were masked, as `others["allowed"]`.
    """

    select: str | Sequence[str] | None = None
    kinds: tuple[str, ...] = ("self", "cross", "pooling", "gate")
    want: tuple[str, ...] = ("weights",)
    reduce: str | None = None
    budget: int = BUDGET
    steps: int | None = None
    strict: bool = False
    masks: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.want if name not in WANTED]
        if unknown:
            raise CaptureError(f"`want` holds {unknown[0]!r}. Choose among {', '.join(WANTED)}.")
        unknown = [name for name in self.kinds if name not in KINDS]
        if unknown:
            raise CaptureError(f"`kinds` holds {unknown[0]!r}. Choose among {', '.join(KINDS)}.")
        reduction(self.reduce)

    @property
    def patterns(self) -> tuple[str, ...] | None:
        """The patterns of names to keep; None for all."""
        if self.select is None:
            return None
        return (self.select,) if isinstance(self.select, str) else tuple(self.select)


@dataclasses.dataclass(frozen=True, eq=False)
class Planned:
    """One attention of a plan.

    Attributes:
        name: Its name.
        site: Where it is.
        about: What is known of it.
        shape: Shape of its canonical weights; loops of unknown length count as 1.
        bytes: Size of what leaves the program.
        product: How to check it against the program's own result; None if that cannot be told.
        logits: How to bring its logits into canonical order; None if they have other dimensions.
        kept: Whether it is captured.
    """

    name: str
    site: Site
    about: About
    shape: tuple[int, ...]
    bytes: int
    product: Product | None
    logits: Layout | None
    kept: bool


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Every attention of a program, and what would be captured.

    Attributes:
        attentions: All that were found, in the order in which they run.
        said: Sentences about what was seen but cannot be captured.
        options: What was asked for.
        random: Whether an output depends on random numbers that the program draws.
    """

    attentions: tuple[Planned, ...]
    said: tuple[str, ...]
    options: Options
    random: bool = False

    @property
    def kept(self) -> tuple[Planned, ...]:
        """Those that are captured."""
        return tuple(each for each in self.attentions if each.kept)

    @property
    def bytes(self) -> int:
        """How much leaves the program."""
        return sum(each.bytes for each in self.kept)

    def probes(self) -> list[Probe]:
        """What replay has to take out of the program."""
        return [_probe(each, self.options) for each in self.kept]

    def __str__(self) -> str:
        rows = [("name", "kind", "form", "axes", "shape", "size", "kept")]
        for each in self.attentions:
            shape = " × ".join(map(str, each.shape))
            kept = "yes" if each.kept else "no"
            axes = " ".join(each.about.axes)
            size = _size(each.bytes)
            rows.append((each.name, each.about.kind, each.about.form, axes, shape, size, kept))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        total = f"{len(self.kept)} of {len(self.attentions)} kept, {_size(self.bytes)}"
        return "\n".join([*lines, "", total, *self.said])


def plan_of(traced: Traced, options: Options, model: str = "") -> Plan:
    """The plan of a traced program.

    Args:
        traced: The program.
        options: What to take.
        model: Name of the model, for an attention that is all of it.

    Raises:
        CaptureError: The selection matches nothing, or what is kept is over the budget.
    """
    analysis = Analysis(Graph(traced.closed, traced.labels))
    sites = analysis.sites()
    planned = [
        _planned(analysis, site, name, options)
        for site, name in zip(sites, names_of(sites, model), strict=True)
    ]
    _require_selected(planned, options)
    said = tuple(getattr(analysis, "said", tuple)()) or (() if sites else (nearest(analysis),))
    random = any(is_random(output) for output in analysis.graph.root.outputs)
    plan = Plan(tuple(planned), tuple(map(str, said)), options, random)
    _require_within(plan)
    return plan


def _planned(analysis: Analysis, site: Site, name: str, options: Options) -> Planned:
    shape = list(site.layout.shape)
    front: list[int] = []
    for loop in site.loops:
        if loop.role in MERGED:
            shape[MERGED.index(loop.role)] *= loop.length or 1
        else:
            front.append(loop.length or 1)
    about = About(
        kind=getattr(site, "kind", "") or _kind(analysis, site),
        axes=axes_names(site.loops),
        form=site.form,
        sums=site.sums,
        place=source_line(site.weights.node),
        fallbacks=site.roles.fallbacks,
        reduction=options.reduce or "",
        random=is_random(site.weights),
    )
    product = None if site.mixed else product_of(analysis.dimensions, site)
    if not analysis.numbers.same(site.contraction.weights, site.weights):
        product = None
    full = (*front, *shape)
    return Planned(
        name,
        site,
        about,
        full,
        _bytes(site, full, options),
        product,
        _logits_layout(analysis, site),
        _is_kept(name, site, about, options),
    )


def _kind(analysis: Analysis, site: Site) -> str:
    if site.form == "gate":
        return "gate"
    q, k = site.roles.query_projection, site.roles.key_projection
    a = q.data if q else site.scores.query
    b = k.data if k else site.scores.key
    if "query" not in site.roles.of.values() and not site.loops:
        return "pooling"
    if a is not None and b is not None and analysis.numbers.same(a, b):
        return "self"
    return "cross"


def _logits_layout(analysis: Analysis, site: Site) -> Layout | None:
    logits = site.scores.logits
    if logits.address is None or logits.scope is not site.weights.scope:
        return None
    axes = analysis.dimensions.of(logits)
    factors = {canonical(factor) for axis in axes for factor in axis}
    return site.roles.layout(axes) if factors == set(site.roles.of) else None


def _is_kept(name: str, site: Site, about: About, options: Options) -> bool:
    if about.kind not in options.kinds:
        return False
    if options.strict and (about.fallbacks or about.sums == "to be measured"):
        return False
    chosen = options.patterns
    return chosen is None or any(fnmatch.fnmatchcase(name, pattern) for pattern in chosen)


def _bytes(site: Site, shape: Sequence[int], options: Options) -> int:
    weights = jax.ShapeDtypeStruct(tuple(shape[-4:]), site.weights.dtype)
    reduced = jax.eval_shape(reduction(options.reduce), weights)
    total = sum(
        leaf.dtype.itemsize * math.prod(leaf.shape) for leaf in jax.tree.leaves(reduced)
    ) * math.prod(shape[:-4])
    for name in options.want:
        value = _others(site).get(name)
        if value is not None:
            total += math.prod(value.shape) * jnp.dtype(value.dtype).itemsize
    return total


def _others(site: Site) -> dict[str, Any]:
    scores, use = site.scores, site.contraction
    values = {
        "logits": scores.logits,
        "query": scores.query,
        "key": scores.key,
        "value": use.values,
        "output": use.output,
    }
    # One scope: what comes from outside of a loop is the same in each iteration.
    return {
        name: value
        for name, value in values.items()
        if value is not None and value.address is not None and value.scope is site.weights.scope
    }


def _probe(planned: Planned, options: Options) -> Probe:
    site, product = planned.site, planned.product
    others = {name: value for name, value in _others(site).items() if name in options.want}
    checked = [site.contraction.values, site.contraction.output] if product else []
    if any(v.address is None or v.scope is not site.weights.scope for v in checked):
        product, checked = None, []
    recipe = site.recipe.addresses
    layout = planned.logits if options.masks else None
    scored = [site.scores.logits] if layout else []
    masking = _replaces(site)
    reduce = reduction(None if _merges(site) else options.reduce)

    def compute(*values: Any) -> Any:
        given = iter(values)
        own = [next(given) for _ in recipe]
        used = [next(given) for _ in checked]
        taken = {name: next(given) for name in others}
        scores = canonical_weights(next(given), layout) if layout else None
        # In the format in which they meet the values: a softmax in float32 may be rounded first.
        weights = site.recipe.compute(*own).astype(site.contraction.weights.dtype)
        weights = canonical_weights(weights, site.layout)
        if options.masks and site.assemble is None:
            taken["allowed"] = _allowed(weights, scores, masking)
        error = product.error(own[0], *used) if product else jnp.float32(jnp.nan)
        return reduce(weights), taken, proof(weights, error)

    wanted = [*recipe, *map(address_of, [*checked, *others.values(), *scored])]
    return Probe(planned.name, tuple(wanted), compute)


def _allowed(weights: Any, scores: Any, masking: bool) -> Any:
    """Where a query may look: where no mask lowered its score, or took its weight away after."""
    if scores is None:
        return weights != 0
    # A row whose scores are all masked may still be spread evenly by the softmax.
    return (scores > MASKED) & ((weights != 0) | (not masking))


def _replaces(site: Site) -> bool:
    """Whether a condition decides about single weights, before or after the exponential."""
    if site.scores.masks:
        return True
    logits = source(site.scores.logits)
    steps = itertools.takewhile(lambda each: each is not logits, upstream(site.weights))
    return any(
        each.node is not None and each.node.primitive == "select_n" and each.shape == logits.shape
        for each in itertools.islice(steps, 40)
    )


def _merges(site: Site) -> bool:
    """Whether the weights are whole only when all iterations of a loop are put together."""
    return site.assemble is not None or any(loop.role in MERGED for loop in site.loops)


def _require_selected(planned: Iterable[Planned], options: Options) -> None:
    names = [each.name for each in planned]
    for pattern in (options.patterns or ()) if names else ():
        if not fnmatch.filter(names, pattern):
            near = difflib.get_close_matches(pattern.strip("*"), names, n=5, cutoff=0.4)
            raise CaptureError(
                f"No attention is called `{pattern}`. {'Near are' if near else 'There are'} "
                f"{_few(near or names)}. A pattern may hold * and ?."
            )


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")


def _require_within(plan: Plan) -> None:
    if plan.bytes <= plan.options.budget:
        return
    largest = max(plan.kept, key=lambda each: each.bytes)
    raise CaptureError(
        f"{len(plan.kept)} attentions would give {_size(plan.bytes)}, more than the budget of "
        f"{_size(plan.options.budget)}; the largest is {largest.name} with "
        f"{_size(largest.bytes)}. Select some of them, reduce them on the device "
        '(`reduce="uint8"`, `"pooled-64"`, `"statistics"`), or give a larger `budget`.'
    )


def _size(count: int) -> str:
    if count < 1024:
        return f"{count:,} B"
    size, unit = count / 1024, "KiB"
    for larger in ("MiB", "GiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:,.1f} {unit}"
