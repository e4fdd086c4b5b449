import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import CaptureError, InvalidAttentionError
from attnreport.capture import capture_attention
from attnreport.capture.results.labels import Labels
from attnreport.recording import GridAxis, TokenAxis
from tests.capture.versions import with_causal_flag


def labels(tokens=None, key_tokens=None, examples=1):
    return Labels.of(tokens, key_tokens, [f"example {number}" for number in range(examples)])


def texts(axes):
    return ["".join(axis.labels) for axis in axes]


def chosen(given, kind, stack, queries, keys, crosses=True, calls=()):
    given = given.in_model(calls, crosses, "right")
    query, key = given.axes_of(kind, stack, queries, keys)
    return texts(query) + texts(key)


@pytest.mark.parametrize(
    ("kind", "stack", "queries", "keys", "expected"),
    [
        ("self", "encoder", 4, 4, ["abcd", "abcd"]),
        ("self", "decoder", 3, 3, ["xyz", "xyz"]),
        ("self", "decoder", 4, 4, ["0123", "0123"]),  # nothing proves padding
        ("self", "encoder", 3, 3, ["012", "012"]),  # the other side's labels
        ("cross", "decoder", 3, 4, ["xyz", "abcd"]),
        ("cross", "", 3, 4, ["xyz", "abcd"]),
        ("self", "", 4, 4, ["abcd", "abcd"]),  # a fit fit, where no name tells
        ("self", "", 3, 3, ["xyz", "xyz"]),
        ("self", "", 2, 2, ["01", "01"]),  # neither fits: latents
        ("cross", "", 2, 4, ["01", "abcd"]),
        ("cross", "", 3, 9, ["xyz", "012345678"]),
        ("cross", "", 9, 4, ["012345678", "abcd"]),  # latents are no padding
    ],
)
def test_sides_are_told_apart(kind, stack, queries, keys, expected):
    assert chosen(labels([*"xyz"], [*"abcd"]), kind, stack, queries, keys) == expected


def test_what_is_pooled_takes_the_labels_that_fit():
    assert chosen(labels([*"xyz"], [*"abcd"]), "pooling", "", 1, 4) == ["0", "abcd"]
    assert chosen(labels([*"xyz"]), "pooling", "", 2, 3, crosses=False) == ["01", "xyz"]


def test_one_side_labels_both_axes():
    one = labels([*"abc"])
    assert chosen(one, "self", "encoder", 3, 3, crosses=False) == ["abc", "abc"]
    other = labels(key_tokens=[*"abc"])
    assert chosen(other, "self", "", 3, 3, crosses=False) == ["abc", "abc"]


def test_with_cross_attention_one_side_labels_itself_alone():
    one = labels([*"abc"])
    assert chosen(one, "self", "encoder", 3, 3) == ["012", "012"]
    assert chosen(one, "self", "decoder", 3, 3) == ["abc", "abc"]
    assert chosen(one, "cross", "", 3, 3) == ["abc", "012"]


@pytest.mark.parametrize(("open_keys", "expected"), [(3, ["abc", "abc"]), (4, ["01234", "01234"])])
def test_a_mask_proves_padding(open_keys, expected):
    mask = (np.arange(5) < open_keys)[None, None, None]
    found = chosen(labels([*"abc"]), "self", "", 5, 5, calls=[(5, mask)])
    assert found == expected


def test_padding_is_proven_by_another_example():
    given = labels([[*"abc"], [*"ab"]], examples=2)
    assert chosen(given, "self", "", 3, 3) == ["abc", "ab", "abc", "ab"]


def test_without_labels_positions_are_numbered_in_every_example():
    assert chosen(labels(examples=2), "cross", "", 2, 3) == ["01", "01", "012", "012"]


def attention():
    return nnx.MultiHeadAttention(2, 8, decode=False, rngs=nnx.Rngs(0))


def numbers(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def captured(x, **options):
    return capture_attention(attention(), x, verify=False, **options)


def test_tokens_pass_through_unharmed(hostile_tokens):
    recording = captured(numbers(1, len(hostile_tokens), 8), tokens=hostile_tokens)
    assert recording.examples[0].maps[0].query.labels == tuple(hostile_tokens)


def test_axes_pass_through_unharmed():
    grid = GridAxis(2, 2, leading=("class",))
    recording = captured(numbers(2, 5, 8), tokens=[grid, grid])
    assert recording.examples[1].maps[0].key == grid


def test_special_tokens_and_words_stay():
    axis = TokenAxis(("[CLS]", "un", "##like", "[SEP]"), (0, 3), (None, 0, 0, None))
    recording = captured(numbers(1, 4, 8), tokens=axis)
    assert recording.examples[0].maps[0].query == axis
    assert recording.examples[0].input == "unlike"


def test_examples_get_the_names_they_are_given():
    recording = captured(numbers(2, 3, 8), example_names=["one", "two"])
    assert [example.name for example in recording.examples] == ["one", "two"]
    with pytest.raises(InvalidAttentionError, match=r"batch of 2 examples.*has 3 names"):
        captured(numbers(2, 3, 8), example_names=["one", "two", "three"])


def test_kind_group_and_mask_can_be_said():
    mask = np.tri(3, dtype=bool)
    x, unmasked = numbers(1, 3, 8), {"mask": None}
    with pytest.raises(InvalidAttentionError, match="mask says that this query may not look"):
        captured(x, mask=mask, kwargs=unmasked)
    recording = captured(x, kind="pooling", group="reader")
    found = recording.examples[0].maps[0]
    assert (found.kind, found.group, found.mask) == ("pooling", "reader", None)
    by_path = captured(
        x,
        kind=lambda path: "cross",
        group=lambda path: f"of {path}",
        mask=lambda path: None if path == "other" else np.ones((3, 3), bool),
        kwargs=unmasked,
    )
    found = by_path.examples[0].maps[0]
    assert (found.kind, found.group) == ("cross", "of MultiHeadAttention")
    assert found.mask.all()


def test_padding_on_the_left_is_cut_off_there():
    real = jnp.array([[False, True, True]])
    model, x = attention(), numbers(1, 3, 8)
    options = {"kwargs": {"mask": real[:, None, None]}, "tokens": [["a", "b"]], "verify": False}
    recording = capture_attention(model, x, padding="left", **options)
    assert recording.examples[0].maps[0].query.labels == ("a", "b")
    with pytest.raises(InvalidAttentionError, match="no mask shows the rest to be padding"):
        capture_attention(model, x, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": [*"abcd"]}, r"`tokens` labels 4 positions.*runs over 3,"),
        ({"tokens": [*"abc"], "key_tokens": [*"vwxyz"]}, "`key_tokens` labels 5 positions"),
        ({"tokens": "abc"}, "`tokens` is one text"),
        ({"tokens": [[*"abc"], [*"abc"]]}, "batch of 1 examples, but `tokens` has 2"),
        ({"tokens": [["a", 2, "c"]]}, "holds 2, which is not text"),
        ({"tokens": [*"ab"]}, r"`tokens` labels 2 positions.*runs over 3, and no mask"),
    ],
)
def test_labels_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InvalidAttentionError, match=message):
        captured(numbers(1, 3, 8), **options)


class Latents(nnx.Module):
    """Nine learned positions that look at the words."""

    def __init__(self):
        self.latents = nnx.Param(numbers(1, 9, 8))
        self.reader = attention()

    def __call__(self, x):
        return self.reader(self.latents[...], x)


def test_latents_keep_their_number():
    recording = capture_attention(
        Latents(), numbers(1, 7, 8), key_tokens=[*"abcdefg"], verify=False
    )
    (found,) = recording.examples[0].maps
    assert found.weights.shape == (2, 9, 7)
    assert found.query.labels == tuple("012345678")
    assert found.key.labels == tuple("abcdefg")


def test_other_keywords_go_to_the_model():
    x = numbers(1, 3, 8)
    assert np.array_equal(
        captured(x, deterministic=True).examples[0].maps[0].array(),
        captured(x).examples[0].maps[0].array(),
    )
    with pytest.raises(TypeError, match="unknown"):
        captured(x, unknown=1)


@with_causal_flag
def test_keywords_of_both_kinds_go_to_the_model():
    x = numbers(1, 3, 8)
    causal = captured(x, is_causal=True).examples[0].maps[0]
    assert np.array_equal(causal.mask, np.tri(3, dtype=bool))
    both = captured(x, is_causal=True, kwargs={"mask": jnp.array([True, False, True])})
    assert np.array_equal(both.examples[0].maps[0].mask, np.tri(3, dtype=bool) & [1, 0, 1])


@pytest.mark.parametrize(
    ("option", "value"), [("mask", np.ones((3, 3), bool)), ("kind", "cross"), ("strict", True)]
)
def test_an_option_that_the_model_has_too_is_refused(option, value):
    def model(x, *, mask=None, kind=None, strict=None, **others):
        return attention()(x)

    x = numbers(1, 3, 8)
    message = rf"`{option}` may be meant for the model.*`kwargs=\{{'{option}': …\}}`"
    with pytest.raises(CaptureError, match=message):
        capture_attention(model, x, **{option: value})
    for run in (model, jax.jit(model)):
        capture_attention(run, x, kwargs={option: None}, **{option: value}, verify=False)
    capture_attention(lambda x, *, other=None: model(x), x, **{option: value}, verify=False)


def test_an_option_whose_name_an_input_fills_is_the_recordings():
    def model(tokens):
        return attention()(tokens)

    recording = capture_attention(model, numbers(1, 3, 8), tokens=[*"abc"], verify=False)
    assert recording.examples[0].maps[0].query.labels == ("a", "b", "c")
