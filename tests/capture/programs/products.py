"""Contractions of arrays with lettered axes, in the several ways in which people write them."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

Product = Callable[[jax.Array, str, jax.Array, str, str], jax.Array]


def by_einsum(a: jax.Array, of_a: str, b: jax.Array, of_b: str, out: str) -> jax.Array:
    return jnp.einsum(f"{of_a},{of_b}->{out}", a, b)


def by_einsum_swapped(a: jax.Array, of_a: str, b: jax.Array, of_b: str, out: str) -> jax.Array:
    return jnp.einsum(f"{of_b},{of_a}->{out}", b, a)


def by_dot_general(a: jax.Array, of_a: str, b: jax.Array, of_b: str, out: str) -> jax.Array:
    batch = [letter for letter in of_b if letter in of_a and letter in out]
    contracted = [letter for letter in of_a if letter in of_b and letter not in out]
    pairs = [tuple(list(map(of.index, ls)) for of in (of_a, of_b)) for ls in (contracted, batch)]
    numbers = (pairs[0][0], pairs[0][1]), (pairs[1][0], pairs[1][1])
    result = lax.dot_general(a, b, numbers)
    left = [letter for of in (of_a, of_b) for letter in of if letter not in [*batch, *contracted]]
    return turned(result, "".join([*batch, *left]), out)


def by_multiplication(a: jax.Array, of_a: str, b: jax.Array, of_b: str, out: str) -> jax.Array:
    """Both are spread over all letters, multiplied, and summed over what is not in `out`."""
    summed = [letter for letter in of_a if letter not in out]
    order = out + "".join(summed)
    spread = []
    for array, of in ((a, of_a), (b, of_b)):
        present = "".join(letter for letter in order if letter in of)
        shape = [array.shape[of.index(letter)] if letter in of else 1 for letter in order]
        spread.append(turned(array, of, present).reshape(shape))
    return (spread[0] * spread[1]).sum(tuple(range(len(out), len(order))))


def by_matmul(a: jax.Array, of_a: str, b: jax.Array, of_b: str, out: str) -> jax.Array:
    """Free letters of each side are merged to one axis before, and split after."""
    batch = "".join(letter for letter in out if letter in of_a and letter in of_b)
    summed = "".join(letter for letter in of_a if letter in of_b and letter not in out)
    rows, columns = (
        "".join(letter for letter in of if letter not in batch + summed) for of in (of_a, of_b)
    )
    sizes = dict(zip(of_a + of_b, a.shape + b.shape, strict=True))

    def merged(letters: str) -> int:
        return math.prod(sizes[letter] for letter in letters)

    lead = [sizes[letter] for letter in batch]
    left = turned(a, of_a, batch + rows + summed).reshape(*lead, merged(rows), merged(summed))
    right = turned(b, of_b, batch + summed + columns)
    right = right.reshape(*lead, merged(summed), merged(columns))
    result = jnp.matmul(left, right)
    split = result.reshape([sizes[letter] for letter in batch + rows + columns])
    return turned(split, batch + rows + columns, out)


def turned(array: jax.Array, of: str, out: str) -> jax.Array:
    """Transposed from one order of letters to another; not at all if they agree."""
    return array if of == out else jnp.transpose(array, [of.index(letter) for letter in out])


PRODUCTS: dict[str, Product] = {
    "einsum": by_einsum,
    "einsum swapped": by_einsum_swapped,
    "dot_general": by_dot_general,
    "multiplication": by_multiplication,
    "matmul": by_matmul,
}
