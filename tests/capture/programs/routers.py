"""Routers of mixtures of experts: queries are tokens, keys are experts.

The weights are those that the outputs of the experts are mixed with, zero where a token does not
go; the probabilities before the choice are accepted too.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _experts(draw, experts=4):
    up, down = draw(experts, 6, 5, scale=0.5), draw(experts, 5, 6, scale=0.5)
    return {"router": draw.weight(6, experts), "up": up, "down": down}


def _ref_outputs(p, x):
    """`[batch token expert feature]`: every expert on every token."""
    hidden = ref.relu(np.einsum("btm,emf->btef", x, p["up"]))
    return np.einsum("btef,efm->btem", hidden, p["down"])


def _kept(s, count):
    """True for the largest scores of each row."""
    return s >= np.sort(s, -1)[..., -count][..., None]


def _combine(note, p, x, weights, *also, **labels):
    others = [array[:, None] for array in also]
    w = note(weights[:, None], "router", also=others, **labels)[:, 0]
    return np.einsum("bte,btem->btm", w, _ref_outputs(p, x))


@program("All experts on all tokens, mixed by softmax (dense).")
def dense(draw: Draw) -> Case:
    def fn(p, x):
        gate = jax.nn.softmax(x @ p["router"])
        hidden = jax.nn.relu(jnp.einsum("btm,emf->btef", x, p["up"]))
        return jnp.einsum("bte,btef,efm->btm", gate, hidden, p["down"])

    def reference(note, p, x):
        return _combine(note, p, x, ref.softmax(x @ p["router"]))

    return Case(fn, (_experts(draw), draw(2, 5, 6)), reference)


@program("Softmax, then the two largest, not normalized again; weights scattered by one-hot.")
def softmax_then_top_k(draw: Draw) -> Case:
    def fn(p, x):
        probabilities = jax.nn.softmax(x @ p["router"], axis=-1)
        top, index = lax.top_k(probabilities, 2)
        combine = (jax.nn.one_hot(index, 4) * top[..., None]).sum(-2)
        hidden = jax.nn.relu(jnp.einsum("btm,emf->ebtf", x, p["up"]))
        out = jnp.einsum("ebtf,efm->ebtm", hidden, p["down"])
        return jnp.einsum("ebtm,bte->btm", out, combine)

    def reference(note, p, x):
        s = ref.softmax(x @ p["router"])
        return _combine(note, p, x, s * _kept(s, 2), s)

    return Case(fn, (_experts(draw), draw(2, 5, 6)), reference)


@program("The two largest, then softmax over them (Mixtral); matrices of experts are gathered.")
def top_k_then_softmax(draw: Draw) -> Case:
    def fn(p, x):
        logits, index = lax.top_k(x @ p["router"], 2)
        weights = jax.nn.softmax(logits, axis=-1)
        hidden = jax.nn.relu(jnp.einsum("btm,btkmf->btkf", x, p["up"][index]))
        out = jnp.einsum("btkf,btkfm->btkm", hidden, p["down"][index])
        return (out * weights[..., None]).sum(2)

    def reference(note, p, x):
        s = x @ p["router"]
        w = ref.softmax(np.where(_kept(s, 2), s, -np.inf))
        return _combine(note, p, x, w, -np.sort(-w, -1)[..., :2], ref.softmax(s))

    return Case(fn, (_experts(draw), draw(2, 5, 6)), reference)


@program("Softmax, the two largest, normalized again; a Python loop over experts.")
def top_k_renormalized(draw: Draw) -> Case:
    def fn(p, x):
        top, index = lax.top_k(jax.nn.softmax(x @ p["router"]), 2)
        top = top / top.sum(-1, keepdims=True)
        out = jnp.zeros_like(x)
        for e in range(4):
            weight = jnp.where(index == e, top, 0.0).sum(-1)
            out += weight[..., None] * (jax.nn.relu(x @ p["up"][e]) @ p["down"][e])
        return out

    def reference(note, p, x):
        s = x @ p["router"]
        w = ref.softmax(np.where(_kept(s, 2), s, -np.inf))
        return _combine(note, p, x, w, -np.sort(-w, -1)[..., :2], ref.softmax(s))

    return Case(fn, (_experts(draw), draw(2, 5, 6)), reference)


@program("One expert a token with a capacity: dispatch and combine tensors (Switch).")
def switch_with_capacity(draw: Draw) -> Case:
    def fn(p, x):
        probabilities = jax.nn.softmax(x @ p["router"])
        chosen = jax.nn.one_hot(probabilities.argmax(-1), 4)
        place = (jnp.cumsum(chosen, axis=1) - 1) * chosen
        dispatch = chosen[..., None] * jax.nn.one_hot(place.astype(int), 5) * (place < 5)[..., None]
        combine = dispatch * probabilities.max(-1)[..., None, None]
        inputs = jnp.einsum("btec,btm->becm", dispatch, x)
        hidden = jax.nn.relu(jnp.einsum("becm,emf->becf", inputs, p["up"]))
        return jnp.einsum("btec,becf,efm->btm", combine, hidden, p["down"])

    def reference(note, p, x):
        s = ref.softmax(x @ p["router"])
        return _combine(note, p, x, s * _kept(s, 1), s)

    return Case(fn, (_experts(draw), draw(2, 5, 6)), reference)


@program("Expert choice: each expert takes its two best tokens.")
def expert_choice(draw: Draw) -> Case:
    def fn(p, x):
        s = jax.nn.softmax(x @ p["router"], axis=-1)
        weights, index = lax.top_k(s.mT, 2)
        chosen = jax.nn.one_hot(index, 5)
        inputs = jnp.einsum("bekt,btm->bekm", chosen, x)
        out = jax.nn.relu(jnp.einsum("bekm,emf->bekf", inputs, p["up"]))
        out = jnp.einsum("bekf,efm->bekm", out, p["down"])
        return jnp.einsum("bekt,bek,bekm->btm", chosen, weights, out)

    def reference(note, p, x):
        s = ref.softmax(x @ p["router"])
        kept = _kept(s.transpose(0, 2, 1), 2).transpose(0, 2, 1)
        taken = -np.sort(-s.transpose(0, 2, 1), -1)[..., :2]
        return _combine(note, p, x, s * kept, s, taken, (s * kept).transpose(0, 2, 1))

    return Case(fn, (_experts(draw), draw(2, 5, 6)), reference)


@program(
    "Sigmoid scores, the two largest, normalized over them (DeepSeek V3), a bias for the choice."
)
def sigmoid_scores(draw: Draw) -> Case:
    def fn(p, x, bias):
        s = jax.nn.sigmoid(x @ p["router"])
        _, index = lax.top_k(s + bias, 2)
        mask = jax.nn.one_hot(index, 4).sum(-2)
        w = s * mask
        w = w / w.sum(-1, keepdims=True)
        hidden = jax.nn.relu(jnp.einsum("btm,emf->btef", x, p["up"]))
        return jnp.einsum("bte,btef,efm->btm", w, hidden, p["down"])

    def reference(note, p, x, bias):
        s = ref.sigmoid(x @ p["router"])
        w = s * _kept(s + bias, 2)
        return _combine(note, p, x, w / w.sum(-1, keepdims=True), s)

    return Case(fn, (_experts(draw), draw(2, 5, 6), draw(4, scale=0.1)), reference)


@program("Noise on the logits before the choice, and a balancing loss from the probabilities.")
def noisy_with_balancing_loss(draw: Draw) -> Case:
    def fn(p, x, key):
        s = x @ p["router"] + 0.1 * jax.random.normal(key, (2, 5, 4))
        threshold = jnp.sort(s, axis=-1)[..., -2:-1]
        w = jax.nn.softmax(jnp.where(s < threshold, -jnp.inf, s))
        importance = w.sum((0, 1))
        loss = importance.var() / importance.mean() ** 2
        hidden = jax.nn.relu(jnp.einsum("btm,emf->btef", x, p["up"]))
        return jnp.einsum("btef,efm,bte->btm", hidden, p["down"], w), loss

    def reference(note, p, x, key):
        noise = np.asarray(jax.random.normal(key, (2, 5, 4)), np.float64)
        s = x @ p["router"] + 0.1 * noise
        w = ref.softmax(np.where(_kept(s, 2), s, -np.inf))
        importance = w.sum((0, 1))
        loss = importance.var() / importance.mean() ** 2
        return _combine(note, p, x, w, ref.softmax(s)), loss

    return Case(fn, (_experts(draw), draw(2, 5, 6), jax.random.key(5)), reference)


@program("One mixture a task: gates of two tasks over the same experts (MMoE), no token axis.")
def several_gates(draw: Draw) -> Case:
    def fn(x, gates, experts):
        out = jax.nn.relu(jnp.einsum("bm,emf->bef", x, experts))
        w = jax.nn.softmax(jnp.einsum("bm,tme->tbe", x, gates), axis=-1)
        return jnp.einsum("tbe,bef->tbf", w, out)

    def reference(note, x, gates, experts):
        out = ref.relu(np.einsum("bm,emf->bef", x, experts))
        w = ref.softmax(np.einsum("bm,tme->bte", x, gates))
        w = note(w[:, None], "router", also=[w[:, :, None]], also_kinds=("pooling", "cross"))[:, 0]
        return np.einsum("bte,bef->tbf", w, out)

    return Case(fn, (draw(3, 6), draw(2, 6, 4, scale=0.5), draw(4, 6, 5, scale=0.5)), reference)


@program("A router in each layer beside attention, in a scan over layers.")
def beside_attention_in_scan(draw: Draw) -> Case:
    p = {n: draw(2, 6, 2, 3, scale=0.5) for n in "qkv"}
    p |= {"router": draw(2, 6, 3), "w": draw(2, 3, 6, 6, scale=0.4)}

    def fn(p, x):
        def layer(x, p):
            q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
            x = x + jax.nn.dot_product_attention(q, k, v).reshape(x.shape)
            gate = jax.nn.softmax(x @ p["router"])
            return x + jnp.einsum(
                "bte,btem->btm", gate, jnp.einsum("btm,emf->btef", x, p["w"])
            ), None

        return lax.scan(layer, x, p)[0]

    def reference(note, p, x):
        for layer in range(2):
            q, k, v = (ref.project(x, p[n][layer]) for n in "qkv")
            x = x + ref.merge(ref.attend(note, q, k, v, layer=layer))
            gate = ref.softmax(x @ p["router"][layer])[:, None]
            gate = note(gate, "router", layer=layer)[:, 0]
            x = x + np.einsum("bte,btef->btf", gate, np.einsum("btm,emf->btef", x, p["w"][layer]))
        return x

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("Soft mixture: slots are softmax means of tokens, tokens are softmax means of slots.")
def soft_mixture(draw: Draw) -> Case:
    def fn(x, slots, experts):
        s = jnp.einsum("btm,enm->bten", x, slots)
        dispatch = jax.nn.softmax(s, axis=1)
        combine = jax.nn.softmax(s.reshape(2, 5, 6), axis=-1).reshape(s.shape)
        out = jax.nn.relu(jnp.einsum("bten,btm,emf->benf", dispatch, x, experts))
        return jnp.einsum("bten,benf->btf", combine, out)

    def reference(note, x, slots, experts):
        s = x @ slots.reshape(6, 6).T
        dispatch = ref.softmax(s.transpose(0, 2, 1))[:, None]
        dispatch = note(dispatch, "router", also_kinds=("cross", "pooling"))[:, 0]
        inputs = (dispatch @ x).reshape(2, 3, 2, 6)
        out = ref.relu(np.einsum("benm,emf->benf", inputs, experts)).reshape(2, 6, 4)
        combine = note(ref.softmax(s)[:, None], "router", also_kinds=("cross",))[:, 0]
        return combine @ out

    return Case(fn, (draw(2, 5, 6), draw(3, 2, 6), draw(3, 6, 4, scale=0.5)), reference)


@program("The two largest of the softmax, normalized again and put back by one-hot.")
def top_k_normalized_again(draw: Draw) -> Case:
    def fn(p, x):
        top, index = lax.top_k(jax.nn.softmax(x @ p["router"]), 2)
        top = top / top.sum(-1, keepdims=True)
        combine = (jax.nn.one_hot(index, 4) * top[..., None]).sum(-2)
        hidden = jax.nn.relu(jnp.einsum("btm,emf->btef", x, p["up"]))
        return jnp.einsum("bte,btem->btm", combine, jnp.einsum("btef,efm->btem", hidden, p["down"]))

    def reference(note, p, x):
        s = ref.softmax(x @ p["router"])
        kept = s * _kept(s, 2)
        why = "shares of places are not followed to the experts"
        return _combine(note, p, x, kept / kept.sum(-1, keepdims=True), optional=why)

    return Case(fn, (_experts(draw), draw(2, 5, 6)), reference)
