"""Makes axes of the labels a caller gives, one per example."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from attnreport._errors import InvalidAttentionError
from attnreport.recording.axes import Axis, TokenAxis
from attnreport.recording.byte_tokens import read_tokens

Labels = Axis | Sequence[str]

# Markers of the usual tokenizers. A caller with others gives a TokenAxis.
SPECIAL_TOKENS = frozenset(
    {"[CLS]", "[SEP]", "[PAD]", "[MASK]", "[BOS]", "[EOS]"}
    | {"<s>", "</s>", "<pad>", "<bos>", "<eos>", "<cls>", "<sep>", "<mask>"}
    | {"<|endoftext|>", "<|begin_of_text|>", "<|end_of_text|>", "<|im_start|>", "<|im_end|>"}
)

# Signs by which tokenizers mark a piece that begins a word: byte-level BPE and SentencePiece.
_WORD_START = re.compile("^[Ġ▁]")


def axes_per_example(
    labels: Labels | Sequence[Labels] | None,
    example_names: Sequence[str],
    *,
    batched: bool,
    argument: str,
) -> list[Axis | None]:
    """An axis per example; None where positions are to be numbered.

    Args:
        labels: What the caller gave: labels of one example, or one such sequence per example.
        example_names: The examples.
        batched: Whether the weights have a batch axis.
        argument: Name of the caller's argument, for the error messages.

    Raises:
        InvalidAttentionError: Labels are missing, empty, not text, or do not fit the batch.
    """
    count = len(example_names)
    if labels is None:
        return [None] * count
    if isinstance(labels, str):
        raise InvalidAttentionError(
            f"`{argument}` is one text, {_short(labels)}. Give a list with one text per position."
        )
    sequences = _per_example(labels, count, batched, argument)
    return [
        _axis(each, f"`{argument}` of example {name!r}" if batched else f"`{argument}`")
        for each, name in zip(sequences, example_names, strict=True)
    ]


def _per_example(labels: Any, count: int, batched: bool, argument: str) -> Sequence[Any]:
    """One sequence of labels or one axis per example."""
    if isinstance(labels, Axis) or len(labels) == 0 or isinstance(labels[0], str):
        if count > 1:
            raise InvalidAttentionError(
                f"The weights hold a batch of {count} examples, but `{argument}` is one sequence "
                "of labels. Give a list with one sequence per example."
            )
        return [labels]
    if not batched:
        raise InvalidAttentionError(
            f"`{argument}` holds {_short(labels[0])}, which is not text. Give one string per "
            "position, for example `tokenizer.convert_ids_to_tokens(ids)`; several examples need "
            "weights with a batch axis."
        )
    if len(labels) != count:
        raise InvalidAttentionError(
            f"The weights hold a batch of {count} examples, but `{argument}` has {len(labels)} "
            "sequences. Give one per example."
        )
    return labels


def numbered(count: int) -> TokenAxis:
    """An axis whose labels are the numbers of its positions, counted from 0."""
    return TokenAxis(tuple(str(index) for index in range(count)))


def plain_text(axis: Axis) -> str:
    """The text of an axis without its markers, pieces of one word joined; empty if not text."""
    if not isinstance(axis, TokenAxis):
        return ""
    marks_starts = any(_WORD_START.match(token) for token in axis.tokens)
    words: list[str] = []
    before: int | None = None
    read = read_tokens(axis)
    for position, token in enumerate(read.wholes):
        if position in read.continuing:
            continue
        if position in axis.special:
            before = None
            continue
        word = axis.words[position] if axis.words else None
        if axis.words:
            continues = word is not None and word == before
        elif marks_starts:
            continues = not _WORD_START.match(token)
        else:
            continues = token.startswith("##")
        piece = _WORD_START.sub("", token)
        if continues and words:
            words[-1] += piece.removeprefix("##")
        else:
            words.append(piece)
        before = word
    return " ".join(words)


def _axis(labels: Any, place: str) -> Axis:
    if isinstance(labels, Axis):
        return labels
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise InvalidAttentionError(
            f"{place} is {_short(labels)}. Give a list with one text per position."
        )
    found = tuple(labels)
    if not found:
        raise InvalidAttentionError(
            f"{place} is empty. Attention needs at least one position; leave empty sequences out "
            "of the recording."
        )
    wrong = [label for label in found if not isinstance(label, str)]
    if wrong:
        raise InvalidAttentionError(
            f"{place} holds {_short(wrong[0])}, which is not text. Give one string per position, "
            "for example `tokenizer.convert_ids_to_tokens(ids)`."
        )
    special = tuple(index for index, token in enumerate(found) if token in SPECIAL_TOKENS)
    return TokenAxis(tuple(str(label) for label in found), special)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
