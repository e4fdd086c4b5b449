"""Two given arrays make scores: their arguments tell keys of tokens from the matrix of a layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport import plan_attention
from tests.capture.attending import numbers
from tests.capture.programs import PROGRAMS

X = numbers(10, 8)
TO_CATEGORIES, FROM_CATEGORIES = numbers(8, 4), numbers(4, 8, seed=1)


class Layer:
    """What holds its matrices as attributes, features last, as many libraries do."""

    def __init__(self, kernel, values):
        self.kernel, self.values = kernel, values


jax.tree_util.register_dataclass(Layer, ["kernel", "values"], [])


def dense(p, x):
    return jax.nn.softmax(x @ p["in"]) @ p["out"]


def mapped(p, x):
    return jax.vmap(lambda row: jax.nn.softmax(row @ p["in"]) @ p["out"])(x)


def of_a_module(layer, x):
    return jax.nn.softmax(x @ layer.kernel.T) @ layer.values


def cached(cache, x):
    return jax.nn.softmax(x @ cache["key"].T) @ cache["value"]


def plain(key, value, query):
    return jax.nn.softmax(query @ key) @ value


def experts(router, matrices, x):
    logits, chosen = jax.lax.top_k(x @ router, 2)
    made = jnp.einsum("td,edf->tef", x, matrices)
    taken = jnp.take_along_axis(made, chosen[..., None], 1)
    return jnp.einsum("tk,tkf->tf", jax.nn.softmax(logits), taken)


@pytest.mark.parametrize(
    ("function", "args", "kind"),
    [
        (dense, ({"in": TO_CATEGORIES, "out": FROM_CATEGORIES}, X), "memory"),
        (mapped, ({"in": TO_CATEGORIES, "out": FROM_CATEGORIES}, X), "memory"),
        (of_a_module, (Layer(np.ascontiguousarray(TO_CATEGORIES.T), FROM_CATEGORIES), X), "memory"),
        (experts, (TO_CATEGORIES, numbers(4, 8, 6), X), "router"),
        (cached, ({"key": FROM_CATEGORIES, "value": FROM_CATEGORIES}, X), "cross"),
        (plain, (TO_CATEGORIES, FROM_CATEGORIES, X), "cross"),
    ],
)
def test_kinds(function, args, kind):
    (planned,) = plan_attention(function, *args).attentions
    assert planned.site.kind == kind


def test_an_array_is_tokens_and_what_another_argument_holds_a_matrix():
    program = PROGRAMS["segments.ring_of_one"]()
    (found,) = plan_attention(program.fn, *program.args).attentions
    assert found.about.kind == "self"
