import jax.numpy as jnp
import numpy as np
from flax import nnx

from attnreport.nn import NonLocalBlock

X = np.random.default_rng(0).normal(size=(2, 3, 2, 6)).astype("f")


def test_a_new_block_changes_nothing():
    output, weights = NonLocalBlock(6, rngs=nnx.Rngs(0))(jnp.asarray(X), return_weights=True)
    assert np.array_equal(output, X)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)


def test_it_computes_the_equations_of_the_paper():
    block = NonLocalBlock(6, hidden_features=4, rngs=nnx.Rngs(0))
    kernel = np.random.default_rng(1).normal(size=(1, 4, 6))
    block.attention.out.kernel[...] = jnp.asarray(kernel, jnp.float32)
    layers = (block.attention.query, block.attention.key, block.attention.value)
    theta, phi, g = (X.reshape(2, 6, 6) @ np.asarray(layer.kernel[...])[:, 0] for layer in layers)
    weights, expected = np.zeros((2, 1, 6, 6)), X.reshape(2, 6, 6).astype(np.float64)
    for b, p in np.ndindex(2, 6):
        # Wang et al. (2018), equation 3 with its sum: no scale.
        exponentials = [np.exp(theta[b, p] @ phi[b, other]) for other in range(6)]
        for other in range(6):
            weights[b, 0, p, other] = exponentials[other] / sum(exponentials)
        expected[b, p] += (weights[b, 0, p] @ g[b]) @ kernel[0]
    output, found = block(jnp.asarray(X), return_weights=True)
    np.testing.assert_allclose(found, weights, atol=1e-5)
    np.testing.assert_allclose(output, expected.reshape(X.shape), atol=1e-4)


def test_padding_is_looked_at_by_no_place():
    block = NonLocalBlock(6, rngs=nnx.Rngs(0))
    real = jnp.ones((2, 3, 2), bool).at[1, 2].set(False)
    _, weights = block(jnp.asarray(X), mask=real, return_weights=True)
    assert (weights[1, :, :, 4:] == 0).all()
    assert (weights[0] > 0).all()


def test_a_sequence_has_places_too():
    _, weights = NonLocalBlock(6, rngs=nnx.Rngs(0))(jnp.asarray(X[:, 0]), return_weights=True)
    assert weights.shape == (2, 1, 2, 2)
