"""Writes any Python text and number as strict JSON, and reads it back unchanged."""

import base64
import math
from typing import Any

import numpy as np

# A string may hold lone surrogates, as byte-level tokenizers make. JSON has no portable form
# for them (RFC 8259, section 8.2), so such a text is kept as bytes under this key.
_SURROGATES = "surrogatepass"


def encode_text(text: str) -> str | dict[str, str]:
    """The text as a JSON value; a string, unless it holds lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return {_SURROGATES: base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()}
    return str(text)


def decode_text(value: Any) -> str:
    """The text that `encode_text` was given.

    Raises:
        TypeError: The value is not one that `encode_text` returns.
    """
    if isinstance(value, dict):
        return base64.b64decode(value[_SURROGATES]).decode("utf-8", "surrogatepass")
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def encode_number(number: Any) -> int | float | str | None:
    """The number as a JSON value; a string if it is not finite, None if there is none."""
    if isinstance(number, np.generic):
        number = number.item()
    if isinstance(number, float) and not math.isfinite(number):
        return str(number)
    return number


def decode_number(value: Any) -> Any:
    """The number that `encode_number` was given.

    Raises:
        TypeError: The value is not one that `encode_number` returns.
    """
    if isinstance(value, str):
        return float(value)
    if value is not None and not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return value
