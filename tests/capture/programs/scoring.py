"""Compares what capture reports for a program with the truth."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tests.capture.programs.program import Truth

Found = tuple[str, str, tuple[str, ...], np.ndarray]
"""Name, kind, axes and weights of a reported attention."""


@dataclass
class Score:
    """How one program went.

    Attributes:
        found: Names of reported maps that are right, with the number of the truth.
        missed: Numbers of truths that were not reported and had to be.
        wrong: Names of reported maps that match no truth.
        mislabelled: Name, reported kind and kind of the truth, of maps with the right numbers.
        misplaced: Names of maps with the right numbers in another layout than the canonical one.
        misnamed: Name of a map and the part of it that is lacking.
        excused: Numbers of truths that were not reported and may be left out.
        axes: Name, reported axes and axes of the truth, where loops are named differently.
    """

    found: list[tuple[str, int]] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    mislabelled: list[tuple[str, str, str]] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    misnamed: list[tuple[str, str]] = field(default_factory=list)
    excused: list[int] = field(default_factory=list)
    axes: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Everything found, nothing invented, kinds and layouts as they should be."""
        return not (self.missed or self.wrong or self.mislabelled or self.misplaced)


@dataclass(frozen=True)
class _Match:
    error: float
    report: int
    truths: tuple[int, ...]
    misplaced: bool


def score(
    found: Sequence[Found], truths: Sequence[Truth], *, left_out: frozenset[str] = frozenset()
) -> Score:
    """Matches reported maps with truths, the closest pair first.

    Args:
        found: The reported maps.
        truths: What a program expects.
        left_out: Kinds that capture was not asked for, such as `router`.
    """
    result = Score()
    matched, used = _pairs(found, truths)
    for match in matched:
        _record(result, found[match.report], [truths[number] for number in match.truths], match)
    result.wrong = [entry[0] for number, entry in enumerate(found) if number not in used[0]]
    for number, truth in enumerate(truths):
        if number not in used[1]:
            excused = truth.optional or truth.kind in left_out
            (result.excused if excused else result.missed).append(number)
    return result


def _pairs(
    found: Sequence[Found], truths: Sequence[Truth]
) -> tuple[list[_Match], tuple[set[int], set[int]]]:
    """Matches in the order of their errors; canonical layouts come before other ones."""
    reports, taken = set[int](), set[int]()
    matched = []
    for misplaced in (False, True):
        candidates = [
            match
            for report, (_, _, _, weights) in enumerate(found)
            if report not in reports
            for match in _candidates(report, np.asarray(weights), truths, misplaced)
        ]
        for match in sorted(candidates, key=lambda match: (match.error, match.report)):
            if match.report in reports or taken.intersection(match.truths):
                continue
            reports.add(match.report)
            taken.update(match.truths)
            matched.append(match)
    return matched, (reports, taken)


def _candidates(
    report: int, weights: np.ndarray, truths: Sequence[Truth], misplaced: bool
) -> list[_Match]:
    matches = []
    for members, forms in _targets(truths):
        tolerance = truths[members[0]].tolerance
        errors = [difference(weights, form, misplaced=misplaced) for form in forms]
        if (error := min(errors, default=np.inf)) <= tolerance:
            matches.append(_Match(error, report, members, misplaced))
    return matches


def _targets(truths: Sequence[Truth]) -> list[tuple[tuple[int, ...], list[np.ndarray]]]:
    """Every truth alone, and every family as a whole, with the arrays that are accepted for it."""
    targets = []
    families: dict[str, list[int]] = {}
    for number, truth in enumerate(truths):
        whole = truth.also if not truth.family else ()
        targets.append(((number,), [truth.weights, *whole]))
        if truth.family:
            families.setdefault(truth.family, []).append(number)
    for members in families.values():
        parts = [truths[number].weights for number in members]
        also = [array for number in members for array in truths[number].also]
        targets.append((tuple(members), [*_joined(parts), *also]))
    return targets


def _joined(parts: list[np.ndarray]) -> list[np.ndarray]:
    joined = []
    for axis in range(parts[0].ndim):
        others = {part.shape[:axis] + part.shape[axis + 1 :] for part in parts}
        if len(others) == 1:
            joined.append(np.concatenate(parts, axis))
    return joined


def difference(weights: np.ndarray, truth: np.ndarray, *, misplaced: bool = False) -> float:
    """The largest absolute difference; infinite if the shapes differ.

    Args:
        weights: A reported map.
        truth: What it is compared with.
        misplaced: Compare the sorted values, that is, the numbers in any layout.
    """
    weights, truth = np.asarray(weights, np.float64), np.asarray(truth, np.float64)
    if misplaced:
        weights, truth = np.sort(weights, axis=None), np.sort(truth, axis=None)
    if weights.shape != truth.shape or not np.isfinite(weights).all():
        return np.inf
    return float(np.abs(weights - truth).max(initial=0.0))


def _record(result: Score, entry: Found, truths: list[Truth], match: _Match) -> None:
    name, kind, axes, weights = entry
    truth = truths[0]
    result.found += [(name, number) for number in match.truths]
    if kind not in {truth.kind, *truth.also_kinds}:
        result.mislabelled.append((name, kind, truth.kind))
    if match.misplaced:
        result.misplaced.append(name)
    elif weights.shape == truth.weights.shape and tuple(axes) != truth.axes:
        result.axes.append((name, tuple(axes), truth.axes))
    result.misnamed += [(name, t.name_contains) for t in truths if t.name_contains not in name]
