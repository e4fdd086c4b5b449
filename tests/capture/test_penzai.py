"""Penzai's transformers, unedited: the same matrices as a layer put behind each softmax saves."""

import dataclasses
import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from penzai import pz
from penzai.models.transformer import sampling_mode
from penzai.models.transformer.variants import gpt_neox
from penzai.models.transformer.variants import llamalike_common as llama
from penzai.toolshed.save_intermediates import SaveIntermediate

from attnreport.capture import capture_attention, plan_attention, with_attention

pytestmark = pytest.mark.optimized

SIZES: dict[str, Any] = {
    "embedding_dim": 32,
    "projection_dim": 8,
    "mlp_hidden_dim": 37,
    "num_decoder_blocks": 2,
    "vocab_size": 99,
}
LLAMA = llama.LlamalikeTransformerConfig(
    **SIZES,
    num_kv_heads=4,
    query_head_multiplier=1,
    mlp_variant="swiglu",
    tie_embedder_and_logits=False,
)
GEMMA = dataclasses.replace(
    LLAMA,
    num_kv_heads=2,
    query_head_multiplier=2,
    mlp_variant="geglu_approx",
    tie_embedder_and_logits=True,
    attention_type=(
        llama.AttentionTypeSlidingWindowCausal(3),
        llama.AttentionTypeGlobalCausal(),
    ),
    attn_logits_soft_cap=5.0,
    final_logit_softcap=3.0,
    use_post_attn_norm=True,
    use_post_ffw_norm=True,
)
NEOX = gpt_neox.GPTNeoXTransformerConfig(
    **SIZES,
    num_attention_heads=4,
    activation_fn="gelu_exact",
    rope_subset_size=4,
    rope_wavelength=10_000,
    layernorm_epsilon=1e-5,
    parameter_dtype=jnp.float32,
    activation_dtype=jnp.float32,
)
MODELS = {
    "grouped": dataclasses.replace(LLAMA, num_kv_heads=2, query_head_multiplier=2),
    "one key head": dataclasses.replace(LLAMA, num_kv_heads=1, query_head_multiplier=4),
    "window and soft cap": GEMMA,
    "parallel": NEOX,
}
# XLA fuses the soft cap otherwise where the weights are put out.
ROUNDED = {"window and soft cap": 3e-7}
AXES = ("batch", "heads", "head_groups", "query_heads", "seq", "kv_seq")
WORDS = pz.nx.wrap(jnp.arange(14).reshape(2, 7) * 5 % 90 + 1).tag("batch", "seq")


@functools.cache
def model_of(name: str, *, stacked: bool = False) -> Any:
    config = dataclasses.replace(MODELS[name], use_layer_stack=stacked)
    if isinstance(config, llama.LlamalikeTransformerConfig):
        build = llama.build_llamalike_transformer
    else:
        build = gpt_neox.build_gpt_neox_transformer
    return build(config, init_base_rng=jax.random.key(1), name="transformer")


def own_matrices(model: Any) -> list[np.ndarray]:
    """`[batch, head, query, key]` of each softmax, compiled, in the order in which they run."""
    saving = pz.select(model).at_instances_of(pz.nn.Softmax).apply(and_saved)
    pz.variable_jit(lambda model, words: model(words))(saving, WORDS)
    saved = pz.select(saving).at_instances_of(SaveIntermediate).get_sequence()
    return [canonical(layer.saved.value) for layer in saved]


@functools.cache
def matrices_of(name: str) -> list[np.ndarray]:
    return own_matrices(model_of(name))


def and_saved(softmax: Any) -> Any:
    return pz.nn.Sequential([softmax, SaveIntermediate()])


def canonical(weights: Any) -> np.ndarray:
    """Weights with two axes of heads as one: the queries that share keys stand together."""
    array = np.asarray(weights.unwrap(*(axis for axis in AXES if axis in weights.named_shape)))
    return array.reshape(array.shape[0], -1, *array.shape[-2:])


def by_label(model: Any) -> tuple[Any, dict[str, Any]]:
    """A model without its parameters, and these by the names that the model gives them."""
    empty, parameters = pz.unbind_params(model, freeze=True)
    return empty, {each.label: each for each in parameters}


def run(empty: Any, parameters: dict[str, Any], words: Any) -> Any:
    return pz.bind_variables(empty, parameters.values())(words)


def of_stack(parameter: Any, parameters: dict[str, Any]) -> Any:
    """A parameter of a layer with the value that it has in a model whose layers are a stack."""
    stacked = re.sub(r"block_\d+", "blocks", parameter.label)
    value = parameters[stacked].value
    if stacked != parameter.label:
        value = value[{"blocks": int(parameter.label.split("/")[1].removeprefix("block_"))}]
    return dataclasses.replace(parameter, value=value)


@pytest.mark.parametrize("name", MODELS)
def test_every_matrix_is_the_models_own(name):
    model = model_of(name)
    recording = capture_attention(model, WORDS)
    assert (recording.source.model, recording.source.framework) == ("TransformerLM", "Penzai")
    expected = matrices_of(name)
    assert len(expected) == 2
    for number, example in enumerate(recording.examples):
        assert [each.kind for each in example.maps] == ["self", "self"]
        for found, matrix in zip(example.maps, expected, strict=True):
            assert np.abs(found.array() - matrix[number]).max() <= ROUNDED.get(name, 0)
            assert found.checks.output_difference == 0
            assert found.checks.others[1].value == 0


@pytest.mark.parametrize("name", ["window and soft cap", "parallel"])
def test_a_name_is_the_path_of_the_attention_in_the_model(name):
    model = pz.freeze_params(model_of(name))
    plan = plan_attention(model, WORDS)
    assert len(plan.attentions) == 2
    for planned in plan.attentions:
        place = model
        for part in planned.name.split("."):
            place = place[int(part)] if part.isdigit() else getattr(place, part)
        assert isinstance(place, pz.nn.Attention)


def test_parameters_by_their_labels_give_names():
    plan = plan_attention(run, *by_label(model_of("parallel")), WORDS)
    names = [planned.name for planned in plan.attentions]
    assert names == ["transformer.block_0.attention", "transformer.block_1.attention"]


def test_stacked_layers_are_those_of_a_model_without_a_stack():
    empty, parameters = by_label(model_of("grouped", stacked=True))
    output, attention = with_attention(run)(empty, parameters, WORDS)
    plain = jax.jit(run)(empty, parameters, WORDS)
    assert np.array_equal(output.unwrap(*output.named_shape), plain.unwrap(*plain.named_shape))
    (path, captured), *others = attention.items()
    assert (path, others) == ("transformer.blocks.attention", [])
    assert captured.axes[0] == "layer"
    apart, own = by_label(model_of("grouped"))
    model = pz.bind_variables(
        apart, [of_stack(each, parameters) for each in own.values()], unfreeze_as_copy=True
    )
    for weights, matrix in zip(captured.weights, own_matrices(model), strict=True):
        assert np.abs(np.asarray(weights) - matrix).max() <= 3e-7


def test_rows_of_generated_words_are_those_of_a_full_run():
    model = model_of("grouped")
    caching = sampling_mode.KVCachingTransformerLM.from_uncached(
        model, cache_len=7, batch_axes={"batch": 2}, pad_id=0
    )
    empty, variables = pz.unbind_variables(caching, freeze=True)

    def read(variables, words):
        """Reads the words one by one, each with the keys that are kept of those before it."""

        def step(variables, word):
            model = pz.bind_variables(empty, variables, unfreeze_as_copy=True)
            logits = model(pz.nx.wrap(word[:, None]).tag("batch", "seq"))
            _, kept = pz.unbind_variables(model, freeze=True)
            return kept, logits.unwrap(*logits.named_shape)

        return jax.lax.scan(step, variables, words.unwrap("seq", "batch"))[1]

    # The place in the cache starts as a number of Python.
    start = tuple(
        dataclasses.replace(each, value=jax.tree.map(jnp.asarray, each.value)) for each in variables
    )
    output, attention = with_attention(read)(start, WORDS)
    assert np.array_equal(output, jax.jit(read)(start, WORDS))
    expected = matrices_of("grouped")
    assert len(attention) == len(expected)
    for captured, matrix in zip(attention.values(), expected, strict=True):
        assert (captured.kind, captured.axes[0]) == ("self", "step")
        rows = np.moveaxis(np.asarray(captured.weights)[..., 0, :], 0, -2)
        assert np.abs(rows - matrix).max() <= 3e-7
