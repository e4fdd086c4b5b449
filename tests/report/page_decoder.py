"""Reads blocks back the slow and obvious way: what the page does, cell by cell."""

import base64
import struct
import zlib


def decode_block(
    text: str, *, heads: int, queries: int, keys: int, encoding: str, largest: float = 1.0
) -> list[list[list[float]]]:
    """The weights `[head][query][key]` of a block, each as the page's float32 or float64."""
    raw = zlib.decompress(base64.b64decode(text))
    count = heads * queries * keys
    size = {"float32": 4, "u16": 2, "u8": 1}[encoding]
    assert len(raw) == count * size
    numbers = [
        _number(bytes(raw[plane * count + cell] for plane in range(size)), encoding, largest)
        for cell in range(count)
    ]
    return [
        [
            [numbers[(head * keys + key) * queries + query] for key in range(keys)]
            for query in range(queries)
        ]
        for head in range(heads)
    ]


def decode_bits(text: str, count: int) -> list[bool]:
    """The first `count` cells of a mask block."""
    raw = zlib.decompress(base64.b64decode(text))
    assert len(raw) == (count + 7) // 8
    return [bool(raw[cell // 8] & (128 >> cell % 8)) for cell in range(count)]


def _number(data: bytes, encoding: str, largest: float) -> float:
    if encoding == "float32":
        return struct.unpack(">f", data)[0]
    if encoding == "u8":
        return (data[0] / 255) ** 2 * largest
    root = (data[0] * 256 + data[1]) / 65535
    return struct.unpack("f", struct.pack("f", root * root * largest))[0]
