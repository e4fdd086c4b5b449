import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport.models.translator import END, PADDING, START
from attnreport.tasks.translation.vocabulary import MARKERS, Vocabulary, text_of

VOCABULARY = Vocabulary.of([("the", "fox"), ("a", "fox")])


def test_words_are_numbered_in_alphabetical_order_after_the_markers():
    assert VOCABULARY.words == ("a", "fox", "the")
    assert len(VOCABULARY) == 7
    assert (MARKERS[PADDING], MARKERS[START], MARKERS[END]) == ("<pad>", "<s>", "</s>")


def test_sentences_end_with_their_marker_and_are_padded():
    rows = VOCABULARY.encode([("the", "fox"), ("a",)])
    assert rows.tolist() == [[6, 5, END], [4, END, PADDING]]
    assert VOCABULARY.encode([("a",)], 4).shape == (1, 4)


def test_unknown_words_get_a_number_of_their_own():
    assert VOCABULARY.decode(VOCABULARY.encode([("the", "axolotl")])[0]) == ("the", "<unk>")


@given(st.lists(st.lists(st.sampled_from(VOCABULARY.words)), min_size=1, max_size=4))
def test_decoding_gives_back_what_was_encoded(sentences):
    rows = VOCABULARY.encode(sentences)
    assert [VOCABULARY.decode(row) for row in rows] == [tuple(each) for each in sentences]


def test_nothing_is_read_behind_the_end():
    assert VOCABULARY.decode(np.array([5, END, 6])) == ("fox",)


def test_a_sentence_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="3 words with its end marker, but there are 2 columns"):
        VOCABULARY.encode([("the", "fox")], 2)


def test_text_to_read_has_no_space_before_punctuation():
    assert text_of(("er", "fragt", ",", "ob", "es", "regnet")) == "er fragt, ob es regnet"
    assert text_of(("wer", "ist", "da", "?")) == "wer ist da?"
