"""Training steps: each attention once, not again from the backward pass."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _model(draw):
    layers = [draw.weights("q k v", 8, 2, 4) | {"ff": draw.weight(8, 8)} for _ in range(2)]
    return {"embed": draw(9, 8), "layers": layers}


def _layer(x, p):
    q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
    s = jnp.where(jnp.tri(x.shape[1], dtype=bool), q @ k.mT / 2, -1e9)
    out = jax.nn.softmax(s) @ v
    x = x + out.transpose(0, 2, 1, 3).reshape(x.shape)
    return x + jax.nn.gelu(x @ p["ff"])


def _loss(p, tokens, layer=_layer):
    x = p["embed"][tokens[:, :-1]]
    for w in p["layers"]:
        x = layer(x, w)
    logits = x @ p["embed"].T
    return optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:]).mean()


def _ref_layer(note, x, p, **labels):
    q, k, v = (ref.project(x, p[n]) for n in "qkv")
    x = x + ref.merge(ref.attend(note, q, k, v, mask=ref.causal(x.shape[1]), **labels))
    return x + ref.gelu(x @ p["ff"])


def _cross_entropy(logits, labels):
    return -np.log(np.take_along_axis(ref.softmax(logits), labels[..., None], -1)).mean()


def _ref_loss(note, p, tokens):
    x = p["embed"][tokens[:, :-1]]
    for w in p["layers"]:
        x = _ref_layer(note, x, w)
    return _cross_entropy(x @ p["embed"].T, tokens[:, 1:])


def _first(output):
    return output[0]


@program("value_and_grad of a causal language model with two layers.")
def value_and_grad(draw: Draw) -> Case:
    args = _model(draw), draw.integers(9, 2, 6)
    return Case(jax.value_and_grad(_loss), args, _ref_loss, observe=_first)


@program("The same with each layer rematerialized.")
def value_and_grad_rematerialized(draw: Draw) -> Case:
    def loss(p, tokens):
        return _loss(p, tokens, jax.checkpoint(_layer))

    args = _model(draw), draw.integers(9, 2, 6)
    return Case(jax.value_and_grad(loss), args, _ref_loss, observe=_first)


@program("The same with the whole loss rematerialized and nothing to be saved.")
def whole_loss_rematerialized(draw: Draw) -> Case:
    policy = jax.checkpoint_policies.nothing_saveable

    def fn(p, tokens):
        return jax.value_and_grad(jax.checkpoint(_loss, policy=policy))(p, tokens)

    args = _model(draw), draw.integers(9, 2, 6)
    return Case(fn, args, _ref_loss, observe=_first)


def _only_gradients(loss, *args):
    """Gradients of a scaled loss that is rematerialized as a whole; that of the scale is it."""
    scaled = jax.checkpoint(lambda scale, *args: scale * loss(*args))
    return jax.grad(scaled, argnums=(0, 1))(1.0, *args)


@program("Only the gradient of a loss that is rematerialized as a whole: no forward pass is left.")
def only_gradients(draw: Draw) -> Case:
    args = _model(draw), draw.integers(9, 2, 6)
    return Case(lambda *args: _only_gradients(_loss, *args), args, _ref_loss, observe=_first)


@program("The same with the layers in a scan.")
def only_gradients_of_a_scan(draw: Draw) -> Case:
    p = {n: draw(2, 8, 2, 4, scale=0.4) for n in "qkv"} | {"ff": draw(2, 8, 8, scale=0.4)}

    def fn(p, x):
        def loss(p, x):
            return (lax.scan(lambda x, w: (_layer(x, w), None), x, p)[0] ** 2).mean()

        return _only_gradients(loss, p, x)

    def reference(note, p, x):
        for layer in range(2):
            x = _ref_layer(note, x, {n: p[n][layer] for n in p}, layer=layer)
        return (x**2).mean()

    return Case(fn, (p, draw(2, 5, 8)), reference, observe=_first)


@program("Layers in a scan with remat inside, gradients through it.")
def scan_rematerialized(draw: Draw) -> Case:
    p = {n: draw(3, 8, 2, 4, scale=0.4) for n in "qkv"} | {"ff": draw(3, 8, 8, scale=0.4)}

    def fn(p, x, y):
        def loss(p):
            out, _ = lax.scan(jax.checkpoint(lambda x, w: (_layer(x, w), None)), x, p)
            return ((out - y) ** 2).mean()

        return jax.value_and_grad(loss)(p)

    def reference(note, p, x, y):
        for layer in range(3):
            x = _ref_layer(note, x, {n: p[n][layer] for n in p}, layer=layer)
        return ((x - y) ** 2).mean()

    return Case(fn, (p, draw(2, 5, 8), draw(2, 5, 8)), reference, observe=_first)


@program("Layers in a scan without remat: weights are saved for the backward pass.")
def scan_saved(draw: Draw) -> Case:
    p = {n: draw(2, 8, 2, 4, scale=0.4) for n in "qkv"} | {"ff": draw(2, 8, 8, scale=0.4)}

    def fn(p, x):
        def loss(p):
            return (lax.scan(lambda x, w: (_layer(x, w), None), x, p)[0] ** 2).mean()

        return jax.value_and_grad(loss)(p)

    def reference(note, p, x):
        for layer in range(2):
            x = _ref_layer(note, x, {n: p[n][layer] for n in p}, layer=layer)
        return (x**2).mean()

    return Case(fn, (p, draw(2, 5, 8)), reference, observe=_first)


@program("A whole step under jit: gradients, clipping, Adam, new parameters.")
def optimizer_step(draw: Draw) -> Case:
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))

    @jax.jit
    def fn(p, tokens):
        loss, gradients = jax.value_and_grad(_loss)(p, tokens)
        updates, _ = optimizer.update(gradients, optimizer.init(p), p)
        return loss, optax.apply_updates(p, updates)

    return Case(fn, (_model(draw), draw.integers(9, 2, 6)), _ref_loss, observe=_first)


@program("Gradients for each example by vmap of grad.")
def gradients_per_example(draw: Draw) -> Case:
    def fn(p, tokens):
        per_example = jax.vmap(jax.value_and_grad(lambda p, t: _loss(p, t[None])), (None, 0))
        return per_example(p, tokens)

    def reference(note, p, tokens):
        x = p["embed"][tokens[:, :-1]]
        for w in p["layers"]:
            x = _ref_layer(note, x, w)
        logits = x @ p["embed"].T
        return np.array([_cross_entropy(*pair) for pair in zip(logits, tokens[:, 1:], strict=True)])

    args = _model(draw), draw.integers(9, 2, 6)
    return Case(fn, args, reference, observe=_first)


@program("Gradients of micro-batches added up in a scan.")
def micro_batches(draw: Draw) -> Case:
    def fn(p, tokens):
        def step(total, batch):
            loss, gradients = jax.value_and_grad(_loss)(p, batch)
            return jax.tree.map(jnp.add, total, gradients), loss

        total, losses = lax.scan(step, jax.tree.map(jnp.zeros_like, p), tokens)
        return losses, total

    def reference(note, p, tokens):
        losses = []
        for step, batch in enumerate(tokens):
            x = p["embed"][batch[:, :-1]]
            for number, w in enumerate(p["layers"]):
                x = _ref_layer(note, x, w, tag=f"layer {number}", step=step)
            losses.append(_cross_entropy(x @ p["embed"].T, batch[:, 1:]))
        return np.array(losses)

    args = _model(draw), draw.integers(9, 3, 2, 6)
    return Case(fn, args, reference, observe=_first)


@program("A directional derivative by jvp.")
def forward_mode(draw: Draw) -> Case:
    def fn(p, tokens):
        return jax.jvp(lambda p: _loss(p, tokens), (p,), (jax.tree.map(jnp.ones_like, p),))

    return Case(fn, (_model(draw), draw.integers(9, 2, 6)), _ref_loss, observe=_first)


@program("The gradient of a class with respect to the input alone (saliency), value as well.")
def input_gradient(draw: Draw) -> Case:
    p = draw.weights("q k v", 8, 2, 4) | {"ff": draw.weight(8, 8), "head": draw.weight(8, 3)}

    def fn(p, x):
        return jax.value_and_grad(lambda x: (_layer(x, p) @ p["head"])[..., 1].sum())(x)

    def reference(note, p, x):
        return (_ref_layer(note, x, p) @ p["head"])[..., 1].sum()

    return Case(fn, (p, draw(2, 5, 8)), reference, observe=_first)
