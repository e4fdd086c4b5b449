"""Which parts of the page make sense for a stack: the names that templates give to `when`."""

from collections.abc import Sequence

from attnreport.recording import (
    ChannelAxis,
    GridAxis,
    Recording,
    TokenAxis,
    special_positions,
)
from attnreport.report.axis_data import is_merged
from attnreport.report.generations import first_step, written_at
from attnreport.report.head_measures import has_patterns
from attnreport.report.head_needs import head_needs
from attnreport.report.outcome_text import compares
from attnreport.report.stacks import Stack

# Of one head; `MOST_EDGES` in templates/page/rows.js.
_MOST_LINES = 500
# More tokens cannot be told apart in the flow through all layers, and more weights, all of which it
# needs, take too long to read.
_MOST_FLOWING = 96
_MOST_FLOWING_WEIGHTS = 4_000_000
# What a reader sees as a picture or as bars, and not as text.
_SPATIAL = (GridAxis, ChannelAxis)


def page_conditions(stack: Stack, stacks: Sequence[Stack], recording: Recording) -> dict[str, bool]:
    """For each condition that a template may ask for, whether it holds for one of the stacks."""
    alike = [other for other in stacks if other.example == stack.example]
    normalized = all(attention.normalized for attention in stack.maps)
    masks = [attention.mask for attention in stack.maps if attention.mask is not None]
    axes = (stack.query, stack.key)
    grids = [axis for axis in axes if isinstance(axis, GridAxis)]
    spatial = [axis for axis in axes if isinstance(axis, _SPATIAL)]
    matrix = _is_matrix(stack)
    texts = sum(isinstance(axis, TokenAxis) for axis in axes)
    channels = isinstance(stack.key, ChannelAxis)
    written = recording.examples[stack.example].generation
    writes = written is not None and first_step(stack) is not None
    return {
        "many-heads": stack.heads > 1,
        "one-head": stack.heads == 1,
        "many-groups": len(alike) > 1,
        "many-examples": len({other.example for other in stacks}) > 1,
        "one-axis": stack.is_self,
        "two-axes": not stack.is_self,
        "special": bool(special_positions(stack.key)),
        # Strengths of a gate say nothing when they are added up.
        "words": stack.maps[0].kind != "gate" and (is_merged(stack.query) or is_merged(stack.key)),
        "reference": any(attention.reference is not None for attention in stack.maps),
        "normalized": normalized,
        "many-lines": stack.cells > _MOST_LINES,
        "gate": stack.kind == "gate",
        "activation": stack.kind == "activation",
        "attention": stack.kind not in ("gate", "activation"),
        # What of a row one can say that it gives to a key: a share of its attention.
        "gives": normalized and stack.kind != "activation",
        "has-strength": not normalized or stack.kind == "activation",
        "patterns": has_patterns(stack),
        "need": head_needs(stack, recording.importance) is not None,
        # A single row says nothing as a matrix; over a text it is drawn as bars.
        "matrix": matrix,
        "reading": matrix and not spatial,
        # A gate runs from its least to its greatest, and a single row over a text from 0 on.
        "color-scale": stack.kind != "gate" and (matrix or bool(grids)),
        "strip-scale": not matrix and not spatial,
        "no-matrix": not matrix,
        # Hops and steps are no text.
        "two-texts": matrix and texts == 2,
        "one-text": matrix and texts < 2,
        # There is more than one head, or one row, to compare.
        "comparing": matrix or stack.heads > 1,
        "row": matrix or not spatial,
        "lines": matrix and not spatial,
        "text": any(not isinstance(axis, _SPATIAL) and len(axis) > 1 for axis in axes)
        or not spatial,
        "direction": len(stack.query) > 1 and not channels,
        "grid": bool(grids),
        "picture": any(axis.picture is not None for axis in grids),
        "channels": channels,
        "class-means": channels and _classes_of_channels(recording, len(stack.key)) > 1,
        "means": isinstance(stack.key, GridAxis) and compares(recording),
        "flow": has_flow(stack),
        # Rows of the stack wrote tokens one by one, after a prompt or while looking at a source.
        "generation": writes,
        # Queries and keys are known, so the page can say how a weight was computed.
        "scoring": any(attention.scoring is not None for attention in stack.maps),
        "after-prompt": writes and written_at(stack) is not None,
        "from-source": writes and written_at(stack) is None,
        "probabilities": writes and bool(written and written.probabilities),
        "entropies": writes and bool(written and written.entropies),
        "no-entropies": writes and not (written and written.entropies),
        "other-heads": has_other_heads(stack),
        "mask": any(not mask.all() for mask in masks),
    }


def has_other_heads(stack: Stack) -> bool:
    """Whether a head of the stack can be shown beside another, matrix by matrix."""
    return stack.heads > 1 and _is_matrix(stack) and stack.kind not in ("gate", "activation")


def _is_matrix(stack: Stack) -> bool:
    """Whether heads are shown as a matrix: a single row may be drawn as a picture or as bars."""
    spatial = any(isinstance(axis, _SPATIAL) for axis in (stack.query, stack.key))
    alone = spatial or stack.kind in ("pooling", "gate", "activation")
    return len(stack.query) > 1 or not alone


def has_flow(stack: Stack) -> bool:
    """Whether a token of the stack can be followed back through all of its layers, and drawn."""
    numbers = stack.layer_numbers
    return (
        stack.is_self
        and isinstance(stack.key, TokenAxis)
        and len(numbers) > 1
        and numbers == tuple(range(len(numbers)))
        and 1 < len(stack.query) <= _MOST_FLOWING
        and stack.weights <= _MOST_FLOWING_WEIGHTS
        and all(attention.normalized for attention in stack.maps)
    )


def _classes_of_channels(recording: Recording, count: int) -> int:
    """How many classes the examples have that look at so many channels."""
    return len(
        {
            example.target
            for example in recording.examples
            for attention in example.maps
            if example.target
            and isinstance(attention.key, ChannelAxis)
            and len(attention.key) == count
        }
    )
