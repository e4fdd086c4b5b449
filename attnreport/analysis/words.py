"""Tokens as people read them: visible, and grouped into the words they were cut from."""

import re
import unicodedata

from attnreport.recording import Axis, ChannelAxis, GridAxis, TokenAxis, special_positions
from attnreport.recording.byte_tokens import read_tokens

# How tokenizers write the space before a word: byte-level BPE (GPT-2), SentencePiece, or as it is.
SPACES = ("Ġ", "▁", " ")
# How byte-level BPE writes a line feed and a tab.
_BYTE_NEWLINE, _BYTE_TAB = "Ċ", "ĉ"
# How WordPiece (BERT) marks a piece that continues a word.
CONTINUATION = "##"

_PICTURES = {chr(code): chr(0x2400 + code) for code in range(0x20)} | {"\x7f": "␡"}
_PICTURES |= {"\n": "⏎", "\r": "⏎", "\t": "⇥", "\u2028": "⏎", "\u2029": "⏎"}
_INVISIBLE = ("Cf", "Mn", "Me")  # Unicode categories: format characters, combining marks

# Characters without a shape that turn the direction of what follows (Unicode's Bidi_Control), so
# that a token reads as another, and two that Python and browsers disagree about being white space.
_HIDDEN = re.compile("[\u0085\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")

# Longer token texts are cut in a sentence, which a reader takes in at a glance.
_LONGEST_QUOTE = 24

_CLOSING = frozenset(".,;:!?)]}%…»”’")
_OPENING = frozenset("([{«„“‘$€£#@")
_JOINING = frozenset("-‐‑/'_")


def display_text(token: str) -> str:
    """`token` as a reader can see it.

    Marks that a tokenizer adds (`##`, `Ġ`, `▁`) are taken off. An empty token shows as ∅, white
    space as ␠, ⏎ or ⇥, a control character as its picture, a character that turns the direction
    of text as its code point in ⟨⟩, and a token of nothing but other invisible characters as their
    code points.
    """
    text = reveal(token).replace(_BYTE_NEWLINE, "\n").replace(_BYTE_TAB, "\t")
    for mark in (CONTINUATION, *SPACES):
        if text.startswith(mark) and text.strip() not in ("", CONTINUATION):
            text = text.removeprefix(mark) or " "
            break
    return visible_text(text)


def visible_text(text: str) -> str:
    """`text` with every character visible, and the marks of tokenizers left on."""
    if text == "":
        return "∅"
    text = reveal(text)
    blank = text.isspace()
    shown = "".join(_visible(character, blank) for character in text)
    if all(unicodedata.category(character) in _INVISIBLE for character in shown):
        return " ".join(f"U+{ord(character):04X}" for character in shown)
    return shown


def reveal(text: str) -> str:
    """`text` with every character that turns the direction of text shown as its code point.

    The joiners that make one emoji of several stay: they turn nothing.
    """
    return _HIDDEN.sub(lambda found: f"⟨{ord(found[0]):04X}⟩", text)


def _visible(character: str, blank: bool) -> str:
    if character in _PICTURES:
        return _PICTURES[character]
    if character.isspace():
        return "␠" if blank else " "
    # Lone surrogates have no place in UTF-8, in which every page is written.
    return "�" if unicodedata.category(character) in ("Cc", "Cs") else character


def display_label(axis: Axis, position: int) -> str:
    """A visible text for one position of `axis`, as `display_text` shows tokens.

    Tokens that spell bytes are read; see `read_tokens`. Cells are called `cell 2,3` by row and
    column, channels `channel 5`.
    """
    return _display(axis, position, _texts(axis)[position])


def display_labels(axis: Axis) -> tuple[str, ...]:
    """A visible text for every position of `axis`; see `display_label`."""
    return tuple(_display(axis, place, label) for place, label in enumerate(_texts(axis)))


def visible_labels(axis: Axis) -> tuple[str, ...]:
    """Every label of `axis` with all characters visible, and the marks of tokenizers left on."""
    return tuple(visible_text(text) for text in _texts(axis))


def _texts(axis: Axis) -> tuple[str, ...]:
    return read_tokens(axis).texts if isinstance(axis, TokenAxis) else axis.labels


def _display(axis: Axis, position: int, label: str) -> str:
    if isinstance(axis, TokenAxis):
        return display_text(label)
    if isinstance(axis, ChannelAxis):
        return f"channel {label}"
    if isinstance(axis, GridAxis) and position >= len(axis.leading):
        return f"cell {label}"
    return visible_text(label)


def quoted_label(axis: Axis, position: int) -> str:
    """How a sentence names a position: its text in quotes, unless it is a marker or no token.

    A text that stands at several positions is told with this one's number.
    """
    label = axis.labels[position]
    if not isinstance(axis, TokenAxis):
        return display_label(axis, position)
    text = display_label(axis, position)
    if len(text) > _LONGEST_QUOTE:
        text = text[: _LONGEST_QUOTE - 1] + "…"
    quoted = text if position in axis.special else f"“{text}”"
    return f"{quoted} (position {position})" if axis.tokens.count(label) > 1 else quoted


def noun_of(axis: Axis, count: int) -> str:
    """What so many positions of `axis` are called: `1` of a grid is a `cell`."""
    noun = {
        "tokens": "token",
        "grid": "cell",
        "frames": "frame",
        "items": "item",
        "channels": "channel",
        "steps": "step",
    }[axis.kind]
    return noun if count == 1 else f"{noun}s"


def word_spans(axis: Axis) -> list[list[int]]:
    """Positions of `axis`, grouped as they are written without a space between them.

    Pieces of a word lie together, and so do punctuation and the word it touches. Special tokens
    and line breaks stand alone. Where the axis does not say what belongs together, the marks of
    the usual tokenizers do (`##`, `Ġ`, `▁`, a leading space). Positions that are not tokens stand
    alone.
    """
    if not isinstance(axis, TokenAxis):
        return [[position] for position in range(len(axis))]
    spaced = any(token.startswith(SPACES) for token in axis.tokens)
    alone = set(special_positions(axis))
    alone |= {i for i, token in enumerate(axis.tokens) if token.strip("\r\n" + _BYTE_NEWLINE) == ""}
    spans: list[list[int]] = []
    for position in range(len(axis)):
        together = position > 0 and not alone & {position - 1, position}
        if together and _touches(axis, position, spaced):
            spans[-1].append(position)
        else:
            spans.append([position])
    return spans


def _touches(axis: TokenAxis, position: int, spaced: bool) -> bool:
    """Whether no space was written between `position` and the token before it."""
    before, token = axis.tokens[position - 1], axis.tokens[position]
    if position in read_tokens(axis).continuing:
        return True
    word = axis.words[position] if axis.words else None
    if word is not None and word == axis.words[position - 1]:
        return True
    if spaced:
        return not token.startswith(SPACES)
    if token.startswith(CONTINUATION) and token != CONTINUATION:
        return True
    if token in _CLOSING or before in _OPENING or (_is_wide(before) and _is_wide(token)):
        return True
    if token in _JOINING:
        return _joins(axis.tokens, position)
    return before in _JOINING and _joins(axis.tokens, position - 1)


def _joins(tokens: tuple[str, ...], position: int) -> bool:
    """Whether a hyphen or an apostrophe stands between letters, as in `quick-witted`."""
    inside = 0 < position < len(tokens) - 1
    return inside and tokens[position - 1][-1:].isalnum() and tokens[position + 1][:1].isalnum()


def _is_wide(token: str) -> bool:
    """Whether `token` is of a wide script that is written without spaces; Korean has them."""
    return all(
        unicodedata.east_asian_width(character) in "WF" and not _is_hangul(character)
        for character in token
    ) and any(character.isalpha() for character in token)


def _is_hangul(character: str) -> bool:
    return unicodedata.name(character, "").startswith("HANGUL")
