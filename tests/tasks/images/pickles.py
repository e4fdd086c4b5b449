"""Writes pickles as Python 2 with NumPy 1 wrote CIFAR-10: protocol 2, texts as bytes.

Python 3 cannot write these: it has no opcode for a text that is bytes under protocol 2.
"""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

NAMES = b"airplane automobile bird cat deer dog frog horse ship truck".split()
PROTOCOL, STOP, TUPLE3, REDUCE, BUILD = b"\x80\x02", b".", b"\x87", b"R", b"b"


def text(content: bytes) -> bytes:
    if len(content) < 256:
        return b"U" + struct.pack("<B", len(content)) + content
    return b"T" + struct.pack("<i", len(content)) + content


def number(value: int) -> bytes:
    if 0 <= value < 256:
        return b"K" + struct.pack("<B", value)
    return (
        (b"M" + struct.pack("<H", value)) if 0 <= value < 65536 else b"J" + struct.pack("<i", value)
    )


def sequence(items: Sequence[bytes]) -> bytes:
    return b"](" + b"".join(items) + b"e"


def mapping(items: Mapping[bytes, bytes]) -> bytes:
    return b"}(" + b"".join(text(key) + value for key, value in items.items()) + b"u"


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def array(
    values: np.ndarray, *, kind: bytes = b"u1", module: str = "numpy.core.multiarray"
) -> bytes:
    made = named(module, "_reconstruct") + named("numpy", "ndarray")
    made += number(0) + b"\x85" + text(b"b") + TUPLE3 + REDUCE
    dtype = named("numpy", "dtype") + text(kind) + number(0) + number(1) + TUPLE3 + REDUCE
    dtype += (
        b"(" + number(3) + text(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"t" + BUILD
    )
    shape = number(values.shape[0]) + number(values.shape[1]) + b"\x86"
    return made + b"(" + number(1) + shape + dtype + b"\x89" + text(values.tobytes()) + b"t" + BUILD


def pickled(content: bytes) -> bytes:
    return PROTOCOL + content + STOP


def batch(pixels: np.ndarray, labels: Sequence[int], title: bytes = b"batch") -> bytes:
    """A file of pictures: `pixels` are rows of 3072 bytes, red before green before blue."""
    return pickled(
        mapping(
            {
                b"batch_label": text(title),
                b"labels": sequence([number(label) for label in labels]),
                b"data": array(pixels),
                b"filenames": sequence([text(b"a.png") for _ in labels]),
            }
        )
    )


def meta(names: Sequence[bytes]) -> bytes:
    return pickled(
        mapping(
            {
                b"num_cases_per_batch": number(len(names)),
                b"label_names": sequence([text(name) for name in names]),
                b"num_vis": number(3072),
            }
        )
    )


def pixels(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def cifar10(folder: Path, count: int = 2) -> Path:
    """Six files of a few pictures each, and the names of the classes."""
    files = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    for seed, name in enumerate(files):
        labels = [(seed, 9 - seed)[number % 2] for number in range(count)]
        folder.joinpath(name).write_bytes(batch(pixels(count, seed), labels))
    folder.joinpath("batches.meta").write_bytes(meta(NAMES))
    return folder
