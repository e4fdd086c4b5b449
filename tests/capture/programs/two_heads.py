"""A layer of two heads, and what it computes, for programs that differ in their softmax alone."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Draw


def inputs(draw: Draw, length: int = 5) -> tuple[np.ndarray, Any]:
    """Tokens, `[batch token feature]`, and the projections of queries, keys and values."""
    return draw(2, length, 8), draw.weights("q k v", 8, 2, 4)


def heads(x: Any, p: Any) -> tuple[jax.Array, ...]:
    """Queries, keys and values, `[batch head token feature]`."""
    return tuple(jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")


def plain(note: Any, x: Any, p: Any) -> np.ndarray:
    """The reference: a softmax over all tokens."""
    return ref.attend(note, *(ref.project(x, p[n]) for n in "qkv"))


def causal(note: Any, x: Any, p: Any) -> np.ndarray:
    """The reference: a softmax over the tokens before and the token itself."""
    q, k, v = (ref.project(x, p[n]) for n in "qkv")
    return ref.attend(note, q, k, v, mask=ref.causal(x.shape[1]))
