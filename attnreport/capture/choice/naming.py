"""Tells from a module path in which stack of layers it is."""

import re
from typing import Literal

from attnreport.recording import Kind

Stack = Literal["encoder", "decoder", ""]

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ENCODER = {"encoder", "encoders", "enc"}
_DECODER = {"decoder", "decoders", "dec"}


def stack_of(path: str) -> Stack:
    """The stack that a module belongs to: the first part of its path that names just one."""
    for part in path.split("."):
        words = _words(part)
        encoder, decoder = bool(words & _ENCODER), bool(words & _DECODER)
        if encoder != decoder:
            return "encoder" if encoder else "decoder"
    return ""


def group_of(stack: Stack, kind: Kind) -> str:
    """A readable name for the maps of one stack and kind, such as `encoder self-attention`."""
    return f"{stack} {kind}-attention" if stack and kind == "self" else f"{kind}-attention"


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORDS.findall(text)}
