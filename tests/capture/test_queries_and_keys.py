"""Queries and keys of captured maps: a softmax of their products gives the weights again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport import Recording, capture_attention, with_attention
from attnreport.models.language_generation import continue_greedily
from attnreport.models.transformer import LanguageModel
from attnreport.models.transformer_layers import TransformerSizes
from attnreport.nn import AdditiveAttention, MultiHeadAttention
from attnreport.nn.biases import Alibi
from attnreport.nn.rotary import Rotary
from tests.capture.programs import reference as ref

BATCH, TOKENS, HEADS, FEATURES = 2, 6, 4, 8
X = jax.random.normal(jax.random.key(0), (BATCH, TOKENS, HEADS * FEATURES))


def captured(function, *args, **options) -> Recording:
    return capture_attention(function, *args, queries_and_keys=True, **options)


def softmax_of(attention) -> np.ndarray:
    """The weights, from queries and keys alone, in 64 bits."""
    scoring = attention.scoring
    query, key = (np.asarray(each, np.float64) for each in (scoring.query, scoring.key))
    logits = scoring.scale * np.einsum("hqf,hkf->hqk", query, key)
    if scoring.bias is not None:
        logits = logits + np.asarray(scoring.bias, np.float64)
    return ref.softmax(np.where(attention.allowed(), logits, -np.inf))


def assert_explained(recording, **tolerance) -> None:
    for example in recording.examples:
        for attention in example.maps:
            assert attention.scoring is not None
            found = softmax_of(attention)
            np.testing.assert_allclose(found, attention.array(), atol=1e-5, **tolerance)


def weights(names="qkvo", heads=HEADS, kv_heads=HEADS, layers=None):
    found = {}
    for number, name in enumerate(names):
        count = kv_heads if name in "kv" else heads
        shape = (count, FEATURES, HEADS * FEATURES) if name == "o" else (32, count, FEATURES)
        shape = shape if layers is None else (layers, *shape)
        found[name] = jax.random.normal(jax.random.key(number), shape) / 6
    return found


def test_flax_scales_by_the_root_of_the_features_and_queries_are_its_projections():
    model = nnx.MultiHeadAttention(num_heads=HEADS, in_features=32, decode=False, rngs=nnx.Rngs(0))
    recording = captured(model, X)
    assert_explained(recording)
    query = np.einsum("btm,mhd->bhtd", X, model.query.kernel) + np.asarray(
        model.query.bias
    ).reshape(1, HEADS, 1, FEATURES)
    for number, example in enumerate(recording.examples):
        scoring = example.maps[0].scoring
        product = np.einsum("hqf,hkf->hqk", scoring.query, scoring.key) * scoring.scale
        expected = np.einsum("hqf,hkf->hqk", query[number] / FEATURES**0.5, scoring.key)
        if scoring.scale != 1:
            assert scoring.scale == FEATURES**-0.5
        np.testing.assert_allclose(product, expected, atol=1e-5)
        assert (scoring.bias, example.maps[0].logits) == (None, None)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_kv_heads": 2},
        {"num_kv_heads": 1},
        {"rotary": Rotary()},
        {"num_kv_heads": 2, "rotary": Rotary()},
        {"normalize_qk": "rms"},
    ],
    ids=str,
)
@pytest.mark.parametrize("masked", [False, True])
def test_our_own_attention_is_explained(options, masked):
    model = MultiHeadAttention(HEADS, 32, rngs=nnx.Rngs(0), **options)
    mask = jnp.tri(TOKENS, dtype=bool) if masked else None
    assert_explained(captured(lambda model, x: model(x, mask=mask), model, X))


def test_grouped_queries_have_the_keys_of_their_group():
    def attend(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[name]) for name in "qkv")
        return jax.nn.dot_product_attention(q, k, v, is_causal=True)

    p = weights(kv_heads=2)
    recording = captured(attend, p, X)
    assert_explained(recording)
    key = np.einsum("btm,mhd->bhtd", X, p["k"])
    for number, example in enumerate(recording.examples):
        expected = np.repeat(key[number], 2, axis=0)
        np.testing.assert_allclose(example.maps[0].scoring.key, expected, atol=1e-5)


def test_layers_of_a_scan_have_their_own():
    def layers(p, x):
        def layer(x, p):
            q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[name]) for name in "qkv")
            scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) * 0.3
            return x + jnp.einsum("bhtd,hdm->btm", jax.nn.softmax(scores) @ v, p["o"]), None

        return jax.lax.scan(layer, x, p)[0]

    recording = captured(layers, weights(layers=3), X)
    assert_explained(recording)
    assert [m.scoring.scale for m in recording.examples[0].maps] == pytest.approx([0.3] * 3)
    assert len(captured(layers, weights(layers=3), X, layers=[1]).examples[0].maps) == 1
    assert_explained(captured(layers, weights(layers=3), X, layers=[0, 2], heads=[1, 3]))


def test_a_bias_is_kept_once_where_heads_share_it():
    def attend(p, bias, x):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[name]) for name in "qkv")
        return jax.nn.softmax(q @ k.mT / jnp.sqrt(8.0) + bias) @ v

    bias = jax.random.normal(jax.random.key(5), (TOKENS, TOKENS))
    recording = captured(attend, weights(), bias, X)
    assert_explained(recording)
    for example in recording.examples:
        np.testing.assert_allclose(example.maps[0].scoring.bias[0], bias, atol=1e-6)
        assert example.maps[0].scoring.bias.shape == (1, TOKENS, TOKENS)


@pytest.mark.parametrize("bias", ["cap", "bias"])
def test_logits_that_are_no_multiple_of_the_product_are_kept(bias):
    options = {"cap": 2.0} if bias == "cap" else {"position_bias": Alibi(HEADS)}
    model = MultiHeadAttention(HEADS, 32, rngs=nnx.Rngs(0), **options)
    for example in captured(model, 3 * X).examples:
        (attention,) = example.maps
        if attention.scoring.scale is None:
            logits = np.asarray(attention.logits, np.float64)
            np.testing.assert_allclose(ref.softmax(logits), attention.array(), atol=1e-5)
        else:
            np.testing.assert_allclose(softmax_of(attention), attention.array(), atol=1e-5)
        if bias == "cap":
            assert attention.scoring.scale is None


def test_the_rest_of_a_row_with_a_sink_is_missing():
    model = MultiHeadAttention(HEADS, 32, sink=True, rngs=nnx.Rngs(0))
    for example in captured(model, X, normalized=False).examples:
        (attention,) = example.maps
        whole = attention.array().sum(-1, keepdims=True)
        assert whole.max() < 1
        np.testing.assert_allclose(softmax_of(attention) * whole, attention.array(), atol=1e-5)


def test_padding_is_cut_off():
    model = MultiHeadAttention(HEADS, 32, rngs=nnx.Rngs(0))
    mask = jnp.arange(TOKENS) < jnp.array([TOKENS, 4])[:, None]
    recording = captured(
        lambda model, x, mask: model(x, mask=mask[:, None, None]),
        model,
        X,
        mask,
        tokens=[list("abcdef"), list("abcd")],
    )
    assert recording.examples[1].maps[0].scoring.query.shape == (HEADS, 4, FEATURES)
    assert_explained(recording)


def test_half_precision_is_widened():
    model = MultiHeadAttention(HEADS, 32, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    (attention,) = captured(model, X).examples[0].maps
    assert attention.scoring.query.dtype == np.float32
    np.testing.assert_allclose(softmax_of(attention), attention.array(), atol=2e-2)


def test_what_is_no_product_has_none():
    model = AdditiveAttention(32, 32, 8, rngs=nnx.Rngs(0))
    recording = captured(lambda model, x: model(x, x), model, X)
    assert all(m.scoring is None for example in recording.examples for m in example.maps)


def test_the_steps_of_a_loop_have_none():
    sizes = TransformerSizes(features=16, heads=2, layers=1, feed_forward=32)
    model = LanguageModel(11, sizes, rngs=nnx.Rngs(0))
    recording = captured(continue_greedily, model, jnp.array([[1, 2, 3]]), kwargs={"length": 4})
    prefill, steps = recording.examples[0].maps
    assert prefill.scoring is not None
    assert steps.scoring is None


def test_nothing_is_kept_unasked_or_of_reduced_weights():
    model = MultiHeadAttention(HEADS, 32, rngs=nnx.Rngs(0))
    for options in ({}, {"queries_and_keys": True, "reduce": "head mean"}):
        (attention,) = capture_attention(model, X, **options).examples[0].maps
        assert (attention.scoring, attention.logits) == (None, None)


def test_no_note_tells_of_biases_that_are_not_there():
    recording = captured(MultiHeadAttention(HEADS, 32, rngs=nnx.Rngs(0)), X)
    details = [check.detail for check in recording.examples[0].maps[0].checks.others]
    assert not any("product of queries and keys" in detail for detail in details)


def test_they_can_be_had_inside_of_ones_own_code():
    model = MultiHeadAttention(HEADS, 32, num_kv_heads=2, rngs=nnx.Rngs(0))

    @jax.jit
    def run(x):
        return with_attention(model, want=("weights", "queries", "keys"))(x)[1]

    (attention,) = run(X).values()
    queries, keys = (np.asarray(attention.others[name]) for name in ("queries", "keys"))
    assert queries.shape == keys.shape == (BATCH, HEADS, TOKENS, FEATURES)
    logits = np.einsum("bhqf,bhkf->bhqk", queries, keys)
    scaled = [ref.softmax(logits * scale) for scale in (1, FEATURES**-0.5)]
    assert min(np.abs(each - attention.weights).max() for each in scaled) < 1e-5


def test_why_there_are_none_is_said():
    model = AdditiveAttention(32, 32, 8, rngs=nnx.Rngs(0))
    _, found = with_attention(lambda x: model(x, x), want=("weights", "queries"))(X)
    (attention,) = found.values()
    assert any("no products of queries and keys" in note for note in attention.about.notes)


def test_a_scale_that_no_row_tells_is_not_stated():
    """Each row has one key, so any factor gives the same weights."""

    def attend(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[name]) for name in "qkv")
        mask = jnp.eye(TOKENS, dtype=bool)
        return jax.nn.dot_product_attention(q, k, v, mask=mask[None, None], scale=0.25)

    for example in captured(attend, weights(), X).examples:
        assert example.maps[0].scoring.scale is None
        assert example.maps[0].logits is not None
