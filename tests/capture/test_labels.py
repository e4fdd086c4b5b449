import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import CaptureError, InvalidAttentionError
from attnreport.capture import capture_attention
from attnreport.capture.labels import Labels
from attnreport.recording import GridAxis, TokenAxis


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
    x = numbers(1, 3, 8)
    with pytest.raises(InvalidAttentionError, match="mask says that this query may not look"):
        captured(x, mask=mask)
    recording = captured(x, kind="pooling", group="reader", mask=lambda path: None)
    found = recording.examples[0].maps[0]
    assert (found.kind, found.group, found.mask) == ("pooling", "reader", None)
    by_path = captured(x, kind=lambda path: "cross", group=lambda path: f"of {path}")
    assert by_path.examples[0].maps[0].kind == "cross"
    assert by_path.examples[0].maps[0].group == "of MultiHeadAttention"


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


def test_keywords_of_the_model_are_sent_to_kwargs():
    message = r"no option `deterministic`.*as `kwargs=\{'deterministic': True\}`"
    with pytest.raises(CaptureError, match=message):
        captured(numbers(1, 3, 8), deterministic=True)
