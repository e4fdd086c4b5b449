import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnreport.analysis import (
    display_label,
    display_labels,
    display_text,
    visible_text,
    word_spans,
)
from attnreport.recording import ChannelAxis, GridAxis, ItemAxis, TokenAxis


def written(tokens, special=(), words=()):
    axis = TokenAxis(tuple(tokens), special, words)
    return ["".join(display_text(tokens[i]) for i in span) for span in word_spans(axis)]


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("fox", "fox"),
        ("##ted", "ted"),
        ("##", "##"),
        ("Ġthe", "the"),
        (" the", "the"),
        ("▁world", "world"),
        ("", "∅"),
        (" ", "␠"),
        ("  ", "␠␠"),
        ("Ġ", "␠"),
        ("▁", "␠"),
        ("Ċ", "⏎"),
        ("\n", "⏎"),
        ("\t", "⇥"),
        ("\x00", "␀"),
        ("a\x00b", "a␀b"),
        ("\x7f", "␡"),
        ("\u200b", "U+200B"),
        ("\u2028", "⏎"),
        ("\ud800", "�"),
        ("a b", "a b"),
        ("שלום", "שלום"),
        ("👩‍🚀", "👩‍🚀"),
        ("é", "é"),
        ("</script>", "</script>"),
        ("[CLS]", "[CLS]"),
        ("\u202enimda", "⟨202E⟩nimda"),
        ("##\u2066a\u2069", "⟨2066⟩a⟨2069⟩"),
        ("a\u200e\u200f\u061c", "a⟨200E⟩⟨200F⟩⟨061C⟩"),
        ("\ufefffox", "⟨FEFF⟩fox"),
        ("a\x85b", "a⟨0085⟩b"),
        ("\x85", "⟨0085⟩"),
        (" \ufeff", "⟨FEFF⟩"),
        ("\u202e", "⟨202E⟩"),
    ],
)
def test_every_token_can_be_seen(token, shown):
    assert display_text(token) == shown


@pytest.mark.parametrize(
    "code", [0x85, 0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF]
)
@pytest.mark.parametrize("around", [("", ""), ("a", ""), ("", "a"), ("Ġ", "a"), (" ", " ")])
def test_what_turns_the_direction_of_text_is_shown_everywhere(code, around):
    token = chr(code).join(around)
    for label in (display_text(token), *display_labels(ItemAxis((token,)))):
        assert chr(code) not in label
        assert f"⟨{code:04X}⟩" in label


@settings(deadline=None)
@given(st.text())
def test_display_is_never_empty_and_always_encodable(token):
    shown = display_text(token)
    assert shown.strip()
    shown.encode()


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("##ted", "##ted"),
        ("Ġthe", "Ġthe"),
        ("", "∅"),
        (" ", "␠"),
        ("a\n", "a⏎"),
        ("\ud800", "\ufffd"),
    ],
)
def test_visible_text_keeps_the_marks_of_tokenizers(token, shown):
    assert visible_text(token) == shown


def test_labels_of_any_axis():
    assert display_label(TokenAxis(("##a", "")), 0) == "a"
    assert display_labels(ItemAxis(("##a", "two\nlines"))) == ("##a", "two⏎lines")
    assert display_labels(TokenAxis(("##a", ""))) == ("a", "∅")
    assert display_labels(ItemAxis(("", "shoe"))) == ("∅", "shoe")
    assert display_labels(GridAxis(1, 2, ("class",))) == ("class", "cell 0,0", "cell 0,1")
    assert display_label(ChannelAxis(3), 2) == "channel 2"


def test_word_pieces_and_punctuation_are_written_together():
    tokens = [
        "[CLS]",
        "the",
        "quick",
        "-",
        "wit",
        "##ted",
        "fox",
        "(",
        "it",
        ")",
        "was",
        "fragile",
        ",",
        "don",
        "'",
        "t",
        "!",
        "[SEP]",
    ]
    assert written(tokens, (0, len(tokens) - 1)) == [
        "[CLS]",
        "the",
        "quick-witted",
        "fox",
        "(it)",
        "was",
        "fragile,",
        "don't!",
        "[SEP]",
    ]


def test_a_dash_between_words_touches_only_letters():
    assert written(["-", "5"]) == ["-", "5"]
    assert written(["a", "-"]) == ["a", "-"]


@pytest.mark.parametrize("space", ["Ġ", "▁", " "])
def test_marks_of_spaces_decide(space):
    tokens = ["The", f"{space}quick", "est", ",", f"{space}(", "fox", f"{space},", "\n", "Next"]
    assert written(tokens) == ["The", "quickest,", "(fox", ",", "⏎", "Next"]


def test_known_words_decide_first():
    assert written(["un", "shel", "ved", "it"], words=(0, 0, 0, 1)) == ["unshelved", "it"]
    assert written(["a", "b", "."], words=(None, None, None)) == ["a", "b."]


def test_scripts_without_spaces_are_written_together():
    assert written(["我", "爱", "你", "。", "ok"]) == ["我爱你", "。", "ok"]


def test_special_and_empty_tokens_stand_alone():
    assert written(["a", ".", "."], special=(1,)) == ["a", ".", "."]
    assert written(["a", "", "."]) == ["a", "∅", "."]


def test_positions_that_are_not_tokens_stand_alone():
    assert word_spans(GridAxis(1, 3)) == [[0], [1], [2]]


@settings(deadline=None)
@given(st.lists(st.text(max_size=4), min_size=1, max_size=12))
def test_spans_hold_every_position_once_in_order(tokens):
    spans = word_spans(TokenAxis(tuple(tokens)))
    assert [position for span in spans for position in span] == list(range(len(tokens)))
    assert all(spans)
