"""Masks, padding, references and logits beside the weights."""

import numpy as np
import pytest

from attnreport.recording import Recording
from tests.recording.giving import (
    CAUSAL,
    LENGTHS,
    TOKENS,
    only_maps,
    padded_batch,
    refused,
    uniform,
)


def test_a_mask_holds_for_all_heads_or_for_each(softmax_weights):
    for mask in (CAUSAL, np.stack([CAUSAL, CAUSAL, np.eye(4, dtype=bool)])):
        weights = softmax_weights(2, 3, 4, 4, mask=mask)
        maps = only_maps(Recording.from_arrays(weights, TOKENS, mask=mask))
        for attention in maps:
            np.testing.assert_array_equal(attention.mask, mask)


@pytest.mark.parametrize("form", ["batch query key", "batch 1 query key", "batch head query key"])
def test_a_mask_may_differ_by_example(softmax_weights, form):
    masks = np.stack([CAUSAL, np.eye(4, dtype=bool)])
    weights = softmax_weights(2, 3, 4, 4, mask=masks[:, np.newaxis])
    mask = {
        "batch query key": masks,
        "batch 1 query key": masks[:, np.newaxis],
        "batch head query key": np.repeat(masks[:, np.newaxis], 3, axis=1),
    }[form]
    recording = Recording.from_arrays([weights], [TOKENS, TOKENS], mask=mask)
    for example, expected in zip(recording.examples, masks, strict=True):
        found = example.maps[0].mask
        np.testing.assert_array_equal(np.broadcast_to(found, (3, 4, 4))[1], expected)


def test_axes_of_length_one_stand_for_all_positions(softmax_weights):
    lengths = np.array([4, 2])
    mask = (np.arange(4) < lengths[:, np.newaxis])[:, np.newaxis, np.newaxis]
    weights = softmax_weights(2, 3, 4, 4, mask=mask)
    recording = Recording.from_arrays([weights], [TOKENS, TOKENS], mask=mask)
    assert [each.maps[0].mask.sum() for each in recording.examples] == [16, 8]


def test_one_mask_may_hold_for_a_whole_batch(softmax_weights):
    weights = softmax_weights(2, 3, 4, 4, mask=CAUSAL)
    recording = Recording.from_arrays([weights], [TOKENS, TOKENS], mask=CAUSAL)
    for example in recording.examples:
        np.testing.assert_array_equal(example.maps[0].mask, CAUSAL)


def test_a_mask_that_can_be_read_in_two_ways_is_refused():
    message = "shape (3, 4, 4) could be [head, query, key] or [batch, query, key], for there are 3"
    with refused(message):
        Recording.from_arrays([uniform(3, 3, 4, 4)], mask=np.ones((3, 4, 4), bool))


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((4, 3), bool), "A mask has shape (4, 3), but the weights have shape (1, 3, 4, 4)"),
        (np.ones((2, 4, 4), bool), "A mask has shape (2, 4, 4)"),
        (np.ones(4, bool), "A mask has shape (4,)"),
        (np.where(CAUSAL, 0, -1e9), "A mask holds np.float64(-1000000000.0). Give booleans, or 0"),
        (np.where(CAUSAL, 0, -np.inf), "an additive mask becomes one by `mask == 0`"),
    ],
)
def test_masks_that_do_not_fit_are_refused(mask, message):
    with refused(message):
        Recording.from_arrays(uniform(1, 3, 4, 4), mask=mask)


def test_attention_to_masked_keys_is_refused(softmax_weights):
    weights = softmax_weights(1, 1, 4, 4, mask=CAUSAL)
    message = "but the mask says that this query may not look at this key. A mask is True where it"
    with refused(message):
        Recording.from_arrays(weights, mask=~CAUSAL | np.eye(4, dtype=bool))


def test_a_row_of_zeros_is_refused_unless_the_mask_says_so():
    weights = uniform(1, 2, 4, 4)
    weights[0, 1, 2] = 0
    message = (
        "head 1, query 2 sum to 0 over its keys, and must sum to 1 (within 0.001 for float64)."
    )
    with refused(f"{message} If all keys of this query are masked, pass the `mask`"):
        Recording.from_arrays(weights)
    mask = np.ones((4, 4), bool)
    with refused(message):
        Recording.from_arrays(weights, mask=mask)
    mask[1] = False  # another row
    with refused(message):
        Recording.from_arrays(weights, mask=mask)
    mask[2] = False
    weights[0, :, 2] = 0
    (attention,) = only_maps(Recording.from_arrays(weights, mask=mask))
    assert attention.checks.row_sum_error == 0


def test_a_masked_row_may_be_uniform_but_not_anything():
    weights = uniform(1, 1, 4, 4)
    mask = np.ones((4, 4), bool)
    mask[2] = False  # softmax over equal minus infinities that are finite numbers is uniform
    (attention,) = only_maps(Recording.from_arrays(weights, mask=mask))
    assert attention.checks.row_sum_error == 0
    weights[0, 0, 2] = 0.1
    with refused("query 2 sum to 0.4"):
        Recording.from_arrays(weights, mask=mask)


@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize("padding", ["right", "left"])
def test_a_padded_batch_is_split_into_its_examples(softmax_weights, padding, with_mask):
    weights, mask, tokens = padded_batch(softmax_weights, padding)
    recording = Recording.from_arrays(
        [weights], tokens, padding=padding, mask=mask if with_mask else None
    )
    for index, (example, length) in enumerate(zip(recording.examples, LENGTHS, strict=True)):
        (attention,) = example.maps
        real = slice(0, length) if padding == "right" else slice(5 - length, 5)
        assert attention.query.labels == tuple(tokens[index])
        np.testing.assert_array_equal(attention.array(), weights[index, :, real, real])
        assert attention.checks.row_sum_error < 1e-6
        if with_mask:
            assert attention.mask.shape == (length, length)
            assert attention.mask.all()


@pytest.mark.parametrize(("padding", "other"), [("right", "left"), ("left", "right")])
def test_padding_on_the_other_side_is_refused_with_advice(softmax_weights, padding, other):
    weights, _, tokens = padded_batch(softmax_weights, other)
    message = (
        "There are 3 more keys than labels, and they were cut off on the "
        f"{padding} as padding: mask the padding in the model, say `padding='{other}'`, or label"
    )
    with refused(message):
        Recording.from_arrays([weights], tokens, padding=padding)


def test_padding_has_two_sides():
    with refused("`padding` is 'both'. Say 'right' or 'left'."):
        Recording.from_arrays([uniform(2, 1, 4, 4)], padding="both")


def test_attention_to_padding_is_refused_with_the_example(softmax_weights):
    weights, _, tokens = padded_batch(softmax_weights, "right", masked=False)
    with refused("The weights of layer 'layer 0' of example 'example 1', head 0, query 0 sum to"):
        Recording.from_arrays([weights], tokens)


def test_queries_and_keys_are_padded_each_to_their_own_length(softmax_weights):
    real = np.arange(4) < np.array([4, 2])[:, np.newaxis]
    weights = softmax_weights(2, 1, 3, 4, mask=real[:, np.newaxis, np.newaxis])
    recording = Recording.from_arrays(
        [weights], [["a"], ["a", "b", "c"]], key_tokens=[TOKENS, TOKENS[:2]]
    )
    assert [each.maps[0].weights.shape for each in recording.examples] == [(1, 1, 4), (1, 3, 2)]


def test_references_and_logits_are_kept_and_cut_like_weights(softmax_weights):
    weights, mask, tokens = padded_batch(softmax_weights, "left")
    logits = np.where(mask, 1.0, -np.inf) * np.ones_like(weights)
    reference = np.broadcast_to(np.eye(5, dtype=bool), (3, 5, 5))
    recording = Recording.from_arrays(
        [weights], tokens, padding="left", logits=[logits], reference=reference
    )
    for example, length in zip(recording.examples, LENGTHS, strict=True):
        (attention,) = example.maps
        np.testing.assert_array_equal(attention.reference, np.eye(length, dtype=bool))
        assert attention.logits.shape == attention.weights.shape
        assert (attention.logits == 1).all()


def test_one_reference_may_have_as_many_examples_as_heads(softmax_weights):
    reference = np.stack([np.eye(4, dtype=bool), CAUSAL])
    recording = Recording.from_arrays([softmax_weights(2, 2, 4, 4)], reference=reference)
    for example, expected in zip(recording.examples, reference, strict=True):
        np.testing.assert_array_equal(example.maps[0].reference, expected)


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (np.zeros((1, 2, 4, 4)), "The logits of layer 0 have shape (1, 2, 4, 4) and its weights"),
        (np.zeros((2, 3, 4, 4)), "The weights have 1 layers and the logits 2"),
        ([np.zeros((1, 3, 4, 4))], "with a batch axis in both or in neither"),
        (np.full((1, 3, 4, 4), np.nan), "The logit of layer 'layer 0', head 0, query 0, key 0 is"),
        (np.full((1, 3, 4, 4), np.inf), "key 0 is inf. Logits are numbers, or -inf where a key"),
        (np.zeros((1, 3, 4, 4), int), "The logits are of type int64"),
    ],
)
def test_logits_that_do_not_fit_are_refused(logits, message):
    with refused(message):
        Recording.from_arrays(uniform(1, 3, 4, 4), logits=logits)


def test_a_reference_that_does_not_fit_is_refused():
    with refused("A reference has shape (3, 4)"):
        Recording.from_arrays(uniform(1, 3, 4, 4), reference=np.ones((3, 4), bool))
