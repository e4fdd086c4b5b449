"""Functions that JAX cannot trace: what is said of them, with the place and the fix."""

import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport import capture_attention, plan_attention, with_attention
from attnreport._errors import CaptureError
from attnreport.capture.program.untraceable import explanation
from tests.capture.versions import AFTER_0_10_0

X = jnp.ones((2, 3))
LEFT_OVER = []


def branching(x):
    return x if x.sum() > 0 else -x


def indexing(x):
    return [0, 1, 2][x[0, 0].astype(int)]


def selecting(x):
    return x[x > 0]


def converting(x):
    return x * float(x.sum())


def with_numpy(x):
    return np.asarray(x)


def with_mathematics(x):
    return math.sin(x)


def counting(x):
    return sum(range(x.sum()))


BRANCHES = (
    "because its Python code depends on values of an array ({}). Pass such values as Python "
    "numbers, or branch with `jax.lax.cond` and `jnp.where`."
)
NUMPY = (
    "because it gives an array to NumPy or to other code outside of JAX ({}). Use `jax.numpy` "
    "there, or `jax.pure_callback` where JAX has no such function."
)
OUTSIDE = (
    "because code outside of JAX is given an array that has no numbers yet ({}). Use functions of "
    "JAX there, or `jax.pure_callback`."
)


@pytest.mark.parametrize("capture", [plan_attention, capture_attention, with_attention])
@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (branching, BRANCHES),
        (indexing, BRANCHES),
        (selecting, BRANCHES),
        (converting, BRANCHES),
        (with_numpy, NUMPY),
        (with_mathematics, OUTSIDE),
        (counting, OUTSIDE),
    ],
)
def test_code_outside_of_jax_is_told_with_its_place(function, reason, capture):
    place = f"test_untraceable.py:{function.__code__.co_firstlineno + 1}"
    before, after = reason.split("{}")
    sentence = f"The function cannot be traced by JAX ({place}), {before}"
    with pytest.raises(
        CaptureError, match=f"^{re.escape(sentence)}.+{re.escape(after)}$"
    ) as raised:
        capture(function)(X) if capture is with_attention else capture(function, X)
    assert isinstance(raised.value.__cause__, Exception)


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: "text", "a str"),
        (lambda x: {"a": x, "b": "text"}, "a str at `['b']` of its output"),
        (lambda x: (x, [object()]), "a object at `[1][0]` of its output"),
    ],
)
def test_what_is_returned_is_told(function, what):
    if not AFTER_0_10_0:  # where JAX does not tell the place
        what = what.partition(" at ")[0]
    sentence = (
        f"The function returns {what}, which JAX cannot trace. Return arrays, in tuples and "
        "dictionaries; leave out the rest, or wrap the function in one that does."
    )
    with pytest.raises(CaptureError, match=f"^{re.escape(sentence)}$"):
        with_attention(function)(X)


def test_being_traced_is_told():
    def inside(x):
        capture_attention(lambda x: jax.nn.softmax(x @ x.T) @ x, x)
        return x

    with pytest.raises(CaptureError, match=r"^`x` is being traced by JAX.*`with_attention` there"):
        jax.jit(inside)(X)


def test_an_empty_batch_is_told():
    with pytest.raises(CaptureError, match=r"^`x` has no entries \(its shape is \(0, 5, 8\)\)"):
        capture_attention(lambda x: jax.nn.softmax(x @ x.mT) @ x, np.zeros((0, 5, 8)))


def test_a_model_that_changes_itself_is_told():
    class Caching:
        kept = None

        def __call__(self, x):
            keys = x if self.kept is None else jnp.concatenate([self.kept, x])
            self.kept = keys
            return jax.nn.softmax(x @ keys.T) @ keys

    with pytest.raises(CaptureError, match="in attributes of the model: return them, and pass"):
        capture_attention(Caching(), X)


def test_arrays_of_other_calls_are_told():
    jax.make_jaxpr(LEFT_OVER.append)(X)
    sentence = (
        "The function cannot be traced by JAX, because it uses an array that was left over from "
        "tracing another call. Do not keep arrays in variables outside of the function or in "
        "attributes of the model: return them, and pass them as arguments."
    )
    with pytest.raises(CaptureError, match=f"^{re.escape(sentence)}$"):
        with_attention(lambda x: x + LEFT_OVER[0])(X)


@pytest.mark.parametrize("compiled", [False, True])
def test_deleted_arrays_that_a_function_holds_are_told(compiled):
    gone = jnp.ones(3)
    gone.delete()
    function = (lambda x: x + gone) if not compiled else jax.jit(lambda x: x + gone)
    sentence = (
        "The function uses an array float32[3] that was deleted, as one is that was donated to a "
        "compiled function. Capture before that, or keep a copy."
    )
    with pytest.raises(CaptureError, match=f"^{re.escape(sentence)}$"):
        with_attention(function)(X)


@pytest.mark.parametrize("error", [ZeroDivisionError("its own"), TypeError("add got (2,), (3,)")])
def test_errors_of_the_function_are_not_explained(error):
    def failing(x):
        raise error

    assert explanation(error) == ""
    with pytest.raises(type(error), match=re.escape(str(error))):
        with_attention(failing)(X)
