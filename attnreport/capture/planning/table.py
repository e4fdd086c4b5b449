"""Attentions of a plan as a table of text."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from attnreport.capture.choice.budget import size_text
from attnreport.capture.choice.selection import Choice
from attnreport.capture.extraction.attention import About
from attnreport.recording.layers import numbers_text


class Row(Protocol):
    """What a row of the table shows."""

    @property
    def name(self) -> str:
        """Name of the attention."""
        ...

    @property
    def about(self) -> About:
        """What is known of it."""
        ...

    @property
    def choice(self) -> Choice:
        """What is kept of it."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of its weights."""
        ...

    @property
    def bytes(self) -> int:
        """Size of what leaves the program."""
        ...


HEADER = ("name", "kind", "form", "axes", "layers", "heads", "shape", "size", "kept")


def attention_table(attentions: Iterable[Row]) -> str:
    """A line for each attention under a header, columns aligned."""
    rows: list[Sequence[str]] = [HEADER, *map(_cells, attentions)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _cells(row: Row) -> tuple[str, ...]:
    because = row.choice.left_out
    return (
        row.name,
        row.about.kind,
        row.about.form,
        " ".join(row.about.axes),
        numbers_text(row.about.layers),
        numbers_text(row.about.heads),
        " × ".join(map(str, row.shape)),
        size_text(row.bytes),
        f"no ({because})" if because else "yes",
    )
