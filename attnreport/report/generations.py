"""What the page's scripts read of what was written token by token."""

from typing import Any

from attnreport.analysis import display_labels, visible_labels
from attnreport.recording import Generation, TokenAxis
from attnreport.recording.labels import SPECIAL_TOKENS
from attnreport.report.stacks import Stack


def generation_entry(generation: Generation | None) -> dict[str, Any] | None:
    """The tokens as they are drawn and read, and what is known of each."""
    if generation is None:
        return None
    axis = TokenAxis(generation.tokens)
    return {
        "drawn": list(visible_labels(axis)),
        "read": list(display_labels(axis)),
        "special": [i for i, each in enumerate(generation.tokens) if each in SPECIAL_TOKENS],
        # Rare tokens keep their digits.
        "probabilities": [float(f"{each:.6g}") for each in generation.probabilities],
        "entropies": [round(each, 6) for each in generation.entropies],
    }


def first_step(stack: Stack) -> int | None:
    """The row that wrote the first token; None where rows of the stack wrote none."""
    steps = {attention.first_step for attention in stack.maps}
    return steps.pop() if len(steps) == 1 else None


def written_at(stack: Stack) -> int | None:
    """Where among the keys the first token that was written stands; None if it is none of them.

    A row of a decoder writes the token that comes after its own.
    """
    step, queries, keys = first_step(stack), stack.query.labels, stack.key.labels
    if step is None or stack.kind != "self" or keys[-len(queries) :] != queries:
        return None
    return len(keys) - len(queries) + step + 1


def starting_row(stack: Stack, start: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Layer, head, query and key to look at first: a row that wrote a token, if some did."""
    layer, head, query, _ = start
    step = first_step(stack)
    if step is None or query >= step:
        return start
    rows = stack.maps[layer].head(head)[step:]
    return layer, head, step, int(rows[0].argmax())
