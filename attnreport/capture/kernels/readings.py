"""Which operands of a fused kernel its queries, keys and values can be, and what their axes are.

Shapes leave several readings where sizes are the same by chance. What else the program shows, such
as in which blocks a kernel reads its operands, tells which is likely; the numbers decide whether it
is right.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence

Shape = tuple[int, ...]
Grid = tuple[frozenset[int], ...]
"""For each axis of an operand, the axes of the kernel's grid that its blocks are chosen by."""


@dataclasses.dataclass(frozen=True)
class Axes:
    """What the axes of one operand or result are.

    Attributes:
        features: The axis that scores sum over, or that values and results have in common.
        tokens: The axis of queries or keys; None for a single query.
        others: Batch and heads, in order.
    """

    features: int
    tokens: int | None
    others: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Reading:
    """One way to read a kernel as attention.

    Attributes:
        query: Which operand the queries are.
        key: Which the keys are.
        value: Which the values are.
        output: Which result holds weights times values.
        query_axes: The axes of the queries.
        key_axes: The axes of the keys.
        value_axes: The axes of the values.
        output_axes: The axes of the result.
        partners: For each of the other axes of the result the one of the other axes of the values
            that it is, or is grouped over; None for heads that the values do not have.
        ratios: How many entries each of the other axes of the result has for one of the values.
    """

    query: int
    key: int
    value: int
    output: int
    query_axes: Axes
    key_axes: Axes
    value_axes: Axes
    output_axes: Axes
    partners: tuple[int | None, ...]
    ratios: tuple[int, ...]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Axes of the result and of the values that are one, apart from tokens and features."""
        return [
            (axis, self.value_axes.others[partner])
            for axis, partner in zip(self.output_axes.others, self.partners, strict=True)
            if partner is not None
        ]


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a kernel takes and gives.

    Attributes:
        operands: Shape of each operand; None for what cannot be a query, key or value.
        results: Shape of each result; None for what nothing uses.
        names: What the kernel calls each operand; empty if it does not tell.
        grids: How the blocks of each operand are chosen; None where that is not known.
        result_grids: The same for the results.
    """

    operands: tuple[Shape | None, ...]
    results: tuple[Shape | None, ...]
    names: tuple[str, ...]
    grids: tuple[Grid | None, ...]
    result_grids: tuple[Grid | None, ...]


@functools.lru_cache(maxsize=256)
def readings(signature: Signature) -> tuple[Reading, ...]:
    """The likely ways to read a kernel as attention, the likeliest first."""
    likely: list[Reading] = []
    for transposed in (False, True):
        found = list(_all_readings(signature, transposed))
        against = [_against_grid(signature, each) for each in found]
        least = min(against, default=1)
        likely = [each for each, count in zip(found, against, strict=True) if count == least]
        if least == 0:
            break
    return tuple(sorted(likely, key=lambda each: _oddity(signature, each))[:_MOST])


def _all_readings(signature: Signature, transposed: bool) -> Iterator[Reading]:
    """All readings that the shapes allow.

    Args:
        signature: What the kernel takes and gives.
        transposed: Whether features may be another axis than the last one.
    """
    for output, value in itertools.product(
        _present(signature.results), _present(signature.operands)
    ):
        shape, values = signature.results[output] or (), signature.operands[value] or ()
        for out, val in itertools.product(_results(shape), _views(values, transposed)):
            if values[val.features] != shape[out.features]:
                continue
            pairings = _pairings(_sizes(shape, out.others), _sizes(values, val.others))
            for partners, ratios in pairings:
                queries = _like(signature.operands, shape, out, _aligned(out, transposed))
                keys = list(_like(signature.operands, values, val, _alike(val, transposed)))
                for (query, q, size), (key, k, same) in itertools.product(queries, keys):
                    if size == same and len({query, key, value}) == 3:
                        yield Reading(query, key, value, output, q, k, val, out, partners, ratios)


def _like(
    operands: Sequence[Shape | None], shape: Shape, axes: Axes, views: Sequence[Axes]
) -> Iterator[tuple[int, Axes, int]]:
    """Operands with the tokens and other axes of an array, and how many features they have."""
    wanted = _tokens(shape, axes), _sizes(shape, axes.others)
    for number in _present(operands):
        own = operands[number] or ()
        for view in views if len(own) == len(shape) else ():
            if (_tokens(own, view), _sizes(own, view.others)) == wanted:
                yield number, view, own[view.features]


def _present(shapes: Sequence[Shape | None]) -> list[int]:
    return [n for n, shape in enumerate(shapes) if shape and len(shape) > 1 and all(shape)]


def _results(shape: Shape) -> Iterator[Axes]:
    """The ways to read a result, whose features come last."""
    last = len(shape) - 1
    for tokens in (*range(last), None):
        yield Axes(last, tokens, tuple(i for i in range(last) if i != tokens))


def _views(shape: Shape, transposed: bool) -> Iterator[Axes]:
    """The ways to read keys or values."""
    last = len(shape) - 1
    for features, tokens in itertools.permutations(range(len(shape)), 2):
        if transposed or features == last:
            rest = tuple(i for i in range(len(shape)) if i not in (features, tokens))
            yield Axes(features, tokens, rest)


def _alike(axes: Axes, transposed: bool) -> list[Axes]:
    """The axes of keys, given those of values: the same, or transposed."""
    swapped = Axes(axes.tokens or 0, axes.features, axes.others)
    return [axes, swapped] if transposed else [axes]


def _aligned(axes: Axes, transposed: bool) -> list[Axes]:
    """The axes of queries, given those of the result: in its order, with features anywhere."""
    if not transposed:
        return [axes]
    found: list[Axes] = []
    # The features of a result come last.
    for features in reversed(range(axes.features + 1)):
        place = [i for i in range(axes.features + 1) if i != features]
        tokens = None if axes.tokens is None else place[axes.tokens]
        found.append(Axes(features, tokens, tuple(place[axis] for axis in axes.others)))
    return found


def _pairings(
    mine: Shape, theirs: Shape
) -> Iterator[tuple[tuple[int | None, ...], tuple[int, ...]]]:
    """The ways in which other axes of a result can be those of values, in order, and their ratios.

    One of them may be grouped: several heads of queries for each head of values. One may be the
    result's alone.
    """
    if len(mine) - len(theirs) not in (0, 1):
        return
    for kept in itertools.combinations(range(len(mine)), len(theirs)):
        partners = tuple(kept.index(i) if i in kept else None for i in range(len(mine)))
        sizes = [1 if partner is None else theirs[partner] for partner in partners]
        ratios = tuple(size // their for size, their in zip(mine, sizes, strict=True))
        whole = all(r * s == m for r, s, m in zip(ratios, sizes, mine, strict=True))
        if whole and sum(ratio > 1 for ratio in ratios) <= 1:
            yield partners, ratios


def _sizes(shape: Shape, axes: Sequence[int]) -> Shape:
    return tuple(shape[axis] for axis in axes)


def _tokens(shape: Shape, axes: Axes) -> int | None:
    return None if axes.tokens is None else shape[axes.tokens]


def _against_grid(signature: Signature, reading: Reading) -> int:
    """How many axes would be one, although their blocks are chosen by other axes of the grid."""
    values, result = signature.grids[reading.value], signature.result_grids[reading.output]
    if values is None or result is None:
        return 0
    out, val = reading.output_axes, reading.value_axes
    apart = sum(result[axis] != values[partner] for axis, partner in reading.pairs)
    if out.tokens is not None and val.tokens is not None:
        apart += bool(result[out.tokens]) and result[out.tokens] == values[val.tokens]
    return apart


def _oddity(signature: Signature, reading: Reading) -> tuple[int, ...]:
    """How far a reading is from what is usual, the weightiest first."""
    out, val = reading.output_axes, reading.value_axes
    slots = (reading.query, reading.key, reading.value)
    names = [signature.names[slot].lower() for slot in slots]
    last = len(signature.operands[reading.value] or ()) - 1
    transposed = (
        val.features != last,
        reading.key_axes != val,
        reading.query_axes.features != out.features,
    )
    return (
        out.tokens is None,
        sum(not name.startswith(letter) for name, letter in zip(names, "qkv", strict=True)),
        None in reading.partners,
        sum(transposed),
        sum(axis != partner for axis, partner in reading.pairs),
        sum(ratio != 1 for ratio in reading.ratios),
        sum(before > after for before, after in itertools.combinations(slots, 2)),
        reading.output,
        # Most kernels have heads before tokens.
        -(out.tokens or 0),
        -(val.tokens or 0),
    )


_MOST = 16
