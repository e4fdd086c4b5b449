import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport.recording import TokenAxis
from attnreport.recording.byte_tokens import read_tokens
from attnreport.recording.labels import plain_text
from tests.recording.byte_level import byte_level


def spelled(text):
    return byte_level(text.encode())


def cut(text, ends):
    places = [0, *sorted({end % (len(text) + 1) for end in ends}), len(text)]
    return tuple(text[start:end] for start, end in itertools.pairwise(places) if end > start)


@given(st.text(st.characters(exclude_categories=("Cs",))), st.lists(st.integers(0, 200)))
def test_the_wholes_are_the_text_however_its_bytes_are_cut(text, ends):
    given_text = f"Ġé{spelled(text)}".replace("é", spelled("é"))
    read = read_tokens(TokenAxis(cut(given_text, ends)))
    whites = str.maketrans({" ": "Ġ", "\n": "Ċ", "\t": "ĉ"})
    assert "".join(read.wholes) == f"Ġé{text}".translate(whites)
    assert all((text == "") == (i in read.continuing) for i, text in enumerate(read.wholes))


def test_parts_of_a_character_are_written_as_bytes():
    emoji = spelled("😀")
    axis = TokenAxis(("<s>", "Ġhi", f"Ġ{emoji[:2]}", emoji[2], f"{emoji[3]}!"), special=(0,))
    read = read_tokens(axis)
    assert read.texts == ("<s>", "Ġhi", "Ġ⟨F0 9F⟩", "⟨98⟩", "⟨80⟩!")
    assert read.wholes == ("<s>", "Ġhi", "Ġ😀!", "", "")
    assert plain_text(axis) == "hi 😀!"


def test_byte_pieces_of_sentencepiece_are_read():
    read = read_tokens(TokenAxis(("▁na", "<0xC3>", "<0xAF>", "ve", "<0x0A>", "<0xFF>")))
    assert read.texts == ("▁na", "⟨C3⟩", "⟨AF⟩", "ve", "\n", "⟨FF⟩")
    assert read.wholes == ("▁na", "ï", "", "ve", "\n", "⟨FF⟩")


@pytest.mark.parametrize(
    "tokens",
    [
        ("un", "café"),
        ("naïve", "Ġcafé"),
        ("schläft", "."),
        ("Ġnien", "ħu"),
        ("Ġthe", "Ġfox"),
        ("我", "Ġfox"),
        ("", "a"),
    ],
)
def test_tokens_that_spell_no_bytes_stay_as_they_are(tokens):
    read = read_tokens(TokenAxis(tokens))
    assert read.texts == read.wholes == tokens
    assert not read.continuing


def test_a_text_that_ends_within_a_character_is_read_to_there():
    tokens = ("Ġ" + spelled("é"), spelled("😀")[:2])
    assert read_tokens(TokenAxis(tokens)).texts == ("Ġé", "⟨F0 9F⟩")
