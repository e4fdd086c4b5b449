"""Calls of any library as programs: labels of their inputs, and errors that say what is wrong."""

import functools
import re

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from attnreport._errors import CaptureError
from attnreport.capture.program.trace import pure_call, trace

X = jnp.ones((2, 3))


def labels(function, *args, **kwargs):
    traced = trace(function, args, kwargs)
    assert len(traced.labels) == len(traced.leaves) == len(traced.closed.jaxpr.invars)
    return traced.labels


def test_inputs_are_called_by_the_names_of_their_arguments():
    def model(params, x, *others, scale):
        return x @ params["layer"]["kernel"] * scale + sum(others)

    params = {"layer": {"kernel": jnp.ones((3, 3))}}
    found = labels(model, params, X, 1.0, X, scale=jnp.ones(()))
    assert found == ("params['layer']['kernel']", "x", "3", "scale")
    assert labels(jax.jit(model), params, X, scale=2)[:2] == ("params['layer']['kernel']", "x")
    bound = functools.partial(model, params)
    assert labels(bound, X, scale=2) == ("x",)


def test_labels_of_nnx():
    model = nnx.Linear(3, 4, rngs=nnx.Rngs(0))
    assert labels(model, X) == ("inputs", "model['bias'].value", "model['kernel'].value")


def test_labels_of_modules_that_a_function_holds():
    encoder, others = nnx.Linear(3, 3, rngs=nnx.Rngs(0)), [nnx.Linear(3, 3, rngs=nnx.Rngs(1))]
    found = labels(lambda x: others[0](encoder(x)), X)
    assert {label.partition("[")[0] for label in found} == {"x", "encoder", "others_0"}


def test_labels_of_linen():
    module = linen.Dense(4)
    variables = module.init(jax.random.key(0), X)
    found = labels(module.apply, variables, X)
    assert found == ("variables['params']['bias']", "variables['params']['kernel']", "1")


def test_labels_of_equinox():
    model = eqx.nn.Linear(3, 4, key=jax.random.key(0))
    assert labels(model, X[0]) == ("model.weight", "model.bias", "x")
    mapped = eqx.filter_vmap(model)
    assert len(trace(mapped, (X,), {}).closed.jaxpr.outvars) == 1


def test_labels_of_haiku():
    net = hk.without_apply_rng(hk.transform(lambda x: hk.Linear(4, name="dense")(x)))
    params = net.init(jax.random.key(0), X)
    assert labels(net.apply, params, X)[:2] == ("params['dense']['b']", "params['dense']['w']")


def test_shapes_are_enough():
    shape = jax.ShapeDtypeStruct((2, 3), jnp.bfloat16)
    traced = trace(lambda x, n: [x * n], (shape, 3), {})
    (out,) = traced.closed.out_avals
    assert (out.shape, out.dtype) == ((2, 3), jnp.bfloat16)
    assert traced.leaves == [shape]
    assert traced.structure == jax.tree.structure([0])


def test_python_values_stay_what_they_are():
    seen = []

    def model(x, number, text, flag, nothing, array):
        seen.append((number, text, flag, nothing, type(array)))
        return x

    trace(model, (X, 3, "text", True, None, np.ones(2)), {})
    ((number, text, flag, nothing, kind),) = seen
    assert (number, text, flag, nothing) == (3, "text", True, None)
    assert issubclass(kind, jax.core.Tracer)


def test_random_keys_are_inputs():
    def model(key, old, x):
        return x + jax.random.normal(key, x.shape) + jax.random.normal(old, x.shape)

    assert labels(model, jax.random.key(0), jax.random.PRNGKey(0), X) == ("key", "old", "x")


def test_the_pure_function_gives_what_the_call_gives():
    model = nnx.BatchNorm(3, rngs=nnx.Rngs(0))
    before = np.asarray(model.mean[...])
    call = pure_call(lambda model, x: {"out": model(x)}, (model, X), {})
    found = jax.jit(call.function)(call.leaves)
    assert np.array_equal(model.mean[...], before)
    assert np.array_equal(found["out"], model(X))
    assert not np.array_equal(model.mean[...], before)


@pytest.mark.parametrize("thing", ["bert-base-uncased", 3, {"params": X}])
def test_what_cannot_be_called_is_refused(thing):
    with pytest.raises(CaptureError, match=f"A {type(thing).__name__} cannot be called.*Give a"):
        trace(thing, (X,), {})


def test_errors_of_the_function_pass():
    def failing(x):
        raise ZeroDivisionError("the model's own mistake")

    with pytest.raises(ZeroDivisionError, match="own mistake"):
        trace(failing, (X,), {})
    with pytest.raises(TypeError, match="missing"):
        trace(lambda x, y: x, (X,), {})


def test_deleted_buffers_are_told():
    gone = jnp.ones((2, 3))
    gone.delete()
    sentence = (
        "`x` was deleted, as an array is that was donated to a compiled function. Capture before "
        "that, or give a copy."
    )
    with pytest.raises(CaptureError, match=f"^{re.escape(sentence)}$"):
        trace(lambda x: x, (gone,), {})


class Sowing(nnx.Module):
    """A model that sows by itself, outside of `nnx.capture`."""

    def __call__(self, x):
        self.sow(nnx.Intermediate, "seen", x)
        return 2 * x


def test_warnings_of_a_model_are_those_of_a_call():
    model = Sowing()
    with pytest.warns(DeprecationWarning, match="sow") as when_called:
        model(X)
    with pytest.warns(DeprecationWarning, match="sow") as when_traced:
        trace(Sowing(), (X,), {})
    assert len(when_called) == len(when_traced)
