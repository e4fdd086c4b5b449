"""Fills the template's context: every sentence, number and table of the page."""

import math
from collections.abc import Sequence

from attnreport.analysis import (
    Finding,
    findings,
    noun_of,
    pattern_title,
    visible_text,
)
from attnreport.recording import Axis, GridAxis, ItemAxis, Metric, Recording
from attnreport.recording.layers import numbers_text
from attnreport.report.assets import Assets
from attnreport.report.blocks import Block
from attnreport.report.check_tables import check_columns, check_rows, other_check_rows
from attnreport.report.conditions import page_conditions
from attnreport.report.context import (
    FindingText,
    HeadRow,
    MetricText,
    ReportContext,
)
from attnreport.report.environment import json_script
from attnreport.report.example_cards import example_cards
from attnreport.report.glossary import known_patterns, known_statistics
from attnreport.report.head_facts import fact_names, head_facts
from attnreport.report.outcome_text import (
    class_names,
    compares,
    confusion_rows,
    deletion_text,
    filters,
    kept_step,
    panel_names,
)
from attnreport.report.packing import ENCODINGS, Encoding
from attnreport.report.page_data import PageData
from attnreport.report.phrases import clipped, counted, magnitude, ranged, rounded, unbroken
from attnreport.report.provenance import failure_fact, guess_fact, made_rows
from attnreport.report.scorings import scoring_text
from attnreport.report.stacks import Stack

_LONGEST_TITLE = 160
# So many groups of maps are told one by one at the top of the page; more are counted.
_MOST_GROUPS = 3


def build_context(
    recording: Recording,
    stacks: Sequence[Stack],
    data: PageData,
    encoding: Encoding,
    *,
    first: int,
    title: str | None,
    charts: tuple[str, ...],
    assets: Assets,
    version: str,
) -> ReportContext:
    """The context of a report that opens on stack number `first`."""
    opened = stacks[first]
    heading = clipped(title or _default_title(recording), _LONGEST_TITLE)
    single = recording.examples[0] if len(recording.examples) == 1 else None
    atlases = [Block(f"atlas{i}", atlas.text) for i, atlas in enumerate(data.atlases)]
    columns = fact_names(
        [head_facts(head, opened.key, opened.kind) for head in data.statistics[first]]
    )
    return ReportContext(
        kicker="Attention report",
        title=heading,
        facts=_facts(recording, stacks, encoding, heading),
        findings=_findings(recording, stacks, data, first),
        examples=() if single else example_cards(recording, stacks, opened.label),
        compares=compares(recording),
        filters=filters(recording),
        classes=class_names(recording.confusion),
        confusion=confusion_rows(recording.confusion),
        panels=panel_names(recording.training),
        kept=kept_step(recording.training),
        deletion=deletion_text(recording.deletion),
        score_columns=tuple(dict.fromkeys(n for e in recording.examples for n in e.scores)),
        output=single.output if single else "",
        patterns=tuple(known_patterns(data.measures).items()),
        statistics=tuple(
            (name, meaning) for name, (_, meaning) in known_statistics(data.measures).items()
        ),
        metrics=tuple(_metric(metric) for metric in recording.metrics),
        head_columns=columns,
        head_rows=_head_rows(data, first, opened, columns),
        charts=charts,
        conditions=page_conditions(opened, stacks, recording),
        scoring=any(m.scoring is not None for stack in stacks for m in stack.maps),
        broadest=f"{math.log2(len(opened.key)):.2f}",
        check_columns=check_columns(stacks),
        checks=check_rows(stacks),
        other_checks=other_check_rows(recording, stacks),
        made=made_rows(
            recording,
            stacks,
            encoding,
            largest=data.largest,
            vectors=scoring_text(stacks, data.blocks),
        ),
        notes=recording.source.notes,
        version=version,
        assets=assets,
        manifest=json_script(data.manifest, element_id="manifest"),
        first_stack=first,
        first_atlas=atlases[first].text,
        atlases=tuple(block for index, block in enumerate(atlases) if index != first),
        blocks=data.blocks,
    )


def _default_title(recording: Recording) -> str:
    first = recording.examples[0]
    if len(recording.examples) > 1 and recording.source.model:
        return recording.source.model
    return first.input or recording.source.model or first.name


def _facts(
    recording: Recording, stacks: Sequence[Stack], encoding: Encoding, heading: str
) -> tuple[tuple[str, str], ...]:
    facts = []
    if recording.source.model and recording.source.model != heading:
        facts.append((recording.source.model, ""))
    if len(recording.examples) > 1:
        facts.append((f"{len(recording.examples)}", "examples"))
    of_first = [stack for stack in stacks if stack.example == 0]
    if len(of_first) > _MOST_GROUPS:
        positions = ranged(len(stack.key) for stack in stacks)
        facts.append((f"{len(of_first)} groups", f"of maps, each over {positions} positions"))
    else:
        for stack in of_first:
            alike = [other for other in stacks if other.label == stack.label]
            facts.append(_group_fact(alike, named=len(of_first) > 1))
    weights = sum(stack.weights for stack in stacks)
    told = all(stack.kind not in ("gate", "activation") for stack in stacks)
    noun = counted(weights, "weight" if told else "number").partition(" ")[2]
    facts.append((f"{weights:,}", f"{noun}, {ENCODINGS[encoding].label}"))
    errors = [m.checks.row_sum_error for s in stacks for m in s.maps]
    known = [error for error in errors if error is not None]
    if len(known) == len(errors) and all(m.normalized for s in stacks for m in s.maps):
        facts.append(("", f"every row sums to 1 (largest difference {magnitude(max(known))})"))
    facts += filter(None, (failure_fact(recording, stacks), guess_fact(stacks)))
    if recording.source.created:
        facts.append(("", recording.source.created))
    return tuple(facts)


def _group_fact(stacks: Sequence[Stack], *, named: bool) -> tuple[str, str]:
    """Layers, heads and positions of one attention group, over all examples."""
    first = stacks[0]
    name = f"{first.label}: " if named else ""
    queries = ranged(len(stack.query) for stack in stacks)
    positions = _positions([stack.key for stack in stacks])
    separate = queries == "1" or isinstance(first.query, ItemAxis)
    if first.heads == 1 and separate and not first.is_self:
        # That it is one head in one layer is nothing that a reader of a few rows must know.
        each = "one weight each" if queries == "1" else f"{queries} rows of weights"
        return name + positions, each
    heads = ranged(attention.heads for attention in first.maps)
    strong = f"{name}{_layers(first)} × {heads} {'head' if heads == '1' else 'heads'}"
    return strong, f"over {positions}" if first.is_self else f"from {queries} to {positions}"


def _positions(axes: Sequence[Axis]) -> str:
    """How many positions the axes of one group have, and what of them are no cells."""
    axis = axes[0]
    leading = axis.leading if isinstance(axis, GridAxis) else ()
    count = ranged(len(each) - len(leading) for each in axes)
    positions = f"{count} {noun_of(axis, 1 if count == '1' else 2)}"
    if not leading:
        return positions
    beside = visible_text(leading[0]) if len(leading) == 1 else counted(len(leading), "token")
    return f"{positions} and {beside}"


def _layers(stack: Stack) -> str:
    """How many layers, and which if they are not the first of their stack."""
    count = counted(len(stack.maps), "layer")
    numbers = stack.layer_numbers
    if numbers == tuple(range(len(numbers))):
        return count
    return f"{count} ({numbers_text(numbers)})"


def _findings(
    recording: Recording, stacks: Sequence[Stack], data: PageData, first: int
) -> tuple[FindingText, ...]:
    stack = stacks[first]
    place = ""
    if len(recording.examples) > 1:
        place = f"“{visible_text(recording.examples[stack.example].name)}”"
        groups = {other.label for other in stacks if other.example == stack.example}
        place += f", {stack.label}" if len(groups) > 1 else ""
    needs = data.measures[first].needs
    need = needs.finding() if needs is not None else None
    found = findings(
        stack.maps,
        data.statistics[first],
        metrics=recording.metrics,
        more=[need] if need is not None else [],
        place=place,
    )
    prefix = _link_prefix(stack, data, first)
    return tuple(
        FindingText(
            unbroken(each.value),
            unbroken(each.text),
            unbroken(each.detail),
            _link(each, stack, prefix),
        )
        for each in found
    )


def _link_prefix(stack: Stack, data: PageData, index: int) -> str:
    """Start of the addresses of places in stack number `index`."""
    group = data.manifest["examples"][stack.example]["stacks"].index(index)
    return (f"e{stack.example}" if stack.example else "") + (f"g{group}" if group else "")


def _link(finding: Finding, stack: Stack, prefix: str) -> str:
    if finding.head is None:
        return ""
    _, layer, head = finding.head
    cell = f"q{finding.cell[0]}k{finding.cell[1]}" if finding.cell else ""
    return f"#{prefix}L{stack.layer_numbers[layer]}H{head}{cell}"


def _head_rows(
    data: PageData, index: int, stack: Stack, columns: Sequence[str]
) -> tuple[HeadRow, ...]:
    rows = []
    prefix = _link_prefix(stack, data, index)
    numbers = stack.layer_numbers
    for place, head in enumerate(data.statistics[index]):
        facts = dict(head_facts(head, stack.key, stack.kind))
        values = tuple(facts.get(name, "–") for name in columns)
        number = numbers[head.layer]
        link = f"#{prefix}L{number}H{head.head}"
        pattern = pattern_title(data.measures[index].name(place), stack.key)
        rows.append(HeadRow(head.layer, number, head.head, link, pattern, values))
    return tuple(rows)


def _metric(metric: Metric) -> MetricText:
    percent = metric.percent and math.isfinite(metric.value)
    value = f"{metric.value:.1%}" if percent else rounded(metric.value)
    return MetricText(metric.name, value, metric.detail)
