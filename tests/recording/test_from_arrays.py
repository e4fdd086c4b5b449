import re
import time

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attnreport._errors import InvalidAttentionError
from attnreport.recording import Checks, GridAxis, ItemAxis, Recording, Source, TokenAxis

TOKENS = ["[CLS]", "the", "fox", "[SEP]"]


def only_maps(recording: Recording):
    (example,) = recording.examples
    return example.maps


def refused(message: str):
    return pytest.raises(InvalidAttentionError, match=re.escape(message))


def uniform(*shape: int) -> np.ndarray:
    return np.full(shape, 1 / shape[-1])


# --- Forms of the weights ------------------------------------------------------------------------


def test_one_array_is_layer_head_query_key(softmax_weights):
    weights = softmax_weights(2, 3, 4, 4)
    recording = Recording.from_arrays(weights, TOKENS)
    maps = only_maps(recording)
    assert [each.name for each in maps] == ["layer 0", "layer 1"]
    assert {each.kind for each in maps} == {"self"}
    assert {each.group for each in maps} == {"self-attention"}
    for attention, layer in zip(maps, weights, strict=True):
        np.testing.assert_array_equal(attention.array(), layer)
        assert attention.query == attention.key == TokenAxis(tuple(TOKENS), special=(0, 3))
        assert np.shares_memory(attention.weights, weights)


def test_a_list_is_one_array_per_layer_with_heads_of_its_own(softmax_weights):
    layers = [softmax_weights(heads, 4, 4) for heads in (1, 8, 3)]
    for given_layers in (layers, tuple(layers)):
        maps = only_maps(Recording.from_arrays(given_layers, TOKENS))
        assert [each.heads for each in maps] == [1, 8, 3]


def test_a_list_with_a_batch_axis_is_several_examples(softmax_weights):
    layers = [softmax_weights(2, heads, 4, 4) for heads in (3, 5)]
    recording = Recording.from_arrays(
        layers, [TOKENS, ["a", "b", "c", "d"]], example_names=["first", "second"]
    )
    assert [each.name for each in recording.examples] == ["first", "second"]
    assert [each.input for each in recording.examples] == ["the fox", "a b c d"]
    for index, example in enumerate(recording.examples):
        for attention, layer in zip(example.maps, layers, strict=True):
            np.testing.assert_array_equal(attention.array(), layer[index])


def test_layers_of_different_lengths_number_their_positions(softmax_weights):
    layers = [softmax_weights(2, 4, 4), softmax_weights(2, 2, 4), softmax_weights(2, 2, 2)]
    maps = only_maps(Recording.from_arrays(layers))
    assert [(len(each.query), len(each.key)) for each in maps] == [(4, 4), (2, 4), (2, 2)]
    assert maps[0].query.labels == ("0", "1", "2", "3")
    assert Recording.from_arrays(layers).examples[0].input == ""


def test_layers_of_different_lengths_are_labeled_by_joining(softmax_weights):
    whole = Recording.from_arrays([softmax_weights(2, 4, 4)], TOKENS, names=["full"])
    half = Recording.from_arrays([softmax_weights(2, 2, 2)], TOKENS[1:3], names=["pooled"])
    maps = only_maps(Recording.join_groups([whole, half]))
    assert [len(each.query) for each in maps] == [4, 2]


def test_cross_attention_has_two_axes(softmax_weights):
    recording = Recording.from_arrays(
        softmax_weights(1, 2, 3, 4), ["der", "fuchs", "</s>"], key_tokens=TOKENS
    )
    (attention,) = only_maps(recording)
    assert attention.kind == "cross"
    assert attention.group == "cross-attention"
    assert attention.query.labels == ("der", "fuchs", "</s>")
    assert attention.key.labels == tuple(TOKENS)
    assert recording.examples[0].input == "the fox"


def test_axes_may_be_of_any_kind(softmax_weights):
    grid, items = GridAxis(2, 2, leading=("class",)), ItemAxis(("shoe", "hat"))
    (attention,) = only_maps(
        Recording.from_arrays(softmax_weights(1, 1, 5, 2), grid, key_tokens=items)
    )
    assert attention.query is grid
    assert attention.key is items


def test_one_example_of_a_batch_may_be_labeled_without_a_list(softmax_weights):
    recording = Recording.from_arrays([softmax_weights(1, 2, 4, 4)], TOKENS)
    assert only_maps(recording)[0].query.labels == tuple(TOKENS)


def test_everything_that_is_said_is_kept(softmax_weights):
    source, checks = Source(model="bert"), Checks(output_difference=0.0, deterministic=True)
    recording = Recording.from_arrays(
        softmax_weights(2, 1, 4, 4),
        TOKENS,
        names=["encoder.0", "encoder.1"],
        group="encoder",
        kind="pooling",
        source=source,
        checks=checks,
    )
    maps = only_maps(recording)
    assert recording.source is source
    assert [each.name for each in maps] == ["encoder.0", "encoder.1"]
    assert {(each.group, each.kind) for each in maps} == {("encoder", "pooling")}
    assert maps[0].checks.output_difference == 0
    assert maps[0].checks.deterministic is True
    assert 0 <= maps[0].checks.row_sum_error < 1e-6


def test_hostile_tokens_pass_unharmed(softmax_weights, hostile_tokens):
    count = len(hostile_tokens)
    (attention,) = only_maps(
        Recording.from_arrays(softmax_weights(1, 1, count, count), hostile_tokens)
    )
    assert attention.query.labels == tuple(hostile_tokens)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (uniform(2, 3, 3), "The weights have shape (2, 3, 3). One array needs four axes, [layer"),
        (np.ones((0, 1, 2, 2)), "The weights have no layer"),
        ([], "The list of weights is empty"),
        ([uniform(1, 2, 2), uniform(1, 1, 2, 2)], "shapes (1, 2, 2), (1, 1, 2, 2). Give every"),
        ([uniform(2, 2)], "The layers of the weights have shapes (2, 2)"),
        (
            [uniform(1, 1, 2, 2), uniform(2, 1, 2, 2)],
            "batches of [1, 2] examples. Every layer needs the same examples",
        ),
        ([np.ones((0, 1, 2, 2))], "batches of [0] examples"),
        ([np.ones((1, 2, 2)), np.ones((1, 2, 2), int)], "weights of layer 1 are of type int64"),
        ([np.ones((1, 0, 2))], "and an axis of length 0. Leave empty sequences out"),
        ([np.ones((1, 2, 0))], "and an axis of length 0. Leave empty sequences out"),
        ([np.ones((0, 2, 2))], "and an axis of length 0. Leave empty sequences out"),
    ],
)
def test_what_has_not_the_form_of_attention_is_refused(weights, message):
    with refused(message):
        Recording.from_arrays(weights)


# --- Labels --------------------------------------------------------------------------------------

BATCH = [uniform(2, 1, 4, 4)]


@pytest.mark.parametrize(
    ("weights", "tokens", "message"),
    [
        (
            uniform(1, 1, 4, 4),
            TOKENS[:3],
            "The query axis of layer 'layer 0' has 4 positions but 3 labels (weights: (1, 4, 4)",
        ),
        (uniform(1, 1, 4, 4), [*TOKENS, "!"], "has 4 positions but 5 labels"),
        (
            BATCH,
            [TOKENS, [*TOKENS, "!"]],
            "The query axis of layer 'layer 0' of example 'example 1' has 4 positions but 5 labels",
        ),
        (uniform(1, 1, 4, 4), "fox!", "`tokens` is one text, 'fox!'. Give a list with one text"),
        (uniform(1, 1, 4, 4), [], "`tokens` is empty. Attention needs at least one position"),
        (BATCH, [TOKENS, []], "`tokens` of example 'example 1' is empty"),
        (BATCH, [TOKENS, "fox!"], "`tokens` of example 'example 1' is 'fox!'"),
        (BATCH, [TOKENS, None], "`tokens` of example 'example 1' is None"),
        (uniform(1, 1, 4, 4), [101, 5, 6, 102], "`tokens` holds 101, which is not text. Give one"),
        (uniform(1, 1, 4, 4), ["a", "b", None, "c"], "`tokens` holds None, which is not text"),
        (uniform(1, 1, 4, 4), [TOKENS], "several examples need weights with a batch axis"),
        (BATCH, TOKENS, "a batch of 2 examples, but `tokens` is one sequence of labels"),
        (BATCH, [TOKENS], "a batch of 2 examples, but `tokens` has 1 sequences"),
        (BATCH, ItemAxis(("a",)), "a batch of 2 examples, but `tokens` is one sequence"),
    ],
)
def test_labels_that_do_not_fit_are_refused(weights, tokens, message):
    with refused(message):
        Recording.from_arrays(weights, tokens)


def test_key_labels_are_named_in_errors():
    with refused("The key axis of layer 'layer 0' has 4 positions but 2 labels"):
        Recording.from_arrays(uniform(1, 1, 4, 4), TOKENS, key_tokens=["a", "b"])
    with refused("`key_tokens` holds 7, which is not text"):
        Recording.from_arrays(uniform(1, 1, 4, 4), TOKENS, key_tokens=[7, 7, 7, 7])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"names": ["a", "b"]}, "There are 1 layers but 2 layer names. Give one per layer"),
        ({"example_names": ["a"]}, "There are 2 examples but 1 example names"),
        ({"example_names": ["a", "a"]}, "2 examples are called 'a'"),
    ],
)
def test_names_that_do_not_fit_are_refused(names, message):
    with refused(message):
        Recording.from_arrays(BATCH, **names)


# --- What cannot be attention --------------------------------------------------------------------


def spoiled(value: float, *, at=(1, 2, 3, 1), dtype="float32") -> np.ndarray:
    weights = uniform(2, 3, 4, 4).astype(dtype)
    weights[at] = value
    return weights


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ml_dtypes.bfloat16])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(value, dtype):
    message = (
        f"The weight of layer 'layer 1', head 2, query 3, key 1 is {value}, and 1 of the head's 16 "
        "weights are not finite. A row whose keys are all masked gives NaN"
    )
    with refused(message):
        Recording.from_arrays(spoiled(value, dtype=dtype))


def test_the_example_is_named_too():
    layers = [uniform(2, 3, 4, 4), uniform(2, 3, 4, 4)]
    layers[1][1, 2, 3, 1] = np.nan
    with refused("The weight of layer 'layer 1' of example 'example 1', head 2, query 3, key 1"):
        Recording.from_arrays(layers)


@pytest.mark.parametrize("value", [-0.3, 1.7])
@pytest.mark.parametrize("options", [{}, {"kind": "gate"}, {"kind": "gate", "normalized": False}])
def test_logits_are_refused(value, options):
    message = f"head 2, query 3, key 1 is {value:.4g}. Attention weights lie between 0 and 1: pass"
    with refused(message):
        Recording.from_arrays(spoiled(value), **options)


def test_weights_that_need_not_sum_to_one_may_exceed_it():
    weights = spoiled(17.5)
    recording = Recording.from_arrays(weights, normalized=False)
    assert recording.examples[0].maps[1].head(2)[3, 1] == 17.5
    assert recording.examples[0].maps[1].checks.row_sum_error is None


@pytest.mark.parametrize(
    ("value", "says"), [(-0.3, "is -0.3. Attention weights are not negative"), (np.inf, "is inf")]
)
def test_weights_that_need_not_sum_to_one_are_still_finite_and_not_negative(value, says):
    with refused(f"head 2, query 3, key 1 {says}"):
        Recording.from_arrays(spoiled(value), normalized=False)


@pytest.mark.parametrize(
    ("value", "total"), [(0.0, "0.75"), (0.5, "1.25"), (0.253, "1.003"), (0.2485, "0.9985")]
)
def test_rows_that_do_not_sum_to_one_are_refused(value, total):
    message = (
        f"The weights of layer 'layer 1', head 2, query 3 sum to {total} over its keys, and must "
        "sum to 1 (within 0.001 for float32). Pass post-softmax weights captured with dropout off; "
        "if rows are not meant to sum to one, say `normalized=False`."
    )
    with refused(message):
        Recording.from_arrays(spoiled(value))


def test_rows_may_sum_to_anything_if_that_is_said():
    for said in ({"normalized": False}, {"kind": "gate"}):
        maps = only_maps(Recording.from_arrays(spoiled(0.0), **said))
        assert not any(each.normalized for each in maps)
        assert maps[1].checks.row_sum_error is None


def test_the_worst_row_is_reported():
    maps = only_maps(Recording.from_arrays(spoiled(0.2505)))
    assert maps[0].checks.row_sum_error == 0
    assert maps[1].checks.row_sum_error == pytest.approx(0.0005, rel=1e-3)


def test_a_matrix_the_wrong_way_round_is_recognized(softmax_weights):
    with refused("The columns do sum to 1: put the key axis last"):
        Recording.from_arrays(softmax_weights(1, 1, 4, 4).swapaxes(-1, -2))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_rounding_of_the_format_is_no_error(softmax_weights, dtype):
    precise = softmax_weights(1, 4, 64, 64, dtype="float64")
    weights = precise.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    (attention,) = only_maps(Recording.from_arrays(weights))
    limits = {"float16": 5e-3, "bfloat16": 3e-2, "float32": 1e-6, "float64": 1e-12}
    assert attention.checks.row_sum_error <= limits[dtype]
    assert attention.precision == dtype


# --- Masks ---------------------------------------------------------------------------------------

CAUSAL = np.tril(np.ones((4, 4), dtype=bool))


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


# --- Padded batches ------------------------------------------------------------------------------

LENGTHS = (5, 2, 3)


def padded_batch(softmax_weights, padding: str, *, masked: bool = True):
    """Weights `[batch, head, query, key]`, the mask that made them, and labels of what is real."""
    size = max(LENGTHS)
    real = np.arange(size) < np.array(LENGTHS)[:, np.newaxis]
    if padding == "left":
        real = real[:, ::-1]
    mask = np.broadcast_to(real[:, np.newaxis, np.newaxis], (3, 1, size, size))
    weights = softmax_weights(3, 2, size, size, mask=mask if masked else None)
    return weights, mask, [[f"w{i}" for i in range(length)] for length in LENGTHS]


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
        Recording.from_arrays(BATCH, padding="both")


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


# --- References and logits -----------------------------------------------------------------------


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


# --- Properties and speed ------------------------------------------------------------------------

SHAPES = hnp.array_shapes(min_dims=4, max_dims=4, max_side=5)


@given(
    scores=hnp.arrays(np.float64, SHAPES, elements=st.floats(-30, 30)),
    dtype=st.sampled_from([np.float16, np.float32, np.float64, ml_dtypes.bfloat16]),
)
def test_every_softmax_is_attention(scores, dtype):
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = (weights / weights.sum(axis=-1, keepdims=True)).astype(dtype)
    maps = only_maps(Recording.from_arrays(weights))
    assert [each.weights.shape for each in maps] == [layer.shape for layer in weights]
    for attention, layer in zip(maps, weights, strict=True):
        np.testing.assert_array_equal(attention.array(), layer.astype(np.float32))
        sums = attention.array().astype(np.float64).sum(axis=-1)
        np.testing.assert_allclose(
            attention.checks.row_sum_error, np.abs(sums - 1).max(), atol=1e-6
        )


@given(data=st.data(), lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_splitting_a_padded_batch_gives_back_what_was_padded(data, lengths):
    padding = data.draw(st.sampled_from(["right", "left"]))
    size = max(lengths) + data.draw(st.integers(0, 2))
    generator = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    weights = np.zeros((len(lengths), 2, size, size), np.float32)
    originals = []
    for index, length in enumerate(lengths):
        original = generator.dirichlet(np.ones(length), size=(2, length)).astype(np.float32)
        real = slice(0, length) if padding == "right" else slice(size - length, size)
        weights[index][:, real, real] = original
        originals.append(original)
    labels = [[str(i) for i in range(length)] for length in lengths]
    recording = Recording.from_arrays([weights], labels, padding=padding)
    for example, original in zip(recording.examples, originals, strict=True):
        np.testing.assert_array_equal(example.maps[0].array(), original)


@given(weights=hnp.arrays(np.float32, SHAPES, elements=st.floats(width=32)))
def test_whatever_comes_is_attention_or_refused(weights):
    with np.errstate(invalid="ignore"):  # infinities of both signs have no sum
        sums = weights.sum(axis=-1, dtype=np.float64)

    def within(slack: float) -> bool:  # false for NaN
        inside = (weights >= -slack) & (weights <= 1 + slack)
        return bool(inside.all() and (np.abs(sums - 1) <= slack).all())

    if within(5e-4):
        assert len(only_maps(Recording.from_arrays(weights))) == len(weights)
    elif not within(2e-3):
        with pytest.raises(InvalidAttentionError, match=r"layer 'layer \d', head \d, query \d"):
            Recording.from_arrays(weights)


def test_checking_millions_of_weights_takes_well_under_a_second():
    weights = np.full((6, 12, 256, 256), 1 / 256, np.float32)  # 4.7 M, an eighth of 12x12x512x512
    times = []
    for _ in range(3):
        start = time.perf_counter()
        Recording.from_arrays(weights)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.12


def test_the_input_of_a_router_is_what_it_shares_out_among_experts(softmax_weights):
    recording = Recording.from_arrays(
        softmax_weights(1, 1, 2, 3), ["a", "b"], key_tokens=["e0", "e1", "e2"], kind="router"
    )
    (example,) = recording.examples
    assert example.input == "a b"
    assert (example.maps[0].kind, example.maps[0].group) == ("router", "router-attention")
