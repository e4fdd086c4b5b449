"""Every example runs as a script, and ends by writing one report."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.name for path in ROOT.joinpath("examples").glob("*.py"))
TRAINS = {"images.py", "keywords.py", "translate.py"}
# What an example needs to be told to be over in seconds.
QUICKLY = {"images.py": ["cbam", "quick"], "keywords.py": ["additive", "quick"]}


def run(example: str, report: Path) -> str:
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", str(ROOT / "examples" / example), str(report)),
            *QUICKLY.get(example, []),
        ],
        capture_output=True,
        text=True,
        cwd=report.parent,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_examples():
    assert set(EXAMPLES) > TRAINS


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in TRAINS else [], id=name)
        for name in EXAMPLES
    ],
)
def test_the_example_writes_one_report(example, tmp_path):
    report = tmp_path / "report.html"
    assert str(report) in run(example, report)
    assert '<meta name="generator" content="attnreport' in report.read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_python_in_the_readme_runs(tmp_path):
    readme = ROOT.joinpath("README.md").read_text(encoding="utf-8")
    code = readme.partition("```python\n")[2].partition("```")[0]
    assert code
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"run.attn", "report.html"}
