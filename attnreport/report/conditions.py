"""Which parts of the page make sense for a stack: the names that templates give to `when`."""

from collections.abc import Sequence

from attnreport.recording import special_positions
from attnreport.report.stacks import Stack

# Of one head; `MOST_EDGES` in templates/page/rows.js.
_MOST_LINES = 500


def page_conditions(stack: Stack, stacks: Sequence[Stack]) -> dict[str, bool]:
    """For each condition that a template may ask for, whether it holds for one of the stacks."""
    alike = [other for other in stacks if other.example == stack.example]
    normalized = all(attention.normalized for attention in stack.maps)
    masks = [attention.mask for attention in stack.maps if attention.mask is not None]
    return {
        "many-heads": stack.heads > 1,
        "one-head": stack.heads == 1,
        "many-groups": len(alike) > 1,
        "many-examples": len({other.example for other in stacks}) > 1,
        "one-axis": stack.is_self,
        "two-axes": not stack.is_self,
        "special": bool(special_positions(stack.key)),
        "reference": any(attention.reference is not None for attention in stack.maps),
        "normalized": normalized,
        "unnormalized": not normalized,
        "many-lines": stack.cells > _MOST_LINES,
        "mask": any(not mask.all() for mask in masks),
    }
