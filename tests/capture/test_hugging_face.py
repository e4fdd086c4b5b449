"""Hugging Face's Flax models, unedited: the same matrices as their own `output_attentions`."""

import functools
import types
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import transformers
    from transformers.models.t5 import modeling_flax_t5

from attnreport.capture.transformation import with_attention

pytestmark = pytest.mark.filterwarnings("ignore")

WORDS = np.arange(14).reshape(2, 7) % 50 + 3
MASK = np.ones((2, 7), int)
MASK[1, 5:] = 0
NUMBERS = np.random.default_rng(0).normal
TEXT = {"vocab_size": 99, "max_position_embeddings": 64}
LAYERS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL = {**TEXT, **LAYERS, "intermediate_size": 37}
GROUPED = {**SMALL, "num_key_value_heads": 2}
GPT = {"vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
SIDES = {
    f"{side}_{part}": size
    for side in ("encoder", "decoder")
    for part, size in (("layers", 2), ("attention_heads", 4), ("ffn_dim", 37))
}
PATCHES = {**LAYERS, "intermediate_size": 37, "image_size": 16, "patch_size": 4}

ONE_TEXT = {"input_ids": WORDS, "attention_mask": MASK}
TWO_TEXTS = {**ONE_TEXT, "decoder_input_ids": WORDS[:, :5]}
SOUND = {
    "input_features": NUMBERS(size=(2, 8, 40)).astype("f"),
    "decoder_input_ids": WORDS[:, :5],
}
PICTURE = {"pixel_values": NUMBERS(size=(2, 3, 16, 16)).astype("f")}

# Name of the classes, the configuration, further arguments, the inputs.
FAMILIES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "Bert": (SMALL, {}, ONE_TEXT),
    "Roberta": (SMALL, {}, ONE_TEXT),
    "GPT2": (GPT, {}, ONE_TEXT),
    "GPTNeo": (
        {
            **TEXT,
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "window_size": 3,
        },
        {},
        ONE_TEXT,
    ),
    "GPTJ": ({**GPT, "rotary_dim": 4}, {}, ONE_TEXT),
    "Llama": (GROUPED, {}, ONE_TEXT),
    "Mistral": (GROUPED, {}, ONE_TEXT),
    "Gemma": ({**GROUPED, "head_dim": 8}, {}, ONE_TEXT),
    "Bart": ({**TEXT, "d_model": 32, **SIDES}, {}, TWO_TEXTS),
    "Whisper": (
        {
            **SIDES,
            "d_model": 32,
            "vocab_size": 99,
            "num_mel_bins": 8,
            "max_source_positions": 20,
            "max_target_positions": 20,
            "decoder_start_token_id": 1,
            "pad_token_id": 0,
        },
        {"input_shape": (1, 8, 40)},
        SOUND,
    ),
    "ViT": (PATCHES, {}, PICTURE),
    "T5": (
        {
            "vocab_size": 99,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 37,
            "num_layers": 2,
            "num_heads": 4,
            "relative_attention_num_buckets": 8,
            "relative_attention_max_distance": 16,
        },
        {},
        TWO_TEXTS,
    ),
    "CLIP": (
        {"text_config": SMALL, "vision_config": PATCHES, "projection_dim": 16},
        {},
        {**ONE_TEXT, **PICTURE},
    ),
}

TWO_SIDES = [
    ("encoder.{0}.0.{1}", "self"),
    ("encoder.{0}.1.{1}", "self"),
    ("decoder.{0}.0.{2}", "self"),
    ("decoder.{0}.0.{3}", "cross"),
    ("decoder.{0}.1.{2}", "self"),
    ("decoder.{0}.1.{3}", "cross"),
]
NAMES = {
    "Bart": ("layers", "self_attn", "self_attn", "encoder_attn"),
    "T5": ("block", "layer.0.SelfAttention", "layer.0.SelfAttention", "layer.1.EncDecAttention"),
}


@functools.cache
def model_of(family: str) -> Any:
    sizes, further, _ = FAMILIES[family]
    config = getattr(transformers, f"{family}Config")(**sizes)
    return getattr(transformers, f"Flax{family}Model")(config, seed=0, **further)


@pytest.fixture(scope="module", autouse=True)
def _names_of_old():
    """JAX 0.10 does not know `a_max` of `clip`, which T5 calls by that name."""

    def clip(x, a_min=None, a_max=None):
        return jnp.clip(x, a_min, a_max)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(modeling_flax_t5, "jnp", types.SimpleNamespace(**vars(jnp) | {"clip": clip}))
        yield


def call(model: Any, inputs: dict[str, Any], **options: Any) -> Callable[[Any], Any]:
    return lambda params: model(**inputs, params=params, **options)


def matrices(output: Any) -> list[np.ndarray]:
    """Those that the model gives itself: of encoder and decoder or of each of its towers."""
    found = []
    for name, value in output.items():
        if "attentions" in name and value is not None:
            found += [np.asarray(each) for each in value]
        elif isinstance(value, transformers.utils.ModelOutput):
            found += matrices(value)
    return found


@functools.cache
def captured(family: str) -> Any:
    """Output and attention."""
    model = model_of(family)
    return with_attention(call(model, FAMILIES[family][2]))(model.params)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_matrix_is_the_models_own(family):
    model, inputs = model_of(family), FAMILIES[family][2]
    output, attention = captured(family)
    expected = matrices(jax.jit(call(model, inputs, output_attentions=True))(model.params))
    assert len(attention) == len(expected) > 0
    left = [np.asarray(each.weights) for each in attention.values()]
    for matrix in expected:
        same = [i for i, each in enumerate(left) if np.array_equal(each, matrix)]
        assert same
        del left[same[0]]
    plain = jax.jit(call(model, inputs))(model.params)
    for ours, theirs in zip(jax.tree.leaves(output), jax.tree.leaves(plain), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("family", FAMILIES)
def test_weights_times_values_are_what_the_model_goes_on_with(family):
    for each in captured(family)[1].values():
        assert each.proof.product_error == 0
        assert each.proof.row_error < 1e-6
        assert (each.form, each.fallbacks) == ("softmax", ())


@pytest.mark.parametrize("family", NAMES)
def test_layers_and_sides_are_told_apart(family):
    _, attention = captured(family)
    assert [(name, each.kind) for name, each in attention.items()] == [
        (name.format(*NAMES[family]), kind) for name, kind in TWO_SIDES
    ]


def test_towers_are_told_apart():
    _, attention = captured("CLIP")
    assert {name: (each.kind, each.weights.shape) for name, each in attention.items()} == {
        f"{tower}_model.encoder.layers.{layer}.self_attn": ("self", (2, 4, length, length))
        for tower, length in (("text", 7), ("vision", 17))
        for layer in (0, 1)
    }


def test_rows_of_generated_tokens_are_those_of_a_full_run():
    config = transformers.GPT2Config(**GPT, pad_token_id=0, eos_token_id=98)
    model = transformers.FlaxGPT2LMHeadModel(config, seed=0)
    prompt = WORDS[:, :3]

    def generate(params):
        return model.generate(prompt, params=params, max_new_tokens=5, do_sample=False).sequences

    text, attention = with_attention(generate, steps=8)(model.params)
    assert np.array_equal(text, jax.jit(generate)(model.params))
    whole_text = {"input_ids": np.asarray(text)[:, :-1]}
    full = jax.jit(call(model, whole_text, output_attentions=True))(model.params).attentions
    steps = [each for each in attention.values() if "step" in each.axes]
    assert len(steps) == len(full) == 2
    for captured, whole in zip(steps, full, strict=True):
        count = int(captured.iterations[0])
        assert count == 4
        for step in range(count):
            row = jnp.asarray(captured.weights)[step, :, :, 0, : whole.shape[-1]]
            assert np.abs(row - whole[:, :, 3 + step]).max() <= 1e-7
