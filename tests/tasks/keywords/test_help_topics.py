"""The help of the Python that runs the tests, and of a small one made by hand."""

import sys
from collections import Counter

import pytest

from attnreport._errors import MissingDependencyError
from attnreport.tasks.keywords import help_topics
from attnreport.tasks.keywords.help_topics import (
    FEWEST,
    LONGEST,
    SHORTEST,
    help_collection,
    paragraphs,
    title_words,
)

PROSE = "a name that is bound in a block is local to the block itself"
OTHER = "the value of an expression list with one item is that of the item"
TOPICS = {
    "long": f"Long\n****\n\n{PROSE}\n\n{OTHER}\n\n   with_stmt ::= {PROSE}\n\n>>> {PROSE}\n",
    "short": f'The "short" topic\n*****************\n\n   {PROSE}\n\nToo short.\n',
}


def test_a_paragraph_belongs_to_the_shortest_topic_that_has_it():
    found = [(each.name, each.label, each.text) for each in paragraphs(TOPICS)]
    assert found == [("short 1", "short", PROSE), ("long 1", "long", OTHER)]


def test_headings_grammar_sessions_tables_and_code_are_left_out():
    topics = {
        "one": "\n\n".join(
            [
                f"{PROSE}\n{'=' * len(PROSE)}",
                f"stmt ::= {PROSE}",
                f">>> {PROSE}",
                f"+------+------+\n| {PROSE} |\n+------+------+",
                "x = f(a, b) + g[0] if y > 3 else -1 * h[2] ** 3 + k(2)",
            ]
        )
    }
    assert list(paragraphs(topics)) == []


def test_titles_are_those_of_the_text_and_of_the_help():
    titles = title_words("with", 'The "with" statement\n********************\n\nIt wraps.')
    assert {'"with"', "statement", "exception", '"yield"'} <= titles
    assert "the" not in titles
    assert "hash" in title_words("customization", "no heading")


def test_no_paragraph_is_in_two_parts_and_every_label_is_in_each():
    found = help_collection()
    parts = (found.train, found.validation, found.test)
    texts = [each.text for part in parts for each in part]
    assert len(texts) == len(set(texts)) > 300
    names = [each.name for part in parts for each in part]
    assert len(names) == len(set(names))
    for part in parts:
        assert {each.label for each in part} == set(found.labels)
    sizes = Counter(each.label for part in parts for each in part)
    assert min(sizes.values()) >= FEWEST
    lengths = [len(each.words) for part in parts for each in part]
    assert min(lengths) >= SHORTEST
    assert max(lengths) <= LONGEST
    assert found.width == max(lengths)


def test_a_sixth_is_held_out_twice():
    found = help_collection()
    count = len(found.train) + len(found.validation) + len(found.test)
    assert len(found.test) / count == pytest.approx(1 / 6, abs=0.02)
    assert len(found.validation) / count == pytest.approx(1 / 6, abs=0.02)


def test_a_seed_decides_what_is_held_out():
    assert help_collection(seed=1) == help_collection(seed=1)
    assert help_collection(seed=1).test != help_collection(seed=2).test


def test_the_origin_says_which_python_it_was():
    found = help_collection(most=8)
    assert len(found.labels) == 8
    assert ".".join(map(str, sys.version_info[:3])) in found.origin
    assert "the 8 of its" in found.origin


@pytest.mark.parametrize("kind", ["no module", "no topics", "empty"])
def test_a_python_without_help_topics_is_told(monkeypatch, kind):
    def absent(name):
        assert name == "pydoc_data.topics"
        if kind == "no module":
            raise ModuleNotFoundError(name)
        return type("module", (), {} if kind == "no topics" else {"topics": {}})

    monkeypatch.setattr(help_topics.importlib, "import_module", absent)
    with pytest.raises(MissingDependencyError) as error:
        help_collection()
    text = str(error.value)
    assert sys.executable in text
    assert "pydoc_data.topics" in text
    assert "attnreport demo keywords --data FOLDER" in text
