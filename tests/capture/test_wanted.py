"""What comes beside weights: logits, mask, bias, query, key, value, output; each by hand too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport.capture import with_attention
from attnreport.capture.choice.options import WANTED
from tests.capture.attending import ROUNDING, attend, numbers, projections

LAYER, X = projections(), numbers(2, 5, 8)
CAUSAL = np.tril(np.ones((5, 5), bool))
RELATIVE = numbers(2, 5, 5, seed=9)
NO_BIAS = "Nothing is added to the product of queries and keys, so there is no bias."


def scored(change):
    """Attention whose products of queries and keys are changed before the softmax."""

    def model(layer, x, *others):
        query, key, value = (jnp.einsum("btm,mhd->bhtd", x, layer[name]) for name in "qkv")
        weights = jax.nn.softmax(change(query @ key.mT, *others))
        return jnp.moveaxis(weights @ value, 1, 2).reshape(x.shape)

    return model


def captured(function, *args, **options):
    _, attention = with_attention(function, **options)(*args)
    (found,) = attention.values()
    return found


def products(layer, x):
    query, key = (np.einsum("btm,mhd->bhtd", x, layer[name]) for name in "qk")
    return np.einsum("bhqd,bhkd->bhqk", query, key)


def bias_and_note(change, *others):
    found = captured(scored(change), LAYER, X, *others, want=("weights", "bias"))
    return found.others.get("bias"), found.about.notes


def test_all_of_it_belongs_together():
    def change(scores, relative, mask):
        return jnp.where(mask, (scores + relative) / 2, -1e9)

    found = captured(scored(change), LAYER, X, RELATIVE, CAUSAL, want=WANTED)
    assert set(found.others) == set(WANTED) - {"weights"}
    assert found.about.notes == ()
    others = {name: np.asarray(array) for name, array in found.others.items()}
    assert np.array_equal(others["mask"], np.broadcast_to(CAUSAL, (2, 2, 5, 5)))
    assert np.array_equal(others["bias"], np.broadcast_to(RELATIVE / 2, (2, 2, 5, 5)))
    # The program multiplies by a transposed key.
    ours = others["query"] @ others["key"] / 2 + others["bias"]
    assert abs(np.where(CAUSAL, ours - others["logits"], 0)).max() <= 1e-5
    assert abs(jax.nn.softmax(others["logits"]) - found.weights).max() <= ROUNDING
    assert abs(np.asarray(found.weights) @ others["value"] - others["output"]).max() <= 1e-5


def test_weights_are_left_out_if_they_are_not_wanted():
    found = captured(attend, LAYER, X, want="logits")
    assert found.weights is None
    assert list(found.others) == ["logits"]
    assert found.proof.product_error < 1e-6


def additive_mask(scores):
    return scores / 2 + jnp.where(CAUSAL, 0, -1e9)


def replaced(scores):
    return jnp.where(CAUSAL, scores / 2, jnp.finfo(jnp.float32).min)


def after_the_softmax(scores):
    return scores / 2


@pytest.mark.parametrize(
    ("change", "allowed"),
    [(additive_mask, CAUSAL), (replaced, CAUSAL), (after_the_softmax, np.ones((5, 5), bool))],
)
def test_a_mask_is_what_queries_may_look_at(change, allowed):
    mask = captured(scored(change), LAYER, X, want=("weights", "mask")).others["mask"]
    assert (mask.dtype, mask.shape) == (jnp.bool_, (2, 2, 5, 5))
    assert np.array_equal(mask, np.broadcast_to(allowed, mask.shape))


def test_weights_that_vanish_are_not_masked_and_masked_rows_are():
    def far_apart(scores):
        return 200 * scores

    found = captured(scored(far_apart), LAYER, X, want=("weights", "mask"))
    assert (found.weights == 0).any()
    assert found.others["mask"].all()

    def nothing_left(scores):
        # The first query may look nowhere, so the softmax spreads it evenly.
        return scores + jnp.where(np.arange(5)[:, None] == 0, -1e9, 0)

    found = captured(scored(nothing_left), LAYER, X, want=("weights", "mask"))
    assert (found.weights[:, :, 0] > 0).all()
    assert np.array_equal(found.others["mask"].any(-1)[0, 0], np.arange(5) > 0)


@pytest.mark.parametrize("fill", [-jnp.inf, -1e9, -1000.0])
def test_weights_that_vanish_beside_a_mask_are_not_masked(fill):
    def far_apart(scores):
        return jnp.where(CAUSAL, scores + 200 * jnp.arange(5), fill)

    found = captured(scored(far_apart), LAYER, X, want=("weights", "mask"))
    assert (found.weights[..., 4, :3] == 0).all()
    assert np.array_equal(found.others["mask"], np.broadcast_to(CAUSAL, (2, 2, 5, 5)))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s, r: s / 2 + r, RELATIVE),
        (lambda s, r: (s + r) / 2, RELATIVE / 2),
        (lambda s, r: (r - s) / -2, RELATIVE / -2),
        (lambda s, r: s - r + 2 * r, RELATIVE),
        (lambda s, r: jnp.where(CAUSAL, s + r, -jnp.inf), RELATIVE),
        (lambda s, r: jnp.where(CAUSAL, s + r, s), np.where(CAUSAL, RELATIVE, 0)),
        (lambda s, r: (s.astype(jnp.bfloat16) + r.astype(jnp.bfloat16)).astype(jnp.float32), None),
        (lambda s, r: (s.transpose(0, 1, 3, 2) + r.mT).transpose(0, 1, 3, 2), RELATIVE),
    ],
)
def test_a_bias_is_what_is_added_in_units_of_the_logits(change, expected):
    bias, notes = bias_and_note(change, RELATIVE)
    if expected is None:
        expected = RELATIVE.astype(jnp.bfloat16).astype(jnp.float32)
    assert notes == ()
    assert np.array_equal(bias, np.broadcast_to(expected, bias.shape))


def test_an_additive_mask_is_a_bias():
    bias, _ = bias_and_note(additive_mask)
    assert np.array_equal(bias[0, 0], np.where(CAUSAL, 0, np.float32(-1e9)))


@pytest.mark.parametrize(
    "change", [lambda s: s / 2, lambda s: s, replaced], ids=["scaled", "plain", "masked"]
)
def test_no_bias_is_said(change):
    assert bias_and_note(change) == (None, (NO_BIAS,))


@pytest.mark.parametrize(
    ("change", "primitive"),
    [
        (lambda s, r: 5 * jnp.tanh((s + r) / 5), "tanh"),
        (lambda s, r: s * s + r, "mul"),
        (lambda s, r: jnp.clip(s, -3, 3) + r, "max"),
        (lambda s, r: jnp.where(s > 0, s, 0.1 * s) + r, "gt"),
    ],
)
def test_a_bias_that_cannot_be_told_apart_is_said(change, primitive):
    bias, (note,) = bias_and_note(change, RELATIVE)
    assert bias is None
    assert note == (
        "What is added to the product of queries and keys cannot be told apart from it: it goes "
        f"through `{primitive}`."
    )


def test_a_bias_of_infinite_scores_holds_no_other_numbers():
    bias, _ = bias_and_note(lambda s, r: s.at[0, 0, 0, 0].set(1e38) * 1e10 + r, RELATIVE)
    assert bias is None or np.isfinite(bias).all()


def attention_pooling(query, x):
    weights = jax.nn.softmax(x @ query)
    return jnp.einsum("bt,btm->bm", weights, x)


def test_what_there_is_not_is_left_out_and_said():
    def gate(x):
        squeezed = x.mean(1)
        return x * jax.nn.sigmoid(squeezed @ numbers(8, 8, seed=4))[:, None]

    found = captured(gate, X, want=("weights", "query", "key"))
    assert (found.kind, dict(found.others)) == ("gate", {})
    assert found.about.notes == tuple(
        f"There is no {name}: no product of queries and keys was found before the weights."
        for name in ("query", "key")
    )


def test_what_comes_from_outside_of_a_loop_has_no_axis_for_it():
    memory = numbers(2, 6, 8, seed=3)

    def decode(layer, x, memory):
        key, value = (jnp.einsum("btm,mhd->bhtd", memory, layer[name]) for name in "kv")

        def step(state, each):
            query = jnp.einsum("bm,mhd->bhd", state + each, layer["q"])
            weights = jax.nn.softmax(jnp.einsum("bhd,bhtd->bht", query, key))
            state = jnp.einsum("bht,bhtd->bhd", weights, value).reshape(state.shape)
            return state, state

        return jax.lax.scan(step, memory[:, 0], jnp.moveaxis(x, 1, 0))[1]

    found = captured(decode, LAYER, X, memory, want=("weights", "query", "key", "value"), heads=1)
    assert found.axes == ("step", "batch", "head", "query", "key")
    assert found.weights.shape == (5, 2, 1, 1, 6)
    assert found.others["query"].shape == (5, 2, 1, 4)
    for name in ("key", "value"):
        expected = jnp.einsum("btm,mhd->bhtd", memory, LAYER[name[0]])[:, 1:]
        assert abs(found.others[name] - expected).max() <= ROUNDING
    assert found.about.notes == tuple(
        f"The {name} is computed outside of the loop or branch of the weights, so it has no axis "
        "for it."
        for name in ("key", "value")
    )


def test_scores_from_outside_of_a_branch_are_given():
    def model(layer, x, sharp):
        query, key, value = (jnp.einsum("btm,mhd->bhtd", x, layer[name]) for name in "qkv")
        scores = query @ key.mT

        def attended(factor):
            return lambda scores: jax.nn.softmax(factor * scores) @ value

        return jax.lax.cond(sharp, attended(4), lambda scores: value, scores)

    found = captured(model, LAYER, X, True, want=WANTED, heads=[0])
    query = jnp.einsum("btm,mhd->bhtd", X, LAYER["q"])[:, :1]
    assert abs(found.others["query"] - query).max() <= ROUNDING
    assert abs(found.weights - jax.nn.softmax(4 * products(LAYER, X)[:, :1])).max() <= ROUNDING


def test_grouped_queries_keep_all_heads_of_keys_and_say_so():
    query, key = numbers(2, 5, 4, 8), numbers(2, 5, 2, 8, seed=1)
    found = captured(
        jax.nn.dot_product_attention, query, key, key, want=("weights", "logits", "key"), heads=[3]
    )
    assert found.weights.shape[1] == found.others["logits"].shape[1] == 1
    assert found.others["key"].size == key.size
    assert found.about.notes == (
        "All heads are in key: no axis of it alone holds the heads of the weights.",
    )
