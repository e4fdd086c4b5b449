import dataclasses
import shutil
from pathlib import Path

import pytest

from attnreport._errors import DataError
from attnreport.tasks.translation.corpus import CorpusSizes, make_corpus
from attnreport.tasks.translation.own_data import read_sentence_pairs, words_of
from attnreport.tasks.translation.plan import TranslationPlan

# Lines in the format of the ManyThings archives, made for this test.
FIXTURE = Path(__file__).parent / "deu.txt"


@pytest.fixture
def folder(tmp_path) -> Path:
    """The folder that unpacking an archive gives."""
    made = tmp_path / "deu-eng"
    made.mkdir()
    shutil.copy(FIXTURE, made)
    (made / "_about.txt").write_text("This file has no tabs, and is no sentence.")
    return made


def test_sentences_are_read_with_their_translations_and_nothing_else(folder):
    own = read_sentence_pairs(folder)
    assert own.name == "deu-eng"
    assert [(pair.english, pair.german) for pair in own.pairs[:3]] == [
        (("go", "."), ("geh", ".")),
        (("i'm", "late", "."), ("ich", "bin", "zu", "spät", ".")),
        (("where", "is", "the", "well-known", "fox", "?"), ("wo", "ist", "der", "fuchs", "?")),
    ]
    assert not any(any(pair.links) for pair in own.pairs)


def test_the_first_of_several_translations_is_kept(folder):
    (go,) = [pair for pair in read_sentence_pairs(folder).pairs if pair.english == ("go", ".")]
    assert go.german == ("geh", ".")


def test_a_file_may_be_given_itself(folder):
    file, whole = read_sentence_pairs(folder / "deu.txt"), read_sentence_pairs(folder)
    assert file.pairs == whole.pairs
    assert file.digest == whole.digest


def test_another_text_has_another_digest(folder):
    before = read_sentence_pairs(folder).digest
    with (folder / "deu.txt").open("a", encoding="utf-8") as file:
        file.write("Stop!\tHalt!\n")
    assert read_sentence_pairs(folder).digest != before


def test_the_mark_of_some_editors_and_their_line_ends_are_no_words(tmp_path):
    (tmp_path / "a.tsv").write_bytes("Go.\tGeh.\r\n\r\nStay.\tBleib.\r\n".encode("utf-8-sig"))
    own = read_sentence_pairs(tmp_path)
    assert [pair.english for pair in own.pairs] == [("go", "."), ("stay", ".")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't go!", ("don't", "go", "!")),
        ("„Fünf-Uhr-Tee“, sagt er.", ("„", "fünf-uhr-tee", "“", ",", "sagt", "er", ".")),
        ("</script> 3,5 👩", ("<", "/", "script", ">", "3", ",", "5", "👩")),
        ("  ", ()),
    ],
)
def test_words_and_marks(text, words):
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Go.\tGeh.\nno tab here\n", r"deu\.txt, line 2: no tab in 'no tab here'\. Each line"),
        ("Go.\tGeh.\n\n\t\tCC-BY\n", r"line 3: no words on one side of the tab in 'CC-BY'"),
        ("Go.\t \n", r"line 1: no words on one side"),
    ],
)
def test_a_line_without_a_translation_is_named(tmp_path, content, message):
    (tmp_path / "deu.txt").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_sentence_pairs(tmp_path)


def test_another_encoding_is_named_with_its_line(tmp_path):
    (tmp_path / "deu.txt").write_bytes(b"Go.\tGeh.\nLate.\tSp\xe4t.\n")
    with pytest.raises(DataError, match=r"deu\.txt, line 2: byte 0xe4 is not UTF-8\. Save"):
        read_sentence_pairs(tmp_path)


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(DataError, match=r"There is no file or folder .*missing\. Give a folder"):
        read_sentence_pairs(tmp_path / "missing")
    with pytest.raises(DataError, match=r"has no \.txt or \.tsv file\. Put one there"):
        read_sentence_pairs(tmp_path)


def test_too_few_sentences_are_refused(folder):
    with pytest.raises(DataError, match=r"deu-eng has 5 different sentences .* at least 500 are"):
        read_sentence_pairs(folder).plan(TranslationPlan())


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Enough sentences, as a user's file."""
    folder = tmp_path_factory.mktemp("pairs")
    made = make_corpus(CorpusSizes(train=700, validation=0, test=0, longest=8)).train
    lines = [
        f"{' '.join(pair.english)}\t{' '.join(pair.german)}\tCC-BY 2.0 (France)" for pair in made
    ]
    (folder / "deu.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def test_a_plan_divides_the_sentences_and_the_seed_draws_them(many):
    own = read_sentence_pairs(many)
    plan = own.plan(TranslationPlan(CorpusSizes(train=300, validation=40, test=1000, longest=8)))
    usable = [pair for pair in own.pairs if len(pair.german) <= 9]
    assert (plan.corpus.train, plan.corpus.validation) == (300, 40)
    assert plan.corpus.test == len(usable) // 10
    assert plan.batch == 16
    assert plan.widths == (9,)
    assert plan.digest == own.digest
    corpus = own.corpus(plan)
    parts = (corpus.train, corpus.validation, corpus.test)
    assert [len(part) for part in parts] == [300, 40, len(usable) // 10]
    sentences = [pair.english for part in parts for pair in part]
    assert len(set(sentences)) == len(sentences)
    assert own.corpus(plan) == corpus
    other = dataclasses.replace(plan, schedule=dataclasses.replace(plan.schedule, seed=1))
    assert own.corpus(other) != corpus


def test_the_report_is_told_what_was_read(many):
    own = read_sentence_pairs(many)
    plan = own.plan(TranslationPlan())
    assert plan.data.startswith(f"Sentence pairs of {many.name}: 700 of 700 with")
    assert str(many.parent) not in plan.data
