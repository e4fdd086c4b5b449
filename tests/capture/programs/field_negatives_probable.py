"""Probabilities that are no attention: losses, policies, chains, trees, transport, sampling."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("Mixture density network: likelihood by log-sum-exp over components, a training step.")
def mixture_density(draw: Draw) -> Case:
    def fn(p, x, y):
        def loss(p):
            h = jnp.tanh(x @ p["w"])
            log_pi = jax.nn.log_softmax(h @ p["pi"])
            mu = (h @ p["mu"]).reshape(-1, 3, 2)
            log_s = (h @ p["s"]).reshape(-1, 3, 2)
            z = (y[:, None] - mu) * jnp.exp(-log_s)
            log_n = jnp.sum(-0.5 * z**2 - log_s - 0.5 * jnp.log(2 * jnp.pi), axis=-1)
            return -jnp.mean(jax.nn.logsumexp(log_pi + log_n, axis=-1))

        value, grads = jax.value_and_grad(loss)(p)
        return value, jax.tree.map(lambda w, g: w - 0.01 * g, p, grads)

    p = {
        "w": draw.weight(4, 6),
        "pi": draw.weight(6, 3),
        "mu": draw.weight(6, 6),
        "s": draw.weight(6, 6),
    }
    return Case(fn, (p, draw(5, 4), draw(5, 2)))


@program("CLIP: similarities of a batch, cross entropy both ways, gradients of both towers.")
def contrastive(draw: Draw) -> Case:
    def fn(p, images, texts):
        def loss(p):
            a, b = images @ p["image"], texts @ p["text"]
            a = a / jnp.linalg.norm(a, axis=-1, keepdims=True)
            b = b / jnp.linalg.norm(b, axis=-1, keepdims=True)
            logits = jnp.exp(p["t"]) * a @ b.T
            labels = jnp.arange(len(a))

            def pick(s):
                return -jnp.take_along_axis(jax.nn.log_softmax(s, -1), labels[:, None], 1).mean()

            return 0.5 * (pick(logits) + pick(logits.T))

        value, grads = jax.value_and_grad(loss)(p)
        return value, jax.tree.map(lambda w, g: w - 0.1 * g, p, grads)

    p = {"image": draw.weight(7, 4), "text": draw.weight(6, 4), "t": np.float32(1.0)}
    return Case(fn, (p, draw(5, 7), draw(5, 6)))


@program("C51: a softmax over atoms of values for each action, greedy choice, projected targets.")
def distributional_values(draw: Draw) -> Case:
    def fn(p, states, rewards):
        atoms = jnp.linspace(-2.0, 2.0, 5)
        q = jax.nn.softmax((jax.nn.relu(states @ p["w"]) @ p["q"]).reshape(-1, 3, 5), axis=-1)
        best = jnp.argmax(jnp.sum(q * atoms, axis=-1), axis=-1)
        chosen = jnp.take_along_axis(q, best[:, None, None], axis=1)[:, 0]
        target = jnp.clip(rewards[:, None] + 0.9 * atoms, -2.0, 2.0)
        near = 1 - jnp.abs(target[:, None] - atoms[:, None]) / 1.0
        projected = jnp.sum(jnp.clip(near, 0, 1) * chosen[:, None], axis=-1)
        return best, -jnp.mean(jnp.sum(lax.stop_gradient(projected) * jnp.log(chosen + 1e-8), -1))

    p = {"w": draw.weight(4, 6), "q": draw.weight(6, 15)}
    return Case(fn, (p, draw(5, 4), draw(5)))


@program("Discrete soft actor-critic: expectations over actions of two critics, entropy, gradient.")
def soft_actor_critic(draw: Draw) -> Case:
    def fn(actor, critics, states):
        def loss(actor):
            logits = jnp.tanh(states @ actor["w"]) @ actor["o"]
            log_p = jax.nn.log_softmax(logits)
            p = jnp.exp(log_p)
            q = jnp.minimum(*(jnp.tanh(states @ c["w"]) @ c["o"] for c in critics))
            return jnp.mean(jnp.sum(p * (0.2 * log_p - q), axis=-1)), (p * -log_p).sum(-1)

        return jax.value_and_grad(loss, has_aux=True)(actor)

    def make():
        return {"w": draw.weight(4, 6), "o": draw.weight(6, 3)}

    return Case(fn, (make(), (make(), make()), draw(5, 4)))


@program("Dreamer: categorical latents with a straight-through sample, decoded by a dense layer.")
def categorical_latents(draw: Draw) -> Case:
    p = {"encode": draw.weight(5, 12), "decode": draw.weight(12, 5), "prior": draw.weight(5, 12)}

    def fn(p, x, key):
        def mixed(logits):
            return 0.99 * jax.nn.softmax(logits, -1) + 0.01 / 4

        def loss(p):
            posterior = mixed((x @ p["encode"]).reshape(-1, 3, 4))
            prior = mixed((jnp.tanh(x) @ p["prior"]).reshape(-1, 3, 4))
            sample = jax.nn.one_hot(jax.random.categorical(key, jnp.log(posterior)), 4)
            sample = sample + posterior - lax.stop_gradient(posterior)
            decoded = sample.reshape(-1, 12) @ p["decode"]
            divergence = jnp.sum(posterior * (jnp.log(posterior) - jnp.log(prior)), (-2, -1))
            return jnp.mean((decoded - x) ** 2) + 0.1 * jnp.maximum(divergence, 0.5).mean()

        return jax.value_and_grad(loss)(p)

    return Case(fn, (p, draw(6, 5), jax.random.key(0)))


@program("A soft decision tree: sigmoid branches multiplied along paths, scalars at the leaves.")
def decision_tree(draw: Draw) -> Case:
    def fn(p, x):
        right = jax.nn.sigmoid(x @ p["w"] + p["b"])
        both = jnp.stack([1 - right, right], axis=-1)
        root, left, other = both[:, 0], both[:, 1], both[:, 2]
        paths = jnp.concatenate([root[:, :1] * left, root[:, 1:] * other], axis=-1)
        return jnp.sum(paths * p["leaves"], axis=-1)

    return Case(fn, ({"w": draw(4, 3), "b": draw(3), "leaves": draw(4)}, draw(5, 4)))


@program("Importance-weighted autoencoder: a bound by log-sum-exp over samples, its gradient.")
def importance_weights(draw: Draw) -> Case:
    p = {
        "mu": draw.weight(5, 3),
        "s": draw.weight(5, 3),
        "w": draw.weight(3, 6),
        "o": draw.weight(6, 5),
    }

    def fn(p, x, noise):
        def bound(p):
            mu, log_s = x @ p["mu"], 0.3 * jnp.tanh(x @ p["s"])
            z = mu + jnp.exp(log_s) * noise
            log_q = jnp.sum(-0.5 * noise**2 - log_s, -1)
            log_p = jnp.sum(-0.5 * z**2, -1)
            logits = jax.nn.relu(z @ p["w"]) @ p["o"]
            log_x = jnp.sum(
                jax.nn.log_sigmoid(logits) * x + jax.nn.log_sigmoid(-logits) * (1 - x), -1
            )
            log_w = log_x + log_p - log_q
            share = lax.stop_gradient(jax.nn.softmax(log_w, axis=0))
            size = 1 / jnp.sum(share**2, axis=0)
            return jnp.mean(jax.nn.logsumexp(log_w, axis=0) - jnp.log(4.0)), size

        return jax.value_and_grad(bound, has_aux=True)(p)

    x = (draw(6, 5) > 0).astype(np.float32)
    return Case(fn, (p, x, draw(4, 6, 3)))


@program("Sampling: temperature, top k, nucleus by sorted cumulative probabilities, penalties.")
def nucleus_sampling(draw: Draw) -> Case:
    def fn(hidden, embedding, seen, key):
        logits = hidden @ embedding.T
        logits = jnp.where(seen, jnp.where(logits > 0, logits / 1.3, logits * 1.3), logits) / 0.8
        kth = lax.top_k(logits, 6)[0][..., -1:]
        logits = jnp.where(logits < kth, -jnp.inf, logits)
        ordered = jnp.sort(logits, axis=-1)[..., ::-1]
        total = jnp.cumsum(jax.nn.softmax(ordered, axis=-1), axis=-1)
        last = jnp.sum(total < 0.9, axis=-1, keepdims=True)
        cutoff = jnp.take_along_axis(ordered, last, axis=-1)
        logits = jnp.where(logits < cutoff, -jnp.inf, logits)
        probabilities = jax.nn.softmax(logits, axis=-1)
        token = jax.random.categorical(key, logits)
        return token, embedding[token], jnp.take_along_axis(probabilities, token[:, None], -1)

    seen = draw.integers(2, 2, 9).astype(bool)
    return Case(fn, (draw(2, 5), draw(9, 5), seen, jax.random.key(1)))


@program("A conditional random field: forward algorithm by scan, and the gradient (marginals).")
def random_field(draw: Draw) -> Case:
    def fn(p, x, tags):
        def loss(p):
            emit = x @ p["w"]

            def step(alpha, e):
                alpha = jax.nn.logsumexp(alpha[:, :, None] + p["t"][None], axis=1) + e
                return alpha, None

            alpha, _ = lax.scan(step, emit[:, 0], emit[:, 1:].swapaxes(0, 1))
            gold = jnp.take_along_axis(emit, tags[..., None], -1)[..., 0].sum(-1)
            gold = gold + p["t"][tags[:, :-1], tags[:, 1:]].sum(-1)
            return jnp.mean(jax.nn.logsumexp(alpha, -1) - gold)

        return jax.value_and_grad(loss)(p)

    return Case(
        fn, ({"w": draw.weight(5, 4), "t": draw(4, 4)}, draw(2, 6, 5), draw.integers(4, 2, 6))
    )


@program("A hidden Markov model: rows of softmax parameters, normalized forward messages by scan.")
def markov_filter(draw: Draw) -> Case:
    def fn(start, transitions, means, x):
        rows = jax.nn.softmax(transitions, axis=-1)
        emit = jnp.exp(-0.5 * (x[:, None] - means) ** 2)

        def step(alpha, e):
            alpha = (alpha @ rows) * e
            total = alpha.sum()
            return alpha / total, jnp.log(total)

        first = jax.nn.softmax(start) * emit[0]
        alpha, logs = lax.scan(step, first / first.sum(), emit[1:])
        return alpha, logs.sum() + jnp.log(first.sum())

    return Case(fn, (draw(4), draw(4, 4), draw(4), draw(7)))


@program("Optimal transport: potentials by log-sum-exp in a loop, the cost of the plan.")
def transport(draw: Draw) -> Case:
    def fn(x, y):
        cost = jnp.sum((x[:, None] - y[None]) ** 2, -1)

        def update(_, potentials):
            f, g = potentials
            f = -0.5 * jax.nn.logsumexp((g[None] - cost) / 0.5 - jnp.log(5.0), axis=1)
            g = -0.5 * jax.nn.logsumexp((f[:, None] - cost) / 0.5 - jnp.log(4.0), axis=0)
            return f, g

        f, g = lax.fori_loop(0, 20, update, (jnp.zeros(4), jnp.zeros(5)))
        plan = jnp.exp((f[:, None] + g[None] - cost) / 0.5) / 20
        return jnp.sum(plan * cost)

    return Case(fn, (draw(4, 2), draw(5, 2)))


@program("RealNVP: affine couplings with masks, log determinants, base density.")
def affine_couplings(draw: Draw) -> Case:
    p = [{"w": draw.weight(4, 8), "s": draw.weight(8, 4), "t": draw.weight(8, 4)} for _ in range(2)]

    def fn(p, x):
        total = jnp.zeros(x.shape[0])
        for number, w in enumerate(p):
            mask = (jnp.arange(4) % 2 == number).astype(x.dtype)
            h = jax.nn.relu((x * mask) @ w["w"])
            s, t = jnp.tanh(h @ w["s"]) * (1 - mask), (h @ w["t"]) * (1 - mask)
            x, total = x * jnp.exp(s) + t, total + s.sum(-1)
        return x, total - 0.5 * jnp.sum(x**2, -1)

    return Case(fn, (p, draw(5, 4)))


@program("Proximal policy optimization: ratio, clip, advantages normalized, entropy, value loss.")
def policy_gradient(draw: Draw) -> Case:
    def fn(p, states, actions, old, rewards):
        def loss(p):
            h = jnp.tanh(states @ p["w"])
            log_all, value = jax.nn.log_softmax(h @ p["pi"]), (h @ p["v"])[:, 0]
            log_p = jnp.take_along_axis(log_all, actions[:, None], 1)[:, 0]
            advantage = rewards - lax.stop_gradient(value)
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            ratio = jnp.exp(log_p - old)
            clipped = jnp.clip(ratio, 0.8, 1.2)
            gain = jnp.minimum(ratio * advantage, clipped * advantage).mean()
            entropy = -jnp.sum(jnp.exp(log_all) * log_all, -1).mean()
            return -gain - 0.01 * entropy + 0.5 * jnp.mean((value - rewards) ** 2)

        return jax.value_and_grad(loss)(p)

    p = {"w": draw.weight(4, 6), "pi": draw.weight(6, 3), "v": draw.weight(6, 1)}
    return Case(fn, (p, draw(8, 4), draw.integers(3, 8), -np.abs(draw(8)), draw(8)))


@program("Mixture of softmaxes over a vocabulary; the mixing weights mix probabilities.")
def mixture_of_softmaxes(draw: Draw) -> Case:
    p = {"prior": draw.weight(6, 3), "latent": draw.weight(6, 18), "out": draw.weight(6, 9)}

    def fn(p, h, targets):
        prior = jax.nn.softmax(h @ p["prior"], axis=-1)
        latent = jnp.tanh((h @ p["latent"]).reshape(*h.shape[:-1], 3, 6))
        log_p = jax.nn.log_softmax(latent @ p["out"], axis=-1)
        log_p = jax.nn.logsumexp(log_p + jnp.log(prior)[..., None], axis=-2)
        return -jnp.take_along_axis(log_p, targets[..., None], -1).mean()

    return Case(fn, (p, draw(2, 5, 6), draw.integers(9, 2, 5)))


@program("A beam of hypotheses over a recurrent cell: scores added, best kept, states reordered.")
def beam_search(draw: Draw) -> Case:
    p = {
        "embed": draw(7, 5),
        "w": draw.weight(5, 5),
        "u": draw.weight(5, 5),
        "o": draw.weight(5, 7),
    }

    def fn(p, first):
        def step(carry, _):
            h, tokens, scores = carry
            h = jnp.tanh(p["embed"][tokens] @ p["w"] + h @ p["u"])
            total = scores[:, None] + jax.nn.log_softmax(h @ p["o"])
            scores, index = lax.top_k(total.reshape(-1), 3)
            parent, tokens = index // 7, index % 7
            return (h[parent], tokens, scores), (parent, tokens)

        scores = jnp.array([0.0, -1e9, -1e9])
        carry = (jnp.tile(first, (3, 1)), jnp.zeros(3, jnp.int32), scores)
        return lax.scan(step, carry, None, length=4)

    return Case(fn, (p, draw(5)))


@program(
    "Experts choose tokens: softmax over experts, best tokens of each, gathered and scattered."
)
def expert_choice(draw: Draw) -> Case:
    p = {
        "router": draw.weight(6, 3),
        "wi": draw(3, 6, 8, scale=0.4),
        "wo": draw(3, 8, 6, scale=0.4),
    }

    def fn(p, x):
        scores = jax.nn.softmax(x @ p["router"], axis=-1)
        gates, chosen = lax.top_k(scores.T, 3)
        hidden = jax.nn.relu(jnp.einsum("ecm,emf->ecf", x[chosen], p["wi"]))
        out = jnp.einsum("ecf,efm->ecm", hidden, p["wo"]) * gates[..., None]
        return x + jnp.zeros_like(x).at[chosen.reshape(-1)].add(out.reshape(-1, 6))

    return Case(fn, (p, draw(7, 6)))


@program("A gated residual network and a highway layer, dropout on, then a calibrated head.")
def highway(draw: Draw) -> Case:
    p = draw.weights("w1 w2", 6, 6) | {
        "glu": draw.weight(6, 12),
        "t": draw.weight(6, 6),
        "h": draw.weight(6, 6),
    }

    def fn(p, x, key):
        y = jax.nn.elu(x @ p["w1"]) @ p["w2"]
        y = jnp.where(jax.random.bernoulli(key, 0.9, y.shape), y / 0.9, 0.0)
        a, b = jnp.split(y @ p["glu"], 2, -1)
        x = x + a * jax.nn.sigmoid(b)
        t = jax.nn.sigmoid(x @ p["t"] - 2)
        x = t * jax.nn.relu(x @ p["h"]) + (1 - t) * x
        return jax.nn.softmax(x / jnp.sqrt(6), -1)

    return Case(fn, (p, draw(4, 6), jax.random.key(2)))
