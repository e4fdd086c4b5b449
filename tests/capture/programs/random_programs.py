"""Random attention programs whose weights are known: `random_program(seed)`.

Arrays go with the letters of their axes, see `random_choices`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import logsumexp

from tests.capture.programs import reference as ref
from tests.capture.programs.products import PRODUCTS, turned
from tests.capture.programs.program import Case, Notes, Program
from tests.capture.programs.random_choices import Choices, draw_arguments, draw_choices

Tree = dict[str, Any]


def random_program(seed: int) -> Program:
    """The program of a seed, the same each time."""
    generator = np.random.default_rng(seed)
    choices = draw_choices(generator)
    args = draw_arguments(generator, choices)

    def fn(p: Tree, x: jax.Array, memory: jax.Array, mask: jax.Array) -> jax.Array:
        return _Run(choices, mask, memory).stack(p, x)

    def reference(note: Notes, *args: Any) -> np.ndarray:
        return _reference(note, choices, *args)

    return Program(f"random.{seed}", Case(fn, args, reference), str(choices))


class _Run:
    """One program under trace: the choices, and what all layers share."""

    def __init__(self, choices: Choices, mask: jax.Array, memory: jax.Array):
        self.c, self.mask, self.memory = choices, mask, memory
        self.batch = "b" if "b" in choices.score_order else ""
        self.heads = "".join(letter for letter in choices.score_order if letter in "hgr")
        self.key_heads = "".join(letter for letter in choices.key_order if letter in "hg")

    def stack(self, p: Tree, x: jax.Array) -> jax.Array:
        """All layers, in the loop that was chosen."""
        w = {name: p[name] for name in "qkvo"}
        self.biases = {name: p[name] for name in ("heads", "pairs")}
        layer = jax.checkpoint(self.layer) if self.c.rematerialized else self.layer

        def at(i: Any) -> Tree:
            return jax.tree.map(lambda y: lax.dynamic_index_in_dim(y, i, keepdims=False), w)

        match self.c.loop:
            case "scan":
                return lax.scan(lambda x, w: (layer(x, w), None), x, w)[0]
            case "fori":
                return lax.fori_loop(0, self.c.layers, lambda i, x: layer(x, at(i)), x)
            case "while":
                return lax.while_loop(
                    lambda state: state[0] < self.c.layers,
                    lambda state: (state[0] + 1, layer(state[1], at(state[0]))),
                    (0, x),
                )[1]
            case "python":
                for i in range(self.c.layers):
                    x = layer(x, {name: y[i] for name, y in w.items()})
                return x
            case "map over heads":
                return x + self.mapped_heads(w, x)
            case "map over examples":
                return x + self.mapped_examples(w, x)
        return layer(x, w)

    def layer(self, x: jax.Array, w: Tree) -> jax.Array:
        return x + self.attention(w, x, self.memory if self.c.cross else x, self.mask)

    def mapped_heads(self, w: Tree, x: jax.Array) -> jax.Array:
        axis = self.c.parameter_order.index("h")
        per_head = {name: jnp.moveaxis(w[name], axis, 0) for name in "qkv"} | {"o": w["o"]}
        y = self.memory if self.c.cross else x
        return lax.map(lambda w: self.attention(w, x, y, self.mask), per_head).sum(0)

    def mapped_examples(self, w: Tree, x: jax.Array) -> jax.Array:
        y = self.memory if self.c.cross else x
        return lax.map(lambda args: self.attention(w, *args), (x, y, self.mask))

    def attention(self, w: Tree, x: jax.Array, y: jax.Array, mask: jax.Array) -> jax.Array:
        """One attention with its output projection, without the residual."""
        c, batch = self.c, self.batch
        q, k, v = self.grouped(self.projected(w, x, y))
        scale = jnp.float32(c.lengths["d"] ** -0.5)
        q = q * scale if c.scale == "query" else q
        k = k * scale if c.scale == "key" else k
        q = turned(q, batch + self.heads + "td", c.query_order.replace("q", "t"))
        k = turned(k, batch + self.key_heads + "td", c.key_order.replace("k", "t"))
        v = turned(v, batch + self.key_heads + "td", c.value_order.replace("k", "t"))
        e, normalizer = self.weights(self.scores(q, k), mask)
        out = self.values(e, v)
        out = out if normalizer is None else out / normalizer
        out = turned(out, batch + self.heads + "qd", batch + "q" + self.merged_heads + "d")
        out = out.reshape(*out.shape[: len(batch) + 1], -1) @ w["o"].reshape(-1, c.lengths["m"])
        return turned(out, batch + "qm", c.input_order.replace("t", "q") + "m")

    @property
    def merged_heads(self) -> str:
        return "gr" if "r" in self.heads else self.heads

    # --- Projections ---------------------------------------------------------------------------

    def projected(self, w: Tree, x: jax.Array, y: jax.Array) -> list[jax.Array]:
        """Queries, keys and values in the order batch, head, token, feature."""
        c, heads = self.c, "" if self.c.loop == "map over heads" else "h"
        order = c.parameter_order if heads else c.parameter_order.replace("h", "")
        out = self.batch + heads + "td"
        if c.projection == "product":
            product = PRODUCTS[c.score_product]
            pairs = (("q", x), ("k", y), ("v", y))
            return [product(z, c.input_order + "m", w[name], order, out) for name, z in pairs]
        matrices = [turned(w[name], order, "m" + heads + "d") for name in "qkv"]
        flat = [matrix.reshape(matrix.shape[0], -1) for matrix in matrices]
        if c.projection == "fused":
            parts = jnp.split(x @ jnp.concatenate(flat, axis=1), 3, axis=-1)
        else:
            parts = [z @ matrix for z, matrix in zip((x, y, y), flat, strict=True)]
        return [
            turned(
                part.reshape(*part.shape[:-1], *matrix.shape[1:]), c.input_order + heads + "d", out
            )
            for part, matrix in zip(parts, matrices, strict=True)
        ]

    def grouped(self, parts: list[jax.Array]) -> list[jax.Array]:
        """Query heads split in groups, or key heads repeated for them."""
        q, k, v = parts
        axis, times = len(self.batch), self.c.lengths["r"]
        match self.c.group:
            case "letters":
                split = q.reshape(*q.shape[:axis], -1, times, *q.shape[axis + 1 :])
                return [turned(split, self.batch + "grtd", self.batch + self.heads + "td"), k, v]
            case "repeat":
                return [q, jnp.repeat(k, times, axis), jnp.repeat(v, times, axis)]
            case "broadcast":
                return [q, *(_spread(y, axis, times) for y in (k, v))]
        return parts

    # --- Scores and weights --------------------------------------------------------------------

    def scores(self, q: jax.Array, k: jax.Array) -> jax.Array:
        """Scaled, capped and biased, in the order of the scores."""
        c = self.c
        product = PRODUCTS[c.score_product]
        if c.heads_in_batch:
            lead = turned(q, c.query_order, "bhqd").shape[:2]
            q = turned(q, c.query_order, "bhqd").reshape(-1, *_shape(c, "qd"))
            k = turned(k, c.key_order, "bhkd").reshape(-1, *_shape(c, "kd"))
            s = product(q, "nqd", k, "nkd", "nqk")
            s = turned(s.reshape(*lead, *s.shape[1:]), "bhqk", c.score_order)
        else:
            s = product(q, c.query_order, k, c.key_order, c.score_order)
        root = np.float32(c.lengths["d"] ** 0.5)
        s = s / root if c.scale == "division" else s * (1 / root) if c.scale == "logits" else s
        s = 3.0 * jnp.tanh(s / 3.0) if c.cap else s
        return self.biased(s)

    def biased(self, s: jax.Array) -> jax.Array:
        c, n = self.c, self.c.lengths
        match c.bias:
            case "heads":
                slopes = self.biases["heads"][:, None, None]
                return s + self.fitted(slopes * (jnp.arange(n["k"]) / 4.0), "hqk")
            case "pairs":
                return s + self.fitted(self.biases["pairs"], "hqk")
            case "distance":
                distance = jnp.abs(jnp.arange(n["q"])[:, None] - jnp.arange(n["k"]))
                return s - self.fitted(0.5 * distance, "qk")
        return s

    def fitted(self, array: jax.Array, of: str) -> jax.Array:
        """With axes of length one, in the order of the scores."""
        order = self.c.score_order
        array = turned(array, of, "".join(letter for letter in order if letter in of))
        places = [i for i, letter in enumerate(order) if letter not in of]
        return jnp.expand_dims(array, places)

    def weights(self, s: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        """Normalized weights; or exponentials, with what divides the output if that is late."""
        c, axis = self.c, self.c.score_order.index("k")
        seen = None if c.mask == "none" else self.fitted(self.seen(mask), self.batch + "qk")
        where = seen if seen is not None and c.masking == "where=" else None
        if seen is not None and c.masking not in {"where=", "multiplied"}:
            s = _masked(c, s, seen)
        if c.softmax == "late":
            e = jnp.exp(s - s.max(axis, keepdims=True))
            total = e.sum(axis)
            left = c.score_order.replace("k", "")
            return e, turned(total, left, self.batch + self.heads + "q")[..., None]
        w = jax.nn.softmax(s, axis, where=where) if c.softmax == "jax" else _softmax(c, s, axis)
        if seen is not None and c.masking == "multiplied":
            w = w * seen
            w = w / w.sum(axis, keepdims=True)
        return w, None

    def seen(self, mask: jax.Array) -> jax.Array:
        if self.c.mask == "causal":
            mask = jnp.tril(jnp.ones(mask.shape[-2:], bool))
            return (
                jnp.broadcast_to(mask, (self.c.lengths["b"], *mask.shape)) if self.batch else mask
            )
        return mask.squeeze(-3)

    def values(self, w: jax.Array, v: jax.Array) -> jax.Array:
        c = self.c
        w = turned(w, c.score_order, c.weight_order)
        out = self.batch + self.heads + "qd"
        return PRODUCTS[c.value_product](w, c.weight_order, v, c.value_order, out)


def _shape(c: Choices, letters: str) -> tuple[int, ...]:
    return tuple(c.lengths[letter] for letter in letters)


def _spread(y: jax.Array, axis: int, times: int) -> jax.Array:
    spread = jnp.expand_dims(y, axis + 1)
    shape = [*y.shape[: axis + 1], times, *y.shape[axis + 1 :]]
    merged = [*y.shape[:axis], -1, *y.shape[axis + 1 :]]
    return jnp.broadcast_to(spread, shape).reshape(merged)


def _masked(c: Choices, s: jax.Array, seen: jax.Array) -> jax.Array:
    match c.masking:
        case "where infinity":
            return jnp.where(seen, s, -jnp.inf)
        case "where 1e9":
            return jnp.where(~seen, -1e9, s)
        case "where finfo":
            return jnp.where(seen, s, jnp.finfo(s.dtype).min)
    return s + (1.0 - seen.astype(s.dtype)) * -1e9


def _softmax(c: Choices, s: jax.Array, axis: int) -> jax.Array:
    match c.softmax:
        case "by hand bare":
            e = jnp.exp(s)
            return e / e.sum(axis, keepdims=True)
        case "log_softmax":
            return jnp.exp(jax.nn.log_softmax(s, axis))
        case "logsumexp":
            return jnp.exp(s - logsumexp(s, axis, keepdims=True))
        case "reciprocal":
            e = jnp.exp(s - lax.stop_gradient(s.max(axis, keepdims=True)))
            return e * lax.reciprocal(jnp.expand_dims(e.sum(axis), axis))
    e = jnp.exp(s - s.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


# --- The truth ---------------------------------------------------------------------------------


def _reference(note: Notes, c: Choices, p: Tree, x: Any, memory: Any, mask: Any) -> np.ndarray:
    """The whole program in NumPy, on `[batch head token feature]`."""
    order = c.input_order if "b" in c.input_order else "bt"
    turn = ["bt".index(letter) for letter in order] + [2]
    back = [order.index(letter) for letter in "bt"] + [2]
    x, memory = x.transpose(back), memory.transpose(back)
    stacked = c.stacked or c.loop == "python"
    for i in range(c.layers if stacked else 1):
        w = {name: p[name][i] if stacked else p[name] for name in "qkvo"}
        labels = {"layer": i} if c.stacked else {}
        x = x + _ref_attention(note, c, w | _biases(p), x, memory if c.cross else x, mask, labels)
    return x.transpose(turn)


def _biases(p: Tree) -> Tree:
    return {name: p[name] for name in ("heads", "pairs")}


def _ref_attention(
    note: Notes, c: Choices, w: Tree, x: Any, y: Any, mask: Any, labels: Tree
) -> Any:
    turn = [c.parameter_order.index(letter) for letter in "mhd"]
    q, k, v = (
        ref.project(z, w[name].transpose(turn)) for name, z in (("q", x), ("k", y), ("v", y))
    )
    n = c.lengths
    distance = np.abs(np.arange(n["q"])[:, None] - np.arange(n["k"]))
    bias = {
        "heads": w["heads"][:, None, None] * (np.arange(n["k"]) / 4.0),
        "pairs": w["pairs"],
        "distance": -0.5 * distance,
    }.get(c.bias, 0.0)
    out = ref.attend(
        note,
        q,
        k,
        v,
        kind="cross" if c.cross else "self",
        scale=1.0 if c.scale == "none" else None,
        cap=3.0 if c.cap else None,
        bias=bias,
        mask=None if c.mask == "none" else mask,
        **labels,
    )
    return ref.unproject(out, w["o"])
