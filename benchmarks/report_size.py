"""Measures reports as files: size, characters per weight, time and memory to write them."""

import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from printing import held, print_heading, print_table
from workloads import WORKLOADS, weights_in

from attnreport import (
    Recording,
    TokenAxis,
    render_comparison,
    render_report,
    write_report,
)
from attnreport.report.packing import Encoding

# Characters of the file per weight that each encoding may take.
BUDGETS: dict[Encoding, float] = {"float32": 4.5, "u16": 2.0, "u8": 0.65}
LARGEST = "12×12×512²"
# The first encoding of each is what a report of that size uses by itself; budgets are for that.
CASES: dict[str, list[Encoding]] = {
    "6×12×30²": ["float32"],
    "6×12×128²": ["float32", "u16", "u8"],
    "3×12×512²": ["u16", "float32", "u8"],
    LARGEST: ["u8"],
}


def main() -> None:
    print_heading("Reports as files")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, encodings in CASES.items():
            source = Path(folder) / f"{name}.npz"
            keep(WORKLOADS[name](), source)
            rows += [row(name, encoding, measured(source, encoding)) for encoding in encodings]
    print_table(
        ["weights", "stored as", "file", "page without weights", "characters per weight",
         "written", "again", "peak memory"],
        rows,
    )  # fmt: skip
    print_table(["page", "smallest", "its code, packed"], smallest())


def row(name: str, encoding: Encoding, result: dict[str, float]) -> list[str]:
    megabytes, first = result["bytes"] / 1e6, result["first"]
    characters = result["data"] / result["weights"]
    large = name == LARGEST
    return [
        f"{name} = {result['weights']:,}",
        encoding,
        held(megabytes, 26, " MB") if large else f"{megabytes:.2f} MB",
        f"{(result['bytes'] - result['data']) / 1e3:.0f} kB",
        held(characters, BUDGETS[encoding]) if encoding == CASES[name][0] else f"{characters:.2f}",
        held(first, 5, " s") if large else f"{first:.2f} s",
        f"{result['again']:.2f} s",
        f"{result['peak'] / 1e6:.0f} MB",
    ]


def smallest() -> list[list[str]]:
    """Sizes of pages of one weight, and of the code in them, and that of a report with heads."""
    one = Recording.from_arrays(np.ones((1, 1, 1, 1), np.float32), ["one"])
    heads = Recording.from_arrays(np.full((2, 2, 3, 3), 1 / 3, np.float32), list("abc"))
    pages = {
        "report": render_report(one),
        "report of several heads": render_report(heads),
        "comparison": render_comparison(one, one),
    }
    rows = []
    for name, page in pages.items():
        library = re.search(r'id="library">([^<]*)<', page)
        assert library
        size = held(len(page.encode()) / 1e3, 360, " kB")
        rows.append([name, size, held(len(library[1]) / 1e3, 280, " kB")])
    return rows


def keep(recording: Recording, target: Path) -> None:
    """Saves the weights, so that the process that writes the report never sees the model."""
    maps = recording.examples[0].maps
    axis = maps[0].key
    assert isinstance(axis, TokenAxis)
    np.savez(
        target,
        weights=np.stack([attention.array() for attention in maps]),
        tokens=np.array(axis.tokens),
        special=np.array(axis.special),
    )


def measured(source: Path, encoding: Encoding) -> dict[str, float]:
    """What a process of its own measured while it wrote the report twice."""
    command = [sys.executable, __file__, "write", str(source), encoding]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(answer.stdout)


def write(source: Path, encoding: Encoding) -> dict[str, float]:
    with np.load(source) as arrays:
        axis = TokenAxis(tuple(arrays["tokens"].tolist()), tuple(arrays["special"].tolist()))
        recording = Recording.from_arrays(arrays["weights"], axis)
    target = source.with_suffix(".html")
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        write_report(recording, target, precision=encoding)
        seconds.append(time.perf_counter() - start)
    page = target.read_text(encoding="utf-8")
    return {
        "weights": weights_in(recording),
        "bytes": target.stat().st_size,
        "data": sum(len(block) for block in re.findall(r'id="b\d+">([^<]*)<', page)),
        "first": seconds[0],
        "again": seconds[1],
        "peak": peak_memory(),
    }


def peak_memory() -> int:
    """Most bytes of memory this process ever held."""
    if sys.platform == "linux":
        # Not `getrusage`, which starts from what the parent process held.
        status = Path("/proc/self/status").read_text()
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        path, precision = sys.argv[2:]
        print(json.dumps(write(Path(path), precision)))  # pyright: ignore[reportArgumentType]
    else:
        main()
