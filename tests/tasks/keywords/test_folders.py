"""Folders of labelled texts, in the formats of the two public data sets of that form."""

import pytest

from attnreport._errors import DataError
from attnreport.tasks.keywords.folders import LONGEST, folder_collection
from tests.tasks.keywords.conftest import sentence, write


def test_newsgroups_are_read_without_their_headers(newsgroups):
    found = folder_collection(newsgroups)
    assert found.labels == ("rec.boats", "sci.bread")
    assert len(found.train) == 2 * 11
    assert len(found.validation) == 2
    assert len(found.test) == 2 * 4
    first = found.test[0]
    assert first.name == "rec.boats/59820"
    assert first.text == f"{sentence('rec.boats', 20)} >> Caf\u00e9, he wrote."


def test_reviews_are_read_without_those_that_have_no_label(reviews):
    found = folder_collection(reviews)
    assert found.labels == ("neg", "pos")
    assert [each.name for each in found.test[:2]] == ["neg/0_2.txt", "neg/1_2.txt"]
    assert found.test[0].text == "A neg film, number 0. Caf\u00e9 scenes."
    assert len(found.train) + len(found.validation) == len(found.test) == 10
    assert "`aclImdb`: 20 texts of 2 labels" in found.origin


def test_without_parts_a_sixth_is_held_out_by_a_seed(newsgroups):
    folder = newsgroups / "20news-bydate-train"
    found = folder_collection(folder, seed=3)
    assert len(found.test) == 2 * 2
    assert found == folder_collection(folder, seed=3)
    names = {each.name for part in (found.train, found.validation) for each in part}
    assert not names & {each.name for each in found.test}


def test_labels_and_texts_can_be_fewer(newsgroups, reviews):
    assert len(folder_collection(reviews, texts=2).test) == 4
    for label in ("a", "b", "c"):
        for number in range(2):
            write(reviews.parent / "plain" / label / f"{number}.txt", f"text {number}")
    assert folder_collection(reviews.parent / "plain", most=2).labels == ("a", "b")


def test_titles_are_the_words_of_the_label(newsgroups):
    assert folder_collection(newsgroups).titles["rec.boats"] == {"rec", "boat"}


def test_long_texts_are_cut_and_empty_ones_left_out(tmp_path):
    for label in ("one", "two"):
        for number in range(3):
            write(tmp_path / label / f"{number}.txt", f"{label} {number} " * 400)
        write(tmp_path / label / "empty.txt", "\n\n")
        write(tmp_path / label / ".hidden", "text")
    found = folder_collection(tmp_path)
    assert found.width == LONGEST
    passages = (*found.train, *found.validation, *found.test)
    assert {each.name.partition("/")[2] for each in passages} == {"0.txt", "1.txt", "2.txt"}


def test_a_text_that_only_begins_like_a_message_is_kept(tmp_path):
    text = "Note: this is no header.\nIt goes on.\n\nAnd on."
    for label in ("one", "two"):
        for number in range(2):
            write(tmp_path / label / f"{number}.txt", text)
    assert folder_collection(tmp_path).test[0].text == " ".join(text.split())


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(DataError, match=r"There is no folder .*nowhere.*subfolder of text files"):
        folder_collection(tmp_path / "nowhere")


def test_a_folder_without_two_labels_is_told(tmp_path):
    with pytest.raises(DataError, match="has no label with texts for training and test"):
        folder_collection(tmp_path)
    for number in range(3):
        write(tmp_path / "only" / f"{number}.txt", "text")
    with pytest.raises(DataError, match="has only the label 'only'"):
        folder_collection(tmp_path)
