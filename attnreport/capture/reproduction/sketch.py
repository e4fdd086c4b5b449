"""A program as lines that can be taken away: the form in which it is shrunk and written down."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from attnreport.capture.program.jaxprs import (
    called_jaxpr,
    constants,
    is_literal,
    open_jaxpr,
    scan_parts,
)
from attnreport.capture.program.links import inner_jaxprs


@dataclasses.dataclass(frozen=True, eq=False)
class Variable:
    """An array of the program.

    Attributes:
        shape: Its shape.
        dtype: Its number format.
        constant: The array, if the program closes over it.
    """

    shape: tuple[int, ...]
    dtype: Any
    constant: Any = None


@dataclasses.dataclass(frozen=True, eq=False)
class Scalar:
    """A number in the program's text.

    Attributes:
        value: The number.
        dtype: Its number format.
        weak: Whether it takes on the format of what it is combined with.
    """

    value: Any
    dtype: Any
    weak: bool


Operand = Variable | Scalar


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
    """An operation.

    Attributes:
        primitive: Name of the JAX primitive.
        params: Its parameters; jaxprs among them are `bodies`.
        inputs: Its operands.
        outputs: What it makes.
        bodies: What it calls, repeats or chooses among, in the order of its parameters.
        counts: Of a `scan`, how many operands are constants and how many are carried; of a
            `while`, how many are constants of its condition and of its body.
        backward: Whether it belongs to the backward pass of a differentiation.
    """

    primitive: str
    params: Mapping[str, Any]
    inputs: tuple[Operand, ...]
    outputs: tuple[Variable, ...]
    bodies: tuple["Sketch", ...] = ()
    counts: tuple[int, int] = (0, 0)
    backward: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Sketch:
    """A program, or the body of a loop, branch or call.

    Attributes:
        inputs: What it is given.
        lines: Its operations, in order.
        outputs: What it gives back.
    """

    inputs: tuple[Variable, ...]
    lines: tuple[Line, ...]
    outputs: tuple[Operand, ...]

    def only(self, keep: Collection[Line]) -> "Sketch":
        """The program with only some of its lines.

        What other lines made becomes an input; what only they used, a result.
        """
        kept = [line for line in self.lines if line in keep]
        made = {each for line in kept for each in line.outputs}
        used = [each for line in kept for each in variables(line)]
        dropped = {each for line in self.lines if line not in keep for each in variables(line)} | {
            each for each in self.outputs if isinstance(each, Variable)
        }
        free = dict.fromkeys(each for each in used if each not in made and each.constant is None)
        results = [each for line in kept for each in line.outputs if each in dropped]
        return Sketch(tuple(free), tuple(kept), tuple(dict.fromkeys(results)))

    def opened(self, line: Line, body: "Sketch") -> "Sketch":
        """The program with one run of a body in place of the line that holds it.

        What the body is given, and what the line made, become inputs.
        """
        place = self.lines.index(line)
        lines = (*self.lines[:place], *body.lines, *self.lines[place + 1 :])
        outputs = (*self.outputs, *body.outputs)
        return Sketch(self.inputs, lines, outputs).only(lines)


def sketch_of(closed: Any, *, flat: bool = False) -> Sketch:
    """A closed jaxpr as a sketch.

    Args:
        closed: The program.
        flat: Whether what is called stands in the place of the call.
    """
    return _Reader(flat).sketch(closed)


def variables(line: Line) -> Iterator[Variable]:
    """The arrays that a line reads."""
    return (each for each in line.inputs if isinstance(each, Variable))


class _Reader:
    def __init__(self, flat: bool):
        self._flat = flat

    def sketch(self, closed: Any, backward: bool = False) -> Sketch:
        inputs = tuple(_variable(each) for each in open_jaxpr(closed).invars)
        lines: list[Line] = []
        outputs = self._read(closed, inputs, lines, backward)
        return Sketch(inputs, tuple(lines), tuple(outputs))

    def _read(
        self, closed: Any, inputs: Sequence[Operand], lines: list[Line], backward: bool
    ) -> list[Operand]:
        """Adds the equations of a jaxpr; gives what it returns."""
        jaxpr = open_jaxpr(closed)
        known: dict[Any, Operand] = dict(zip(jaxpr.invars, inputs, strict=True))
        for name, array in zip(jaxpr.constvars, constants(closed), strict=True):
            known[name] = dataclasses.replace(_variable(name), constant=array)

        def read(atom: Any) -> Operand:
            return _scalar(atom) if is_literal(atom) else known[atom]

        for equation in jaxpr.eqns:
            operands = tuple(map(read, equation.invars))
            behind = backward or "transpose(" in str(equation.source_info.name_stack)
            called = called_jaxpr(equation)
            if called is not None and self._flat:
                made: Sequence[Operand] = self._read(called, operands, lines, behind)
            else:
                line = self._line(equation, operands, called, behind)
                lines.append(line)
                made = line.outputs
            known.update(zip(equation.outvars, made, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _line(self, equation: Any, operands: tuple[Operand, ...], called: Any, back: bool) -> Line:
        inner = [called] if called is not None else []
        inner += [each.jaxpr for each in inner_jaxprs(equation, operands)]
        held = {id(each) for each in inner}
        params = {name: value for name, value in equation.params.items() if not _holds(value, held)}
        return Line(
            equation.primitive.name,
            params,
            operands,
            tuple(map(_variable, equation.outvars)),
            tuple(self.sketch(each, back) for each in inner),
            _counts(equation),
            back,
        )


def _counts(equation: Any) -> tuple[int, int]:
    name, params = equation.primitive.name, equation.params
    if name == "scan":
        return scan_parts(equation)
    return (params["cond_nconsts"], params["body_nconsts"]) if name == "while" else (0, 0)


def _holds(value: Any, held: Collection[int]) -> bool:
    several = value if isinstance(value, tuple | list) else [value]
    return any(id(each) in held for each in several)


def _variable(atom: Any) -> Variable:
    return Variable(tuple(getattr(atom.aval, "shape", ())), getattr(atom.aval, "dtype", None))


def _scalar(atom: Any) -> Scalar:
    return Scalar(atom.val, atom.aval.dtype, bool(getattr(atom.aval, "weak_type", False)))
