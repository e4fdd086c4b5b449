"""Checks an attention on its own numbers: are these the weights that the program really uses?"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Factor, ancestry, canonical
from attnreport.capture.extraction.placed import placed
from attnreport.capture.program.graph import Value
from attnreport.capture.program.lineage import Numbers, is_drawn
from attnreport.capture.roles.normalizers import is_mask, unmasked
from attnreport.capture.roles.sites import Recipe, Site, address_of

# The distance from one that rounding gives the sum of a row, in float32 and in narrower formats.
_ROUNDING, _ROUNDING_OF_NARROW = 1e-3, 0.05


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Proof:
    """What the numbers of an attention say about it.

    Attributes:
        smallest: The smallest weight.
        largest_sum: The largest sum of a row.
        row_error: The largest distance of a row's sum from 1; rows of zeros are left out.
        product_error: The largest difference between weights times values, multiplied out anew,
            and the result in the program, relative to the largest number of that result; NaN
            where the program changes the weights before it uses them.
    """

    smallest: jax.Array
    largest_sum: jax.Array
    row_error: jax.Array
    product_error: jax.Array


def row_tolerance(precision: str) -> float:
    """How far the sum of a row of weights of a number format may be from what it has to be."""
    return _ROUNDING_OF_NARROW if jnp.dtype(precision).itemsize < 4 else _ROUNDING


def proof(weights: jax.Array, product_error: jax.Array) -> Proof:
    """The proof of canonical weights, `[batch, head, query, key]`."""
    exact = weights.astype(jnp.float32)
    sums = exact.sum(-1)
    used = jnp.abs(exact).max(-1) > 0
    return Proof(
        smallest=exact.min(),
        largest_sum=sums.max(),
        row_error=jnp.where(used, jnp.abs(sums - 1), 0).max(),
        product_error=product_error,
    )


@dataclasses.dataclass(frozen=True)
class Product:
    """Weights times values as an Einstein sum, written down from the dimensions' identities.

    Attributes:
        weights: The finest dimensions of the weights, as letters, and their sizes.
        values: The same of the values.
        result: The same of the result.
    """

    weights: tuple[str, tuple[int, ...]]
    values: tuple[str, tuple[int, ...]]
    result: tuple[str, tuple[int, ...]]

    def error(self, weights: Any, values: Any, result: Any) -> jax.Array:
        """The largest difference from the program's own result, relative to its largest number."""
        (w, w_sizes), (v, v_sizes), (r, r_sizes) = self.weights, self.values, self.result
        ours = jnp.einsum(
            f"{w},{v}->{r}",
            jnp.reshape(weights, w_sizes).astype(jnp.float32),
            jnp.reshape(values, v_sizes).astype(jnp.float32),
            precision=jax.lax.Precision.HIGHEST,
        )
        theirs = jnp.reshape(result, r_sizes).astype(jnp.float32)
        largest = jnp.maximum(jnp.abs(theirs).max(), jnp.finfo(jnp.float32).tiny)
        return jnp.abs(ours - theirs).max() / largest


def product_of(dimensions: Dimensions, site: Site) -> Product | None:
    """The product to check a site with; None where dimensions cannot be told apart."""
    if site.recipe.checked is not None:
        return None
    use = site.contraction
    own = _factors(dimensions, site.weights)
    letters = {id(factor): chr(97 + number) for number, factor in enumerate(own)}
    operand = {
        id(factor): _letter(factor, own, letters) for factor in _factors(dimensions, use.weights)
    }
    told = placed(dimensions, use, operand)
    if told is not None:
        return Product(("".join(letters[id(f)] for f in own), _sizes(own)), *told)
    values = _factors(dimensions, use.values)
    for number, factor in enumerate(values):
        operand.setdefault(id(factor), chr(65 + number))
    known = _factors(dimensions, use.weights) + values
    output = _factors(dimensions, use.output)
    result = [_letter(each, known, operand) for each in output]
    inputs = set(letters.values()) | {operand[id(factor)] for factor in values}
    summed = {operand.get(id(canonical(factor))) for factor in use.over}
    sizes = {str(operand[id(factor)]): factor.size for factor in known if id(factor) in operand}
    free = {letter: size for letter, size in sizes.items() if letter not in summed}
    # Values that are added to the result, as in a residual sum, have its dimension for the keys'.
    result = [None if letter in summed else letter for letter in result]
    result = _completed(result, output, free)
    if None in operand.values() or len(set(result)) < len(result) or not set(result) <= inputs:
        return None
    return Product(
        ("".join(letters[id(f)] for f in own), _sizes(own)),
        ("".join(str(operand[id(f)]) for f in values), _sizes(values)),
        ("".join(map(str, result)), _sizes(_factors(dimensions, use.output))),
    )


def with_checked_parts(site: Site, products: Sequence[Product]) -> Site:
    """A site of several segments, with a recipe that multiplies each of them with its values.

    Args:
        site: The site.
        products: How the weights of each segment are multiplied with its values.
    """
    used = [(part.contraction.values, part.contraction.output) for part in site.parts]
    if any(
        each.address is None or each.scope is not site.weights.scope
        for pair in used
        for each in pair
    ):
        return site
    read = [len(part.recipe.addresses) for part in site.parts]
    begun = [sum(read[:number]) for number in range(len(read))]
    made = tuple(address_of(each) for pair in used for each in pair)

    def checked(*arrays: Any) -> tuple[Any, Any]:
        weights, used = arrays[: sum(read)], arrays[sum(read) :]
        errors = [
            product.error(weights[first], *used[2 * number : 2 * number + 2])
            for number, (product, first) in enumerate(zip(products, begun, strict=True))
        ]
        return site.recipe.compute(*weights), jnp.max(jnp.stack(errors))

    recipe = Recipe((*site.recipe.addresses, *made), site.recipe.compute, checked)
    return dataclasses.replace(site, recipe=recipe)


def is_masked(numbers: Numbers, value: Value, whole: Value) -> bool:
    """Whether a value is another one, at most with entries set to zero, other than by dropout.

    Args:
        numbers: Those of the program.
        value: What may be masked.
        whole: What it was before.
    """
    for current in unmasked(value):
        if numbers.same(current, whole):
            return True
        operands = () if current.node is None else current.node.inputs
        if any(is_mask(each) and is_drawn(each) for each in operands):
            return False
    return False


def _completed(
    letters: Sequence[str | None], factors: Sequence[Factor], free: Mapping[str, int]
) -> list[str | None]:
    """Letters of a result, where what is left over is told by its size.

    A result that is added to what queries were computed from has their dimension, not the queries'.
    """
    found = list(letters)
    for place, factor in enumerate(factors):
        left = [each for each, size in free.items() if each not in found and size == factor.size]
        if found[place] is None and len(left) == 1:
            found[place] = left[0]
    return found


def _letter(factor: Factor, known: Sequence[Factor], letters: dict[int, Any]) -> str | None:
    """The letter of the one known dimension that a dimension is, or is a copy of."""
    if id(factor) in letters:
        return letters[id(factor)]
    lineage = {id(each) for each in ancestry(factor)}
    # A direct copy is nearer than what it was copied from in another place.
    direct = {id(canonical(each)) for each in factor.sources}
    for among in (direct, lineage):
        found = {letters[id(each)] for each in known if id(each) in among}
        if len(found) == 1:
            return found.pop()
    return None


def _factors(dimensions: Dimensions, value: Value) -> list[Factor]:
    return [canonical(factor) for axis in dimensions.of(value) for factor in axis]


def _sizes(factors: Sequence[Factor]) -> tuple[int, ...]:
    return tuple(factor.size for factor in factors)
