"""What random attention programs are made of: every choice, and the arguments that go with it.

The letters of axes are b (batch), h (head), g and r (key head and its query heads), q, k (tokens),
d (feature of a head), m (feature of a token).
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from tests.capture.programs import reference as ref
from tests.capture.programs.products import PRODUCTS

LOOPS = ("none", "none", "scan", "python", "fori", "while", "map over heads", "map over examples")
SCALES = ("query", "key", "logits", "division", "none")
BIASES = ("none", "none", "heads", "pairs", "distance")
MASKS = ("none", "causal", "padding", "argument")
MASKINGS = ("where infinity", "where 1e9", "where finfo", "added", "where=", "multiplied")
SOFTMAXES = ("jax", "by hand", "by hand bare", "log_softmax", "logsumexp", "late", "reciprocal")
GROUPS = ("none", "none", "repeat", "broadcast", "letters")
PROJECTIONS = ("product", "reshape", "fused")


@dataclass(frozen=True)
class Choices:
    """What one random program is made of; lengths are by letter."""

    lengths: dict[str, int]
    layers: int
    cross: bool
    loop: str
    rematerialized: bool
    input_order: str
    projection: str
    parameter_order: str
    query_order: str
    key_order: str
    value_order: str
    score_order: str
    weight_order: str
    score_product: str
    value_product: str
    group: str
    heads_in_batch: bool
    scale: str
    cap: bool
    bias: str
    mask: str
    masking: str
    softmax: str

    @property
    def grouped(self) -> bool:
        return self.group != "none"

    @property
    def stacked(self) -> bool:
        return self.loop in {"scan", "fori", "while"}

    @property
    def mapped(self) -> bool:
        return self.loop in {"map over heads", "map over examples"}

    def __str__(self) -> str:
        return "; ".join(f"{f.name}: {getattr(self, f.name)}" for f in fields(self))


def draw_choices(generator: np.random.Generator) -> Choices:
    """Every combination that this gives is a program."""

    def pick(options: tuple[str, ...]) -> str:
        return options[generator.integers(len(options))]

    def chance(share: float) -> bool:
        return bool(generator.random() < share)

    def shuffled(letters: str) -> str:
        return "".join(generator.permutation(list(letters)))

    loop = pick(LOOPS)
    group = "none" if loop == "map over heads" else pick(GROUPS)
    cross = chance(0.3)
    heads = {"map over heads": "", "map over examples": "h"}.get(loop, "h")
    heads = "gr" if group == "letters" else heads
    batch = "" if loop == "map over examples" else "b"
    mask = pick(MASKS[:1] + MASKS[2:] if cross else MASKS)
    softmax = pick(SOFTMAXES)
    maskings = MASKINGS if softmax == "jax" else MASKINGS[:4]
    fusible = not cross and group == "none" and loop != "map over heads"
    return Choices(
        lengths=_lengths(generator, cross=cross, grouped=group != "none"),
        layers=int(generator.integers(2, 4)),
        cross=cross,
        loop=loop,
        rematerialized=chance(0.15),
        input_order=shuffled(batch + "t"),
        projection=pick(PROJECTIONS if fusible else PROJECTIONS[:2]),
        parameter_order=shuffled("mhd"),
        query_order=shuffled(batch + heads + "qd"),
        key_order=shuffled(batch + heads.replace("r", "") + "kd"),
        value_order=shuffled(batch + heads.replace("r", "") + "kd"),
        score_order=shuffled(batch + heads + "qk"),
        weight_order=shuffled(batch + heads + "qk"),
        score_product=pick(tuple(PRODUCTS)),
        value_product=pick(tuple(PRODUCTS)),
        group=group,
        heads_in_batch=heads == "h" and batch == "b" and chance(0.15),
        scale=pick(SCALES),
        # Exponentials of large scores overflow where no maximum is subtracted.
        cap=chance(0.15) or softmax == "by hand bare",
        bias=pick(BIASES if heads == "h" else ("none", "distance")),
        mask=mask,
        masking=pick(maskings),
        softmax=softmax,
    )


def _lengths(generator: np.random.Generator, *, cross: bool, grouped: bool) -> dict[str, int]:
    """All alike in a quarter of the programs, where that can be; small, some of them one."""
    if not grouped and generator.random() < 0.25:
        return dict.fromkeys("bhgqkdm", int(generator.integers(2, 5))) | {"r": 1}
    q = int(generator.integers(2, 7))
    lengths = {"b": int(generator.integers(1, 4)), "q": q, "d": int(generator.integers(2, 5))}
    lengths["k"] = int(generator.integers(2, 8)) if cross else q
    lengths["g"] = int(generator.integers(2, 4))
    lengths["r"] = int(generator.integers(2, 4)) if grouped else 1
    return lengths | {"h": lengths["g"] * lengths["r"], "m": int(generator.integers(3, 9))}


def draw_arguments(generator: np.random.Generator, c: Choices) -> tuple[Any, ...]:
    """Parameters, tokens, memory and the mask `[batch 1 query key]`, true where keys are seen."""
    n = c.lengths

    def normal(*shape: int, scale: float = 1.0) -> np.ndarray:
        return generator.normal(scale=scale, size=shape).astype(np.float32)

    lead = (c.layers,) if c.stacked or c.loop == "python" else ()
    p: dict[str, np.ndarray] = {}
    for name in "qkv":
        sizes = n | {"h": n["h"] if name == "q" else n["g"] if c.grouped else n["h"]}
        shape = [sizes[letter] for letter in c.parameter_order]
        p[name] = normal(*lead, *shape, scale=1.2 * n["m"] ** -0.5)
    p["o"] = normal(*lead, n["h"], n["d"], n["m"], scale=(n["h"] * n["d"]) ** -0.5)
    p["heads"] = normal(n["h"])
    p["pairs"] = normal(n["h"], n["q"], n["k"])
    x, memory = normal(n["b"], n["q"], n["m"]), normal(n["b"], n["k"], n["m"])
    keys = np.arange(n["k"])
    mask = {
        "padding": np.broadcast_to(
            keys < generator.integers(1, n["k"] + 1, (n["b"], 1, 1, 1)),
            (n["b"], 1, n["q"], n["k"]),
        ),
        "argument": (generator.random((n["b"], 1, n["q"], n["k"])) < 0.7) | (keys == 0),
    }.get(c.mask, np.broadcast_to(ref.causal(n["q"], n["k"]), (n["b"], 1, n["q"], n["k"])))
    order = c.input_order if "b" in c.input_order else "bt"
    turn = ["bt".index(letter) for letter in order] + [2]
    return p, x.transpose(turn), memory.transpose(turn), mask
