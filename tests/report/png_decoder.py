"""Just enough of PNG to check ours: 8-bit indexed or true color, all five row filters."""

import dataclasses
import struct
import zlib


@dataclasses.dataclass(frozen=True)
class Picture:
    """A decoded picture; `rows[y][x]` is a tuple of channels."""

    width: int
    height: int
    palette: list[tuple[int, ...]]
    rows: list[list[tuple[int, ...]]]


def decode_png(data: bytes) -> Picture:
    """The picture, with every checksum verified."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks = _chunks(data)
    assert (chunks[0][0], chunks[-1][0]) == (b"IHDR", b"IEND")
    width, height, depth, color, *rest = struct.unpack(">IIBBBBB", dict(chunks)[b"IHDR"])
    assert depth == 8
    assert rest == [0, 0, 0]
    channels = {0: 1, 2: 3, 3: 1, 6: 4}[color]
    raw = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    stride = width * channels
    assert len(raw) == (stride + 1) * height
    rows, above = [], bytes(stride)
    for y in range(height):
        start = y * (stride + 1)
        above = _unfiltered(raw[start], raw[start + 1 : start + 1 + stride], above, channels)
        rows.append([tuple(above[x : x + channels]) for x in range(0, stride, channels)])
    colors = dict(chunks).get(b"PLTE", b"")
    palette = [tuple(colors[i : i + 3]) for i in range(0, len(colors), 3)]
    return Picture(width, height, palette, rows)


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(name + body)
        found.append((name, body))
        at += 12 + length
    return found


def _unfiltered(kind: int, line: bytes, above: bytes, channels: int) -> bytes:
    """One row without its filter (W3C PNG specification, third edition, section 9.2)."""
    row = bytearray(line)
    for i in range(len(row)):
        left = row[i - channels] if i >= channels else 0
        corner = above[i - channels] if i >= channels else 0
        row[i] = (row[i] + _predicted(kind, left, above[i], corner)) % 256
    return bytes(row)


def _predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 4:
        estimate = left + up - corner
        return min((left, up, corner), key=lambda value: abs(estimate - value))
    return (0, left, up, (left + up) // 2)[kind]
