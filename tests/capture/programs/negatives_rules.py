"""What only looks like attention, to the rules that tell what it looks like."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("Neighboring distributions are multiplied with each other; there are no values.")
def neighboring_distributions(draw: Draw) -> Case:
    def fn(x, w):
        p = jax.nn.softmax(x @ w)
        after = lax.dynamic_slice(p, (0, 1, 0), (2, 5, 7))
        halves = jnp.split(p, 2, axis=1)
        return (
            jnp.einsum("btc,buc->btu", p, p[:, 1:]),
            jnp.einsum("btc,buc->btu", p, after),
            jnp.einsum("btc,buc->btu", p, halves[0]),
        )

    return Case(fn, (draw(2, 6, 8), draw.weight(8, 7)), sentence="softmax")


@program("Scores go through all that a linear attention may do to them before they meet values.")
def linear_attention_with_detours(draw: Draw) -> Case:
    def fn(x, p, decay):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        s = jnp.where(jnp.tril(jnp.ones((5, 5))) > 0, -(q @ k.mT), 0.0)[..., :4]
        s = jnp.einsum("bhqk,qk->bhqk", s, decay)
        return jnp.cumsum(s, -2) @ v[..., :4, :]

    args = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4), draw(5, 4)
    return Case(fn, args, sentence="linear attention")


@program("A wavelet: differences and means of neighbors, and nothing that remembers.")
def haar_wavelet(draw: Draw) -> Case:
    def fn(x):
        return x[::2] - x[1::2], x[::2] + x[1::2]

    return Case(fn, (draw(8, 3),))
