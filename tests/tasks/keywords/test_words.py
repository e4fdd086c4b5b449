import pytest

from attnreport.tasks.keywords.words import (
    is_prose,
    split_words,
    title_roots,
    word_key,
    word_root,
)


def test_words_keep_the_punctuation_they_touch():
    assert split_words("A list,\n  or (two) lists.") == ("A", "list,", "or", "(two)", "lists.")


def test_code_in_quotes_is_a_word_also_where_no_space_follows():
    found = split_words('the ("try")…"except" statement "x[0]".')
    assert found == ("the", '("try")', '…"except"', "statement", '"x[0]".')
    assert [word_key(word) for word in found[1:3]] == ['"try"', '"except"']


def test_nothing_is_lost_but_white_space(hostile_tokens):
    for token in hostile_tokens:
        assert "".join(split_words(f"a {token} b")) == "".join(f"a{token}b".split())


@pytest.mark.parametrize(
    ("word", "key"),
    [
        ("Statement,", "statement"),
        ("(two)", "two"),
        ("*self*", "self"),
        ("object’s", "object"),
        ('"with"', '"with"'),
        ('("with").', '"with"'),
        ('"__exit__()"', '"__exit__"'),
        ('"TypeError"', '"TypeError"'),
        ('"Hello', "hello"),
        ("__init__", "__init__"),
        ("“quoted”", "quoted"),
        ("—", "—"),
        ('"+"', '"+"'),
        ("3.8:", "3.8"),
    ],
)
def test_ways_to_write_a_word_have_one_key(word, key):
    assert word_key(word) == key


@pytest.mark.parametrize(
    ("key", "root"),
    [
        ("slicings", "slicing"),
        ("class", "class"),
        ("classes", "class"),
        ("dictionaries", "dictionary"),
        ("is", "is"),
        ('"with"', '"with"'),
        ("with", "with"),
        ('"Mappings"', "mapping"),
    ],
)
def test_plurals_and_quotes_go_but_keywords_of_python_stay_code(key, root):
    assert word_root(key) == root


def test_titles_are_their_words_without_small_ones():
    roots = title_roots(['The "with" statement', "Emulating container types — and more"])
    assert roots == {'"with"', "statement", "emulating", "container", "type", "more"}


def test_code_is_not_prose():
    assert is_prose(split_words("A slicing selects a range of items."))
    assert not is_prose(split_words("x = f(a, b) + g[0] if y > 3 else -1"))
