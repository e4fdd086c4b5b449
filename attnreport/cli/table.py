"""Tables on a terminal, in a pipe or in a file."""

import shutil
import sys
from collections.abc import Sequence

from attnreport.cli.terminal import printable

Row = Sequence[str]
_GAP = "  "


def aligned(rows: Sequence[Row], *, right: Sequence[bool], width: int | None = None) -> list[str]:
    """Lines whose columns stand below each other.

    Args:
        rows: The cells of each row, the headings first. A row of one cell runs over all columns.
        right: For each column whether its cells end at the same place, as numbers do.
        width: How wide a line may be, at the cost of its last cell; as wide as it is if left out.
    """
    from rich.cells import cell_len

    table = [[one_line(cell) for cell in row] for row in rows]
    widths = [
        max(cell_len(row[column]) for row in table if len(row) > 1) for column in range(len(right))
    ]
    lines = []
    for row in table:
        if len(row) == 1:
            lines.append(shortened(row[0], width))
            continue
        cells = [
            " " * (wide - cell_len(cell)) + cell
            if to_right
            else cell + " " * (wide - cell_len(cell))
            for cell, wide, to_right in zip(row, widths, right, strict=True)
        ]
        lines.append(shortened(_GAP.join(cells).rstrip(), width))
    return lines


def shortened(text: str, width: int | None) -> str:
    """The text, cut to so many columns."""
    from rich.cells import cell_len, set_cell_size

    if width is None or cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…"


def one_line(text: str) -> str:
    """The text on one line, with nothing in it that steers a terminal."""
    return printable(" ".join(text.split()))


def line_width() -> int | None:
    """The width of the terminal that reads standard output; None if something else reads it."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns
