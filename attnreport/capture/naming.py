"""Guesses from a module path what attends to what, and in which stack of layers."""

import re
from typing import Literal

from attnreport.recording import Kind

Stack = Literal["encoder", "decoder", ""]

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ENCODER = {"encoder", "encoders", "enc"}
_DECODER = {"decoder", "decoders", "dec"}
_CROSS = {"cross", "crossattention", "crossattn", "xattn", "encdec"}
_SELF = {"self", "selfattention", "selfattn"}


def stack_of(path: str) -> Stack:
    """The stack that a module belongs to: the first part of its path that names just one."""
    for part in path.split("."):
        words = _words(part)
        encoder, decoder = bool(words & _ENCODER), bool(words & _DECODER)
        if encoder != decoder:
            return "encoder" if encoder else "decoder"
    return ""


def kind_of(path: str, same_input: bool | None, queries: int, keys: int) -> Kind:
    """Whether a call is self-attention or cross-attention.

    In this order: queries and keys computed from one array are self-attention; then the module
    path decides if it says `self` or `cross`; then different arrays are cross-attention; then
    different lengths are.

    Args:
        path: Module path, such as `decoder.layers.0.cross_attention`.
        same_input: Whether queries and keys come from one array; None when that is not known.
        queries: Number of queries.
        keys: Number of keys.
    """
    if same_input:
        return "self"
    last = _words(path.rpartition(".")[2])
    if _words(path) & _CROSS or (last & _ENCODER and last & _DECODER):
        return "cross"
    if queries == keys and (same_input is None or _words(path) & _SELF):
        return "self"
    return "cross"


def group_of(stack: Stack, kind: Kind) -> str:
    """A readable name for the maps of one stack and kind, such as `encoder self-attention`."""
    return f"{stack} {kind}-attention" if stack and kind == "self" else f"{kind}-attention"


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORDS.findall(text)}
