"""What the dimensions of a kernel's weights mean, once it is known which operand is which."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis, Factor, copied, fresh_axis, stems_from
from attnreport.capture.dimensions.products import Product
from attnreport.capture.kernels.calls import KernelCall
from attnreport.capture.kernels.readings import Axes, Reading
from attnreport.capture.kernels.weights import Measurement, tolerance
from attnreport.capture.program.graph import Value
from attnreport.capture.program.jaxprs import Address
from attnreport.capture.program.lineage import Numbers
from attnreport.capture.roles.projections import Projection, projection_of, with_data_in_common
from attnreport.capture.roles.roles import Layout, Role, Roles


@dataclasses.dataclass(frozen=True, eq=False)
class _Side:
    """Queries or keys, and their dimensions.

    Attributes:
        value: The operand.
        others: Its batch and heads, axis by axis.
        tokens: Its tokens; `()` for a single one.
        features: What the scores sum over.
    """

    value: Value
    others: tuple[Axis, ...]
    tokens: Axis
    features: Axis


@dataclasses.dataclass(frozen=True, eq=False)
class KernelAttention:
    """A kernel, or a call around it, that is read in one way.

    Attributes:
        call: The kernel.
        reading: The reading.
        values: The values.
        product: The product of queries and keys.
        roles: What the dimensions of its weights mean.
        layout: How to bring what is neither queries nor keys into the order batch, head.
        shape: Batch, head, query and key.
    """

    call: KernelCall
    reading: Reading
    values: Value
    product: Product
    roles: Roles
    layout: Layout
    shape: tuple[int, int, int, int]

    @property
    def result(self) -> Value:
        """The value that its result is in the program."""
        value = self.call.results[self.reading.output]
        if value is None:
            raise ValueError("A number in the program's text is no result of an attention.")
        return value

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where replay finds its operands, and last its result."""
        given = (address for address in self.call.addresses if address is not None)
        return (*given, (self.call.path, self.reading.output))

    @property
    def misplaced(self) -> int:
        """How many dimensions of tokens came out of the matrix of a projection.

        What comes out of it is heads and features.
        """
        projections = self.roles.query_projection, self.roles.key_projection
        return sum(
            stems_from(factor, projection.heads)
            for tokens, projection in zip(self.product.own, projections, strict=True)
            if projection is not None and not projection.across
            for factor in tokens
        )

    def measurement(self, values: Mapping[Address, Any]) -> Measurement:
        """How to measure the weights of a run.

        Args:
            values: What its operands and its result were, by address.
        """
        *given, result = self.addresses
        operands = self.call.filled([values[address] for address in given])
        slot = self.reading.value

        def run(replaced: Any) -> Any:
            again = self.call.run([*operands[:slot], replaced, *operands[slot + 1 :]])
            return again[self.reading.output]

        return Measurement(run, operands[slot], values[result], self.reading, self.layout)


class KernelRoles:
    """Finds out what the dimensions of kernels mean from the program around them."""

    def __init__(
        self, dimensions: Dimensions, numbers: Numbers, is_weights: Callable[[Value], bool]
    ):
        """Knows a program, and which of its values are weights."""
        self._dimensions = dimensions
        self._numbers = numbers
        self._is_weights = is_weights

    def read(self, call: KernelCall, reading: Reading) -> KernelAttention:
        """A kernel in one reading, with the roles of its dimensions."""
        query = self._side(call.operand(reading.query), reading.query_axes)
        key = self._side(call.operand(reading.key), reading.key_axes)
        queries, keys = (fresh_axis(_size(side.tokens), side.tokens) for side in (query, key))
        projections = self._projections(query, key)
        others = tuple(copied(axis) for axis in query.others)
        of, guesses = _batch_and_heads(others, reading, projections[0])
        of |= {**dict.fromkeys(queries, "query"), **dict.fromkeys(keys, "key")}
        roles = Roles(of, (_explanation(call, reading), *guesses), *projections)
        layout = roles.layout(others)
        product = Product(
            operands=(query.value, key.value),
            summed=(query.features, key.features),
            own=(query.tokens, key.tokens),
            made=(queries, keys),
            shared=(_flat(query.others), _flat(key.others)),
        )
        shape = (*layout.shape[:2], _size(queries), _size(keys))
        values = call.operand(reading.value)
        return KernelAttention(call, reading, values, product, roles, layout, shape)

    def _side(self, value: Value, axes: Axes) -> _Side:
        own = self._dimensions.of(value)
        tokens = () if axes.tokens is None else own[axes.tokens]
        return _Side(value, tuple(own[place] for place in axes.others), tokens, own[axes.features])

    def _projections(self, query: _Side, key: _Side) -> tuple[Projection | None, Projection | None]:
        asking, answering = (
            projection_of(self._dimensions, side.value, side.features, self._is_weights)
            for side in (query, key)
        )
        common = with_data_in_common(self._numbers, asking, answering)
        return common, with_data_in_common(self._numbers, answering, asking)


def _batch_and_heads(
    others: Sequence[Axis], reading: Reading, query: Projection | None
) -> tuple[dict[Factor, Role], tuple[str, ...]]:
    """The roles of what is neither queries nor keys, and what was guessed.

    Heads travel with the features of a projection. Without one, they are what the values have fewer
    of, or the last of several axes.
    """
    matrix = () if query is None or query.across else query.heads
    of: dict[Factor, Role] = {
        factor: "head" if matrix and stems_from(factor, matrix) else "batch"
        for axis in others
        for factor in axis
    }
    several = [axis for axis in others if axis]
    ratios = zip(others, reading.ratios, strict=True)
    grouped = [axis for axis, ratio in ratios if axis and ratio != 1]
    if "head" in of.values() or not (grouped or several[1:]):
        return of, ()
    heads = (grouped or several)[-1]
    of.update((factor, "head") for factor in heads)
    return of, () if grouped else (_BY_PLACE,)


def _explanation(call: KernelCall, reading: Reading) -> str:
    limit = tolerance(call.result(reading.output).dtype)
    return (
        "The weights are in no array of the program: they are measured, by running the fused "
        f"kernel `{call.name}` again with unit vectors as its values. They are shown only if, "
        f"times its own values, they miss its own result by at most {limit:.1g} of its largest "
        "number."
    )


def _flat(axes: Sequence[Axis]) -> Axis:
    return tuple(factor for axis in axes for factor in axis)


def _size(axis: Axis) -> int:
    return math.prod(factor.size for factor in axis)


_BY_PLACE = (
    "Queries and keys come without a projection, so which axis holds the heads was taken from its "
    "place."
)
