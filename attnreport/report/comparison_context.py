"""Fills the context of a comparison: every sentence, number and table of the page."""

from collections.abc import Iterator, Sequence

import numpy as np

from attnreport.analysis import (
    AlignedAxis,
    ChangedHead,
    Comparison,
    change_findings,
    display_label,
    noun_of,
    pattern_title,
    visible_text,
)
from attnreport.recording import Axis, Recording
from attnreport.report.assets import Assets
from attnreport.report.blocks import Block
from attnreport.report.comparison_data import ComparisonData
from attnreport.report.context import ChangeRow, ComparisonContext, FindingText, SideText
from attnreport.report.environment import json_script
from attnreport.report.example_cards import example_cards
from attnreport.report.packing import ENCODINGS, Encoding
from attnreport.report.phrases import clipped, counted, unbroken
from attnreport.report.specs import COMPARISON_CHARTS
from attnreport.report.stack_pairs import StackPair, same_positions

_LONGEST_TITLE = 160
_LONGEST_NAME = 300
# So many positions that only one side has are named; more are counted.
_MOST_NAMES = 6


def build_comparison_context(
    found: Comparison,
    shown: Recording,
    pairs: Sequence[StackPair],
    data: ComparisonData,
    encoding: Encoding,
    *,
    first: int,
    title: str | None,
    assets: Assets,
    version: str,
) -> ComparisonContext:
    """The context of a comparison that opens on pair number `first`."""
    stacks = [pair.first for pair in pairs]
    atlases = [Block(f"atlas{i}", atlas.text) for i, atlas in enumerate(data.atlases)]
    single = len(shown.examples) == 1
    one, other, common = _sides(found)
    return ComparisonContext(
        kicker="Attention, compared",
        title=clipped(title or _default_title(found), _LONGEST_TITLE),
        facts=_facts(found, pairs, encoding),
        findings=_findings(found, pairs, first),
        output="",
        examples=() if single else example_cards(shown, stacks, stacks[first].label),
        compares=False,
        filters=(),
        confusion=(),
        charts=COMPARISON_CHARTS,
        conditions=data.conditions[first],
        version=version,
        assets=assets,
        manifest=json_script(data.manifest, element_id="manifest"),
        first_stack=first,
        first_atlas=atlases[first].text,
        atlases=tuple(block for index, block in enumerate(atlases) if index != first),
        blocks=data.blocks,
        sides=(one, other),
        common=common,
        alignment=tuple(_alignment(pairs)),
        notes=found.notes,
        rows=tuple(_row(head, found, pairs, data) for head in found.heads()),
        stored=f"{ENCODINGS[encoding].label}; largest error: {ENCODINGS[encoding].error_text}",
    )


def _default_title(found: Comparison) -> str:
    one, other = found.first.source, found.second.source
    if one.model and other.model and one.model != other.model:
        return f"{one.model} and {other.model}"
    model = one.model or other.model or "One model"
    if any(each.first.input != each.second.input for each in found.examples):
        return f"{model} on two inputs"
    if one.step is not None and other.step is not None and one.step != other.step:
        return f"{model} at steps {one.step:,} and {other.step:,}"
    return f"{model}, two recordings"


def _facts(
    found: Comparison, pairs: Sequence[StackPair], encoding: Encoding
) -> tuple[tuple[str, str], ...]:
    heads = len(found.heads())
    weights = sum(pair.first.weights for pair in pairs)
    return (
        (counted(heads, "head"), f"compared in {counted(len(found.examples), 'example')}"),
        (f"2 × {weights:,}", f"weights, {ENCODINGS[encoding].label}"),
    )


def _findings(found: Comparison, pairs: Sequence[StackPair], first: int) -> tuple[FindingText, ...]:
    pair = pairs[first]
    example = found.examples[pair.first.example]
    place = ""
    if len(pairs) > 1:
        named = f"“{visible_text(example.name)}”, " if len(found.examples) > 1 else ""
        place = f"In {named}{pair.first.label}. "
    texts = []
    for each in change_findings(example, pair.maps):
        link = ""
        if each.head is not None and each.cell is not None:
            _, layer, head = each.head
            query, key = each.cell
            link = f"{_address(pairs, pair, layer, head)}q{query}k{key}"
        texts.append(
            FindingText(
                unbroken(each.value), unbroken(each.text), unbroken(place + each.detail), link
            )
        )
    return tuple(texts)


def _address(pairs: Sequence[StackPair], pair: StackPair, layer: int, head: int) -> str:
    """Where in the page a head is, by the place of its layer."""
    example = pair.first.example
    group = [each for each in pairs if each.first.example == example].index(pair)
    prefix = (f"e{example}" if example else "") + (f"g{group}" if group else "")
    return f"#{prefix}L{pair.first.layer_numbers[layer]}H{head}"


def _sides(found: Comparison) -> tuple[SideText, SideText, tuple[tuple[str, str], ...]]:
    """What tells A and B from each other, and what is the same of both."""
    one, other = _facts_of(found, first=True), _facts_of(found, first=False)
    same = {term for term, text in one.items() if other.get(term) == text}
    sides = []
    for letter, own in (("A", one), ("B", other)):
        telling = {term: text for term, text in own.items() if term not in same}
        words = [_named_fact(term, text) for term, text in telling.items()]
        ordinal = "the first" if letter == "A" else "the second"
        name = words[0] if words else f"{ordinal} recording"
        sides.append(SideText(letter, name, tuple(telling.items())[1:]))
    return sides[0], sides[1], tuple((term, text) for term, text in one.items() if term in same)


def _named_fact(term: str, text: str) -> str:
    if term == "Output":
        return f"→ {text}"
    return text if term in ("Input", "Model") else f"{term.lower()} {text}"


def _facts_of(found: Comparison, *, first: bool) -> dict[str, str]:
    """Where one of the recordings comes from, what tells it best from another first."""
    source = (found.first if first else found.second).source
    examples = [each.first if first else each.second for each in found.examples]
    alone = examples[0] if len(examples) == 1 else None
    versions = ", ".join(f"{name} {number}" for name, number in source.versions.items())
    facts = {
        "Input": alone.input if alone else "",
        "Model": source.model,
        "Training step": "" if source.step is None else f"{source.step:,}",
        "Output": alone.output if alone else "",
        "Made": source.created,
        "Data": source.data,
        "Framework": ", ".join(filter(None, (source.framework, versions))),
    }
    return {term: clipped(text, _LONGEST_NAME) for term, text in facts.items() if text}


def _alignment(pairs: Sequence[StackPair]) -> Iterator[str]:
    """How the positions of both were paired; of many examples only how many differ."""
    other = [pair for pair in pairs if not same_positions(pair)]
    if not other:
        yield "A and B have the same positions; each row of A is compared with the same row of B."
        return
    examples = {pair.first.example for pair in pairs}
    if len(examples) > 1:
        differing = {pair.first.example for pair in other}
        which = f"{len(differing)} of {len(examples)} examples"
        yield f"In {which} some positions are only in A or only in B."
    else:
        axes: dict[tuple[Axis, bytes, bytes], tuple[str, AlignedAxis]] = {}
        for pair in other:
            compared = pair.maps[0]
            named = ("", "") if pair.first.is_self else ("Queries: ", "Keys: ")
            for name, axis in zip(named, (compared.query, compared.key), strict=True):
                has = ((axis.first >= 0).tobytes(), (axis.second >= 0).tobytes())
                axes.setdefault((axis.axis, *has), (name, axis))
        for name, axis in axes.values():
            yield name + _paired(axis.axis, axis.first >= 0, axis.second >= 0)
    yield (
        "Texts are paired by their longest common stretches. What only one side has is hatched on "
        "the other, and the distance between heads leaves it out."
    )


def _paired(axis: Axis, first: np.ndarray, second: np.ndarray) -> str:
    count = int((first & second).sum())
    verb = "is" if count == 1 else "are"
    of = f"of {first.sum()} in A and {second.sum()} in B"
    text = f"{count} {noun_of(axis, count)} {verb} paired, {of}"
    for letter, only in (("A", first & ~second), ("B", second & ~first)):
        # A word that stands at several places is named once.
        places = np.flatnonzero(only)
        names = list(dict.fromkeys(f"“{display_label(axis, int(place))}”" for place in places))
        more = len(names) - _MOST_NAMES
        names = names[:_MOST_NAMES] + ([f"{more} more"] if more > 0 else [])
        if names:
            text += f"; only in {letter}: {', '.join(names)}"
    return f"{text}."


def _row(
    head: ChangedHead, found: Comparison, pairs: Sequence[StackPair], data: ComparisonData
) -> ChangeRow:
    """A head in the example where it changed most."""
    for number, pair in enumerate(pairs):
        if found.examples[pair.first.example].name != head.most:
            continue
        for layer, compared in enumerate(pair.maps):
            if (compared.first.name, compared.layer) != (head.map, head.layer):
                continue
            place = sum(each.first.heads for each in pair.maps[:layer]) + head.head
            measures, statistics = data.measures[number], data.statistics[number]
            patterns = [pattern_title(each.name(place), pair.first.key) for each in measures]
            entropies = [f"{each[place].entropy:.2f}" for each in statistics]
            return ChangeRow(
                number=head.layer,
                head=head.head,
                link=_address(pairs, pair, layer, head.head),
                group=head.group,
                change=f"{head.distance:.3f}",
                most=head.most,
                there=f"{head.largest:.3f}",
                patterns=(patterns[0], patterns[1]),
                entropies=(entropies[0], entropies[1]),
            )
    raise AssertionError(f"{head} is in no stack")
