"""Steps of a generation in one map, against one causal softmax over the whole text."""

import dataclasses

import numpy as np
import pytest

from attnreport import AttnReportError, Generation, Recording, stitch_steps
from attnreport.recording import AttentionMap, Example, TokenAxis, recording_from_steps

PROMPT, WRITTEN = ("<s>", "one", "two"), ("three", "four", "</s>")
HEADS, LAYERS = 2, 2
# All but the last token that was written were read.
READ = len(PROMPT) + len(WRITTEN) - 1


def teacher_forced(layer: int, tokens: int = READ) -> np.ndarray:
    """Causal attention of one pass over the whole text: a softmax over the keys so far."""
    logits = np.random.default_rng(layer).normal(size=(HEADS, tokens, tokens))
    weights = np.where(np.tri(tokens, dtype=bool), np.exp(logits), 0)
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def numbered(count: int) -> TokenAxis:
    return TokenAxis(tuple(map(str, range(count))))


def piece(name: str, weights: np.ndarray, **fields) -> AttentionMap:
    return AttentionMap(name, weights, *(numbered(n) for n in weights.shape[1:]), **fields)


def steps_of(layer: int, *, capacity: int | None = None) -> list[np.ndarray]:
    """Rows of the prompt, then a row a step, over the keys so far or a cache of some capacity."""
    whole = teacher_forced(layer)
    ends = [len(PROMPT), *range(len(PROMPT) + 1, READ + 1)]
    starts = [0, *ends[:-1]]
    room = [(0, (capacity or end) - end) for end in ends]
    return [
        np.pad(whole[:, start:end, :end], ((0, 0), (0, 0), more))
        for start, end, more in zip(starts, ends, room, strict=True)
    ]


def captured(capacity: int | None) -> Recording:
    """What a capture of a loop without `scan` gives: calls of one name, in the order they ran."""
    steps = [steps_of(layer, capacity=capacity) for layer in range(LAYERS)]
    maps = [
        piece(f"decoder.{layer}.attention (call {call + 1})", steps[layer][call])
        for call in range(len(steps[0]))
        for layer in range(LAYERS)
    ]
    return Recording((Example("a", tuple(maps)),))


@pytest.mark.parametrize("capacity", [None, READ, READ + 3])
def test_pieces_become_the_matrix_of_one_pass(capacity):
    recording = stitch_steps(captured(capacity), PROMPT, Generation(WRITTEN))
    example = recording.examples[0]
    assert [attention.name for attention in example.maps] == [
        "decoder.0.attention",
        "decoder.1.attention",
    ]
    for layer, attention in enumerate(example.maps):
        np.testing.assert_array_equal(attention.array(), teacher_forced(layer))
        np.testing.assert_array_equal(attention.mask, np.tri(READ, dtype=bool))
        assert attention.query is attention.key
        assert attention.query.labels == (*PROMPT, *WRITTEN[:-1])
        assert attention.query.special == (0,)
    assert (example.input, example.output) == ("one two", "three four")
    assert example.generation.tokens == WRITTEN


def test_the_row_of_the_token_before_wrote_a_token():
    attention = stitch_steps(captured(None), PROMPT, Generation(WRITTEN)).examples[0].maps[0]
    labels = attention.query.labels
    wrote = [labels[attention.first_step + step] for step in range(len(WRITTEN))]
    assert wrote == ["two", "three", "four"]


def test_one_loop_over_all_tokens_is_one_piece():
    weights = np.pad(teacher_forced(0), ((0, 0), (0, 0), (0, 2)))
    recording = Recording((Example("a", (piece("loop", weights),)),))
    (attention,) = stitch_steps(recording, PROMPT, Generation(WRITTEN)).examples[0].maps
    np.testing.assert_array_equal(attention.array(), teacher_forced(0))


def test_the_last_token_has_a_row_if_it_was_read():
    whole = teacher_forced(0, READ + 1)
    recording = Recording((Example("a", (piece("loop", whole),)),))
    (attention,) = stitch_steps(recording, PROMPT, Generation(WRITTEN)).examples[0].maps
    assert attention.query.labels == (*PROMPT, *WRITTEN)
    assert attention.query.special == (0, READ)
    np.testing.assert_array_equal(attention.array(), whole)


def test_an_example_that_ended_early_has_its_own_rows_only():
    steps = [[np.stack([step, step])] for step in steps_of(0)]
    recording = recording_from_steps(
        steps, [PROMPT, PROMPT], [Generation(WRITTEN), Generation(WRITTEN[:1])]
    )
    long, short = (example.maps[0] for example in recording.examples)
    np.testing.assert_array_equal(long.array(), teacher_forced(0))
    assert short.query.labels == (*PROMPT, WRITTEN[0])
    np.testing.assert_array_equal(short.array(), teacher_forced(0)[:, :4, :4])


def test_a_loop_without_the_prompt_has_rows_from_there_on():
    """The prompt but for its last token was read elsewhere; its keys are in the cache."""
    rows = teacher_forced(0)[:, len(PROMPT) - 1 :]
    recording = Recording((Example("a", (piece("loop", rows),)),))
    (attention,) = stitch_steps(recording, PROMPT, Generation(WRITTEN)).examples[0].maps
    assert attention.query.labels == ("two", "three", "four")
    assert attention.key.labels == (*PROMPT, *WRITTEN[:-1])
    assert attention.first_step == 0
    np.testing.assert_array_equal(attention.array(), rows)


def test_cross_attention_keeps_its_keys_and_encoders_stay_as_they_are():
    random = np.random.default_rng(3)
    across = random.dirichlet(np.ones(7), (HEADS, READ)).astype(np.float32)
    encoder = random.dirichlet(np.ones(7), (HEADS, 7)).astype(np.float32)
    source = TokenAxis(tuple("abcdefg"))
    maps = (
        AttentionMap("encoder", encoder, source, source),
        AttentionMap("cross", across, numbered(READ), source, kind="cross"),
        piece("self", teacher_forced(1)),
    )
    example = stitch_steps(Recording((Example("a", maps),)), PROMPT, Generation(WRITTEN)).examples[
        0
    ]
    found, cross, own = example.maps
    assert found is maps[0]
    assert (cross.key, cross.first_step, cross.mask) == (source, 2, None)
    assert cross.query == own.query
    np.testing.assert_array_equal(cross.array(), across)


def test_rows_may_stand_for_the_tokens_that_they_write():
    across = np.random.default_rng(3).dirichlet(np.ones(7), (1, 5)).astype(np.float32)
    attention = AttentionMap("looks", across, numbered(5), numbered(7), kind="cross")
    recording = Recording((Example("a", (attention,)), Example("b", (attention,))))
    longest = Generation((*WRITTEN, "x", "y"))
    (cross,) = stitch_steps(recording, [], [Generation(WRITTEN), longest]).examples[0].maps
    assert (cross.query.labels, cross.first_step) == (WRITTEN, 0)
    np.testing.assert_array_equal(cross.array(), across[:, :3])


def beside_steps(attention: AttentionMap, **options) -> AttentionMap:
    """What becomes of a map that stands beside a decoder's."""
    recording = Recording((Example("a", (attention, piece("loop", teacher_forced(0)))),))
    return stitch_steps(recording, PROMPT, Generation(WRITTEN), **options).examples[0].maps[0]


def test_single_maps_that_are_not_of_the_decoder_stay_as_they_are():
    even = np.full((1, 8, 3), 1 / 3, np.float32)
    resampler = piece("resampler", even, kind="cross")
    own = TokenAxis(tuple("abcdefg"))
    encoder = AttentionMap("text encoder", teacher_forced(1, 7), own, own)
    five = TokenAxis(tuple("abcde"))
    short = AttentionMap("short encoder", teacher_forced(1), five, five)
    for attention in (resampler, encoder, short):
        assert beside_steps(attention) is attention
    named = beside_steps(short, layers=[["short encoder"]])
    assert named.query.labels == (*PROMPT, *WRITTEN[:-1])


@pytest.mark.parametrize("kind", ["self", "cross"])
def test_rows_of_padding_on_the_left_are_refused(kind):
    """Two rows of padding look at themselves, so that the text seems to begin with them."""
    whole = teacher_forced(0, READ + 2)
    maps = tuple(
        piece(f"a (call {n + 1})", whole[:, rows], kind=kind)
        for n, rows in enumerate((slice(0, 5), slice(5, 6), slice(6, 7)))
    )
    message = "rows for 7 tokens, and the text has 6.*cannot be told"
    refused(Recording((Example("a", maps),)), message)


def test_names_say_which_pieces_belong_together_where_calls_do_not():
    prefill, *rest = steps_of(0, capacity=READ)
    loop = np.concatenate(rest, axis=1)
    recording = Recording((Example("a", (piece("step", loop), piece("prefill", prefill))),))
    found = stitch_steps(
        recording, PROMPT, Generation(WRITTEN), layers=[["prefill", "step"]]
    ).examples[0]
    assert [attention.name for attention in found.maps] == ["prefill"]
    np.testing.assert_array_equal(found.maps[0].array(), teacher_forced(0))


def test_layers_keep_their_numbers():
    recording = captured(None).select(layers=[1, 3, 5])
    assert [m.name for m in recording.examples[0].maps] == [
        f"decoder.1.attention (call {call})" for call in (1, 2, 3)
    ]
    (attention,) = stitch_steps(recording, PROMPT, Generation(WRITTEN)).examples[0].maps
    assert attention.layer == 1


def test_weights_step_by_step_are_a_recording():
    steps = [list(layers) for layers in zip(steps_of(0), steps_of(1), strict=True)]
    recording = Recording.from_steps(steps, PROMPT, Generation(WRITTEN), group="decoder")
    for layer, attention in enumerate(recording.examples[0].maps):
        np.testing.assert_array_equal(attention.array(), teacher_forced(layer))
        assert (attention.name, attention.group) == (f"layer {layer}", "decoder")
        assert attention.checks.others[-1].detail == (
            "Steps of a generation in one map, from pieces of 3, then 2 times 1 rows."
        )
        assert attention.checks.row_sum_error < 1e-6


def refused(recording, message, prompt=PROMPT, written=WRITTEN, **options):
    with pytest.raises(AttnReportError, match=message):
        stitch_steps(recording, prompt, Generation(written), **options)


def test_a_cache_that_turns_around_is_refused():
    ring = np.full((1, 4, 3), 1 / 3, np.float32)
    maps = (piece("a (call 1)", ring[:, :3]), piece("a (call 2)", ring[:, 3:]))
    refused(
        Recording((Example("a", maps),)),
        r"2 pieces that do not make a causal map: row 0 of head 0 gives 0.333 to key 1",
    )


def test_tokens_that_do_not_fit_are_refused():
    refused(
        captured(None),
        "rows for the tokens 0 to 4, but the text has 3 tokens of the prompt and 9 that were",
        written=("x",) * 9,
    )
    with pytest.raises(AttnReportError, match="1 examples, and there are 2 generations"):
        stitch_steps(captured(None), PROMPT, [Generation(WRITTEN)] * 2)


def test_a_recording_without_steps_is_refused():
    even = np.full((1, 6, 6), 1 / 6, np.float32)
    refused(
        Recording((Example("a", (piece("encoder", even),)),)),
        r"No map .* of 6 tokens, 3 of them a prompt: .*'encoder' \(self, 6 × 6\)",
    )


def test_unknown_pieces_and_different_layers_are_refused():
    refused(captured(None), "no map 'loop', which `layers` names", layers=[["loop"]])
    one, two = (piece(f"a (call {n})", teacher_forced(0)) for n in (1, 2))
    other = dataclasses.replace(two, weights=two.weights[:1])
    refused(Recording((Example("a", (one, other)),)), "pieces that differ in their heads")
    refused(captured(None), "`prompt` is one text", prompt="one two")


def test_steps_need_the_same_layers():
    with pytest.raises(AttnReportError, match="The steps have 1, 2 layers"):
        recording_from_steps(
            [[teacher_forced(0)], [teacher_forced(0)] * 2], PROMPT, Generation(WRITTEN)
        )
