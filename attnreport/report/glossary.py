"""What the statistics and patterns of a report mean, each in one plain sentence."""

from collections.abc import Sequence

from attnreport.analysis import HEAD_PATTERNS, MEASURES, NO_PATTERN
from attnreport.report.head_measures import HeadMeasures
from attnreport.report.head_needs import NEED

_NO_PATTERN = "None of the known patterns is clear enough; what the head does may still matter."


def known_statistics(measures: Sequence[HeadMeasures]) -> dict[str, tuple[str, str]]:
    """Unit and meaning of each statistic that some head has, in the order of `MEASURES`."""
    found = {name for each in measures for name in each.statistics}
    known = {
        name: (measure.unit, measure.meaning) for name, measure in MEASURES.items() if name in found
    }
    needed = next((each.needs for each in measures if each.needs is not None), None)
    return known if needed is None else {NEED: ("score", needed.meaning), **known}


def known_patterns(measures: Sequence[HeadMeasures]) -> dict[str, str]:
    """Meaning of each pattern that some head shows, and of showing none where one does so."""
    heads = [head for each in measures if each.statistics for head in each.patterns]
    found = {pattern.name for head in heads for pattern in head}
    meanings = {name: meaning for name, meaning in HEAD_PATTERNS.items() if name in found}
    return meanings if all(heads) else meanings | {NO_PATTERN: _NO_PATTERN}
