"""The order of things: make the machine ready, run every check, say how it went."""

import argparse
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootstrap.browser import prepare_browser
from bootstrap.node import TOOLS, prepare_node
from bootstrap.processes import Outcome, SetupError, Step, run, say
from bootstrap.python import prepare_python, python
from bootstrap.versions import FEW, PYTHONS, prepare, second, tested

STATIC_CHECKS = (
    Step("Python format", [python(), "-m", "ruff", "format", "--check", "."]),
    Step("Python lint", [python(), "-m", "ruff", "check", "."]),
    Step("Python types", [python(), "-m", "pyright"]),
    Step("compiled charts", [python(), "tools/compile_charts.py", "--check"]),
    Step("JavaScript format", ["npm", "run", "--silent", "format:check"], TOOLS),
    Step("JavaScript types", ["npm", "run", "--silent", "check"], TOOLS),
)
FAST = ("-m", "not slow and not browser")


def main(arguments: Sequence[str]) -> int:
    """Runs everything and returns the exit status: 0 only if nothing failed."""
    options, pytest_arguments = parse(arguments)
    try:
        environment = prepare_node(prepare_python())
        if not options.fast:
            environment = prepare_browser(environment)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    outcomes = [run(step, environment) for step in STATIC_CHECKS]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        tests = run(pytest_step(results, pytest_arguments, fast=options.fast), environment)
        counts = count(results)
    if not (options.fast or pytest_arguments):
        outcomes += second_version()
    return report([*outcomes, tests], counts)


def second_version() -> list[Outcome]:
    """A part of the tests on the oldest JAX with another Python, if the machine has one."""
    combination = second()
    if combination is None:
        say(f"\nNo other Python of {', '.join(PYTHONS)} is here, so one version was tested.")
        return []
    try:
        environment = prepare(combination, group="versions")
    except SetupError as error:
        say(str(error))
        return [Outcome(combination.name, 1, 0.0)]
    outcome = tested(combination, [*FEW, "-n", "2"], environment)
    return [Outcome(f"tests on {combination.name}", outcome.code, outcome.seconds)]


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Splits our own options from those for pytest, which follow `--`."""
    own, rest = list(arguments), []
    if "--" in own:
        cut = own.index("--")
        own, rest = own[:cut], own[cut + 1 :]
    parser = argparse.ArgumentParser(
        prog="python tools/test.py",
        description="Make an environment, then run every check and every test.",
        epilog="Arguments after -- go to pytest, for example: python tools/test.py -- -k entropy",
    )
    parser.add_argument("--fast", action="store_true", help="no browser and no slow tests")
    return parser.parse_args(own), rest


def pytest_step(results: Path, arguments: Sequence[str], *, fast: bool) -> Step:
    """The pytest run, which leaves its counts in `results`."""
    # One file stays on one worker, so that what a file sets up once is set up once. Files come in
    # the order of the tests, not by how many tests they have.
    workers = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
    command = [python(), "-m", "pytest", "-q", f"--junitxml={results}", *workers]
    return Step("tests", [*command, *(FAST if fast else ()), *arguments])


def count(results: Path) -> Mapping[str, int]:
    """How many tests passed, failed and were skipped, from pytest's own file."""
    if not results.is_file():
        return {"passed": 0, "failed": 0, "skipped": 0}
    suites = ElementTree.parse(results).getroot().iter("testsuite")
    total = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in suites:
        for key in total:
            total[key] += int(suite.get(key, 0))
    failed = total["failures"] + total["errors"]
    passed = max(0, total["tests"] - failed - total["skipped"])
    return {"passed": passed, "failed": failed, "skipped": total["skipped"]}


def report(outcomes: Sequence[Outcome], counts: Mapping[str, int]) -> int:
    """Prints one line a step and, last, the counts: each check counts as one test."""
    say("")
    for outcome in outcomes:
        state = "ok" if outcome.code == 0 else f"failed ({outcome.code})"
        say(f"{outcome.name:20} {outcome.seconds:7.1f} s  {state}")
    *checks, tests = outcomes
    wrong = sum(check.code != 0 for check in checks)
    failed = counts["failed"] + wrong
    if tests.code != 0 and counts["failed"] == 0:
        failed += 1  # pytest itself went wrong: no tests, a bad option, a crash
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    say(f"{counts['passed'] + len(checks) - wrong} passed, {failed} failed{skipped}")
    return 1 if failed else 0
