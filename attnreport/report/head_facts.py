"""The statistics of a head in words and numbers, the same in tooltips, captions and tables."""

from collections.abc import Sequence

from attnreport.analysis import HeadStatistics, display_label
from attnreport.recording import Axis, Kind, special_positions
from attnreport.report.phrases import rounded


def head_facts(statistics: HeadStatistics, key: Axis, kind: Kind = "self") -> list[tuple[str, str]]:
    """Name and value of each statistic that makes sense for this head, most telling first."""
    strongest = display_label(key, statistics.top_key)
    if kind == "gate":
        span = f"{rounded(statistics.least)} to {rounded(statistics.greatest)}"
        return [("strengths", span), ("strongest", strongest)]
    if kind == "activation":
        return [("strongest", f"{strongest} ({statistics.top_share:.0%})")]
    facts = [("entropy", f"{statistics.entropy:.2f} bits")]
    shares = [
        ("previous", statistics.previous),
        ("next", statistics.next),
        ("itself", statistics.itself),
        ("special", statistics.special if special_positions(key) else None),
        ("in order", statistics.in_order),
    ]
    if statistics.distance is not None:
        facts.append(("distance", f"{statistics.distance:.1f}"))
    facts += [(name, f"{share:.0%}") for name, share in shares if share is not None]
    facts.append(("most looked at", f"{strongest} ({statistics.top_share:.0%})"))
    return facts


def fact_names(heads: Sequence[Sequence[tuple[str, str]]]) -> tuple[str, ...]:
    """Names of the facts of the head that has most; one whose rows are all masked has fewer."""
    return tuple(name for name, _ in max(heads, key=len))
