"""Weights that are normalized after their use."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.capture.recognizing import found_in

X = np.random.default_rng(9).normal(size=(2, 6, 8)).astype(np.float32)
P = np.random.default_rng(10).normal(size=(3, 8, 8), scale=0.4).astype(np.float32)


def _late(e, v):
    return e @ v / e.sum(-1, keepdims=True)


def _transposed(e, v):
    total = e.sum(-1).T
    return jnp.swapaxes(jnp.einsum("bqk,bkd->qbd", e, v) / total[..., None], 0, 1)


def _reciprocal(e, v):
    return e @ v * (1 / e.sum(-1))[..., None]


def _by_a_column(e, v):
    out = e @ jnp.concatenate([v, jnp.ones((2, 6, 1))], -1)
    return out[..., :-1] / out[..., -1:]


@pytest.mark.parametrize("combine", [_late, _transposed, _reciprocal, _by_a_column])
def test_the_division_belongs_to_the_weights(combine):
    def fn(x, p):
        return combine(jnp.exp(x @ p[0] @ (x @ p[1]).mT), x @ p[2])

    ((_, _, _, weights),) = found_in(fn, X, P)
    scores = X @ P[0] @ (X @ P[1]).transpose(0, 2, 1)
    np.testing.assert_allclose(weights[:, 0], jax.nn.softmax(scores), atol=1e-6)


def test_segments_share_one_normalizer():
    def fn(x, p):
        q, k, v = x @ p[0], x @ p[1], x @ p[2]
        parts = [jnp.exp(q @ k[:, s].mT) for s in (slice(0, 2), slice(2, 6))]
        total = sum(part.sum(-1, keepdims=True) for part in parts)
        return (parts[0] @ v[:, :2] + parts[1] @ v[:, 2:]) / total

    found = sorted(found_in(fn, X, P), key=lambda each: each[3].shape)
    scores = X @ P[0] @ (X @ P[1]).transpose(0, 2, 1)
    joined = np.concatenate([weights[:, 0] for _, _, _, weights in found], -1)
    np.testing.assert_allclose(joined, jax.nn.softmax(scores), atol=1e-6)


def test_shares_of_segments_scale_normalized_weights():
    def fn(x, p):
        q, k, v = x @ p[0], x @ p[1], x @ p[2]
        outs, totals = [], []
        for s in (slice(0, 2), slice(2, 6)):
            e = jnp.exp(q @ k[:, s].mT)
            totals.append(e.sum(-1, keepdims=True))
            outs.append(e / totals[-1] @ v[:, s])
        mixed = outs[0] * totals[0] + outs[1] * totals[1]
        return mixed / (totals[0] + totals[1])

    found = sorted(found_in(fn, X, P), key=lambda each: each[3].shape)
    scores = X @ P[0] @ (X @ P[1]).transpose(0, 2, 1)
    joined = np.concatenate([weights[:, 0] for _, _, _, weights in found], -1)
    np.testing.assert_allclose(joined, jax.nn.softmax(scores), atol=1e-6)
