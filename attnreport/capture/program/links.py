"""The jaxprs inside loops, branches and shards, and how their inputs are fed."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Generic, Literal, TypeVar

from attnreport.capture.program.jaxprs import scan_parts

Kind = Literal["scan", "body", "cond", "branch", "shard"]
Link = Literal["same", "carry", "scanned", "shard"]
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Inner(Generic[T]):
    """A jaxpr inside an equation.

    Attributes:
        kind: What it is to the equation.
        tag: Its part of the path of what is inside.
        jaxpr: The jaxpr.
        operands: What feeds its inputs.
        links: How: unchanged, as the carry's start, one slice an iteration, one piece a device.
    """

    kind: Kind
    tag: str
    jaxpr: Any
    operands: Sequence[T]
    links: Sequence[Link]


def inner_jaxprs(equation: Any, operands: Sequence[T]) -> Iterator[Inner[T]]:
    """Every jaxpr that is a scope of its own inside an equation with the given operands."""
    params, name = equation.params, equation.primitive.name
    if name == "scan":
        fixed, carried = scan_parts(equation)
        scanned = len(operands) - fixed - carried
        yield Inner("scan", "scan", params["jaxpr"], operands, _links(fixed, carried, scanned))
    elif name == "while":
        first, second = params["cond_nconsts"], params["body_nconsts"]
        before, inside, carry = (
            operands[:first],
            operands[first : first + second],
            operands[first + second :],
        )
        body, condition = params["body_jaxpr"], params["cond_jaxpr"]
        yield Inner("body", "body", body, [*inside, *carry], _links(second, len(carry)))
        yield Inner("cond", "cond", condition, [*before, *carry], _links(first, len(carry)))
    elif name == "cond":
        for number, branch in enumerate(params["branches"]):
            yield Inner(
                "branch", f"branch{number}", branch, operands[1:], _links(len(operands) - 1)
            )
    elif name == "shard_map":
        yield Inner("shard", "shard", params["jaxpr"], operands, _each("shard", len(operands)))


def _links(same: int, carried: int = 0, scanned: int = 0) -> list[Link]:
    return [*_each("same", same), *_each("carry", carried), *_each("scanned", scanned)]


def _each(link: Link, count: int) -> list[Link]:
    return [link] * count
