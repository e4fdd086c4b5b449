"""Prints results as Markdown tables, under the date and the machine they were taken on."""

import datetime
import os
import platform
import statistics
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path


def machine(*, chromium: str = "") -> str:
    """What the numbers depend on, in one line."""
    parts = [
        f"{len(os.sched_getaffinity(0)) if sys.platform == 'linux' else os.cpu_count()} cores",
        _processor(),
        f"{platform.system()} {platform.machine()}",
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in ("numpy", "altair", "vl-convert-python")),
    ]
    if chromium:
        parts.append(f"Chromium {chromium} headless")
    return ", ".join(part for part in parts if part)


def print_heading(title: str, *, chromium: str = "") -> None:
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(f"## {title}\n\n{today}. {machine(chromium=chromium)}, {_load()}.\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints each row as soon as it is measured."""
    print("| " + " | ".join(columns) + " |")
    print("|---" * len(columns) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print(flush=True)


def held(value: float, budget: float, unit: str = "") -> str:
    """A measured value with its budget and whether it was kept."""
    shown = f"{value:,.2f}" if budget < 10 else f"{value:,.0f}"
    return f"{shown}{unit} ({'within' if value <= budget else '**over**'} {budget:g}{unit})"


def times(ratio: float) -> str:
    return f"{ratio:,.0f}×" if ratio >= 10 else f"{ratio:.1f}×"


def spread(values: Iterable[float]) -> str:
    """Mean and standard deviation."""
    numbers = list(values)
    deviation = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
    return f"{statistics.mean(numbers):.3f} ± {deviation:.3f}"


def _load() -> str:
    """How busy the machine was with other things in the last minute, at the start of a script."""
    if not hasattr(os, "getloadavg"):
        return "load unknown"
    return f"load {os.getloadavg()[0]:.1f} before the start"


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
