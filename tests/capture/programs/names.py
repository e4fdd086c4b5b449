"""Names: what an attention has to be called, whatever else its name says."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _attend(x, p):
    q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
    w = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) / 2)
    return x + jnp.einsum("bhqk,bkhd->bqhd", w, v).reshape(x.shape)


def _ref_attend(note, x, p, name, **labels):
    q, k, v = (ref.project(x, p[n]) for n in "qkv")
    return x + ref.merge(ref.attend(note, q, k, v, name=name, **labels))


@program("Named scopes, one in another.")
def named_scopes(draw: Draw) -> Case:
    def fn(x, first, second):
        with jax.named_scope("reader"):
            for number, p in enumerate((first, second)):
                with jax.named_scope(f"block_{number}"):
                    x = _attend(x, p)
        return x

    def reference(note, x, first, second):
        for number, p in enumerate((first, second)):
            x = _ref_attend(note, x, p, f"block_{number}")
        return x

    args = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4), draw.weights("q k v", 8, 2, 4)
    return Case(fn, args, reference)


@program("The user's own tag on the weights, by checkpoint_name, in a scan.")
def tagged_weights(draw: Draw) -> Case:
    def fn(x, p):
        def layer(x, p):
            q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
            w = checkpoint_name(jax.nn.softmax(q @ k.mT / 2), "who_looks_where")
            return x + (w @ v).transpose(0, 2, 1, 3).reshape(x.shape), None

        return lax.scan(layer, x, p)[0]

    def reference(note, x, p):
        for layer in range(2):
            one = {n: p[n][layer] for n in p}
            x = _ref_attend(note, x, one, "who_looks_where", layer=layer)
        return x

    return Case(fn, (draw(2, 5, 8), {n: draw(2, 8, 2, 4, scale=0.5) for n in "qkv"}), reference)


@program("Parameters in nested dictionaries, no scopes: the path of the projections is the name.")
def paths_of_parameters(draw: Draw) -> Case:
    p = {part: {"attention": draw.weights("q k v", 8, 2, 4)} for part in ("encoder", "writer")}

    def fn(p, x):
        return _attend(_attend(x, p["encoder"]["attention"]), p["writer"]["attention"])

    def reference(note, p, x):
        x = _ref_attend(note, x, p["encoder"]["attention"], "encoder")
        return _ref_attend(note, x, p["writer"]["attention"], "writer")

    return Case(fn, (p, draw(2, 5, 8)), reference)
