"""Every rule by which capture reads a program, and how to break one.

Rules are read off the source of the modules that recognize attention, so a new one is known by
itself. A rule is a function that decides or finds something, or an entry of a table of operations.
A function is broken in its code object and a table in all places that hold it, so that the rule is
broken wherever it was imported.
"""

import ast
import contextlib
import dataclasses
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import attnreport.capture

PACKAGE = "attnreport.capture"
FOLDER = Path(attnreport.capture.__file__).parent
SOURCES = (
    "program/lineage.py program/links.py program/trip_counts.py dimensions/*.py roles/*.py "
    "forms/*.py kernels/roles.py kernels/readings.py kernels/calls.py kernels/kernels.py "
    "recognition/recurrences.py recognition/said.py recognition/recognizer.py"
).split()


@dataclasses.dataclass(frozen=True)
class Rule:
    """Something that capture decides or finds, and how that is broken.

    Attributes:
        module: Where it stands, such as `roles.scores`.
        name: The function, with its classes, or the table.
        how: `always yes`, `always no` or `finds nothing` for a function; for a table, `without` and
            the entry that is left out.
    """

    module: str
    name: str
    how: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}: {self.how}"


@functools.cache
def rules() -> tuple[Rule, ...]:
    """All rules, in the order of their source."""
    return tuple(
        rule for module in modules() for rule in (*_function_rules(module), *_entry_rules(module))
    )


@functools.cache
def modules() -> tuple[str, ...]:
    """The modules that recognize attention, in the order in which data goes through them."""
    paths = (path for pattern in SOURCES for path in sorted(FOLDER.glob(pattern)))
    return tuple(
        ".".join(path.relative_to(FOLDER).with_suffix("").parts)
        for path in paths
        if path.stem != "__init__"
    )


@contextlib.contextmanager
def broken(rule: Rule) -> Iterator[None]:
    """Breaks a rule for as long as the context lasts."""
    entry = rule.how.removeprefix("without ")
    breaking = _other_code(rule) if entry == rule.how else _without(rule, entry)
    forget()
    try:
        with breaking:
            yield
    finally:
        forget()


def forget() -> None:
    """Empties the caches of functions, which hold answers of rules."""
    for module in map(_imported, modules()):
        for value in vars(module).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse((FOLDER / module.replace(".", "/")).with_suffix(".py").read_text("utf-8"))


def _imported(module: str) -> ModuleType:
    return importlib.import_module(f"{PACKAGE}.{module}")


# --- Functions ------------------------------------------------------------------------------------


def _function_rules(module: str) -> Iterator[Rule]:
    listed = {
        id(inspect.unwrap(rule))
        for name in _tables(module)
        for rule in _values(getattr(_imported(module), name))
    }
    for name, function in _functions(_tree(module)):
        # A rule that stands in a table is broken there, once for each operation.
        if "." in name or id(inspect.unwrap(getattr(_imported(module), name))) not in listed:
            for how in _breaks(function):
                yield Rule(module, name, how)


def _values(table: Any) -> Iterator[Callable[..., Any]]:
    return filter(callable, table.values() if isinstance(table, dict) else ())


def _functions(tree: ast.AST, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ast.FunctionDef]]:
    """All functions, also those inside of others, with the names of what they stand in."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, (ast.ClassDef, ast.FunctionDef)):
            inside = (*names, child.name)
            if isinstance(child, ast.FunctionDef):
                yield ".".join(inside), child
            yield from _functions(child, inside)
        else:
            yield from _functions(child, names)


def _breaks(function: ast.FunctionDef) -> dict[str, str]:
    """What a function may do instead of what it does, and the statements for that."""
    returned = "" if function.returns is None else ast.unparse(function.returns).strip("'")
    if returned == "bool":
        return {"always yes": "return True", "always no": "return False"}
    if returned.endswith("| None"):
        return {"finds nothing": "return None"}
    if returned.startswith("Iterator"):
        return {"finds nothing": "return\nyield"}
    for start, empty in _EMPTY.items():
        if returned.startswith(start):
            return {"finds nothing": f"return {empty}"}
    return {}


_EMPTY = {
    "list[": "[]",
    "Sequence[": "[]",
    "set[": "set()",
    "dict[": "{}",
    "Axis": "()",
    "tuple[Reading": "()",
    "tuple[Loop": "()",
}


@contextlib.contextmanager
def _other_code(rule: Rule) -> Iterator[None]:
    function = _outermost(rule)
    whole = function.__code__
    function.__code__ = _code(rule, function)
    try:
        yield
    finally:
        function.__code__ = whole


def _outermost(rule: Rule) -> FunctionType:
    """The function that holds the code of a rule: itself or the one around it."""
    found: Any = _imported(rule.module)
    for name in rule.name.split("."):
        found = inspect.getattr_static(found, name)
        found = getattr(found, "fget", None) or getattr(found, "func", None) or found
        found = inspect.unwrap(getattr(found, "__func__", found))
        if isinstance(found, FunctionType):
            return found
    raise LookupError(f"There is no function `{rule.name}` in `{rule.module}`.")


def _code(rule: Rule, outermost: FunctionType) -> CodeType:
    tree = ast.parse(ast.unparse(_tree(rule.module)))
    function = dict(_functions(tree))[rule.name]
    function.body = ast.parse(_breaks(function)[rule.how]).body
    code = compile(ast.fix_missing_locations(tree), f"<{rule}>", "exec", dont_inherit=True)
    for name in outermost.__qualname__.split("."):
        code = next(
            each for each in code.co_consts if isinstance(each, CodeType) and each.co_name == name
        )
    return code


# --- Tables ---------------------------------------------------------------------------------------


def _entry_rules(module: str) -> Iterator[Rule]:
    for name, built_from in _tables(module).items():
        table = getattr(_imported(module), name)
        parts = [getattr(_imported(module), part) for part in built_from]
        for entry in sorted(table):
            if not any(entry in part for part in parts):
                yield Rule(module, name, f"without {entry}")


@functools.cache
def _tables(module: str) -> dict[str, tuple[str, ...]]:
    """The tables of operations that a module writes down, and the tables they are built from."""
    found: dict[str, tuple[str, ...]] = {}
    for statement in _tree(module).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else ()
        for target in (statement.target,) if isinstance(statement, ast.AnnAssign) else targets:
            if isinstance(target, ast.Name) and _is_table(module, target.id):
                names = (each.id for each in ast.walk(statement) if isinstance(each, ast.Name))
                parts = (name for name in names if name != target.id and _is_table(module, name))
                found[target.id] = tuple(parts)
    return found


def _is_table(module: str, name: str) -> bool:
    value = getattr(_imported(module), name, None)
    return (
        isinstance(value, (dict, frozenset))
        and bool(value)
        and all(isinstance(entry, str) for entry in value)
    )


@contextlib.contextmanager
def _without(rule: Rule, entry: str) -> Iterator[None]:
    with contextlib.ExitStack() as changes:
        for table in _holders(rule.module, rule.name):
            changes.enter_context(_cut(table, entry))
        yield


def _holders(module: str, name: str) -> list[Any]:
    """A table and those that are built from it."""
    holders = [getattr(_imported(module), name)]
    for each in modules():
        for other, parts in _tables(each).items():
            tables = (getattr(_imported(each), part) for part in parts)
            if any(table is holder for table in tables for holder in holders):
                holders.append(getattr(_imported(each), other))
    return holders


@contextlib.contextmanager
def _cut(table: Any, entry: str) -> Iterator[None]:
    if isinstance(table, dict):
        whole = dict(table)
        del table[entry]
        try:
            yield
        finally:
            table.clear()
            table.update(whole)
        return
    places = [
        (module, name)
        for path, module in sys.modules.items()
        if path.startswith(PACKAGE)
        for name, value in vars(module).items()
        if value is table
    ]
    for module, name in places:
        setattr(module, name, table - {entry})
    try:
        yield
    finally:
        for module, name in places:
            setattr(module, name, table)
