"""What a program is on which capture is judged: a function, its arguments and a slow reference.

A reference is plain NumPy in double precision. It computes the program's output from weights that
it hands to `Notes` in canonical layout and takes back from there. The truth is what it handed over,
and a test that changes the weights on the way back shows that the output hangs on them.
"""

import functools
import importlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

CANONICAL = ("batch", "head", "query", "key")
FLOAT32, BFLOAT16 = 2e-5, 2e-2


@dataclass(frozen=True)
class Truth:
    """One attention that capture has to report.

    Attributes:
        weights: `[*loops, batch, head, query, key]`.
        kind: One of `self`, `cross`, `pooling`, `gate`, `router`.
        axes: The names of the axes, loops first.
        name_contains: What the reported name must contain; empty if any name is good.
        also: Other arrays that a reader would accept, such as the weights before dropout.
        also_kinds: Other kinds that a reader would accept.
        optional: Why this may be missing from the result (it is said instead, say); else empty.
        family: Truths of one family may be reported as one map, joined along one axis, or as one
            of the arrays in `also`.
        tolerance: The largest difference of one weight.
    """

    weights: np.ndarray
    kind: str
    axes: tuple[str, ...] = CANONICAL
    name_contains: str = ""
    also: tuple[np.ndarray, ...] = ()
    also_kinds: tuple[str, ...] = ()
    optional: str = ""
    family: str = ""
    tolerance: float = FLOAT32


Disturb = Callable[[int, tuple[int, ...], np.ndarray], np.ndarray]
"""Gets the number of the truth, the indices of its loops and the weights."""


class Notes:
    """Takes the weights that a reference computes, and gives them back to go on with.

    Calls with loop indices (`layer=2`) and the same name and kind are stacked into one truth.
    """

    def __init__(self, disturb: Disturb | None = None, tolerance: float = FLOAT32):
        self._disturb = disturb
        self._tolerance = tolerance
        self._labels: list[dict[str, Any]] = []
        self._entries: list[dict[tuple[int, ...], list[np.ndarray]]] = []
        self._numbers: dict[tuple[str, str, tuple[str, ...]], int] = {}

    def __call__(
        self,
        weights: np.ndarray,
        kind: str = "self",
        *,
        name: str = "",
        tag: str = "",
        also: Sequence[np.ndarray] = (),
        also_kinds: tuple[str, ...] = (),
        optional: str = "",
        family: str = "",
        **loops: int,
    ) -> np.ndarray:
        if weights.ndim != len(CANONICAL):
            raise ValueError(f"A truth of shape {weights.shape} is not [batch head query key].")
        labels = {
            "kind": kind,
            "axes": (*loops, *CANONICAL),
            "name_contains": name,
            "also_kinds": also_kinds,
            "optional": optional,
            "family": family,
        }
        number = self._number((name + tag, kind, tuple(loops)), labels)
        index = tuple(loops.values())
        self._entries[number][index] = [weights.copy(), *(array.copy() for array in also)]
        return weights if self._disturb is None else self._disturb(number, index, weights)

    def _number(self, key: tuple[str, str, tuple[str, ...]], labels: dict[str, Any]) -> int:
        if key[2] and key in self._numbers:
            return self._numbers[key]
        self._labels.append(labels)
        self._entries.append({})
        return self._numbers.setdefault(key, len(self._labels) - 1) if key[2] else self.last

    @property
    def last(self) -> int:
        return len(self._labels) - 1

    def truths(self) -> list[Truth]:
        """The truths in the order of their first entries, loops stacked in front."""
        return [
            self._truth(labels, entries)
            for labels, entries in zip(self._labels, self._entries, strict=True)
        ]

    def _truth(self, labels: dict[str, Any], entries: dict[tuple[int, ...], list]) -> Truth:
        lengths = tuple(max(axis) + 1 for axis in zip(*entries, strict=True))
        if len(entries) != np.prod(lengths, dtype=int):
            raise ValueError(f"Loops of lengths {lengths} have only {len(entries)} entries.")
        weights, *also = (
            np.stack([entries[index][number] for index in np.ndindex(*lengths)]).reshape(
                *lengths, *entries[(0,) * len(lengths)][number].shape
            )
            for number in range(len(next(iter(entries.values()))))
        )
        return Truth(weights=weights, also=tuple(also), tolerance=self._tolerance, **labels)


def _same(output: Any) -> Any:
    return output


@dataclass(frozen=True)
class Case:
    """What a builder returns.

    Attributes:
        fn: The program, as a researcher writes it.
        args: Its arguments.
        reference: `(notes, *args)` to the output, in NumPy; `None` if nothing is to be found.
        tolerance: For the weights; the output is compared with a looser one.
        observe: The part of the program's output that the reference computes.
        unused: Why some weights, all of them zero, would not show in the output; else empty.
        sentence: A word that capture's explanation of an empty result has to contain.
    """

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    reference: Callable[..., Any] | None = None
    tolerance: float = FLOAT32
    observe: Callable[[Any], Any] = _same
    unused: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class Program:
    """A case with its name, `file.function`, and a sentence on what is special in it."""

    name: str
    case: Case
    notes: str

    @property
    def fn(self) -> Callable[..., Any]:
        return self.case.fn

    @property
    def args(self) -> tuple[Any, ...]:
        return self.case.args

    def expected(self) -> list[Truth]:
        """What capture has to report; nothing for a negative."""
        return self.run_reference()[1]

    def run_reference(self, disturb: Disturb | None = None) -> tuple[Any, list[Truth]]:
        """The output by the reference, and the truths."""
        if self.case.reference is None:
            return None, []
        notes = Notes(disturb, self.case.tolerance)
        output = self.case.reference(notes, *double(self.args))
        return output, notes.truths()


class Draw:
    """Random parameters and inputs, the same for a name each time."""

    def __init__(self, name: str):
        self._generator = np.random.default_rng(zlib.crc32(name.encode()))

    def __call__(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        return self._generator.normal(scale=scale, size=shape).astype(np.float32)

    def weight(self, size: int, *shape: int) -> np.ndarray:
        """A matrix whose products keep the scale of an input with `size` features."""
        return self(size, *shape, scale=1.2 * size**-0.5)

    def weights(self, names: str, size: int, *shape: int) -> dict[str, np.ndarray]:
        return {name: self.weight(size, *shape) for name in names.split()}

    def integers(self, high: int, *shape: int) -> np.ndarray:
        return self._generator.integers(high, size=shape).astype(np.int32)

    def permutation(self, length: int) -> np.ndarray:
        return self._generator.permutation(length).astype(np.int32)


def double(tree: Any) -> Any:
    """The same tree with every array of floats in NumPy and double precision."""

    def convert(leaf: Any) -> Any:
        if not hasattr(leaf, "dtype") or jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return leaf
        array = np.asarray(leaf)
        return array.astype(np.float64) if jax.numpy.issubdtype(array.dtype, np.inexact) else array

    return jax.tree.map(convert, tree)


Builder = Callable[[Draw], Case]


class Registry(Mapping[str, Callable[[], Program]]):
    """The builders of one file, by the full names of their programs."""

    def __init__(self, module: str):
        self._group = module.rpartition(".")[2]
        self._builders: dict[str, Callable[[], Program]] = {}

    def __call__(self, notes: str) -> Callable[[Builder], Builder]:
        """Registers a builder of a program, with what is special in the program."""

        def register(builder: Builder) -> Builder:
            name = f"{self._group}.{builder.__name__}"
            if name in self._builders:
                raise ValueError(f"There are two programs `{name}`.")
            self._builders[name] = functools.cache(
                lambda: Program(name, builder(Draw(name)), notes)
            )
            return builder

        return register

    def __getitem__(self, name: str) -> Callable[[], Program]:
        return self._builders[name]

    def __iter__(self):
        return iter(self._builders)

    def __len__(self) -> int:
        return len(self._builders)


def collect(package: str, modules: Sequence[str]) -> dict[str, Callable[[], Program]]:
    """The builders of several files of a package."""
    found: dict[str, Callable[[], Program]] = {}
    for module in modules:
        found |= importlib.import_module(f"{package}.{module}").program
    return found
