"""What programs over eight devices have in common."""

import jax
import jax.numpy as jnp
from jax.sharding import AbstractMesh, AxisType

from tests.capture.programs import reference as ref


def mesh_of(shape=(8,), names=("model",), kind=AxisType.Auto):
    """A mesh of eight devices, which without them can only be traced."""
    kinds = (kind,) * len(names)
    if jax.device_count() < 8:
        return AbstractMesh(shape, names, axis_types=kinds)
    return jax.make_mesh(shape, names, axis_types=kinds)


def attended(note, x, p):
    """The reference of `attend`."""
    q, k, v = (ref.project(x, p[n]) for n in "qkv")
    return ref.unproject(ref.attend(note, q, k, v), p["o"])


def inputs_of(draw, heads=8, tokens=8):
    """An input and the parameters of `attend`."""
    p = draw.weights("q k v", 8, heads, 4) | {"o": draw(heads, 4, 8, scale=0.2)}
    return draw(2, tokens, 8), p


def attend(x, p):
    """Attention with heads whose outputs are added up."""
    q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
    return jnp.einsum("bhtd,hdm->btm", jax.nn.softmax(q @ k.mT / 2) @ v, p["o"])
