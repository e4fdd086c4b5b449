import numpy as np
import pytest

from attnreport.models.text_classifier import PADDING
from attnreport.tasks.keywords.collection import Collection, Passage
from attnreport.tasks.keywords.encoding import UNKNOWN, Encoding


def passage(label: str, text: str) -> Passage:
    return Passage(f"{label}: {text}", tuple(text.split()), label)


TRAIN = (
    passage("a", "red red fish"),
    passage("a", "red fish swim"),
    passage("b", "blue fish"),
    passage("b", "Blue, sky red"),
    passage("c", "the blue fish"),
)
COLLECTION = Collection(("a", "b", "c"), TRAIN, TRAIN[:1], TRAIN[:1], {}, "", "")


def test_words_of_a_single_passage_are_unknown():
    encoding = Encoding.of(COLLECTION)
    assert encoding.keys == ("blue", "fish", "red")
    assert len(encoding) == 5
    words, labels = encoding.texts([passage("b", "The Fish, blue sky"), TRAIN[0]], 5)
    blue, fish, red = 2, 3, 4
    np.testing.assert_array_equal(
        words, [[UNKNOWN, fish, blue, UNKNOWN, PADDING], [red, red, fish, PADDING, PADDING]]
    )
    assert labels.tolist() == [1, 0]


def test_tf_idf_is_count_times_the_logarithm_of_labels_over_labels_with_the_word():
    encoding = Encoding.of(COLLECTION)
    # `fish` is in all three labels, `red` in a and b, `blue` in b and c, `sky` too rare to count.
    found = encoding.tf_idf(passage("a", "red fish red blue sky"))
    assert found == pytest.approx([2 * np.log(3 / 2), 0, 2 * np.log(3 / 2), np.log(3 / 2), 0])
