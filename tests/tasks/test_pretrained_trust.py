"""What taking heads and tokens away does to a text, against an encoder changed by hand."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport.models.hugging_face import load_bert
from attnreport.tasks.pretrained import record_texts
from attnreport.tasks.pretrained_trust import text_vectors

TINY = Path(__file__).parents[1] / "gold" / "bert" / "tiny"
TEXTS = ["The quick brown fox jumped over the lazy dog.", "Small cats sleep"]


@pytest.fixture(scope="module")
def recording():
    return record_texts(TINY, TEXTS, progress=False)


@pytest.fixture(scope="module")
def pretrained():
    return load_bert(TINY)


def vector(model, ids, kept=None):
    """The mean feature of the tokens of one text, some of them hidden."""
    real = jnp.ones((1, len(ids)), bool) if kept is None else jnp.asarray(kept)[None]
    words = jnp.asarray([ids])
    features = np.asarray(model(words, real, jnp.zeros_like(words)), np.float64)[0]
    return features[np.asarray(real)[0]].mean(axis=0)


def cosine(one, other):
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


def test_a_head_is_worth_what_its_output_turns_the_vector(recording, pretrained):
    falls = []
    for text in TEXTS:
        ids = pretrained.tokenizer.encode(text).ids
        usual, own = vector(pretrained.model, ids), []
        for layer in range(3):
            for head in range(4):
                model = nnx.clone(pretrained.model)
                # What a head adds goes through its own rows of the output projection.
                kernel = model.layers[layer].attention.out.kernel
                rows = kernel.get_value()
                kernel.set_value(rows.at[head].set(0))
                assert rows.shape[0] == 4
                own.append(1 - cosine(vector(model, ids), usual))
        falls.append(own)
    found = np.array([layer.falls for layer in recording.importance.layers])
    assert found.ravel() == pytest.approx(np.mean(falls, axis=0), abs=1e-6)
    errors = np.array([layer.errors for layer in recording.importance.layers])
    assert errors.ravel() == pytest.approx(
        np.std(falls, axis=0, ddof=1) / np.sqrt(len(TEXTS)), abs=1e-6
    )
    assert {layer.group for layer in recording.importance.layers} == {"self-attention"}
    assert recording.importance.data == "2 texts, mean"


def test_tokens_go_in_the_order_of_what_all_heads_give_them(recording, pretrained):
    (curve, *_), shares = recording.deletion.curves, recording.deletion.shares
    assert curve.name == "most attended to first"
    found = []
    for example, text in zip(recording.examples, TEXTS, strict=True):
        ids = pretrained.tokenizer.encode(text).ids
        received = np.zeros(len(ids))
        for attention in example.maps:
            received += np.asarray(attention.array(), np.float64).sum(axis=(0, 1))
        content = [place for place in range(len(ids)) if place not in example.maps[0].key.special]
        order = sorted(content, key=lambda place: -received[place])
        usual, scores = vector(pretrained.model, ids), []
        for share in shares:
            kept = np.ones(len(ids), bool)
            kept[order[: int(share * len(content) + 0.5)]] = False
            scores.append(cosine(vector(pretrained.model, ids, kept), usual))
        found.append(scores)
    assert curve.scores == pytest.approx(np.mean(found, axis=0), abs=1e-6)


def test_gradients_are_those_of_the_vector_along_its_direction(recording):
    names = [curve.name for curve in recording.deletion.curves]
    assert names == [
        "most attended to first",
        "highest rollout first",
        "highest gradient × attention first",
        "random order, 20 draws",
    ]
    assert all(0 < curve.chance <= 1 for curve in recording.deletion.curves[:-1])
    # One position less at the least, so all of them fall.
    assert all(curve.scores[-1] < curve.scores[0] for curve in recording.deletion.curves)


def test_texts_in_a_batch_have_the_vectors_they_have_alone(pretrained):
    ids = pretrained.tokenizer.encode(TEXTS[1]).ids
    words = np.zeros((2, 16), np.int32)
    words[0, : len(ids)] = ids
    words[1] = 7
    real = np.ones((2, 16), bool)
    real[0, len(ids) :] = False
    both = text_vectors(pretrained.model, *map(jnp.asarray, (words, real, np.zeros_like(words))))
    assert np.asarray(both)[0] == pytest.approx(vector(pretrained.model, ids), abs=1e-5)


def test_long_texts_are_only_measured_where_that_is_asked_for(monkeypatch):
    monkeypatch.setattr("attnreport.tasks.pretrained.MOST_TOKENS", 5)
    assert record_texts(TINY, TEXTS[1:], progress=False).importance is None
    assert record_texts(TINY, TEXTS[1:], trust=True, progress=False).importance is not None
    monkeypatch.undo()
    assert record_texts(TINY, TEXTS[1:], trust=False, progress=False).deletion is None
