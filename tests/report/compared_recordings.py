"""Recordings to compare."""

import numpy as np

from attnreport.recording import AttentionMap, Example, Recording, Source, TokenAxis

BEFORE = ("[CLS]", "the", "cat", "was", "tired", "[SEP]")
AFTER = ("[CLS]", "the", "black", "cat", "was", "warm", "[SEP]")
# Every position of either: what both have stands there once.
BOTH = ("[CLS]", "the", "black", "cat", "was", "tired", "warm", "[SEP]")
IN_BEFORE = (0, 1, 3, 4, 5, 7)
IN_AFTER = (0, 1, 2, 3, 4, 6, 7)


def sentence(
    tokens: tuple[str, ...],
    *,
    seed: int,
    layers: int = 2,
    heads: int = 3,
    name: str = "sentence",
    source: Source | None = None,
    causal: bool = False,
) -> Recording:
    """A sentence through layers of random heads; its first and last tokens are special."""
    axis = TokenAxis(tokens, special=(0, len(tokens) - 1))
    random = np.random.default_rng(seed)
    mask = np.tri(len(tokens)).astype(bool) if causal else None
    weights = random.dirichlet(np.full(len(tokens), 0.4), (layers, heads, len(tokens)))
    if mask is not None:
        weights = np.where(mask, weights + 1e-3, 0)
        weights /= weights.sum(axis=-1, keepdims=True)
    maps = [
        AttentionMap(f"layer.{n}", each.astype(np.float32), axis, axis, mask=mask)
        for n, each in enumerate(weights)
    ]
    text = " ".join(tokens[1:-1])
    given = source or Source(model="tiny", created="2026-11-22", step=seed)
    return Recording((Example(name, tuple(maps), input=text),), given)


def two_texts() -> tuple[Recording, Recording]:
    """One model on two texts, of which one has a word more and another word."""
    return sentence(BEFORE, seed=1, name="before"), sentence(AFTER, seed=2, name="after")


def two_checkpoints() -> tuple[Recording, Recording]:
    """One text at two moments of a training, with a mask."""
    return sentence(BEFORE, seed=1, causal=True), sentence(BEFORE, seed=2, causal=True)


def two_in_pieces() -> tuple[Recording, Recording]:
    """A word in two pieces, each of which is looked at less by 0.3 in the second."""
    axis = TokenAxis(("the", "un", "##able", "cat"))
    rows = ((0.1, 0.4, 0.4, 0.1), (0.4, 0.1, 0.1, 0.4))
    one, other = (
        AttentionMap("layer", np.array([[row] * 4], np.float32), axis, axis) for row in rows
    )
    return Recording((Example("pieces", (one,)),)), Recording((Example("pieces", (other,)),))


def two_scripts() -> tuple[Recording, Recording]:
    """A text that runs from right to left, with a word more in the second."""
    return (
        sentence(("<s>", "שלום", "עולם", "</s>"), seed=1, name="before"),
        sentence(("<s>", "שלום", "יפה", "עולם", "</s>"), seed=2, name="after"),
    )


def two_translators() -> tuple[Recording, Recording]:
    """Two examples each, of an encoder and of cross-attention; outputs differ in the first."""
    return _translator(1, ("die", "Katze", "</s>")), _translator(2, ("eine", "Katze", "</s>"))


def _translator(seed: int, output: tuple[str, ...]) -> Recording:
    random = np.random.default_rng(seed)
    examples = []
    for number, words in enumerate((output, ("der", "Hund", "</s>"))):
        source = TokenAxis(("the", f"word{number}", "</s>"), special=(2,))
        target = TokenAxis(words, special=(2,))
        encoder = random.dirichlet(np.ones(3), (2, 3)).astype(np.float32)
        cross = random.dirichlet(np.ones(3), (1, 3)).astype(np.float32)
        maps = (
            AttentionMap("encoder", encoder, source, source, group="encoder"),
            AttentionMap("cross", cross, target, source, kind="cross", group="cross"),
        )
        text = " ".join(words[:-1])
        examples.append(Example(f"test {number}", maps, input=f"the word{number}", output=text))
    return Recording(tuple(examples), Source(model="translator", step=seed))


def placed(recording: Recording, layer: int, head: int, places: tuple[int, ...]) -> np.ndarray:
    """The weights of a head between the positions of both texts; NaN where it has none."""
    found = np.full((len(BOTH), len(BOTH)), np.nan)
    found[np.ix_(places, places)] = recording.examples[0].maps[layer].head(head)
    return found
