"""Tokens that spell bytes, read as the text that the bytes are of.

Byte-level BPE (GPT-2 and most models since) writes each byte as one printable character, so that
`é` stands there as `Ã©`; SentencePiece writes a byte that it has no piece for as `<0xC3>`. Both
split characters of several bytes, such as emoji and Chinese, over tokens.
"""

import dataclasses
import functools
import re
from collections.abc import Iterator, Mapping, Sequence

from attnreport.recording.axes import TokenAxis

_BYTE_PIECE = re.compile("<0x([0-9A-F]{2})>")


def _alphabet() -> dict[str, int]:
    """The byte of each character of byte-level BPE.

    Source: `bytes_to_unicode` of GPT-2 (Radford et al. 2019): bytes that can be printed are written
    as themselves, the others by the characters from U+0100 on.
    """
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(0x100) if byte not in printed]
    found = {chr(byte): byte for byte in printed}
    return found | {chr(0x100 + place): byte for place, byte in enumerate(others)}


_BYTES = _alphabet()
# White space keeps the characters that readers know from byte-level tokens.
_WHITE = {" ": "Ġ", "\n": "Ċ", "\t": "ĉ"}


@dataclasses.dataclass(frozen=True)
class ReadTokens:
    """The tokens of an axis with their bytes read. Marks of tokenizers stay.

    Attributes:
        texts: Text of each position. Bytes that are only a part of a character are written as
            `⟨F0 9F⟩`; of tokens that spell no bytes it is the token itself.
        wholes: The same without broken characters: a position whose last character goes on has
            the text of those that it goes on in too, and they have none.
        continuing: Positions that begin within a character, which begins before them.
    """

    texts: tuple[str, ...]
    wholes: tuple[str, ...]
    continuing: frozenset[int] = frozenset()


@functools.lru_cache(maxsize=64)
def read_tokens(axis: TokenAxis) -> ReadTokens:
    """What the tokens of an axis say, if some of them spell bytes.

    Byte-level BPE is told by all tokens but markers being of its alphabet and spelling UTF-8;
    where a text was cut within a character, its end may be missing.
    """
    spelled, byte_level = _spelled(axis)
    white = _WHITE if byte_level else {}
    texts, wholes = list(axis.tokens), list(axis.tokens)
    continuing: set[int] = set()
    for start, stop in _runs(spelled):
        pieces = [piece for piece in spelled[start:stop] if piece is not None]
        for place, (text, inside) in enumerate(_read(pieces, white), start):
            texts[place] = text
            if inside:
                continuing.add(place)
        for place in range(stop - 1, start - 1, -1):
            piece = pieces[place - start]
            if place in continuing:
                pieces[place - start - 1] += piece
                wholes[place] = ""
            else:
                ((wholes[place], _),) = _read([piece], white)
    return ReadTokens(tuple(texts), tuple(wholes), frozenset(continuing))


def _spelled(axis: TokenAxis) -> tuple[list[bytes | None], bool]:
    """The bytes of each token that spells some, else None; and whether it is byte-level BPE."""
    plain = [None if i in axis.special else token for i, token in enumerate(axis.tokens)]
    if _is_byte_level([token for token in plain if token is not None]):
        return [None if t is None else bytes(_BYTES[c] for c in t) for t in plain], True
    found = [None if token is None else _BYTE_PIECE.fullmatch(token) for token in plain]
    return [bytes.fromhex(match[1]) if match else None for match in found], False


def _is_byte_level(tokens: Sequence[str]) -> bool:
    text = "".join(tokens)
    if text.isascii() or not all(character in _BYTES for character in text):
        return False
    parts = list(_characters(bytes(_BYTES[character] for character in text)))
    wrong = [place for place, (_, character) in enumerate(parts) if character is None]
    if not wrong:
        return True
    # Only a cut leaves parts of a character, and only at the ends; a word such as `café`, which
    # nobody spelled in bytes, looks like one.
    ends = {*range(3), *range(len(parts) - 3, len(parts))}
    return ends.issuperset(wrong) and any(len(part) > 1 for part, _ in parts)


def _runs(spelled: Sequence[bytes | None]) -> Iterator[tuple[int, int]]:
    """Start and end of each stretch of tokens that spell bytes."""
    start = None
    for place, piece in enumerate([*spelled, None]):
        if piece is None and start is not None:
            yield start, place
            start = None
        elif piece is not None and start is None:
            start = place


def _characters(data: bytes) -> Iterator[tuple[bytes, str | None]]:
    """The characters of UTF-8 with their bytes; a byte that belongs to none comes with None."""
    place = 0
    while place < len(data):
        for length in range(1, 5):
            part = data[place : place + length]
            try:
                yield part, part.decode()
            except UnicodeDecodeError:
                continue
            place += length
            break
        else:
            yield data[place : place + 1], None
            place += 1


def _read(pieces: Sequence[bytes], white: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """Text of each piece, and whether it begins within a character."""
    owners = [number for number, piece in enumerate(pieces) for _ in piece]
    texts = [""] * len(pieces)
    begins_inside: set[int] = set()
    place = 0
    for part, character in _characters(b"".join(pieces)):
        own = owners[place : place + len(part)]
        place += len(part)
        if character is not None and own[0] == own[-1]:
            texts[own[0]] += white.get(character, character)
            continue
        for byte, owner in zip(part, own, strict=True):
            texts[owner] = f"{texts[owner]}⟨{byte:02X}⟩".replace("⟩⟨", " ")
        begins_inside.update(set(own) - {own[0]})
    return zip(texts, (number in begins_inside for number in range(len(pieces))), strict=True)
