"""Capture of Flax NNX modules, against what Flax sows by itself when the model is edited."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport.capture import capture_attention
from tests.capture.nnx_models import (
    FEATURES,
    HEADS,
    ROUNDING,
    Encoder,
    EncoderDecoder,
    flax_sown,
    maps,
    numbers,
)
from tests.capture.versions import with_causal_flag


def test_an_encoder_gives_what_flax_sows():
    model, x = Encoder(nnx.Rngs(0)), numbers(3, 5, FEATURES)
    recording = capture_attention(model, x)
    expected = flax_sown(model, x)
    assert [m.name for m in recording.examples[0].maps] == list(expected)
    for index in range(3):
        for name, attention in maps(recording, index).items():
            assert abs(attention.array() - expected[name][0][index]).max() <= ROUNDING


def encoder_decoder(rate=0.0):
    real = jnp.array([[True] * 6, [True] * 4 + [False] * 2])
    inputs = numbers(2, 6, FEATURES), numbers(2, 4, FEATURES, seed=1), real
    labels = {"key_tokens": [list("abcdef"), list("abcd")], "tokens": [list("wxyz"), list("uvwx")]}
    return EncoderDecoder(nnx.Rngs(0), rate), inputs, labels


def test_an_encoder_decoder_gives_three_groups_in_forward_order():
    model, inputs, labels = encoder_decoder()
    recording = capture_attention(model, *inputs, **labels)
    found = [(m.name, m.kind, m.group, m.weights.shape) for m in recording.examples[1].maps]
    assert found == [
        ("encoder.layers.0.self_attention", "self", "encoder self-attention", (2, 4, 4)),
        ("encoder.layers.1.self_attention", "self", "encoder self-attention", (2, 4, 4)),
        ("decoder.layers.0.self_attention", "self", "decoder self-attention", (2, 4, 4)),
        ("decoder.layers.0.cross_attention", "cross", "cross-attention", (4, 4, 4)),
        ("decoder.layers.1.self_attention", "self", "decoder self-attention", (2, 4, 4)),
        ("decoder.layers.1.cross_attention", "cross", "cross-attention", (4, 4, 4)),
    ]
    expected = flax_sown(model, *inputs)
    for name, attention in maps(recording).items():
        assert abs(attention.array() - expected[name][0][0]).max() <= ROUNDING


def test_an_encoder_decoder_gives_labels_and_masks_of_both_sides():
    model, inputs, labels = encoder_decoder()
    first = maps(capture_attention(model, *inputs, verify=False, **labels), 0)
    second = maps(capture_attention(model, *inputs, verify=False, **labels), 1)
    cross = second["decoder.layers.0.cross_attention"]
    assert (cross.query.labels, cross.key.labels) == (tuple("uvwx"), tuple("abcd"))
    assert first["encoder.layers.0.self_attention"].query.labels == tuple("abcdef")
    causal = second["decoder.layers.1.self_attention"]
    assert causal.query.labels == causal.key.labels == tuple("uvwx")
    assert np.array_equal(causal.mask, np.tri(4, dtype=bool))


def test_checks_are_measured():
    recording = capture_attention(Encoder(nnx.Rngs(0)), numbers(2, 5, FEATURES))
    for attention in recording.examples[1].maps:
        assert 0 <= attention.checks.row_sum_error < 1e-6
        assert attention.checks.output_difference == 0
        assert attention.checks.deterministic is True
    assert recording.source.notes == ()
    assert recording.source.model == "Encoder"
    assert set(recording.source.versions) == {"jax", "flax"}


def test_without_verification_nothing_is_claimed():
    recording = capture_attention(Encoder(nnx.Rngs(0)), numbers(1, 5, FEATURES), verify=False)
    checks = recording.examples[0].maps[0].checks
    assert checks.output_difference is None
    assert checks.deterministic is None
    assert checks.row_sum_error < 1e-6


def test_an_output_that_changes_from_run_to_run_is_measured():
    attention = nnx.MultiHeadAttention(HEADS, FEATURES, decode=False, rngs=nnx.Rngs(0))
    traces = []

    def impure(x):
        traces.append(x)
        return attention(x), 0.25 * len(traces) + jnp.zeros(3)

    recording = capture_attention(impure, numbers(1, 3, FEATURES))
    assert recording.examples[0].maps[0].checks.output_difference == 0.25
    (note,) = recording.source.notes
    assert note.startswith("Capture changed the output by up to 0.25, which is ")


class Noisy(nnx.Module):
    """Attention, dropout and batch statistics: everything that a run can change."""

    def __init__(self, rngs):
        self.encoder = Encoder(rngs, rate=0.5)
        self.norm = nnx.BatchNorm(FEATURES, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, x):
        return self.dropout(self.norm(self.encoder(x)))


def test_dropout_is_told_and_its_weights_still_sum_to_one():
    model, x = Noisy(nnx.Rngs(0)), numbers(2, 5, FEATURES)
    model.train()
    recording = capture_attention(model, x)
    first, second = recording.examples[0].maps
    assert first.checks.deterministic is True
    assert second.checks.deterministic is False
    assert second.checks.output_difference == 0
    assert "hangs on random numbers" in recording.source.notes[0]
    model.eval()
    recording = capture_attention(model, x)
    assert [m.checks.deterministic for m in recording.examples[0].maps] == [True, True]
    assert recording.source.notes == ()


def snapshot(model):
    """Structure of a model, and a copy of every array in it."""
    graph, state = nnx.split(model)
    values = []
    for path, variable in nnx.to_flat_state(state):
        value = variable.get_value()
        is_key = jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
        values.append((path, np.array(jax.random.key_data(value) if is_key else value)))
    return graph, values


def assert_unchanged(model, before):
    graph, values = snapshot(model)
    assert graph == before[0]
    for (path, value), (same_path, old) in zip(values, before[1], strict=True):
        assert path == same_path
        assert np.array_equal(value, old), path


def test_the_model_stays_as_it_was():
    model, x = Noisy(nnx.Rngs(0)), numbers(2, 5, FEATURES)
    model.train()
    before, call = snapshot(model), nnx.MultiHeadAttention.__call__
    capture_attention(model, x)
    assert_unchanged(model, before)
    assert nnx.MultiHeadAttention.__call__ is call
    for _, module in nnx.iter_modules(model):
        assert not hasattr(module, "__captures__")
    nnx.jit(Noisy.__call__)(model, x)  # a run by itself does change it: the comparison can tell
    assert not all(
        np.array_equal(new, old)
        for (_, new), (_, old) in zip(snapshot(model)[1], before[1], strict=True)
    )


class Failing(Noisy):
    def __call__(self, x):
        super().__call__(x)
        raise ZeroDivisionError("the model's own mistake")


def test_an_error_of_the_model_passes_and_leaves_it_as_it_was():
    model = Failing(nnx.Rngs(0))
    model.train()
    before, call = snapshot(model), nnx.MultiHeadAttention.__call__
    with pytest.raises(ZeroDivisionError, match="own mistake") as caught:
        capture_attention(model, numbers(2, 5, FEATURES))
    assert caught.value.__context__ is None
    assert_unchanged(model, before)
    assert nnx.MultiHeadAttention.__call__ is call


def test_a_decoding_cache_stays_as_it_was():
    model = nnx.MultiHeadAttention(HEADS, FEATURES, decode=True, rngs=nnx.Rngs(0))
    model.init_cache((1, 4, FEATURES))
    before = snapshot(model)
    recording = capture_attention(model, numbers(1, 1, FEATURES))
    (attention,) = recording.examples[0].maps
    assert attention.name == "MultiHeadAttention"
    assert attention.weights.shape == (HEADS, 1, 4)
    assert attention.array()[:, 0].tolist() == [[1, 0, 0, 0]] * HEADS
    assert_unchanged(model, before)


def test_bfloat16_is_told():
    model = Encoder(nnx.Rngs(0), dtype=jnp.bfloat16)
    x = numbers(2, 5, FEATURES)
    recording = capture_attention(model, x)
    for attention in maps(recording).values():
        assert attention.precision == "bfloat16"
        assert attention.checks.row_sum_error < 0.03
        assert attention.checks.output_difference == 0
    assert recording.source.notes == ()


@pytest.mark.parametrize("causal", [False, True])
def test_weights_in_bfloat16_are_those_of_the_model(causal):
    dtype = jnp.bfloat16
    module = nnx.MultiHeadAttention(
        1, 16, in_kv_features=16, dtype=dtype, decode=False, rngs=nnx.Rngs(0)
    )
    x = 5 * numbers(1, 256, 16, dtype=dtype)
    mask = nnx.make_causal_mask(x[..., 0]) if causal else None
    recording = capture_attention(module, x, kwargs={"mask": mask})
    (found,) = recording.examples[0].maps
    query, key, value = (
        part(x).astype(jnp.float32)[0, :, 0] for part in (module.query, module.key, module.value)
    )
    logits = query @ key.T / 4
    logits = jnp.where(found.allowed()[0], logits, -jnp.inf)
    used = jax.nn.softmax(logits)
    rounding = float(jnp.finfo(dtype).eps)
    assert abs(found.array()[0] - used).max() <= rounding
    assert found.checks.output_difference == 0
    mixed = (found.array()[0] @ value).astype(dtype)
    output = module.out(mixed[None, :, None]).astype(jnp.float32)
    uncaptured = module(x, mask=mask).astype(jnp.float32)
    assert abs(output - uncaptured).max() <= 4 * rounding * abs(uncaptured).max()


def test_masks_in_half_precision():
    # JAX itself cannot compile Flax's products in float16 for a CPU.
    dtype = jnp.bfloat16
    query, key = numbers(2, 5, 4, 8, dtype=dtype), numbers(2, 6, 4, 8, seed=1, dtype=dtype)
    mask = numbers(2, 1, 5, 6, seed=2) > -1
    recording = capture_attention(nnx.dot_product_attention, query, key, key, kwargs={"mask": mask})
    wide = [np.asarray(each, np.float32) for each in (query, key)]
    logits = np.einsum("bqhd,bkhd->bhqk", *wide) / np.sqrt(8)
    used = jax.nn.softmax(jnp.where(mask, logits, -jnp.inf))
    for example, weights, allowed in zip(recording.examples, used, mask, strict=True):
        (found,) = example.maps
        assert found.precision == jnp.dtype(dtype).name
        assert abs(found.array() - weights).max() <= float(jnp.finfo(dtype).eps)
        assert np.array_equal(found.mask, allowed[0])
        assert found.checks.output_difference == 0


def test_rows_whose_keys_are_all_masked_are_no_error():
    real = jnp.array([[True, True, True], [True, True, False]])
    mask = nnx.make_attention_mask(real, real)
    model, x = Encoder(nnx.Rngs(0)), numbers(2, 3, FEATURES)
    numbered = capture_attention(model, x, mask, verify=False)
    assert numbered.examples[1].maps[0].mask.tolist() == mask[1, 0].astype(bool).tolist()
    labels = capture_attention(model, x, mask, tokens=[list("abc"), list("de")], verify=False)
    assert labels.examples[1].maps[0].weights.shape == (HEADS, 2, 2)


@with_causal_flag
def test_a_causal_flag_becomes_the_mask():
    model = nnx.MultiHeadAttention(HEADS, FEATURES, decode=False, rngs=nnx.Rngs(0))
    recording = capture_attention(
        model, numbers(1, 4, FEATURES), kwargs={"is_causal": True}, verify=False
    )
    assert np.array_equal(recording.examples[0].maps[0].mask, np.tri(4, dtype=bool))


def test_grouped_queries_give_a_map_per_query_head():
    model = nnx.MultiHeadAttention(4, FEATURES, num_kv_heads=2, decode=False, rngs=nnx.Rngs(0))
    recording = capture_attention(model, numbers(2, 5, FEATURES), verify=False)
    assert recording.examples[0].maps[0].heads == 4


def test_inputs_without_a_batch_are_one_example():
    recording = capture_attention(Encoder(nnx.Rngs(0)), numbers(5, FEATURES), verify=False)
    assert len(recording.examples) == 1
    assert recording.examples[0].maps[0].weights.shape == (HEADS, 5, 5)


def test_threads_do_not_see_each_other():
    model, x = Encoder(nnx.Rngs(0)), numbers(2, 5, FEATURES)
    alone = maps(capture_attention(model, x, verify=False))
    results = [None] * 3

    def work(index):
        results[index] = maps(capture_attention(model, x, verify=False))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        for name, attention in result.items():
            assert np.array_equal(attention.array(), alone[name].array())
