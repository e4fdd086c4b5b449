"""Every example runs as a script, and ends by writing one report."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.name for path in ROOT.joinpath("examples").glob("*.py"))
# What an example needs to be told to be over in seconds.
QUICKLY = {
    "generate.py": ["20"],
    "images.py": ["cbam", "quick"],
    "keywords.py": ["additive", "quick"],
    "translate.py": ["gru", "quick"],
}


def command(example: str, report: Path) -> list[str]:
    return [str(ROOT / "examples" / example), str(report), *QUICKLY.get(example, [])]


def assert_one_report(report: Path, printed: str) -> None:
    assert str(report) in printed
    assert '<meta name="generator" content="attnreport' in report.read_text(encoding="utf-8")
    assert [path.name for path in report.parent.iterdir()] == ["report.html"]


def test_there_are_examples():
    assert set(EXAMPLES) > set(QUICKLY)


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in QUICKLY else [], id=name)
        for name in EXAMPLES
    ],
)
def test_the_example_writes_one_report(example, tmp_path, tmp_path_factory, monkeypatch, capsys):
    """In this process: Python and JAX would take longer to start than the example."""
    report = tmp_path / "report.html"
    monkeypatch.setenv("ATTNREPORT_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(sys, "argv", command(example, report))
    monkeypatch.chdir(tmp_path)
    runpy.run_path(sys.argv[0], run_name="__main__")
    assert_one_report(report, capsys.readouterr().out)


def test_an_example_is_a_script(tmp_path):
    report = tmp_path / "report.html"
    done = subprocess.run(
        [sys.executable, "-W", "error", *command("capture_nnx.py", report)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert_one_report(report, done.stdout)


def test_the_python_in_the_readme_runs(tmp_path):
    readme = ROOT.joinpath("README.md").read_text(encoding="utf-8")
    code = readme.partition("```python\n")[2].partition("```")[0]
    assert code
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"run.attn", "report.html"}
