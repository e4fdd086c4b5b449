"""Hugging Face's Flax models, unedited: the same matrices as their own `output_attentions`."""

import functools
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
}


@functools.cache
def model_of(family: str) -> Any:
    sizes, further, _ = FAMILIES[family]
    config = getattr(transformers, f"{family}Config")(**sizes)
    return getattr(transformers, f"Flax{family}Model")(config, seed=0, **further)


def call(model: Any, inputs: dict[str, Any], **options: Any) -> Callable[[Any], Any]:
    return lambda params: model(**inputs, params=params, **options)


def matrices(output: Any) -> list[np.ndarray]:
    """Those that the model gives itself: encoder's, decoder's and cross-attention, in order."""
    found = []
    for name, value in output.items():
        if "attentions" in name and value is not None:
            found += [np.asarray(each) for each in value]
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_every_matrix_is_the_models_own(family):
    model, inputs = model_of(family), FAMILIES[family][2]
    output, attention = with_attention(call(model, inputs))(model.params)
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


def test_layers_and_sides_are_told_apart():
    model = model_of("Bart")
    _, attention = with_attention(call(model, TWO_TEXTS))(model.params)
    assert [(name, each.kind) for name, each in attention.items()] == [
        ("encoder.layers.0.self_attn", "self"),
        ("encoder.layers.1.self_attn", "self"),
        ("decoder.layers.0.self_attn", "self"),
        ("decoder.layers.0.encoder_attn", "cross"),
        ("decoder.layers.1.self_attn", "self"),
        ("decoder.layers.1.encoder_attn", "cross"),
    ]


def test_rows_of_generated_tokens_are_those_of_a_full_run():
    config = transformers.GPT2Config(**GPT, pad_token_id=0, eos_token_id=98)
    model = transformers.FlaxGPT2LMHeadModel(config, seed=0)
    prompt = WORDS[:, :3]

    def generate(params):
        return model.generate(prompt, params=params, max_new_tokens=5, do_sample=False).sequences

    text, attention = with_attention(generate, steps=8)(model.params)
    assert np.array_equal(text, generate(model.params))
    full = model(np.asarray(text)[:, :-1], output_attentions=True).attentions
    steps = [each for each in attention.values() if "step" in each.axes]
    assert len(steps) == len(full) == 2
    for captured, whole in zip(steps, full, strict=True):
        count = int(captured.iterations[0])
        assert count == 4
        for step in range(count):
            row = jnp.asarray(captured.weights)[step, :, :, 0, : whole.shape[-1]]
            assert np.abs(row - whole[:, :, 3 + step]).max() <= 1e-7
