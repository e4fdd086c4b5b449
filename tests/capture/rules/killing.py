"""Which program or test notices that a rule is broken.

A program of the corpus does if capture reads it in another way; a test of a part of capture does if
it fails.
"""

import contextlib
import functools
import importlib
import inspect
import itertools
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from tests.capture.programs import PROGRAMS, SHARDED
from tests.capture.recognizing import labels_of
from tests.capture.rules.breaking import FOLDER, Rule, broken, forget
from tests.capture.rules.reading import reading

VERDICTS = Path(__file__).with_name("verdicts.json")
TESTED = (
    "operations lineage dimensions factors products normalizers scores roles heads loops gates "
    "bounds blocks after said recognizer_negatives kernel_readings requirements kernels "
    "kernel_calls given_arrays shares parts placement own_places joined"
).split()
MOST_SECONDS = 2.0
# Arrays can lie on eight devices only where there are eight; the others are only traced.
READ = PROGRAMS | {n: b for n, b in SHARDED.items() if n != "sharded.heads_by_sharding"}


def verdicts() -> dict[str, str]:
    """For each rule the program or test that notices when it is broken."""
    return json.loads(VERDICTS.read_text("utf-8"))


def notices(name: str, rule: Rule) -> str:
    """What becomes of a program's reading or a test under a broken rule; empty if nothing does."""
    run = witnesses()[name]
    whole = _whole(name)
    with broken(rule):
        try:
            return "" if run() == whole else "another reading"
        except Exception as error:
            return type(error).__name__


@functools.cache
def witnesses() -> dict[str, Callable[[], Any]]:
    """Every program, read, and every test that needs nothing but its own parameters."""
    read = {name: functools.partial(_read, name) for name in READ}
    return {**read, **{name: test for group in TESTED for name, test in _tests(group)}}


@functools.cache
def _whole(name: str) -> Any:
    return witnesses()[name]()


def _read(name: str) -> Any:
    return reading(*_traced(name))


@functools.cache
def _traced(name: str) -> Any:
    program = READ[name]()
    closed = jax.make_jaxpr(program.fn)(*program.args)
    return closed, labels_of(program.fn, program.args)


def _tests(group: str) -> Iterator[tuple[str, Callable[[], None]]]:
    module = importlib.import_module(f"tests.capture.test_{group}")
    for name, test in vars(module).items():
        if not name.startswith("test_") or hasattr(test, "hypothesis"):
            continue
        marks = [each for each in getattr(test, "pytestmark", ()) if each.name == "parametrize"]
        for number, given in enumerate(itertools.product(*map(_parameters, marks))):
            values = {key: value for part in given for key, value in part.items()}
            if values.keys() == inspect.signature(test).parameters.keys():
                label = f"[{number}]" if marks else ""
                yield f"test_{group}.{name}{label}", functools.partial(test, **values)


def _parameters(mark: Any) -> Iterator[dict[str, Any]]:
    names, values = mark.args[:2]
    names = [each.strip() for each in names.split(",")] if isinstance(names, str) else list(names)
    for each in values:
        each = getattr(each, "values", each) if type(each).__name__ == "ParameterSet" else each
        yield dict(zip(names, each if len(names) > 1 else [each], strict=True))


class Search:
    """Looks for the cheapest witness of a rule.

    Only those that call a function, or have an operation, can notice that it is broken.
    """

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._seen: dict[str, set[Any]] = {}
        self._chosen: set[str] = set()
        for name, run in witnesses().items():
            seen = _seen(name)
            forget()
            start = time.process_time()
            run()
            seconds = time.process_time() - start
            if seconds < MOST_SECONDS:
                self._seen[name], self._seconds[name] = seen, seconds

    def candidates(self, rule: Rule) -> list[str]:
        """What may notice a rule: programs first, those that notice other rules before the rest."""
        entry = rule.how.removeprefix("without ")
        wanted = (rule.module, rule.name) if entry == rule.how else entry
        able = [name for name, found in self._seen.items() if wanted in found]
        return sorted(able, key=self._cost)

    def _cost(self, name: str) -> tuple[bool, bool, float]:
        return name not in READ, name not in self._chosen, self._seconds[name]

    def killer(self, rule: Rule) -> tuple[str, str]:
        """What notices a rule, and how; both empty if nothing does."""
        failing = ("", "")
        for name in self.candidates(rule):
            how = ""
            with contextlib.suppress(_TooLongError), _limited(2 + 20 * self._seconds[name]):
                how = notices(name, rule)
            if how in ("another reading", "AssertionError"):
                self._chosen.add(name)
                return name, how
            failing = (name, how) if how and not failing[0] else failing
        return failing


def _seen(name: str) -> set[Any]:
    """Functions of capture that a witness calls, as module and name, and operations in it."""
    found: set[Any] = set()
    operations: set[Any] = set()

    def profile(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            found.add(frame.f_code)
            if frame.f_code.co_qualname == "Graph._add":
                operations.add(frame.f_locals["equation"].primitive.name)

    forget()
    sys.setprofile(profile)
    try:
        _whole(name)
    finally:
        sys.setprofile(None)
    return operations | {
        (
            ".".join(Path(code.co_filename).relative_to(FOLDER).with_suffix("").parts),
            code.co_qualname.replace(".<locals>", ""),
        )
        for code in found
        if Path(code.co_filename).is_relative_to(FOLDER)
    }


class _TooLongError(BaseException):
    """A witness does not end; no rule may catch it."""


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
