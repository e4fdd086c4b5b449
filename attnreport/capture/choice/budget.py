"""The byte budget: what is over it is refused, or reduced, with a sentence that says so."""

from collections.abc import Mapping
from typing import Final

from attnreport.capture.choice.options import Options

# Reductions that leave an array with the axes of the weights, the most exact first.
REDUCTIONS: Final = ("bfloat16", "uint8", "head mean")


def reductions_after(reduce: str | None) -> tuple[str, ...]:
    """The reductions to try when weights reduced as given are over the budget, in order."""
    if reduce is None:
        return REDUCTIONS
    return REDUCTIONS[REDUCTIONS.index(reduce) + 1 :] if reduce in REDUCTIONS else ()


def over_budget(sizes: Mapping[str, int], options: Options) -> str:
    """Why attentions are refused, and what to do; empty if they are within the budget.

    Args:
        sizes: What leaves the program for each attention, in bytes.
        options: What was asked for.
    """
    total = sum(sizes.values())
    if total <= options.budget:
        return ""
    largest = max(sizes, key=lambda name: sizes[name])
    further = reductions_after(options.reduce)
    reduces = options.over_budget == "reduce"
    ways = [
        "Keep fewer (`select`, `layers`, `heads`)",
        *(['say `over_budget="reduce"`'] if further and not reduces else []),
        'reduce them on the device (`reduce="uint8"`, `"pooled-64"`, `"statistics"`)',
        "or give a larger `budget`",
    ]
    even = f", and even reduced to `{further[-1]}` too much" if further and reduces else ""
    return (
        f"{len(sizes)} attention{'s' * (len(sizes) != 1)} would give {size_text(total)}, more than "
        f"the budget of {size_text(options.budget)}{even}; the largest is {largest} with "
        f"{size_text(sizes[largest])}. {', '.join(ways)}."
    )


def size_text(count: int) -> str:
    """A number of bytes in units of 1024."""
    if count < 1024:
        return f"{count:,} B"
    size, unit = count / 1024, "KiB"
    for larger in ("MiB", "GiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:,.1f} {unit}"
