import math
import types
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport.nn import Alibi, MultiHeadAttention, RelativeBias

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from transformers.models.bloom import modeling_flax_bloom as bloom
    from transformers.models.t5 import modeling_flax_t5 as t5


def test_slopes_are_those_of_the_paper():
    assert Alibi(8).slopes == tuple(2.0**-power for power in range(1, 9))
    assert Alibi(4).slopes == (2**-2, 2**-4, 2**-6, 2**-8)
    assert Alibi(6).slopes == (2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3)
    assert Alibi(1).slopes == (2**-8,)


def test_a_key_is_liked_less_the_farther_away_it_is():
    bias = Alibi(2)(jnp.array([3, 10]), jnp.array([0, 3, 4]))
    for h, q, k in np.ndindex(2, 2, 3):
        assert bias[h, q, k] == -(2.0 ** (-4 * (h + 1))) * abs([3, 10][q] - [0, 3, 4][k])
    assert Alibi(2)(jnp.zeros((5, 3), int), jnp.zeros((5, 4), int)).shape == (5, 2, 3, 4)


@pytest.mark.parametrize("heads", [4, 16])
def test_up_to_the_diagonal_it_is_that_of_hugging_face(heads):
    # Theirs is larger by one number a row, which a softmax does not see.
    theirs = bloom.build_alibi_tensor(jnp.ones((1, 5)), heads)
    difference = np.asarray(Alibi(heads)(jnp.arange(5), jnp.arange(5)) - theirs[0])
    for q in range(5):
        np.testing.assert_allclose(
            difference[:, q, : q + 1], difference[:, q, :1] + [0] * (q + 1), atol=1e-5
        )


def slow_bucket(distance: int, *, count: int, farthest: int, bidirectional: bool) -> int:
    """Raffel et al. (2020), section 2.1, one distance at a time."""
    first = 0
    if bidirectional:
        count //= 2
        first = count if distance > 0 else 0
        steps = abs(distance)
    else:
        steps = max(0, -distance)
    exact = count // 2
    if steps < exact:
        return first + steps
    share = math.log(steps / exact) / math.log(farthest / exact)
    # Rounded up where the quotient of two logarithms falls just short of a whole number.
    return first + min(count - 1, exact + math.floor(share * (count - exact) + 1e-9))


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("count", "farthest"), [(32, 128), (10, 21)])
def test_buckets_are_those_of_the_paper_and_of_hugging_face(
    monkeypatch, bidirectional, count, farthest
):
    bias = RelativeBias(
        2, num_buckets=count, max_distance=farthest, bidirectional=bidirectional, rngs=nnx.Rngs(0)
    )
    distances = np.arange(-300, 301)
    found = np.asarray(bias.buckets(jnp.asarray(distances)))
    # JAX has given the arguments of `clip` other names since.
    names = {**vars(jnp), "clip": lambda x, a_min=None, a_max=None: jnp.clip(x, a_min, a_max)}
    monkeypatch.setattr(t5, "jnp", types.SimpleNamespace(**names))
    theirs = t5.FlaxT5Attention._relative_position_bucket(
        jnp.asarray(distances), bidirectional, count, farthest
    )
    assert np.array_equal(found, theirs)
    options = {"count": count, "farthest": farthest, "bidirectional": bidirectional}
    slow = np.array([slow_bucket(int(each), **options) for each in distances])
    # In float32 a distance at the edge of a bucket may stay in the one before.
    assert np.abs(found - slow).max() <= 1
    assert (found != slow).mean() < 0.02


def test_it_adds_to_the_logits_what_the_bucket_of_the_distance_holds():
    bias = RelativeBias(2, num_buckets=8, max_distance=6, rngs=nnx.Rngs(0))
    attention = MultiHeadAttention(2, 4, position_bias=bias, rngs=nnx.Rngs(1))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 5, 4)), jnp.float32)
    _, weights = attention(x, return_weights=True)
    logits = np.einsum("bqhd,bkhd->bhqk", attention.query(x), attention.key(x)) / np.sqrt(2)
    table = np.asarray(bias.embedding.embedding[...])
    for h, q, k in np.ndindex(2, 5, 5):
        bucket = slow_bucket(k - q, count=8, farthest=6, bidirectional=True)
        logits[0, h, q, k] += table[bucket, h]
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(weights, expected, atol=1e-6)
