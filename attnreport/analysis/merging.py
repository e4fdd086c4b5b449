"""Pieces of words merged into the words that they were cut from."""

import dataclasses
import unicodedata
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from attnreport.analysis.words import (
    CONTINUATION,
    SPACES,
    display_labels,
    display_text,
    visible_text,
)
from attnreport.recording import AttentionMap, Axis, TokenAxis, special_positions
from attnreport.recording.byte_tokens import read_tokens

_NEWLINES = frozenset("\r\nĊ")
# Between two letters these belong to the word, and between two digits to the number.
_IN_WORDS = frozenset("'’_")
_IN_NUMBERS = frozenset(".,:")
# Scripts that are written without spaces, by how Unicode names their characters.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_JOINERS = frozenset("\u200c\u200d")


def merged_spans(axis: Axis) -> list[list[int]]:
    """Positions of each word of `axis`, in order; every position is in exactly one.

    The word indices of the axis decide where it has them, and else the marks of WordPiece (`##`),
    SentencePiece (`▁`) and byte-level BPE (`Ġ`). Unlike in `word_spans`, punctuation is a word of
    its own. Special tokens and line breaks stand alone, and so does each piece of a script that is
    written without spaces, such as Chinese or Thai; but the bytes of a character stay together, and
    so do a character and its accents. Positions that are not tokens stand alone.
    """
    if not isinstance(axis, TokenAxis):
        return [[position] for position in range(len(axis))]
    read = read_tokens(axis)
    pieces = _Pieces(axis, read.wholes)
    spans: list[list[int]] = []
    for position in range(len(axis)):
        if position in read.continuing or (spans and pieces.join(spans[-1][0], position)):
            spans[-1].append(position)
        else:
            spans.append([position])
    return spans


def merged_labels(axis: Axis, spans: Sequence[Sequence[int]]) -> list[str]:
    """A visible text for each word; see `display_labels`."""
    shown = display_labels(axis)
    if not isinstance(axis, TokenAxis):
        return [shown[span[0]] for span in spans]
    wholes = read_tokens(axis).wholes
    return [
        shown[span[0]] if len(span) == 1 else _joined([wholes[position] for position in span])
        for span in spans
    ]


def merge_words(attention: AttentionMap) -> AttentionMap:
    r"""The map between words instead of pieces: summed over keys, averaged over queries.

    $$ w_{Q,K} = \frac{1}{|Q|} \sum_{q \in Q} \sum_{k \in K} w_{q,k} $$

    Rows that sum to one still do. A word may look at another if one of its pieces may, and a
    reference links two words if it links two of their pieces. Logits of words are not known.

    Source: Clark et al. (2019), "What Does BERT Look At?", section 4.1.

    Returns:
        The map; the one that was given if no word has two pieces.
    """
    spans = [merged_spans(axis) for axis in (attention.query, attention.key)]
    if all(len(span) == 1 for each in spans for span in each):
        return attention
    queries, keys = spans
    self_attention = attention.query is attention.key or attention.query == attention.key
    query = _word_axis(attention.query, queries)
    mask, reference = attention.mask, attention.reference
    return dataclasses.replace(
        attention,
        weights=np.stack([_merged(attention.head(i), spans) for i in range(attention.heads)]),
        query=query,
        key=query if self_attention else _word_axis(attention.key, keys),
        mask=None if mask is None else _any(mask, spans),
        reference=None if reference is None else _any(reference, spans),
        logits=None,
        # The rows of several pieces wrote several tokens.
        first_step=None,
        scoring=None,
    )


def _merged(
    weights: Float[np.ndarray, "query key"], spans: Sequence[Sequence[Sequence[int]]]
) -> Float[np.ndarray, "word_query word_key"]:
    queries, keys = ([span[0] for span in each] for each in spans)
    counts = np.array([len(span) for span in spans[0]])
    exact = weights.astype(np.float64)
    sums = np.add.reduceat(np.add.reduceat(exact, keys, axis=1), queries, axis=0)
    return (sums / counts[:, np.newaxis]).astype(np.float32)


def _any(
    links: Bool[np.ndarray, "*head query key"], spans: Sequence[Sequence[Sequence[int]]]
) -> Bool[np.ndarray, "*head word_query word_key"]:
    queries, keys = ([span[0] for span in each] for each in spans)
    found = np.logical_or.reduceat(links, keys, axis=-1)
    return np.logical_or.reduceat(found, queries, axis=-2)


def _word_axis(axis: Axis, spans: Sequence[Sequence[int]]) -> Axis:
    if not isinstance(axis, TokenAxis):
        return axis
    special = [i for i, span in enumerate(spans) if set(span) <= set(axis.special)]
    wholes = read_tokens(axis).wholes
    words = [_joined([wholes[position] for position in span]) for span in spans]
    for word in special:
        words[word] = axis.tokens[spans[word][0]]
    return TokenAxis(tuple(words), tuple(special))


def _joined(pieces: Sequence[str]) -> str:
    """The text of pieces without the marks that part them."""
    first, *others = pieces[1:] if pieces[0] in SPACES and pieces[1:] else pieces
    text = display_text(first)
    for piece in others:
        inner = piece.removeprefix(CONTINUATION)
        text += f" {inner[1:]}" if inner.startswith(SPACES) else inner
    return visible_text(text)


class _Pieces:
    """Tells which pieces of one axis follow another without an end of a word between them."""

    def __init__(self, axis: TokenAxis, texts: Sequence[str]) -> None:
        self.axis = axis
        self.texts = texts
        self.alone = set(special_positions(axis))
        self.alone |= {i for i, text in enumerate(texts) if text and set(text) <= _NEWLINES}
        self.spaced = any(
            text.startswith(SPACES) for i, text in enumerate(texts) if i not in self.alone
        )

    def join(self, start: int, position: int) -> bool:
        """Whether `position` goes on with the word that begins at `start` and ends before it."""
        if self.alone & {position - 1, position}:
            return False
        if self.axis.words:
            word = self.axis.words[position]
            return word is not None and word == self.axis.words[position - 1]
        text = self.texts[position]
        if not self.spaced:
            return text.startswith(CONTINUATION) and text != CONTINUATION
        # A piece in the middle of a broken character has no text; that of the whole is before it.
        before = "".join(self.texts[start:position])
        if not text or not before or text.startswith(SPACES):
            return False
        # Some tokenizers write the space before a word as a piece of its own.
        if before in SPACES or _is_attached(before[-1], text[0]):
            return True
        if self._is_mark(position) or self._is_mark(position - 1):
            return False
        return not (_is_unspaced(before[-1]) or _is_unspaced(text[0]))

    def _is_mark(self, position: int) -> bool:
        """Whether the piece is punctuation or a symbol, and not inside a word or a number."""
        text = display_text(self.texts[position]) if self.texts[position] else ""
        if not text or not all(unicodedata.category(c)[0] in "PS" for c in text):
            return False
        if not 0 < position < len(self.texts) - 1:
            return True
        before, after = self.texts[position - 1][-1:], self.texts[position + 1][:1]
        if text in _IN_WORDS:
            return not (before.isalpha() and after.isalpha() and after not in SPACES)
        return text not in _IN_NUMBERS or not (before.isdigit() and after.isdigit())


def _is_attached(before: str, after: str) -> bool:
    """Whether a character has no place of its own: an accent, a joined emoji, a skin tone."""
    attached = unicodedata.category(after)[0] == "M" or after in _JOINERS | _SKIN_TONES
    return attached or before == "\u200d"


def _is_unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_UNSPACED)
