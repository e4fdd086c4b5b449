"""No attention: softmax, sums and averages that serve other ends."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("Vocabulary softmax and cross entropy by one-hot products.")
def vocabulary_cross_entropy(draw: Draw) -> Case:
    def fn(x, w, labels):
        logp = jax.nn.log_softmax(x @ w)
        return -(jax.nn.one_hot(labels, 11) * logp).sum(-1).mean(), jnp.exp(logp)

    return Case(fn, (draw(2, 5, 6), draw.weight(6, 11), draw.integers(11, 2, 5)))


@program("Attention that is computed, and its result thrown away.")
def result_of_no_use(draw: Draw) -> Case:
    def fn(x, q, k):
        _ = jax.nn.softmax((x @ q) @ (x @ k).mT) @ x
        return jnp.tanh(x @ q)

    return Case(fn, (draw(2, 5, 6), draw.weight(6, 6), draw.weight(6, 6)))


@program("A training step of a language model without attention: loss and gradients.")
def vocabulary_training_step(draw: Draw) -> Case:
    def loss(p, tokens, labels):
        x = jnp.tanh(p["embedding"][tokens] @ p["hidden"])
        logits = x @ p["embedding"].T
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    p = {"embedding": draw(11, 6), "hidden": draw.weight(6, 6)}
    return Case(jax.value_and_grad(loss), (p, draw.integers(11, 2, 5), draw.integers(11, 2, 5)))


@program("A classifier whose probabilities feed metrics: accuracy, entropy and calibration.")
def classifier_with_metrics(draw: Draw) -> Case:
    def fn(x, w, labels):
        p = jax.nn.softmax(jax.nn.relu(x) @ w)
        onehot = jax.nn.one_hot(labels, 4)
        confidence = p.max(-1)
        brier = ((p - onehot) ** 2).sum(-1).mean()
        return (p.argmax(-1) == labels).mean(), brier, confidence, -(p * jnp.log(p)).sum(-1)

    return Case(fn, (draw(7, 6), draw.weight(6, 4), draw.integers(4, 7)))


@program("Class frequencies: softmax times one-hot labels, summed to a confusion matrix.")
def soft_confusion_matrix(draw: Draw) -> Case:
    def fn(x, w, labels):
        p = jax.nn.softmax(x @ w, -1)
        return jnp.einsum("np,nl->pl", p, jax.nn.one_hot(labels, 4))

    return Case(fn, (draw(7, 6), draw.weight(6, 4), draw.integers(4, 7)))


@program("An expectation over fixed atoms (distributional reinforcement learning).")
def expectation_over_atoms(draw: Draw) -> Case:
    def fn(x, w):
        p = jax.nn.softmax(jnp.einsum("bm,mak->bak", x, w))
        return p @ jnp.linspace(-10.0, 10.0, 7)

    return Case(fn, (draw(3, 6), draw.weight(6, 4, 7)))


@program("A soft argmax over a grid of coordinates: keypoints from heatmaps.")
def keypoints_by_soft_argmax(draw: Draw) -> Case:
    def fn(x, w):
        heat = jnp.einsum("bhwc,ck->bkhw", x, w)
        p = jax.nn.softmax(heat.reshape(2, 3, 20)).reshape(2, 3, 4, 5)
        ys, xs = jnp.linspace(-1, 1, 4), jnp.linspace(-1, 1, 5)
        return jnp.stack([(p.sum(2) * xs).sum(-1), (p.sum(3) * ys).sum(-1)], -1)

    return Case(fn, (draw(2, 4, 5, 6), draw.weight(6, 3)))


@program("Box edges as expectations over integer bins (distribution focal loss).")
def expectation_over_bins(draw: Draw) -> Case:
    def fn(x, w):
        p = jax.nn.softmax((x @ w).reshape(2, 5, 4, 8), axis=-1)
        return jnp.tensordot(p, np.arange(8, dtype=np.float32), axes=1)

    return Case(fn, (draw(2, 5, 6), draw.weight(6, 32)))


@program("A soft lookup in a table of constants.")
def lookup_in_constant_table(draw: Draw) -> Case:
    table = draw(9, 4)

    def fn(x, w):
        return jax.nn.softmax(x @ w, axis=-1) @ jnp.asarray(table)

    return Case(fn, (draw(2, 5, 6), draw.weight(6, 9)))


@program("Gumbel softmax with a codebook of constants.")
def gumbel_softmax_codebook(draw: Draw) -> Case:
    codebook = np.eye(8, 5, dtype=np.float32)

    def fn(x, w, key):
        g = jax.random.gumbel(key, (2, 5, 8))
        soft = jax.nn.softmax((x @ w + g) / 0.7)
        hard = jax.nn.one_hot(soft.argmax(-1), 8)
        return (hard + soft - lax.stop_gradient(soft)) @ codebook

    return Case(fn, (draw(2, 5, 6), draw.weight(6, 8), jax.random.key(0)))


@program("A mixture density network: mean and likelihood from softmax, means and deviations.")
def mixture_density(draw: Draw) -> Case:
    def fn(x, w, y):
        logits, mean, scale = jnp.split(x @ w, 3, axis=-1)
        logp = jax.nn.log_softmax(logits)
        error = (y[:, None] - mean) * jnp.exp(-scale)
        return -jax.nn.logsumexp(logp - scale - error**2 / 2, axis=-1).mean()

    return Case(fn, (draw(6, 5), draw.weight(5, 12), draw(6)))


@program("Sinkhorn distance between two point clouds: the plan meets the costs in a sum.")
def sinkhorn_loss(draw: Draw) -> Case:
    def fn(x, y):
        cost = ((x[:, None] - y[None]) ** 2).sum(-1)

        def step(_, fg):
            f, _ = fg
            g = -jax.nn.logsumexp(-cost + f[:, None], axis=0)
            return -jax.nn.logsumexp(-cost + g[None], axis=1), g

        f, g = lax.fori_loop(0, 10, step, (jnp.zeros(5), jnp.zeros(6)))
        return (jnp.exp(f[:, None] + g[None] - cost) * cost).sum()

    return Case(fn, (draw(5, 3), draw(6, 3)))


@program("A forward algorithm in log space, as in CTC and hidden Markov models.")
def forward_algorithm(draw: Draw) -> Case:
    def fn(emissions, transitions):
        def step(alpha, e):
            alpha = jax.nn.logsumexp(alpha[:, None] + transitions, axis=0) + e
            return alpha, alpha

        alpha, _ = lax.scan(step, emissions[0], emissions[1:])
        return jax.nn.logsumexp(alpha)

    return Case(jax.value_and_grad(fn), (draw(6, 4), draw(4, 4)))


@program("CTC loss of optax.")
def ctc_loss(draw: Draw) -> Case:
    def fn(x, w, labels):
        pads = jnp.zeros((2, 7)), jnp.zeros((2, 3))
        return optax.ctc_loss(x @ w, pads[0], labels, pads[1])

    return Case(fn, (draw(2, 7, 6), draw.weight(6, 5), 1 + draw.integers(4, 2, 3)))


@program("A contrastive loss with a temperature: similarities, softmax, its diagonal.")
def contrastive_loss(draw: Draw) -> Case:
    def fn(x, y, w):
        x, y = x @ w, y @ w
        x, y = (z / jnp.linalg.norm(z, axis=-1, keepdims=True) for z in (x, y))
        logp = jax.nn.log_softmax(x @ y.T / 0.07, axis=-1)
        return -jnp.diagonal(logp).mean()

    return Case(jax.value_and_grad(fn), (draw(5, 6), draw(5, 6), draw.weight(6, 4)))


@program("Distillation: softmax of a teacher times log softmax of a student.")
def distillation_loss(draw: Draw) -> Case:
    def fn(x, student, teacher):
        target = jax.nn.softmax(lax.stop_gradient(x @ teacher) / 2.0)
        return -(target * jax.nn.log_softmax(x @ student / 2.0)).sum(-1).mean() * 4

    return Case(fn, (draw(5, 6), draw.weight(6, 7), draw.weight(6, 7)))


@program("Self-normalized importance weighting over constant samples.")
def importance_weighting(draw: Draw) -> Case:
    samples = draw(9)

    def fn(mean):
        z = jnp.asarray(samples)
        log_w = -((z - mean) ** 2) / 2 + z**2 / 2
        w = jnp.exp(log_w - log_w.max())
        w = w / w.sum()
        return (w * z).sum(), 1 / (w**2).sum()

    return Case(fn, (np.float32(0.3),))


@program("A tight bound with several samples (IWAE), whose gradient carries normalized weights.")
def importance_weighted_bound(draw: Draw) -> Case:
    def fn(p, x, noise):
        mean, deviation = x @ p["m"], jax.nn.softplus(x @ p["s"])
        z = mean + deviation * noise
        decoded = z @ p["d"]
        log_w = -((x - decoded) ** 2).sum(-1) / 2 + (noise**2 - z**2).sum(-1) / 2
        return -(jax.nn.logsumexp(log_w, axis=0) - jnp.log(4.0)).mean()

    p = draw.weights("m s", 6, 3) | {"d": draw.weight(3, 6)}
    return Case(jax.value_and_grad(fn), (p, draw(5, 6), draw(4, 5, 3)))


@program("A policy over actions and its policy gradient (a bandit).")
def bandit(draw: Draw) -> Case:
    def fn(logits, rewards):
        return -(jax.nn.softmax(logits) * rewards).sum()

    return Case(jax.value_and_grad(fn), (draw(5), draw(5)))


@program("Expected value of a policy: softmax over actions times action values from the state.")
def expected_value_of_policy(draw: Draw) -> Case:
    def fn(state, policy, critic):
        pi = jax.nn.softmax(state @ policy)
        q = state @ critic
        return (pi * (q - 0.1 * jnp.log(pi))).sum(-1)

    return Case(fn, (draw(4, 6), draw.weight(6, 3), draw.weight(6, 3)))


@program("Soft value iteration: logsumexp over actions of a constant model.")
def soft_value_iteration(draw: Draw) -> Case:
    def fn(rewards, transitions):
        model = jax.nn.softmax(transitions, axis=-1)

        def step(_, value):
            return jax.nn.logsumexp(rewards + 0.9 * jnp.einsum("sat,t->sa", model, value), -1)

        return lax.fori_loop(0, 5, step, jnp.zeros(4))

    return Case(fn, (draw(4, 3), draw(4, 3, 4)))


@program("Layer norm, RMS norm, group norm and batch norm.")
def normalizations(draw: Draw) -> Case:
    def fn(x, w):
        x = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-6)
        x = x @ w
        x = x * lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-6)
        g = x.reshape(2, 5, 2, 3)
        x = ((g - g.mean((1, 3), keepdims=True)) / g.std((1, 3), keepdims=True)).reshape(2, 5, 6)
        return (x - x.mean((0, 1))) / (x.std((0, 1)) + 1e-5) @ w

    return Case(fn, (draw(2, 5, 6), draw.weight(6, 6)))


@program("Rows of unit length, then a matrix product: cosine similarity is the output.")
def cosine_similarities(draw: Draw) -> Case:
    def fn(x, y, w):
        x, y = (z / (jnp.sqrt((z**2).sum(-1, keepdims=True)) + 1e-8) for z in (x @ w, y @ w))
        return x @ y.T @ y

    return Case(fn, (draw(5, 6), draw(7, 6), draw.weight(6, 4)))


@program("Positive features over their sum, then a matrix product: L1 normalization of counts.")
def counts_over_their_sum(draw: Draw) -> Case:
    def fn(x, w):
        counts = jax.nn.relu(x) + 1e-3
        return counts / counts.sum(-1, keepdims=True) @ w

    return Case(fn, (draw(5, 6), draw.weight(6, 4)))


@program("One step of Adam and a cosine schedule.")
def adam_step(draw: Draw) -> Case:
    optimizer = optax.adamw(optax.cosine_decay_schedule(1e-2, 10))

    def fn(p, x, y):
        gradients = jax.grad(lambda p: ((jnp.tanh(x @ p["a"]) @ p["b"] - y) ** 2).mean())(p)
        updates, state = optimizer.update(gradients, optimizer.init(p), p)
        return optax.apply_updates(p, updates), state

    return Case(fn, ({"a": draw(4, 6), "b": draw(6, 2)}, draw(5, 4), draw(5, 2)))


@program("Averages of neighbors on a graph with constant weights by degree (GCN).")
def graph_convolution(draw: Draw) -> Case:
    adjacency = (np.abs(np.arange(6)[:, None] - np.arange(6)) <= 1).astype(np.float32)

    def fn(x, w):
        a = adjacency / adjacency.sum(-1, keepdims=True)
        return jax.nn.relu(jnp.asarray(a) @ x @ w)

    return Case(fn, (draw(6, 4), draw.weight(4, 4)))


@program("Averages of neighbors with degrees computed from the graph given (GraphSAGE).")
def graph_mean(draw: Draw) -> Case:
    def fn(x, w, senders, receivers):
        total = jax.ops.segment_sum(x[senders], receivers, 5)
        degree = jax.ops.segment_sum(jnp.ones(9), receivers, 5)
        return jnp.concatenate([x, total / jnp.maximum(degree, 1)[:, None]], -1) @ w

    args = draw(5, 4), draw.weight(8, 4), draw.integers(5, 9), draw.integers(5, 9)
    return Case(fn, args)


@program("A causal running mean written as a product with a normalized triangle.")
def running_mean(draw: Draw) -> Case:
    def fn(x, w):
        triangle = jnp.tril(jnp.ones((5, 5)))
        return (triangle / triangle.sum(1, keepdims=True)) @ (x @ w)

    return Case(fn, (draw(2, 5, 6), draw.weight(6, 4)))


@program("Mean pooling, with a mask of padding divided by lengths.")
def masked_mean_pooling(draw: Draw) -> Case:
    def fn(x, mask, w):
        weights = mask / mask.sum(-1, keepdims=True)
        return jnp.einsum("bt,btd->bd", weights, x) @ w

    mask = (np.arange(5) < np.array([[3], [5]])).astype(np.float32)
    return Case(fn, (draw(2, 5, 6), mask, draw.weight(6, 3)))


@program("Bilinear layers and factorized bilinear pooling.")
def bilinear_layers(draw: Draw) -> Case:
    def fn(x, y, core, u, v):
        z = jnp.einsum("bi,bj,ijk->bk", x, y, core)
        return z + (x @ u) * (y @ v)

    return Case(fn, (draw(3, 4), draw(3, 5), draw(4, 5, 6), draw(4, 6), draw(5, 6)))


@program("Mixing by a Fourier transform over tokens and features (FNet).")
def fourier_mixing(draw: Draw) -> Case:
    def fn(x, w):
        x = x + jnp.fft.fft2(x).real
        return x + jax.nn.gelu(x @ w)

    return Case(fn, (draw(2, 5, 6), draw.weight(6, 6)))


@program("A mixer: matrices over tokens and over features.")
def token_mixer(draw: Draw) -> Case:
    def fn(x, tokens, features):
        x = x + jnp.einsum("st,btd->bsd", tokens, jax.nn.gelu(x))
        return x + jax.nn.gelu(x @ features)

    return Case(fn, (draw(2, 5, 6), draw(5, 5), draw.weight(6, 6)))


@program("A small U-Net: pooling, convolutions, upsampling, a skip connection, sigmoid at the end.")
def u_net(draw: Draw) -> Case:
    def fn(x, kernels):
        def conv(x, kernel):
            dims = ("NHWC", "HWIO", "NHWC")
            return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=dims)

        down = jax.nn.silu(conv(x, kernels[0]))
        low = jax.nn.silu(conv(down.reshape(2, 2, 2, 2, 2, 3).mean((2, 4)), kernels[1]))
        up = jnp.repeat(jnp.repeat(low, 2, axis=1), 2, axis=2)
        return jax.nn.sigmoid(conv(jnp.concatenate([down, up], -1), kernels[2]))

    kernels = [draw(3, 3, 3, 3), draw(3, 3, 3, 3), draw(3, 3, 6, 1)]
    return Case(fn, (draw(2, 4, 4, 3), kernels))


@program("Vector quantization: nearest codes, straight-through gradient, commitment loss.")
def vector_quantization(draw: Draw) -> Case:
    def fn(x, codes):
        distance = ((x[:, :, None] - codes) ** 2).sum(-1)
        quantized = codes[distance.argmin(-1)]
        return x + lax.stop_gradient(quantized - x), ((x - quantized) ** 2).mean()

    return Case(fn, (draw(2, 5, 4), draw(7, 4)))


@program("Feature-wise modulation (FiLM) and style modulation from a condition, squashed by tanh.")
def feature_modulation(draw: Draw) -> Case:
    def fn(x, condition, w):
        scale, shift = jnp.split(condition @ w, 2, -1)
        return x * (1 + jnp.tanh(scale))[:, None] + shift[:, None]

    return Case(fn, (draw(2, 5, 6), draw(2, 3), draw.weight(3, 12)))
