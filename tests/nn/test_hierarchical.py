import jax
import jax.numpy as jnp
import numpy as np

from attnreport.nn import HierarchicalPooling
from tests.nn.family import drawn
from tests.nn.slow import exact, numbers, slow_softmax

BATCH, SENTENCES, WORDS, FEATURES = 2, 3, 4, 6
# Words of each sentence. The second document has two sentences, the first one an empty one.
COUNTS = np.array([[4, 0, 2], [1, 3, 0]])
REAL = jnp.asarray(np.arange(WORDS) < COUNTS[..., None])


def pooling():
    return drawn(lambda **o: HierarchicalPooling(FEATURES, 4, 3, **o))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slow_states(unit, inputs):
    """The state after each step: Yang et al. (2016), equations 1 to 4."""
    state, states = np.zeros(4), []
    for one in inputs:
        reset, update, candidate = np.split(
            one @ exact(unit.inputs.kernel) + exact(unit.inputs.bias), 3
        )
        of_state = np.split(state @ exact(unit.recurrent.kernel), 3)
        update = sigmoid(update + of_state[1])
        candidate = np.tanh(candidate + sigmoid(reset + of_state[0]) * of_state[2])
        state = (1 - update) * candidate + update * state
        states.append(state)
    return states


def slow_level(level, inputs):
    """The vector of a sequence, and its weights: equations 5 to 7, and 8 to 10."""
    if not len(inputs):
        return np.zeros(8), np.zeros(0)
    backward = slow_states(level.backward, inputs[::-1])[::-1]
    both = [
        np.concatenate(pair)
        for pair in zip(slow_states(level.forward, inputs), backward, strict=True)
    ]
    hidden, context = level.pooling.hidden, exact(level.pooling.context.kernel)[:, 0]
    weights = slow_softmax(
        {
            k: context @ np.tanh(one @ exact(hidden.kernel) + exact(hidden.bias))
            for k, one in enumerate(both)
        }
    )
    return sum(weights[k] * one for k, one in enumerate(both)), np.array(list(weights.values()))


def test_it_computes_the_equations_of_the_paper():
    module, inputs = pooling(), numbers(BATCH, SENTENCES, WORDS, FEATURES)
    call = jax.jit(lambda inputs: module(inputs, mask=REAL, return_weights=True))
    pooled, (words, sentences) = call(inputs)
    assert words.shape == (BATCH, 1, SENTENCES, WORDS)
    assert sentences.shape == (BATCH, 1, 1, SENTENCES)
    for b in range(BATCH):
        read = []
        for s, count in enumerate(COUNTS[b]):
            vector, weights = slow_level(module.words, inputs[b, s, :count].astype(float))
            np.testing.assert_allclose(words[b, 0, s, :count], weights, atol=1e-5)
            assert (words[b, 0, s, count:] == 0).all()
            if count:
                read.append(vector)
        expected, weights = slow_level(module.sentences, read)
        np.testing.assert_allclose(sentences[b, 0, 0][COUNTS[b] > 0], weights, atol=1e-5)
        np.testing.assert_allclose(pooled[b], expected, atol=1e-5)


def test_padding_changes_nothing():
    module, inputs = pooling(), jnp.asarray(numbers(BATCH, SENTENCES, WORDS, FEATURES))
    call = jax.jit(lambda inputs: module(inputs, mask=REAL))
    changed = jnp.where(REAL[..., None], inputs, 7.0)
    np.testing.assert_allclose(call(changed), call(inputs), atol=1e-6)
