"""Replays functions with a probe at each value that `checkpoint_name` marks in them."""

import jax
import numpy as np
from jax.ad_checkpoint import checkpoint_name as mark

from attnreport.capture.replay.replay import Edit, Probe, replay

__all__ = ["added", "addresses", "assert_same_bits", "equations", "mark", "probed", "replayed"]


def equations(closed, path=()):
    """Each equation of a program, the inner ones too, with its path."""
    for number, equation in enumerate(getattr(closed, "jaxpr", closed).eqns):
        here = (*path, number)
        yield here, equation
        for tag, inner in inside(equation):
            yield from equations(inner, (*here, tag))


def inside(equation):
    name, params = equation.primitive.name, equation.params
    if name == "while":
        return [("body", params["body_jaxpr"]), ("cond", params["cond_jaxpr"])]
    if name == "cond":
        return [(f"branch{n}", branch) for n, branch in enumerate(params["branches"])]
    tag = {"scan": "scan", "shard_map": "shard"}.get(name, "call")
    return [(tag, params[key]) for key in ("jaxpr", "call_jaxpr") if key in params]


def addresses(closed):
    """Where the marked values are, by mark."""
    return {
        equation.params["name"]: (path, 0)
        for path, equation in equations(closed)
        if equation.primitive.name == "name"
    }


def probed(closed, **options):
    """A replay with a probe at each mark."""
    probes = [Probe(name, (at,), lambda value: value) for name, at in addresses(closed).items()]
    return replay(closed, probes, **options)


def added(closed, *names):
    """Edits that add their input to the marked values."""
    return [Edit(name, addresses(closed)[name], lambda x, more: x + more) for name in names]


def replayed(function, *inputs, **options):
    """Probes' values and how the program ran, after a check that its outputs did not change."""
    closed = jax.make_jaxpr(function)(*inputs)
    leaves = jax.tree.leaves(inputs)
    outputs, values, aux = jax.jit(probed(closed, **options))(leaves, {})
    assert_same_bits(outputs, jax.tree.leaves(jax.jit(function)(*inputs)))
    return {name: np.asarray(value) for name, value in values.items()}, aux


def assert_same_bits(left, right):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
