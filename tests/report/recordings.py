"""Recordings that the tests of the page share: small, seeded, and as awkward as real ones."""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float

from attnreport.analysis import merged_spans
from attnreport.recording import (
    AttentionMap,
    Axis,
    Check,
    Checks,
    Example,
    Metric,
    Recording,
    Source,
    TokenAxis,
    recording_from_arrays,
    special_positions,
)

SENTENCE = [
    *(
        "[CLS]",
        "the",
        "quick",
        "brown",
        "fox",
        "jump",
        "##s",
        "over",
        "the",
        "lazy",
        "dog",
        ".",
        "[SEP]",
    ),
]

# Tokens that break pages written without care. None may run, none may get lost.
HOSTILE = [
    "</script>",
    "<!--<script>",
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    '"><svg onload=window.pwned=1>',
    "</title></style></noscript>",
    "{{ report.title }}",
    "{% include 'x' %}",
    "&lt;b&amp;",
    "`${window.pwned=1}`",
    "\\u003cb\\",
    '"',
    "'",
    "]]>",
    "",
    " ",
    "\n",
    "\t",
    "\r\n",
    "\0",
    "a\0b",
    "\x1b[31m",
    "\u2028",
    "\u2029",
    "\u200b",
    "\u202eright to left\u202c",
    "שלום",
    "السلام",
    "👩‍👩‍👧‍👦",
    "e\u0301\u0323",
    "\ud83d",
    "constructor",
    "__proto__",
    "toString",
    "=1+1",
    "a,b;c",
    "##ing",
    "Ġword",
    "▁word",
    "long" * 60,
]


def softmax_weights(
    *shape: int, seed: int = 0, spread: float = 3.0
) -> Float[np.ndarray, "*axes query key"]:
    """Attention without structure: rows of random numbers after a softmax."""
    scores = np.random.default_rng(seed).normal(size=shape) * spread
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32)


def striped_weights(
    layers: int, heads: int, tokens: int, *, seed: int = 0
) -> Float[np.ndarray, "layer head query key"]:
    """Attention as trained models show it: a sink, heavy keys as stripes, neighbors, noise.

    At 512 tokens it packs as real encoders do (about 0.6, 1.9 and 4.4 characters per weight).
    """
    random = np.random.default_rng(seed)
    shape = (layers, heads, 1, 1)
    position = np.arange(tokens)
    distance = np.abs(position[:, np.newaxis] - position - random.integers(-2, 3, size=shape))
    heavy = random.random((layers, heads, 1, tokens)) < 0.2
    scores = heavy * random.exponential(1.2, size=heavy.shape)
    scores[..., :1] += random.uniform(1, 7, size=shape)
    scores = scores - np.log1p(distance) * random.uniform(0, 1.2, size=shape)
    scores += random.normal(size=scores.shape) * 0.8
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (raised / raised.sum(axis=-1, keepdims=True)).astype(np.float32)


def self_recording(
    layers: int = 2, heads: int = 3, tokens: list[str] | None = None, *, seed: int = 0
) -> Recording:
    """One sentence through an encoder; markers in brackets are special."""
    tokens = SENTENCE if tokens is None else tokens
    special = [i for i, token in enumerate(tokens) if token in ("[CLS]", "[SEP]")]
    weights = softmax_weights(layers, heads, len(tokens), len(tokens), seed=seed)
    return recording_from_arrays(weights, TokenAxis(tuple(tokens), special=tuple(special)))


def chosen_layers_recording() -> Recording:
    """Layers 3 and 5 of six, which keep their numbers."""
    return self_recording(layers=6).select(layers=[3, 5])


def two_choices_of_layers_recording() -> Recording:
    """Layers 3 and 5 of one model, and layers 0, 2 and 9 of another with fewer heads."""
    other = self_recording(layers=10, heads=2, seed=1).select(layers=[0, 2, 9])
    return Recording.join_examples([chosen_layers_recording(), other])


def smallest_recording() -> Recording:
    """One layer, one head, one token."""
    return recording_from_arrays(np.ones((1, 1, 1, 1), dtype=np.float32), ["only"])


def hostile_recording(*, seed: int = 0) -> Recording:
    """The hostile tokens wherever a recording can hold text."""
    count = len(HOSTILE)
    axis = TokenAxis(tuple(HOSTILE), special=(1,))
    maps = (
        recording_from_arrays(
            softmax_weights(2, 2, count, count, seed=seed),
            axis,
            names=HOSTILE[:2],
            group=HOSTILE[2],
        )
        .examples[0]
        .maps
    )
    others = tuple(Check(text, 0.5, text, held=False, detail=text) for text in HOSTILE)
    checks = Checks(1e-7, 0.0, others=others)
    maps = tuple(dataclasses.replace(attention, checks=checks) for attention in maps)
    examples = tuple(
        Example(name, maps, input=given, output=out, target=target, scores={HOSTILE[3]: 0.5})
        for name, given, out, target in (
            (HOSTILE[0], " ".join(HOSTILE), HOSTILE[2], HOSTILE[4]),
            (HOSTILE[1], HOSTILE[19], HOSTILE[30], HOSTILE[5]),
        )
    )
    return Recording(
        examples,
        source=Source(
            model=HOSTILE[2],
            framework=HOSTILE[0],
            versions={HOSTILE[4]: HOSTILE[3]},
            data=HOSTILE[5],
            created=HOSTILE[11],
            notes=tuple(HOSTILE[:8]),
        ),
        metrics=(Metric(HOSTILE[0], 0.5, HOSTILE[2]), Metric(HOSTILE[19], 0.25, HOSTILE[3])),
    )


def harmless_twin(recording: Recording) -> Recording:
    """The recording with every text replaced by a word, and the same structure."""

    def axis(old: Axis) -> TokenAxis:
        texts = tuple(f"word{i}" for i in range(len(old)))
        words = [word for word, span in enumerate(merged_spans(old)) for _ in span]
        return TokenAxis(texts, special_positions(old), tuple(words))

    def harmless(index: int, example: Example) -> Example:
        maps = tuple(
            dataclasses.replace(
                attention,
                name=f"layer {i}",
                group="group",
                checks=dataclasses.replace(
                    attention.checks,
                    others=tuple(
                        Check(f"check {n}", 0.5, "unit", held=False, detail="detail")
                        for n in range(len(attention.checks.others))
                    ),
                ),
                query=axis(attention.query),
                key=axis(attention.key),
            )
            for i, attention in enumerate(example.maps)
        )
        scores = {f"score {i}": value for i, value in enumerate(example.scores.values())}
        return Example(f"example {index}", maps, "in", "out", "target", scores)

    source = recording.source
    return Recording(
        tuple(harmless(i, example) for i, example in enumerate(recording.examples)),
        source=Source(
            model="model",
            framework="framework",
            versions={f"library{i}": "1" for i in range(len(source.versions))},
            data="data",
            created="today",
            notes=tuple(f"note {i}" for i in range(len(source.notes))),
        ),
        metrics=tuple(Metric(f"m{i}", m.value, "d") for i, m in enumerate(recording.metrics)),
    )


def translator_recording() -> Recording:
    """Two sentences through an encoder and decoder: three groups, masks, references, scores.

    Layers of the encoder have different numbers of heads.
    """
    return Recording(
        (
            _translation(
                "a",
                "the small dog sleeps . <eos>",
                "der kleine hund schläft . <eos>",
                "der kleine hund schläft .",
                {"AER": 0.0, "entropy": 0.5},
                seed=1,
            ),
            _translation(
                "b",
                "she has the old book read . <eos>",
                "sie hat das alte buch gelesen nicht . <eos>",
                "sie hat das alte buch gelesen .",
                {"AER": 0.25, "length ratio": 1.17},
                seed=2,
            ),
        ),
        source=Source(
            model="tiny translator",
            framework="Flax NNX",
            versions={"jax": "0.10", "flax": "0.12"},
            step=1200,
            data="two sentences made up for a test",
            created="2026-01-02",
            notes=("A note that a reader must know.",),
        ),
        metrics=(
            Metric("alignment error rate", 0.125, "0 is perfect, 1 is worst", percent=True),
            Metric("exact sentences", 0.96, "share of sentences", percent=True),
        ),
    )


def _translation(
    name: str,
    source_text: str,
    output_text: str,
    target: str,
    scores: dict[str, float],
    *,
    seed: int,
) -> Example:
    source, output = source_text.split(), output_text.split()
    of_source = TokenAxis(tuple(source), special=(len(source) - 1,))
    of_output = TokenAxis(tuple(output), special=(len(output) - 1,))
    shared = min(len(source), len(output))
    reference = np.zeros((len(output), len(source)), dtype=bool)
    reference[range(shared), range(shared)] = True
    causal = np.tril(np.ones((len(output), len(output)), dtype=bool))
    masked = softmax_weights(2, len(output), len(output), seed=seed) * causal
    masked /= masked.sum(axis=-1, keepdims=True)
    aligned = softmax_weights(1, len(output), len(source), seed=seed + 20) + 3 * reference
    aligned /= aligned.sum(axis=-1, keepdims=True)
    checks = Checks(row_sum_error=1e-7, output_difference=0.0, deterministic=True)

    def layer(path: str, weights: np.ndarray, query: TokenAxis, key: TokenAxis, **rest: Any):
        return AttentionMap(path, weights.astype(np.float32), query, key, checks=checks, **rest)

    length = len(source)
    maps = (
        layer(
            "encoder.0",
            softmax_weights(3, length, length, seed=seed + 5),
            of_source,
            of_source,
            group="encoder self-attention",
        ),
        layer(
            "encoder.1",
            softmax_weights(1, length, length, seed=seed + 6),
            of_source,
            of_source,
            group="encoder self-attention",
        ),
        layer(
            "decoder.self",
            masked,
            of_output,
            of_output,
            group="decoder self-attention",
            mask=causal,
        ),
        layer(
            "decoder.cross",
            aligned,
            of_output,
            of_source,
            group="cross-attention",
            kind="cross",
            reference=reference,
        ),
    )
    return Example(
        name,
        maps,
        input=" ".join(source[:-1]),
        output=" ".join(output[:-1]),
        target=target,
        scores=scores,
    )


def patterned_recording() -> Recording:
    """Four layers of three heads that do what heads are known for, some of them the same."""
    count = len(SENTENCE)
    axis = TokenAxis(tuple(SENTENCE), special=(0, count - 1))
    previous = np.eye(count, k=-1)
    previous[0, 0] = 1
    following = np.eye(count, k=1)
    following[-1, -1] = 1
    sink = np.zeros((count, count))
    sink[:, 0] = 1
    even = np.full((count, count), 1 / count)

    def mixed(shape: np.ndarray, share: float) -> np.ndarray:
        return share * shape + (1 - share) * even

    heads = [
        *(mixed(previous, 0.9), mixed(sink, 0.55), mixed(even, 1)),
        *(mixed(sink, 0.95), mixed(previous, 0.7), mixed(following, 0.8)),
        *(mixed(sink, 0.75), mixed(np.eye(count), 0.8), mixed(sink, 0.65)),
        *(mixed(previous, 0.8), mixed(sink, 0.85), softmax_weights(count, count, seed=3)),
    ]
    layers = np.array(heads, np.float32).reshape(4, 3, count, count)
    return recording_from_arrays(layers, axis)


def gates_recording() -> Recording:
    """Two layers of gates, so that there is something to compare, and nothing to measure."""
    axis = TokenAxis(tuple("abcd"))
    maps = tuple(
        AttentionMap(
            f"gate.{layer}",
            np.full((2, 4, 4), 0.3 + 0.2 * layer, np.float32),
            axis,
            axis,
            kind="gate",
            normalized=False,
        )
        for layer in range(2)
    )
    return Recording((Example("gates", maps),))
