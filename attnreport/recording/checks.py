"""What was verified about a map, and the worst of it over many maps."""

import dataclasses
import math
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that was measured or proved about a map.

    Attributes:
        name: What was checked, such as `weights times values give the output`.
        value: The number that was found, as a rule an error; None if there is none.
        unit: What the number counts, such as `bits`; empty for a bare number.
        held: True if it was proved, False if it failed, None if it is stated but not judged.
        detail: A sentence that says how it was checked and what the number means.
    """

    name: str
    value: float | None = None
    unit: str = ""
    held: bool | None = None
    detail: str = ""

    def __post_init__(self) -> None:
        # NumPy's numbers and booleans come from comparisons of arrays; `is False` must be true.
        if self.value is not None:
            object.__setattr__(self, "value", float(self.value))
        if self.held is not None:
            object.__setattr__(self, "held", bool(self.held))


@dataclasses.dataclass(frozen=True)
class Checks:
    """What was verified about a map, so that a reader knows how far to trust it.

    Attributes:
        row_sum_error: Largest distance of a row's sum from 1, over all rows that may attend;
            None where rows need not sum to one (gates, `normalized=False`).
        output_difference: Largest absolute difference between the model's output with and
            without capture; None when there was no model to compare with.
        deterministic: Whether the weights are the same in every run; None when it was not
            tried.
        others: Everything else that was checked.
    """

    row_sum_error: float | None = None
    output_difference: float | None = None
    deterministic: bool | None = None
    others: tuple[Check, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "others", tuple(self.others))


@dataclasses.dataclass(frozen=True)
class WorstCheck:
    """One check over many maps.

    Attributes:
        check: The worst, as its map states it.
        place: The map it is of.
        failed: In how many maps it failed.
        held: In how many maps it held, and did not stay unjudged besides.
        maps: How many maps there are, those that do not state it included.
    """

    check: Check
    place: str
    failed: int
    held: int
    maps: int

    @property
    def outcome(self) -> str:
        """Whether it held, in words that claim no more than was proved."""
        count = self.failed or self.held
        if not count:
            return "not judged"
        word = "failed" if self.failed else "held"
        return word if count == self.maps else f"{word} in {count} of {self.maps}"


def worst_checks(maps: Iterable[tuple[str, Checks]]) -> tuple[WorstCheck, ...]:
    """The worst of each check in `others` by name, in the order in which they occur first.

    A failure is worse than anything else; among equals the largest absolute value is the worst,
    NaN before every number.

    Args:
        maps: Place and checks of each map.
    """
    found: dict[str, list[tuple[str, list[Check]]]] = {}
    count = 0
    for place, checks in maps:
        count += 1
        of_map: dict[str, list[Check]] = {}
        for check in checks.others:
            of_map.setdefault(check.name, []).append(check)
        for name, same in of_map.items():
            found.setdefault(name, []).append((place, same))
    return tuple(_worst(stated, count) for stated in found.values())


def _worst(stated: list[tuple[str, list[Check]]], maps: int) -> WorstCheck:
    place, check = max(
        ((place, check) for place, same in stated for check in same),
        key=lambda found: _badness(found[1]),
    )
    return WorstCheck(
        check=check,
        place=place,
        failed=sum(any(check.held is False for check in same) for _, same in stated),
        held=sum(all(check.held for check in same) for _, same in stated),
        maps=maps,
    )


def _badness(check: Check) -> tuple[bool, bool, float]:
    if check.value is None:
        return check.held is False, False, -1.0
    unknown = math.isnan(check.value)
    return check.held is False, unknown, 0.0 if unknown else abs(check.value)
