"""The reports that the browser tests open, by name."""

import dataclasses
from collections.abc import Callable

import numpy as np

from attnreport.recording import (
    AttentionMap,
    Deletion,
    DeletionCurve,
    Example,
    GridAxis,
    Importance,
    ItemAxis,
    LayerImportance,
    Picture,
    Recording,
    TokenAxis,
    recording_from_arrays,
)
from attnreport.report import render_comparison, render_report
from tests.recording.byte_level import byte_level
from tests.report.compared_recordings import (
    two_checkpoints,
    two_in_pieces,
    two_scripts,
    two_texts,
    two_translators,
)
from tests.report.generated_recordings import (
    generated_recording,
    hostile_generation,
    pieces_recording,
    translation_recording,
    unlikely_recording,
)
from tests.report.picture_recordings import picture_recording
from tests.report.recordings import (
    chosen_layers_recording,
    gates_recording,
    hostile_recording,
    patterned_recording,
    self_recording,
    smallest_recording,
    softmax_weights,
    striped_weights,
    translator_recording,
    two_choices_of_layers_recording,
)
from tests.report.scored_recordings import hostile_scored, rounded_recording, scored_recording

LONG = 100
MANY = 7


def asymmetric_recording() -> Recording:
    """One head whose weights tell rows from columns: query q puts more on key k the larger k."""
    queries, keys = 5, 8
    weights = np.outer(np.ones(queries), np.arange(1, keys + 1)) ** 3.0
    weights[1] = 0
    weights[1, 6] = 1
    weights[3] = 0
    weights[3, 0] = 1
    weights /= weights.sum(axis=-1, keepdims=True)
    return recording_from_arrays(
        weights.astype(np.float32)[np.newaxis, np.newaxis],
        [f"query{i}" for i in range(queries)],
        key_tokens=[f"key{i}" for i in range(keys)],
    )


def long_recording() -> Recording:
    """So many tokens that labels are thinned and the color scale ends below 1; two blocks."""
    return recording_from_arrays(striped_weights(2, 5, LONG), [f"token{i}" for i in range(LONG)])


def causal_recording() -> Recording:
    """Heads that differ in their masks."""
    axis = TokenAxis(("<s>", "one", "two", "three", "four"), special=(0,))
    causal = np.tri(5).astype(bool)
    window = causal & ~np.tri(5, k=-2).astype(bool)
    mask = np.stack([causal, window])
    weights = np.where(mask, 1.0 + np.arange(5), 0)
    weights /= weights.sum(axis=-1, keepdims=True)
    attention = AttentionMap("decoder", weights.astype(np.float32), axis, axis, mask=mask)
    return Recording((Example("causal", (attention,), input="one two three four"),))


def gate_recording() -> Recording:
    """A gate: strengths that do not sum to one, without special positions."""
    axis = TokenAxis(tuple("abcd"))
    weights = np.array([[0.9, 0.9, 0.9, 0.9], [1, 0, 0, 0], [0.5, 0.1, 0, 0], [0, 0, 0, 0]])
    attention = AttentionMap(
        "gate", weights[np.newaxis].astype(np.float32), axis, axis, kind="gate", normalized=False
    )
    return Recording((Example("gate", (attention,), input="a b c d"),))


def strong_recording() -> Recording:
    """Weights far above 1, as ReLU attention has them; the last head has the largest."""
    weights = np.random.default_rng(7).gamma(0.6, 2.0, (1, 3, 5, 5)) * [[[[1.0]], [[2.0]], [[4.0]]]]
    weights[0, 2, 3, 1] = 40.0
    axis = TokenAxis(("<s>", "one", "two", "three", "four"), special=(0,))
    return recording_from_arrays(weights.astype(np.float32), axis, normalized=False)


def windows_recording() -> Recording:
    """Attention among the cells of a grid in windows of 2 x 2, without a picture."""
    grid = GridAxis(4, 4)
    rows, columns = np.divmod(np.arange(16), 4)
    window = rows // 2 * 2 + columns // 2
    mask = window[:, np.newaxis] == window
    weights = np.where(mask, 1.0 + np.arange(16), 0)
    weights /= weights.sum(axis=-1, keepdims=True)
    attention = AttentionMap(
        "stage.0", weights.astype(np.float32)[np.newaxis], grid, grid, mask=mask
    )
    return Recording((Example("windows", (attention,)),))


def caption_recording() -> Recording:
    """Three words that look at the cells of a picture, one of them at each."""
    picture = Picture(np.full((8, 8, 3), (30, 90, 200), np.uint8))
    grid = GridAxis(2, 2, picture=picture)
    weights = np.full((1, 3, 4), 0.1, np.float32)
    weights[0, range(3), range(3)] = 0.7
    attention = AttentionMap(
        "decoder.cross", weights, TokenAxis(("a", "blue", "sky")), grid, kind="cross"
    )
    return Recording((Example("sky", (attention,), output="a blue sky", picture=picture),))


def pooling_recording() -> Recording:
    """Two passages of which one row of weights says how much each word counts."""
    examples = []
    for number, heavy in enumerate((7, 30)):
        words = TokenAxis(tuple(f"word{number}{i}" for i in range(40)))
        weights = np.full(40, 0.4 / 39, np.float32)
        weights[heavy] = 0.6
        weights[heavy + 1] += 0.3 - weights[heavy - 1]
        weights /= weights.sum()
        attention = AttentionMap(
            "pooling", weights.reshape(1, 1, -1), ItemAxis(("the topic",)), words, kind="pooling"
        )
        examples.append(Example(f"passage {number}", (attention,), " ".join(words.tokens), "topic"))
    curves = (
        DeletionCurve("heaviest words first", (0.9, 0.3)),
        DeletionCurve("random order", (0.9, 0.8), ((0.9, 0.9), (0.7, 0.9))),
    )
    return Recording(tuple(examples), deletion=Deletion("probability", "words", (0, 0.2), curves))


def word_pieces_recording() -> Recording:
    """A causal text with a sink in pieces of SentencePiece, which looks at one of WordPiece."""
    text = TokenAxis(tuple("<s> ▁un believ able ▁cat s ▁sleep . </s>".split()), special=(0, 8))
    other = TokenAxis(tuple("[CLS] של ##ום , עול ##ם : מה נש ##מע [SEP]".split()), special=(0, 10))
    random = np.random.default_rng(5)
    causal = np.tri(len(text), dtype=bool)
    within = random.random((2, len(text), len(text))) * causal
    within[0, :, 0] += 4
    within[1, 5:, 7] += 9 * causal[5:, 7]
    within[:, 8, 8] += 20
    # Nothing is left of this row without the marker.
    within[:, 4, 1:] = 0
    across = random.random((2, len(text), len(other)))
    maps = [
        AttentionMap(name, (w / w.sum(-1, keepdims=True)).astype(np.float32), text, key, **rest)
        for name, w, key, rest in (
            ("self", within, text, {"mask": causal}),
            ("cross", across, other, {"kind": "cross"}),
        )
    ]
    return Recording((Example("pieces", tuple(maps), input="unbelievable cats sleep."),))


def many_examples_recording() -> Recording:
    """Sentences that differ in their words, in their scores, and in how sharp their heads are."""
    examples = []
    for number in range(MANY):
        words = TokenAxis(("der", f"Hund{number}", "schläft", "Straße" if number % 3 else "früh"))
        weights = softmax_weights(1, 2, 4, 4, seed=number, spread=1 + (5 * number) % MANY)
        attention = AttentionMap("encoder", weights[0], words, words)
        # The last one was not scored.
        scores = {"AER": round((3 * number) % MANY / MANY, 2)} if number < MANY - 1 else {}
        text = " ".join(words.tokens)
        examples.append(Example(f"test {number}", (attention,), input=text, scores=scores))
    return Recording(tuple(examples))


def many_scripts_recording() -> Recording:
    """Pieces of byte-level BPE in many scripts, with characters that are split over pieces."""
    pieces = [
        " un",
        "believ",
        "able",
        " caf",
        "é",
        ",",
        *" 😀".encode(),
        " שלו",
        "ם",
        " ال",
        "سلام",
    ]
    pieces += [" 我", "喜歡", *"鱻".encode(), " </", "script", ">", " don", "'t", "\n", "\0", "end"]
    tokens = (
        "<s>",
        *(byte_level(p.encode() if isinstance(p, str) else bytes([p])) for p in pieces),
    )
    count = len(tokens)
    return recording_from_arrays(
        softmax_weights(1, 2, count, count), TokenAxis(tokens, special=(0,))
    )


def trusted_recording() -> Recording:
    """Heads that do what heads are known for, and what the model loses without each of them."""
    recording = patterned_recording()
    group = recording.examples[0].maps[0].group
    falls = [(0.1, 0.3, -0.05), (0, 0.02, 0.25), (0.01, 0.04, 0.03)]
    layers = tuple(
        LayerImportance(group, layer, each, (0.02,) * 3, tuple(fall > 0.04 for fall in each))
        for layer, each in enumerate(falls)
    )
    curves = (
        DeletionCurve("most attended to first", (1, 0.4), chance=0.75, draws=19),
        DeletionCurve("highest rollout first", (1, 0.1), chance=1 / 21, draws=20),
        DeletionCurve("random order", (1, 0.5), ((1, 1), (0.3, 0.7))),
    )
    return dataclasses.replace(
        recording,
        importance=Importance("share of </script> right", "40 texts, mean", layers),
        deletion=Deletion("share right", "tokens", (0, 0.5), curves, "40 texts"),
    )


# A name that ends scripts, one that turns around, and one of several code points.
HOSTILE_CLASSES = ("</script><img src=x onerror=alert(1)>", "\u202edlrow", "👩‍👩‍👧‍👦")


REPORTS: dict[str, Callable[[], str]] = {
    "trusted": lambda: render_report(trusted_recording()),
    "patterned": lambda: render_report(patterned_recording()),
    "gates": lambda: render_report(gates_recording()),
    "self": lambda: render_report(self_recording()),
    "layers": lambda: render_report(chosen_layers_recording()),
    "two-layers": lambda: render_report(two_choices_of_layers_recording()),
    "u8": lambda: render_report(self_recording(), precision="u8"),
    "u16": lambda: render_report(self_recording(), precision="u16"),
    "smallest": lambda: render_report(smallest_recording()),
    "translator": lambda: render_report(translator_recording()),
    "hostile": lambda: render_report(hostile_recording()),
    "word-pieces": lambda: render_report(word_pieces_recording()),
    "many-examples": lambda: render_report(many_examples_recording()),
    "many-scripts": lambda: render_report(many_scripts_recording()),
    "gate": lambda: render_report(gate_recording()),
    "asymmetric": lambda: render_report(asymmetric_recording()),
    "causal": lambda: render_report(causal_recording()),
    "long": lambda: render_report(long_recording()),
    "strong": lambda: render_report(strong_recording()),
    "pictures": lambda: render_report(picture_recording()),
    "hostile-classes": lambda: render_report(picture_recording(6, classes=HOSTILE_CLASSES)),
    "windows": lambda: render_report(windows_recording()),
    "pooling": lambda: render_report(pooling_recording()),
    "caption": lambda: render_report(caption_recording()),
    "generated": lambda: render_report(generated_recording()),
    "pieces": lambda: render_report(pieces_recording()),
    "unlikely": lambda: render_report(unlikely_recording()),
    "hostile-generation": lambda: render_report(hostile_generation()),
    "translation": lambda: render_report(translation_recording()),
    "scored": lambda: render_report(scored_recording()),
    "rounded": lambda: render_report(rounded_recording()),
    "scored-u8": lambda: render_report(scored_recording(), precision="u8"),
    "hostile-scored": lambda: render_report(hostile_scored()),
    "two-texts": lambda: render_comparison(*two_texts()),
    "two-words": lambda: render_comparison(*two_in_pieces()),
    "two-checkpoints": lambda: render_comparison(*two_checkpoints()),
    "two-translators": lambda: render_comparison(*two_translators()),
    "two-hostile": lambda: render_comparison(hostile_recording(), hostile_recording(seed=1)),
    "two-scripts": lambda: render_comparison(*two_scripts()),
    "two-u8": lambda: render_comparison(*two_texts(), precision="u8"),
    "strong-u8": lambda: render_report(strong_recording(), precision="u8"),
}
