"""Finds the modules that a function holds on to, and remakes the function around copies of them.

A function that closes over a module cannot be traced with the module's arrays as inputs, and
running it would change the module. So capture runs a copy of the function whose closure, globals
and defaults hold a copy of the module. Nothing of the caller's is touched.
"""

import dis
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

Wanted = Callable[[Any], bool]

# Larger collections are data, and walking them takes time.
_LARGEST_COLLECTION = 256


def held_objects(function: Any, wanted: Wanted) -> list[tuple[str, Any]]:
    """Name and value of everything wanted that `function` reaches by itself, each value once.

    It looks into closures, globals that the code names, defaults, bound objects, `partial`
    arguments, small lists and dictionaries of these, functions of the same Python module, and
    under the wrappers of `jit`. It does not look into attributes of other objects.
    """
    found: dict[int, tuple[str, Any]] = {}

    def note(value: Any, name: str) -> Any:
        found.setdefault(id(value), (name, value))
        return value

    _Remaker(wanted, note, _home(function)).remade(function, "")
    return list(found.values())


def with_replacements(function: Any, wanted: Wanted, replacement: Callable[[Any], Any]) -> Any:
    """`function` with everything that `held_objects` finds replaced; itself if that is nothing."""
    remaker = _Remaker(wanted, lambda value, name: replacement(value), _home(function))
    return remaker.remade(function, "")


def without_jit(function: Any) -> Any:
    """`function` without wrappers of `jit`, through which a module that it gets lets nothing out.

    What calls it compiles it anyway.
    """
    if isinstance(function, functools.partial):
        return functools.partial(without_jit(function.func), *function.args, **function.keywords)
    inner = _under_wrapper(function)
    return function if inner is None else without_jit(inner)


def innermost(function: Any) -> Any:
    """The Python function or method under `partial` and wrappers of `jit`."""
    function = without_jit(function)
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _under_wrapper(value: Any) -> Any:
    """What a compiled function was made of; None for anything else.

    A Python function that `functools.wraps` another does more than the other, so it stays.
    """
    if isinstance(value, types.FunctionType | types.MethodType) or not callable(value):
        return None
    return getattr(value, "__wrapped__", None)


def _home(function: Any) -> str | None:
    return getattr(innermost(function), "__module__", None)


class _Remaker:
    """Replaces what a function holds; `remade` returns its argument where there is nothing to."""

    def __init__(self, wanted: Wanted, replace: Callable[[Any, str], Any], home: str | None):
        self._wanted, self._replace, self._home = wanted, replace, home
        self._visiting: set[int] = set()

    def remade(self, value: Any, name: str) -> Any:
        if self._wanted(value):
            return self._replace(value, name)
        if id(value) in self._visiting:
            return value
        self._visiting.add(id(value))
        try:
            return self._remade_holder(value, name)
        finally:
            self._visiting.discard(id(value))

    def _remade_holder(self, value: Any, name: str) -> Any:
        if isinstance(value, types.FunctionType):
            return self._remade_function(value) if value.__module__ == self._home else value
        if isinstance(value, types.MethodType):
            owner = self.remade(value.__self__, name)
            return value if owner is value.__self__ else types.MethodType(value.__func__, owner)
        if isinstance(value, functools.partial):
            held = (value.func, value.args, value.keywords)
            func, args, keywords = self.remade(held, name)
            changed = any(a is not b for a, b in zip(held, (func, args, keywords), strict=True))
            return functools.partial(func, *args, **keywords) if changed else value
        if type(value) in (list, tuple, dict) and len(value) <= _LARGEST_COLLECTION:
            return self._remade_collection(value, name)
        inner = _under_wrapper(value)
        if inner is None:
            return value
        # What was compiled holds the old objects, so the function under it runs in its place.
        remade = self.remade(inner, name)
        return value if remade is inner else remade

    def _remade_collection(self, value: Any, name: str) -> Any:
        if isinstance(value, dict):
            items = self._remade_items(value)
            return value if items is None else items
        items = self._remade_items({f"{name}.{place}": item for place, item in enumerate(value)})
        return value if items is None else type(value)(items.values())

    def _remade_function(self, function: types.FunctionType) -> types.FunctionType:
        code = function.__code__
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        closure = {name: cell.cell_contents for name, cell in cells.items() if _is_filled(cell)}
        scope = function.__globals__
        globals_ = {name: scope[name] for name in _global_names(code) if name in scope}
        defaults = {f"default {place}": v for place, v in enumerate(function.__defaults__ or ())}
        held = (closure, globals_, defaults, function.__kwdefaults__ or {})
        new = [self._remade_items(items) for items in held]
        if all(items is None for items in new):
            return function
        closure, globals_, defaults, keyword_defaults = (
            old if items is None else items for old, items in zip(held, new, strict=True)
        )
        cells |= {name: types.CellType(contents) for name, contents in closure.items()}
        copy = types.FunctionType(
            code,
            {**scope, **globals_},
            function.__name__,
            tuple(defaults.values()) or None,
            tuple(cells.values()),
        )
        copy.__kwdefaults__ = keyword_defaults or None
        functools.update_wrapper(copy, function)
        return copy

    def _remade_items(self, items: dict[Any, Any]) -> dict[Any, Any] | None:
        """The items around replacements; None if there was nothing to replace."""
        new = {name: self.remade(item, str(name)) for name, item in items.items()}
        return new if any(new[name] is not items[name] for name in items) else None


def _global_names(code: types.CodeType) -> Iterator[str]:
    """Names that the code, or a function defined in it, looks up in its globals."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a variable that is assigned only later
        return False
