"""Writes the lines of a sketch as Python, one function for each body."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from attnreport.capture.reproduction.literals import dtype_name, scalar_source
from attnreport.capture.reproduction.sketch import Line, Operand, Scalar, Sketch, Variable

# Marks the operations of a backward pass as JAX does.
_BACKWARD = 'with jax.named_scope("transpose(jvp())"):'


@dataclasses.dataclass(frozen=True)
class Writer:
    """Writes lines, and knows the names of their arrays.

    Attributes:
        ways: How the operations are written that are not called by their primitive.
        otherwise: How all others are.
        names: What stands for each array that was met.
        constants: Source of each array that the program closes over, by its name.
        functions: Names of the functions that were written.
    """

    ways: Mapping[str, "Way"]
    otherwise: "Way"
    names: dict[Variable, str] = dataclasses.field(default_factory=dict)
    constants: dict[str, str] = dataclasses.field(default_factory=dict)
    functions: list[str] = dataclasses.field(default_factory=list)

    def name(self, variable: Variable, letter: str = "v") -> str:
        """What stands for an array; a new name when it is first met."""
        if variable not in self.names:
            letter = letter if variable.constant is None else "c"
            self.names[variable] = name = f"{letter}{len(self.names)}"
            if variable.constant is not None:
                self.constants[name] = _constant(variable)
        return self.names[variable]

    def read(self, operands: Iterable[Operand]) -> list[str]:
        """What stands for operands: names of arrays, and numbers."""
        return [
            scalar_source(each.value, each.dtype, weak=each.weak)
            if isinstance(each, Scalar)
            else self.name(each)
            for each in operands
        ]

    def block(self, sketch: Sketch, result: Callable[[list[str]], str]) -> list[str]:
        """The body of a function.

        Args:
            sketch: What it does.
            result: From its outputs to what it returns.
        """
        lines = [text for line in sketch.lines for text in self.statement(line)]
        return [*lines, f"return {result(self.read(sketch.outputs))}"]

    def statement(self, line: Line) -> list[str]:
        """The source of a line.

        Raises:
            UnwritableError: It has none.
        """
        text = self.ways.get(line.primitive, self.otherwise)(self, line)
        return [_BACKWARD, *indented(text)] if line.backward else text

    def function(
        self,
        body: Sketch,
        given: Sequence[str] = (),
        takes: Sequence[str] = (),
        opening: Callable[[list[str]], list[str]] = lambda names: [],
        result: Callable[[list[str]], str] = lambda names: f"[{', '.join(names)}]",
    ) -> tuple[str, list[str]]:
        """A body as a function: its name, and its source.

        Args:
            body: The body.
            given: What stands for its first inputs outside of it.
            takes: Its parameters; if left out, its other inputs are.
            opening: From the names of its other inputs to how they come out of the parameters.
            result: From its outputs to what it returns.
        """
        name = f"f{len(self.functions) + 1}"
        self.functions.append(name)
        self.names.update(zip(body.inputs, given, strict=False))
        rest = [self.name(each) for each in body.inputs[len(given) :]]
        text = [*opening(rest), *self.block(body, result)]
        return name, [f"def {name}({', '.join(takes or rest)}):", *indented(text), ""]


Way = Callable[[Writer, Line], list[str]]


def indented(lines: Iterable[str]) -> list[str]:
    """Lines one level further in."""
    return [f"    {line}" if line else line for line in lines]


def tuple_of(names: Sequence[str]) -> str:
    """Source of a tuple."""
    return f"({', '.join(names)}{',' * (len(names) == 1)})"


def _constant(variable: Variable) -> str:
    """Source of an array like one that the program closes over: one number, or random ones."""
    dtype, shape = dtype_name(variable.dtype), variable.shape
    if not dtype.startswith("key<"):
        array = np.asarray(variable.constant)
        if array.size and (array == array.flat[0]).all():
            number = scalar_source(array.flat[0], variable.dtype, weak=True)
            return f"filled({number}, {dtype!r}, {shape})"
    return f"numbers({dtype!r}, {shape})"
