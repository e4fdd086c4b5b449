import re

import ml_dtypes
import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.recording import AttentionMap, Checks, TokenAxis

QUERY = TokenAxis(("a", "b"))
KEY = TokenAxis(("x", "y", "z"))


def attention(**changes) -> AttentionMap:
    fields = {"name": "decoder.0", "weights": np.full((4, 2, 3), 1 / 3), "query": QUERY, "key": KEY}
    return AttentionMap(**fields | changes)


class OnDemand:
    """Weights whose heads are counted as they are read."""

    def __init__(self, weights: np.ndarray) -> None:
        self._weights = weights
        self.shape, self.dtype = weights.shape, weights.dtype
        self.reads = []

    def __getitem__(self, index: int) -> np.ndarray:
        self.reads.append(index)
        return self._weights[index]


def test_a_map_has_heads_and_a_group_and_no_checks_by_default():
    found = attention()
    assert found.heads == 4
    assert found.group == "self-attention"
    assert attention(kind="cross").group == "cross-attention"
    assert attention(group="encoder").group == "encoder"
    assert found.checks == Checks(None, None, None)


def test_weights_are_read_one_head_at_a_time_and_only_when_asked_for():
    weights = OnDemand(np.arange(24.0).reshape(4, 2, 3))
    found = attention(weights=weights)
    assert weights.reads == []
    np.testing.assert_array_equal(found.head(2), np.arange(12.0, 18).reshape(2, 3))
    assert weights.reads == [2]
    assert found.array().shape == (4, 2, 3)
    assert weights.reads == [2, 0, 1, 2, 3]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_weights_keep_their_format_and_are_read_as_float32(dtype):
    found = attention(weights=np.full((1, 2, 3), 1 / 3, dtype))
    assert found.weights.dtype == dtype
    assert found.head(0).dtype == found.array().dtype == np.float32


def test_bfloat16_and_nested_lists_and_jax_come_into_numpy():
    import jax.numpy as jnp

    for weights in (
        np.full((1, 2, 3), 0.25, ml_dtypes.bfloat16),
        jnp.full((1, 2, 3), 0.25),
        [[[0.25] * 3] * 2],
    ):
        held = attention(weights=weights).weights
        assert isinstance(held, np.ndarray)
        assert held.dtype in (np.float32, np.float64)
        assert (held == 0.25).all()


def test_no_mask_allows_everything():
    allowed = attention().allowed()
    assert allowed.shape == (1, 2, 3)
    assert allowed.all()


@pytest.mark.parametrize("shape", [(2, 3), (4, 2, 3)])
def test_a_mask_may_differ_by_head(shape):
    mask = np.arange(np.prod(shape)).reshape(shape) % 2 == 0
    found = attention(mask=mask)
    np.testing.assert_array_equal(found.mask, mask)
    np.testing.assert_array_equal(found.allowed(), mask.reshape(-1, 2, 3))


def test_a_mask_of_zeros_and_ones_is_one_of_booleans():
    found = attention(mask=np.array([[1, 0, 1], [0, 1, 1]]), reference=[[1.0, 0, 0], [0, 0, 1]])
    assert found.mask.dtype == found.reference.dtype == bool
    assert found.mask.sum() == 4


def test_logits_and_reference_are_kept():
    logits, reference = np.ones((4, 2, 3), np.float16), np.eye(2, 3, dtype=bool)
    found = attention(logits=logits, reference=reference)
    assert found.logits is logits
    assert found.reference is reference


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"weights": np.ones((2, 3))},
            "attention map 'decoder.0' have shape (2, 3). One attention",
        ),
        ({"weights": np.ones((0, 2, 3))}, "shape (0, 2, 3) = head, query, key, and an axis of"),
        (
            {"query": KEY},
            "The query axis of attention map 'decoder.0' has 2 positions but 3 labels",
        ),
        ({"key": QUERY}, "The key axis of attention map 'decoder.0' has 3 positions but 2 labels"),
        ({"weights": np.ones((4, 2, 3), int)}, "are of type int64; attention weights are float16"),
        ({"weights": OnDemand(np.ones((4, 2, 3), int))}, "are of type int64"),
        (
            {"mask": np.ones((3, 2), bool)},
            "A mask has shape (3, 2), but the weights have shape (4,",
        ),
        ({"mask": np.zeros((2, 3)) - np.inf}, "A mask holds np.float64(-inf). Give booleans"),
        ({"mask": np.full((2, 3), "yes")}, "A mask holds np.str_('yes')"),
        ({"reference": np.ones((4, 2, 3), bool)}, "A reference has shape (4, 2, 3)"),
        (
            {"logits": np.ones((4, 2, 2))},
            "logits of attention map 'decoder.0' have shape (4, 2, 2)",
        ),
        ({"logits": np.ones((4, 2, 3), int)}, "The logits are of type int64"),
        ({"kind": "sideways"}, "is 'sideways'. Choose one of self, cross, pooling, gate, router"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes, message):
    with pytest.raises(InvalidAttentionError, match=re.escape(message)):
        attention(**changes)
