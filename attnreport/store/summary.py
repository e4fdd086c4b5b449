"""Puts what a recording holds into words and into JSON."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attnreport.recording import Metric, Source, WorstCheck
from attnreport.recording.layers import numbers_text
from attnreport.store.info import GroupInfo, Range, RecordingInfo
from attnreport.store.text import encode_number

_MOST_EXAMPLES = 12
_MOST_CHARACTERS = 72

Row = Sequence[str]


def as_json(info: RecordingInfo) -> str:
    """Everything about the recording, as JSON; numbers that are not finite become texts."""
    return json.dumps(_plain(dataclasses.asdict(info)), indent=2, allow_nan=False)


def as_text(info: RecordingInfo) -> str:
    """What a person wants to know about the recording, in aligned columns."""
    blocks = [
        [info.location, *_sizes(info)],
        _aligned([*_facts(info.source), *_outcomes(info), *_notes(info.source)]),
        _aligned([_metric(metric) for metric in info.metrics]),
        _aligned([_GROUP_HEADER, *(_group(group) for group in info.groups)]),
        _other_checks(info.groups),
        _examples(info),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


_GROUP_HEADER = (
    "group",
    "kind",
    "layers x heads",
    "queries x keys",
    "weights",
    "precision",
    "row sums",
    "output change",
    "deterministic",
    "also known",
)


_CHECK_HEADER = ("check", "group", "worst value", "outcome", "in", "what it says")


def _sizes(info: RecordingInfo) -> list[str]:
    parts = [
        _count(len(info.examples), "example"),
        _count(len(info.groups), "group"),
        _count(info.weights, "weight"),
    ]
    if info.pictures:
        parts.append(_count(info.pictures, "picture"))
    if info.stored_bytes is not None:
        parts.append(f"{info.stored_bytes / 1e6:,.2f} MB")
    return [", ".join(parts), f"format {info.schema}, written by {info.written_by}"]


def _facts(source: Source) -> list[Row]:
    versions = ", ".join(f"{name} {version}" for name, version in source.versions.items())
    facts = {
        "model": source.model,
        "framework": source.framework,
        "versions": versions,
        "step": "" if source.step is None else f"{source.step:,}",
        "data": source.data,
        "created": source.created,
    }
    return [(name, value) for name, value in facts.items() if value]


def _notes(source: Source) -> list[Row]:
    return [("note", note) for note in source.notes]


def _outcomes(info: RecordingInfo) -> list[Row]:
    rows = []
    if info.confusion is not None:
        confusion = info.confusion
        classes = f"{len(confusion.labels):,} class{'' if len(confusion.labels) == 1 else 'es'}"
        found = f"{confusion.right:,} of {_count(confusion.examples, 'example')} right"
        rows.append(("confusion", f"{classes}, {found}"))
    if info.training is not None:
        training = info.training
        kept = "" if training.chosen is None else f", step {training.chosen:,} kept"
        names = ", ".join(training.curves)
        rows.append(("training", f"{_count(training.last, 'step')}{kept}: {names}"))
    return rows


def _metric(metric: Metric) -> Row:
    value = f"{metric.value:.2%}" if metric.percent else f"{metric.value:.4g}"
    return metric.name, value, metric.detail


def _group(group: GroupInfo) -> Row:
    checks = group.checks
    sums, change = checks.row_sum_error, checks.output_difference
    known = {"mask": group.masked, "reference": group.reference, "logits": group.logits}
    return (
        group.name,
        "+".join(group.kinds),
        f"{_layers(group)} x {_span(group.heads)}",
        f"{_span(group.queries)} x {_span(group.keys)}",
        f"{group.weights:,}",
        "+".join(group.precisions),
        ("-" if group.normalized else "free") if sums is None else f"1 ± {sums:.1g}",
        "-" if change is None else f"{change:.2g}",
        {True: "yes", False: "no", None: "-"}[checks.deterministic],
        ", ".join(name for name, is_known in known.items() if is_known) or "-",
    )


def _layers(group: GroupInfo) -> str:
    """How many layers, and which if they are not the first of their stack."""
    count = _span(group.layers)
    if group.layer_numbers == tuple(range(group.layers[1])):
        return count
    return f"{count} ({numbers_text(group.layer_numbers)})"


def _other_checks(groups: Iterable[GroupInfo]) -> list[str]:
    rows = [_check(each, group.name) for group in groups for each in group.other_checks]
    return _aligned([_CHECK_HEADER, *rows]) if rows else []


def _check(worst: WorstCheck, group: str) -> Row:
    check = worst.check
    value = "-" if check.value is None else f"{check.value:.4g} {check.unit}"
    return check.name, group, value.rstrip(), worst.outcome, worst.place, check.detail


def _examples(info: RecordingInfo) -> list[str]:
    shown = info.examples[:_MOST_EXAMPLES]
    lines = _aligned([("example", "input"), *((each.name, each.input) for each in shown)])
    left = len(info.examples) - len(shown)
    return [*lines, f"… and {left:,} more"] if left else lines


def _aligned(rows: Iterable[Row]) -> list[str]:
    """Lines whose columns begin at the same place."""
    table = [[_one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]


def _one_line(text: str) -> str:
    """The text without line breaks, cut if it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 1]}…"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _span(values: Range) -> str:
    low, high = values
    return str(low) if low == high else f"{low}–{high}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return encode_number(value)
