"""What weights, labels and names make of a recording."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from attnreport._errors import InvalidAttentionError
from attnreport.recording import Checks, GridAxis, ItemAxis, Recording, Source, TokenAxis
from tests.recording.giving import TOKENS, only_maps, refused, uniform


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


def test_millions_of_weights_are_checked_without_a_loop_over_them(lines_run):
    def lines(positions: int) -> int:
        weights = np.full((6, 12, positions, positions), 1 / positions, np.float32)
        return lines_run(lambda: Recording.from_arrays(weights))

    rows = 6 * 12 * 256  # 4.7 M weights
    assert lines(256) < lines(8) + rows / 2


def test_the_input_of_a_router_is_what_it_shares_out_among_experts(softmax_weights):
    recording = Recording.from_arrays(
        softmax_weights(1, 1, 2, 3), ["a", "b"], key_tokens=["e0", "e1", "e2"], kind="router"
    )
    (example,) = recording.examples
    assert example.input == "a b"
    assert (example.maps[0].kind, example.maps[0].group) == ("router", "router-attention")
