import base64
import re
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attnreport._errors import ReportError
from attnreport.report.packing import (
    ENCODINGS,
    choose_encoding,
    deflate,
    heads_per_block,
    pack_bits,
    pack_heads,
    square_root_steps,
)
from tests.report.page_decoder import decode_bits, decode_block
from tests.report.recordings import softmax_weights, striped_weights

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
WEIGHTS = st.floats(0, 1, width=32, allow_subnormal=True) | st.sampled_from(
    [0.0, 1.0, float(np.float32(1e-45)), float(np.float32(1.1754942e-38)), 2.0**-24]
)
HEADS = SHAPES.flatmap(lambda shape: arrays(np.float32, shape, elements=WEIGHTS))
STEPS = {"u8": 255, "u16": 65535}


def read_back(weights, encoding, *, largest=1.0):
    heads, queries, keys = weights.shape
    text = pack_heads(list(weights), encoding, largest=largest)
    decoded = decode_block(
        text, heads=heads, queries=queries, keys=keys, encoding=encoding, largest=largest
    )
    return np.array(decoded, dtype=np.float64)


def hardest_weights(steps):
    """Weights in the middle between two steps, and their neighbors among the floats."""
    middles = ((np.arange(steps, dtype=np.float64) + 0.5) / steps) ** 2
    nudges = 1 + np.arange(-6, 7) * 2.0**-24
    return np.clip(middles[:, np.newaxis] * nudges, 0, 1).astype(np.float32)


@given(HEADS)
def test_float32_comes_back_bit_for_bit(weights):
    back = read_back(weights, "float32").astype(np.float32)
    assert back.tobytes() == weights.tobytes()


@pytest.mark.parametrize("encoding", ["u8", "u16"])
@given(weights=HEADS)
def test_quantized_weights_stay_within_the_stated_error(encoding, weights):
    error = np.abs(read_back(weights, encoding) - weights.astype(np.float64))
    assert error.max() <= ENCODINGS[encoding].largest_error


@pytest.mark.parametrize("encoding", ["u8", "u16"])
@given(weights=HEADS, largest=st.floats(1, 1e6, width=32))
def test_steps_up_to_a_larger_weight_are_coarser_by_as_much(encoding, weights, largest):
    strengths = weights * np.float32(largest)
    error = np.abs(read_back(strengths, encoding, largest=largest) - strengths.astype(np.float64))
    assert error.max() <= largest * ENCODINGS[encoding].largest_error


@pytest.mark.parametrize("encoding", ["u8", "u16"])
def test_the_stated_error_holds_for_the_hardest_weights(encoding):
    steps = STEPS[encoding]
    weights = hardest_weights(steps)
    # What the page computes, for all weights at once; `read_back` shows that it is the same.
    shown = ((square_root_steps(weights, steps) / steps) ** 2).astype(np.float32)
    error = np.abs(shown.astype(np.float64) - weights)
    assert error.max() <= ENCODINGS[encoding].largest_error
    assert error.max() >= 0.95 * ENCODINGS[encoding].largest_error


@pytest.mark.parametrize("encoding", ["u8", "u16"])
def test_the_numbers_in_the_error_text_are_bounds(encoding):
    weights = hardest_weights(STEPS[encoding])
    shown = ((square_root_steps(weights, STEPS[encoding]) / STEPS[encoding]) ** 2).astype(float)
    stated = re.findall(r"(0\.\d+) at w = ([\d.]*\d)", ENCODINGS[encoding].error_text)
    assert len(stated) >= 2
    for bound, weight in stated:
        up_to = weights <= float(weight)
        assert np.abs(shown - weights)[up_to].max() <= float(bound)


def test_the_exact_encoding_states_no_error():
    assert ENCODINGS["float32"].largest_error == 0


@pytest.mark.parametrize("encoding", ["float32", "u16", "u8"])
def test_zero_and_one_come_back_exactly(encoding):
    weights = np.eye(3, dtype=np.float32)[np.newaxis]
    assert (read_back(weights, encoding) == weights).all()


@pytest.mark.parametrize("steps", [255, 65535])
@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=50))
def test_larger_weights_never_get_a_smaller_step(steps, weights):
    ordered = np.sort(np.array(weights, dtype=np.float32))
    assert (np.diff(square_root_steps(ordered, steps).astype(int)) >= 0).all()


@pytest.mark.parametrize("encoding", ["u8", "u16"])
def test_weights_that_rounding_put_outside_the_interval_are_clipped(encoding):
    weights = np.array([[[-1e-6, 1.0005]]], dtype=np.float32)
    assert read_back(weights, encoding).tolist() == [[[0.0, 1.0]]]


@given(st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9)), st.integers(0, 99))
def test_masks_come_back_cell_by_cell(shape, seed):
    mask = np.random.default_rng(seed).random(shape) < 0.5
    assert decode_bits(pack_bits(mask), mask.size) == mask.ravel().tolist()


@pytest.mark.parametrize(
    ("cells", "encoding", "heads"),
    [
        (512 * 512, "u8", 1),  # one head of 512 tokens fills a block
        (512 * 512, "u16", 1),
        (30 * 30, "float32", 72),  # 72 heads of a sentence of 30 tokens
        (256 * 256, "u8", 4),
        (1, "u8", 262_144),
        (10_000_000, "float32", 1),
    ],
)
def test_blocks_are_neither_tiny_nor_huge(cells, encoding, heads):
    assert heads_per_block(cells, encoding) == heads


@given(st.integers(1, 300_000), st.sampled_from(["float32", "u16", "u8"]))
def test_a_block_of_several_heads_stays_below_256_kib(cells, encoding):
    size = {"float32": 4, "u16": 2, "u8": 1}[encoding]
    heads = heads_per_block(cells, encoding)
    assert heads == 1 or heads * cells * size <= 262_144
    assert (heads + 1) * cells * size > 262_144


@pytest.mark.parametrize(
    ("weights", "encoding"),
    [
        (1, "float32"),
        (2_000_000, "float32"),
        (2_000_001, "u16"),
        (12_000_000, "u16"),
        (12_000_001, "u8"),
        (12 * 12 * 512 * 512, "u8"),
        (50_000_000, "u8"),
    ],
)
def test_precision_falls_as_the_recording_grows(weights, encoding):
    assert choose_encoding(weights) == encoding


def test_a_larger_budget_keeps_more_precision():
    assert choose_encoding(2_000_001, budget_mb=64.0) == "float32"
    assert choose_encoding(2_000_000, budget_mb=16.0) == "u16"


def test_what_fits_no_budget_is_refused_with_numbers_and_two_ways_out():
    with pytest.raises(ReportError) as caught:
        choose_encoding(100_000_000)
    message = str(caught.value)
    assert "100,000,000 weights" in message
    assert "about 62 MB" in message
    assert "budget is 32 MB" in message
    assert "recording.select(" in message


def test_the_budget_that_the_error_proposes_is_large_enough():
    for weights in (50_000_001, 80_000_000, 1_234_567_890):
        with pytest.raises(ReportError) as caught:
            choose_encoding(weights)
        (proposed,) = re.findall(r"budget_mb=([\d.]+)", str(caught.value))
        assert choose_encoding(weights, budget_mb=float(proposed)) == "u8"


@pytest.mark.parametrize("encoding", ["float32", "u16", "u8"])
def test_a_flipped_byte_is_noticed_twelve_times_of_twelve(encoding):
    packed = bytearray(base64.b64decode(pack_heads(list(softmax_weights(2, 40, 40)), encoding)))
    noticed = 0
    for trial in range(12):
        damaged = bytearray(packed)
        damaged[2 + (len(packed) - 3) * trial // 12] ^= 0x10
        try:
            zlib.decompress(bytes(damaged))
        except zlib.error:
            noticed += 1
    assert noticed == 12


def test_a_truncated_block_is_noticed():
    packed = deflate(bytes(1000))
    with pytest.raises(zlib.error):
        zlib.decompress(packed[:-1])


@pytest.mark.parametrize(("encoding", "budget"), [("u8", 0.65), ("u16", 2.0), ("float32", 4.5)])
def test_characters_per_weight_stay_within_the_budget(encoding, budget):
    weights = striped_weights(1, 3, 512)
    heads = list(weights.reshape(-1, 512, 512))
    per_block = heads_per_block(512 * 512, encoding)
    blocks = [heads[i : i + per_block] for i in range(0, len(heads), per_block)]
    characters = sum(len(pack_heads(block, encoding)) for block in blocks)
    assert characters / weights.size <= budget
