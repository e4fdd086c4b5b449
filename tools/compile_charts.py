"""Compiles the report's charts to Vega, into templates/static/charts.json.

    python tools/compile_charts.py            writes the file, which is committed
    python tools/compile_charts.py --check    fails if it is not what the charts compile to

The file names the compilers that made it and holds hashes of the sources. Another version of a
compiler may write the same chart in other words, so under one the hashes alone are compared: they
still find a chart that was changed and not compiled.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from attnreport.charts import every_chart
from attnreport.report.compile import to_vega

ROOT = Path(__file__).resolve().parents[1]
COMPILED = ROOT / "templates" / "static" / "charts.json"
COMMAND = "run `python tools/compile_charts.py` and commit what it writes"


def compilers() -> dict[str, str]:
    """Versions of what makes Vega out of a chart."""
    return {name: version(name) for name in ("altair", "vl-convert-python")}


def source_hashes(root: Path = ROOT) -> dict[str, str]:
    """Hash of every file that says what a chart looks like or how it is compiled."""
    package = root / "attnreport"
    paths = [*sorted(package.glob("charts/*.py")), package / "report" / "compile.py"]
    return {path.relative_to(root).as_posix(): _hash(path) for path in paths}


def compiled() -> str:
    """The file's text: one chart a line, so that a change can be read in git."""
    charts = every_chart()
    lines = ",\n".join(f"{_json(name)}:{_json(to_vega(charts[name]))}" for name in sorted(charts))
    return (
        f'{{\n"compilers":{_json(compilers())},\n"sources":{_json(source_hashes())},\n'
        f'"charts":{{\n{lines}\n}}\n}}\n'
    )


def complaint(committed: str) -> str:
    """What is wrong with the committed text; empty if nothing is."""
    if not committed:
        return f"{COMPILED.name} is missing: {COMMAND}."
    header: Mapping[str, Any] = json.loads(committed)
    if header["sources"] != source_hashes():
        return f"{COMPILED.name} is stale, a chart was changed: {COMMAND}."
    if header["compilers"] == compilers() and committed != compiled():
        return f"{COMPILED.name} is not what the charts compile to: {COMMAND}."
    return ""


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _hash(path: Path) -> str:
    # With the line ends that the file has in the repository, whatever they are here.
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description="Compile the report's charts to Vega.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail if it is stale")
    if parser.parse_args().check:
        found = COMPILED.read_text(encoding="utf-8") if COMPILED.is_file() else ""
        sys.exit(complaint(found) or 0)
    COMPILED.write_text(compiled(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
