"""What an address of the program leads to: the way down through calls, loops and branches."""

from typing import Any

from attnreport.capture.program.jaxprs import Address, Path, called_jaxpr, constants, open_jaxpr


def inner_jaxpr(equation: Any, tag: str) -> Any:
    """The jaxpr that an equation holds under a tag of a path, such as `scan` or `branch1`.

    Raises:
        KeyError: It holds none.
    """
    params = equation.params
    called = called_jaxpr(equation)
    if called is not None:
        return {"call": called}[tag]
    held = {
        "scan": lambda: {"scan": params["jaxpr"]},
        "while": lambda: {"body": params["body_jaxpr"], "cond": params["cond_jaxpr"]},
        "cond": lambda: {f"branch{n}": branch for n, branch in enumerate(params["branches"])},
        "shard_map": lambda: {"shard": params["jaxpr"]},
    }
    return held[equation.primitive.name]()[tag]


def jaxpr_at(closed: Any, path: Path) -> Any:
    """The jaxpr that a path leads to, one that ends in a tag; `closed` itself for `()`.

    Raises:
        LookupError: There is none.
    """
    for number, tag in zip(path[::2], path[1::2], strict=True):
        closed = inner_jaxpr(_equation(closed, number), str(tag))
    return closed


def equation_at(closed: Any, path: Path) -> Any:
    """The equation that a path leads to, one that ends in a number.

    Raises:
        LookupError: There is none.
    """
    return _equation(jaxpr_at(closed, path[:-1]), path[-1])


def scope_name(path: Path) -> str:
    """The path of a scope as a text."""
    return "/".join(map(str, path))


def has_address(closed: Any, address: Address) -> bool:
    """Whether the program has a value at an address."""
    path, number = address
    try:
        values = _values_at(closed, path)
    except (LookupError, TypeError, ValueError):  # a path of any make
        return False
    return 0 <= number < values


def _values_at(closed: Any, path: Path) -> int:
    """How many values have addresses with this path."""
    jaxpr = jaxpr_at(closed, path[:-1])
    if path[-1] == "in":
        return len(open_jaxpr(jaxpr).invars)
    if path[-1] == "const":
        return len(constants(jaxpr))
    return len(_equation(jaxpr, path[-1]).outvars)


def _equation(closed: Any, number: int | str) -> Any:
    if not isinstance(number, int) or number < 0:
        raise LookupError(number)
    return open_jaxpr(closed).eqns[number]
