"""Programs without attention, in which none may be found."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.capture.recognizing import analysis_of

PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {}


def _array(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    seed = sum(size * 7**place for place, size in enumerate(shape))
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def _without(*args: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(fn: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS[fn.__name__] = fn, args
        return fn

    return register


X, W, V = _array(2, 5, 6), _array(6, 6), _array(6, 8)
LABELS = np.array([[0, 3, 1, 2, 5], [4, 4, 0, 1, 2]], np.int32)


@_without(X, V, _array(6, 8), _array(8, 6))
def gated_linear_unit(x, a, b, c):
    return (jax.nn.sigmoid(x @ a) * (x @ b)) @ c


@_without(X, _array(4, 6, 8), _array(4, 6, 8), _array(4, 8, 6))
def gated_linear_units_in_scan(x, a, b, c):
    def layer(x, w):
        a, b, c = w
        return x + (jax.nn.silu(x @ a) * (x @ b)) @ c, None

    return lax.scan(layer, x, (a, b, c))[0]


@_without(X, V, V, _array(8, 6))
def gated_linear_unit_in_fori(x, a, b, c):
    return lax.fori_loop(0, 3, lambda _, x: x + (jax.nn.gelu(x @ a) * (x @ b)) @ c, x)


@_without(X, V, V, _array(8, 6))
def gated_linear_unit_in_while(x, a, b, c):
    def body(state):
        i, x = state
        return i + 1, x + (jax.nn.sigmoid(x @ a) * jnp.tanh(x @ b)) @ c

    return lax.while_loop(lambda state: state[0] < 3, body, (0, x))[1]


@_without(_array(5, 6), V, V, _array(8, 6))
def gated_linear_unit_mapped(x, a, b, c):
    return jax.vmap(lambda row: (jax.nn.sigmoid(row @ a) * (row @ b)) @ c)(x)


def _lstm(w, u, state, x):
    h, c = state
    i, f, g, o = jnp.split(x @ w + h @ u, 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h = jax.nn.sigmoid(o) * jnp.tanh(c)
    return (h, c), h


@_without(_array(5, 2, 6), _array(6, 16), _array(4, 16))
def lstm_in_scan(xs, w, u):
    start = jnp.zeros((2, 4)), jnp.zeros((2, 4))
    return lax.scan(lambda state, x: _lstm(w, u, state, x), start, xs)[1]


@_without(_array(3, 5, 6), _array(6, 16), _array(4, 16))
def lstm_mapped_over_examples(xs, w, u):
    def one(x):
        start = jnp.zeros(4), jnp.zeros(4)
        return lax.scan(lambda state, x: _lstm(w, u, state, x), start, x)[1]

    return jax.vmap(one)(xs)


@_without(_array(5, 2, 6), _array(3, 6, 12), _array(3, 4, 12))
def gru_with_heads(xs, w, u):
    def step(h, x):
        a, b = jnp.einsum("bm,hmf->bhf", x, w), jnp.einsum("bhd,hdf->bhf", h, u)
        r, z = (jax.nn.sigmoid(a[..., s] + b[..., s]) for s in (slice(0, 4), slice(4, 8)))
        n = jnp.tanh(a[..., 8:] + r * b[..., 8:])
        return (1 - z) * n + z * h, h

    return lax.scan(step, jnp.zeros((2, 3, 4)), xs)[1]


@_without(X, _array(6, 2, 4), _array(6, 2), _array(2, 4, 6))
def projection_with_a_gate_for_each_head(x, v, gate, o):
    heads = jnp.einsum("btm,mhd->bthd", x, v)
    heads = heads * jax.nn.sigmoid(x @ gate)[..., None]
    return jnp.einsum("bthd,hdm->btm", heads, o)


@_without(X, _array(2, 5, 1), W)
def mean_pooling_with_a_float_mask(x, mask, w):
    return (x @ w * mask).sum(1) / mask.sum(1)


@_without(X, np.array([3, 5], np.int32))
def mean_pooling_by_lengths(x, lengths):
    mask = (jnp.arange(5) < lengths[:, None]).astype(x.dtype)
    weights = mask / mask.sum(-1, keepdims=True)
    return jnp.einsum("bt,btm->bm", weights, x)


def _cross_entropy(w, x):
    return -jnp.take_along_axis(jax.nn.log_softmax(x @ w), LABELS[..., None], -1).mean()


@_without(W, X)
def cross_entropy(w, x):
    return _cross_entropy(w, x)


@_without(W, X)
def gradient_of_cross_entropy(w, x):
    return jax.value_and_grad(_cross_entropy, argnums=(0, 1))(w, x)


@_without(W, X)
def gradient_of_z_loss(w, x):
    def loss(w, x):
        return (jax.nn.logsumexp(jnp.tanh(x) @ w, -1) ** 2).mean()

    return jax.grad(loss, argnums=(0, 1))(w, x)


@_without(W, X, _array(6, 4), _array(6, 4))
def gradient_of_contrastive_loss(w, x, a, b):
    def loss(w):
        left, right = jnp.tanh(x[0] @ w) @ a, jnp.tanh(x[1] @ w) @ b
        scores = left @ right.T
        return (jax.nn.logsumexp(scores, -1) - jnp.diag(scores)).mean()

    return jax.grad(loss)(w)


@_without(X, W, W, _array(6), _array(6))
def layer_norms(x, a, b, scale, shift):
    def norm(x):
        mean = x.mean(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-6)

    return norm(norm(x @ a) * scale + shift) @ b


@_without(X, W, _array(6))
def weight_normalization(x, direction, size):
    return x @ (size * direction / jnp.linalg.norm(direction, axis=0))


@_without(X, W)
def weights_of_a_layer_over_their_sum(x, w):
    positive = jnp.exp(w)
    return x @ (positive / positive.sum(0))


@_without(W, X, _array(2, 5, 6))
def distillation_with_temperature(w, x, teacher):
    target = jax.nn.softmax(teacher / 2.0)
    return -(target * jax.nn.log_softmax(x @ w / 2.0)).sum(-1).mean()


@_without(W, X, _array(2, 5, 6))
def gradient_of_distillation(w, x, teacher):
    return jax.grad(distillation_with_temperature)(w, x, teacher)


@_without(X)
def soft_assignment_to_fixed_centroids(x):
    centroids = jnp.asarray(_array(4, 6))
    distances = ((x[:, :, None] - centroids) ** 2).sum(-1)
    return jax.nn.softmax(-distances) @ centroids


@_without(X, _array(6, 4))
def mixture_of_constants(x, w):
    return jax.nn.softmax(x @ w) @ jnp.array([0.1, 0.2, 0.4, 0.8])


@_without(X, _array(6, 9))
def temperature_sampling(x, w):
    return jax.random.categorical(jax.random.key(0), x[:, -1] @ w / 0.7)


@_without(X, _array(6, 9))
def perplexity_and_entropy(x, w):
    p = jax.nn.softmax(x @ w)
    return jnp.exp(-(p * jnp.log(p)).sum(-1)), (p * (x @ w)).sum(-1)


@_without(X, W, W)
def policy_gradient(x, w, v):
    p = jax.nn.softmax(x @ w)
    advantage = x @ v - (p * (x @ v)).sum(-1, keepdims=True)
    return (jnp.log(p) * lax.stop_gradient(advantage)).mean()


@_without(X, W)
def group_norm_of_features(x, w):
    groups = (x @ w).reshape(2, 5, 2, 3)
    groups = groups / jnp.sqrt((groups**2).sum(-1, keepdims=True) + 1e-6)
    return groups.reshape(2, 5, 6) @ w


@_without(X, W)
def clipped_by_norm(x, w):
    y = x @ w
    norms = jnp.sqrt((y**2).sum(-1, keepdims=True))
    return y * jnp.minimum(1.0, 1.0 / norms)


@_without(X, W)
def shrunk_by_the_sum(x, w):
    y = jnp.exp(x @ w)
    return y / (1 + y.sum(-1, keepdims=True))


@_without(_array(2, 8, 8, 3), _array(3, 3, 3, 6), _array(3, 3, 6, 6), _array(6, 4))
def convolutions_with_global_mean(x, a, b, out):
    numbers = ("NHWC", "HWIO", "NHWC")
    for kernel in (a, b):
        x = lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)
        x = jax.nn.silu(x)
    return x.mean((1, 2)) @ out


@_without(_array(2, 8, 6), W, W)
def gated_residual(x, w, gate):
    g = jax.nn.sigmoid(x @ gate)
    return g * jnp.tanh(x @ w) + (1 - g) * x


@_without(_array(9, 6), LABELS, W)
def embeddings_summed(table, ids, w):
    return table[ids].sum(1) @ w


@_without({"a": _array(6, 8), "b": _array(8, 6)}, X)
def adam_step(p, x):
    def loss(p):
        return ((jnp.tanh(x @ p["a"]) @ p["b"] - x) ** 2).mean()

    gradients = jax.grad(loss)(p)
    return jax.tree.map(lambda w, g: w - 0.1 * g / (jnp.sqrt(0.1 * g**2) + 1e-8), p, gradients)


@_without(X, _array(6, 8), _array(8, 6))
def two_layers_of_relu(x, a, b):
    return jax.nn.relu(x @ a) @ b


@_without(_array(5, 6), _array(6, 8), _array(8, 6))
def two_layers_of_softplus_without_batch(x, a, b):
    return jax.nn.softplus(x @ a) @ b


@_without(X, W, W, W)
def retention_over_the_size_of_its_sums(x, a, b, c):
    scores = (x @ a) @ (x @ b).mT * np.tril(0.9 ** np.arange(5)[:, None])
    scores = scores / jnp.maximum(jnp.abs(scores.sum(-1, keepdims=True)), 1)
    return scores @ (x @ c)


@_without(_array(3, 5, 6), _array(3, 6, 8), _array(3, 8, 6))
def layers_of_experts(x, a, b):
    return jnp.einsum("etf,efm->etm", jax.nn.relu(jnp.einsum("etm,emf->etf", x, a)), b)


@_without(np.abs(_array(2, 5, 5)), X, W, W)
def graph_convolutions(adjacency, x, a, b):
    h = jax.nn.elu(jnp.einsum("bij,bjm->bim", adjacency, x @ a))
    return jnp.einsum("bij,bjm->bim", adjacency, h @ b)


@_without(X, _array(2, 4), _array(4, 48), _array(4, 48))
def layers_from_a_context(x, context, a, b):
    a, b = (context @ a).reshape(2, 6, 8), (context @ b).reshape(2, 8, 6)
    return jnp.einsum("btf,bfm->btm", jnp.square(jax.nn.relu(x @ a)), b)


@_without(X, _array(6, 1), W)
def mean_weighted_by_precisions(x, v, m):
    precisions = 1 / (jax.nn.softplus(x @ v)[..., 0] + 1e-3)
    return jnp.einsum("bt,btd->bd", precisions / precisions.sum(-1, keepdims=True), x @ m)


@_without(X, _array(6, 3), _array(6, 3))
def factorization_machine(x, v, w):
    return ((x @ v) ** 2 - (x**2) @ (v**2)).sum(-1) / 2 + (x @ w).sum(-1)


@_without(_array(2, 5, 6), _array(5, 5))
def mixing_over_time_with_learned_weights(x, mix):
    return jnp.einsum("st,btm->bsm", mix, jnp.tanh(x))


@_without(_array(2, 7, 4), _array(4, 4), _array(4))
def forward_algorithm(emissions, transitions, start):
    def step(alpha, x):
        joint = jax.nn.logsumexp(alpha[:, :, None] + transitions, 1) + x
        return joint, None

    return lax.scan(step, start + emissions[:, 0], jnp.moveaxis(emissions[:, 1:], 1, 0))[0]


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_is_found(name: str):
    fn, args = PROGRAMS[name]
    sites = analysis_of(fn, *args).sites()
    assert [(site.form, site.kind, site.layout.shape) for site in sites] == []
