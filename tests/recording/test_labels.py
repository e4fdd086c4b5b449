import numpy as np
import pytest

from attnreport.recording import GridAxis, TokenAxis
from attnreport.recording.labels import axes_per_example, plain_text


@pytest.mark.parametrize(
    ("axis", "text"),
    [
        (TokenAxis(("[CLS]", "un", "##believ", "##able", "!", "[SEP]"), (0, 5)), "unbelievable !"),
        (TokenAxis(("Hello", "Ġtoken", "ization", "Ġis", "Ġfun")), "Hello tokenization is fun"),
        (TokenAxis(("<s>", "▁der", "▁F", "uchs", "</s>"), (0, 4)), "der Fuchs"),
        (TokenAxis(("new", "york", "is", "big"), words=(0, 0, 1, 2)), "newyork is big"),
        (TokenAxis(("a", "[SEP]", "b"), (1,), words=(0, None, 0)), "a b"),
        (TokenAxis(("##ing", "x")), "##ing x"),
        (TokenAxis(("a", "", "b")), "a  b"),
        (GridAxis(2, 2), ""),
    ],
)
def test_pieces_become_text(axis, text):
    assert plain_text(axis) == text


def test_markers_of_tokenizers_are_recognized():
    (axis,) = axes_per_example(
        ["<s>", "a", "</s>", "<pad>"], ["example 0"], batched=False, argument="tokens"
    )
    assert axis == TokenAxis(("<s>", "a", "</s>", "<pad>"), special=(0, 2, 3))


def test_labels_may_be_an_array_of_texts():
    labels = np.array([["a", "[SEP]"], ["b", "c"]])
    axes = axes_per_example(labels, ["one", "two"], batched=True, argument="tokens")
    assert axes == [TokenAxis(("a", "[SEP]"), special=(1,)), TokenAxis(("b", "c"))]
    assert all(type(token) is str for axis in axes for token in axis.tokens)
