"""What a reader of captured attention must know about how it was captured, in sentences."""

from collections.abc import Iterable, Sequence
from typing import Any

from attnreport.capture.choice.budget import size_text
from attnreport.capture.choice.options import few, without_call
from attnreport.capture.extraction.stacking import unbounded
from attnreport.capture.recognition.names import source_line
from attnreport.capture.roles.sites import Site

DROPOUT = (
    "The attention hangs on random numbers that the model drew, as dropout and sampling do: this "
    "is one sample, with weights as they were before dropout zeroed some of them. Where it is "
    "dropout, call `model.eval()`, or say `deterministic=True`, for the weights that the model "
    "predicts with."
)

_KINDS = {
    "router": "the shares of experts",
    "memory": "averages of learned entries, as in a dense layer behind a softmax",
}
_REDUCED = {
    "bfloat16": "rounded to bfloat16",
    "uint8": "rounded to steps of 1/255",
    "head mean": "averaged over the heads",
}


def reduced_note(count: int, size: int, budget: int, reduce: str, left: int) -> str:
    """What was reduced so that it fits the budget, and why.

    Args:
        count: How many attentions there are.
        size: Their size before, in bytes.
        budget: The budget.
        reduce: The reduction.
        left: Their size after it.
    """
    return (
        f"{count} attention{'s' * (count != 1)} would give {size_text(size)}, more than the budget "
        f"of {size_text(budget)}, so the weights are {_REDUCED[reduce]}, which leaves "
        f"{size_text(left)}."
    )


def name_notes(named: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence if several attentions have one name.

    Args:
        named: Name and place in the code of each attention.
    """
    places: dict[str, list[str]] = {}
    for name, place in named:
        if without_call(name) != name:
            places.setdefault(without_call(name), []).append(place)
    shared = [
        f"{len(found)} are called `{name}`{_at(found)}"
        for name, found in places.items()
        if len(found) > 1
    ]
    if not shared:
        return []
    return [
        f"Attentions that share a name are numbered in the order in which they run: {few(shared)}. "
        "For names of their own, tag their weights with `jax.ad_checkpoint.checkpoint_name`, each "
        "with another tag."
    ]


def loop_notes(closed: Any, named: Iterable[tuple[str, Site]]) -> list[str]:
    """A sentence if only the last iteration of a loop is kept, because nobody says how many.

    Args:
        closed: The program.
        named: Name and place in the program of each attention that is kept.
    """
    found = [
        (name, source_line(loop_node))
        for name, site in named
        for loop in site.loops
        if unbounded(closed, loop)
        for loop_node in [_node_of(site, loop.path)]
    ]
    if not found:
        return []
    names = list(dict.fromkeys(name for name, _ in found))
    return [
        f"Only the last iteration is kept of the `while` loop{_at([p for _, p in found])} around "
        f"{few(names)}, because its condition does not tell how often it runs. Say how many to "
        "keep with `steps`."
    ]


def kind_notes(named: Sequence[tuple[str, str]]) -> list[str]:
    """A sentence for each kind that is left out because nobody asked for it.

    Args:
        named: Name and kind of the attentions that are left out.
    """
    return [
        f"Left out, because `kinds` does not name `{kind}`, {_KINDS[kind]}: {few(names)}."
        for kind in _KINDS
        if (names := [name for name, its in named if its == kind])
    ]


def left_out_note(names: Iterable[str]) -> list[str]:
    """A sentence if attentions are left out because something about them is only a guess."""
    guessed = list(names)
    if not guessed:
        return []
    return [f"Left out, because `strict` refuses what is only a guess: {few(guessed)}."]


def measured_note(names: Iterable[str]) -> list[str]:
    """A sentence if only the numbers of a run tell whether something is attention.

    Args:
        names: Names of the attentions of which nothing else is known.
    """
    unknown = list(names)
    if not unknown:
        return []
    return [
        f"Only numbers tell whether these are weights: {few(unknown)}. Where rows do not sum to "
        "one (`proof.row_error`), it is no attention, and NaN stands in place of its weights."
    ]


def _node_of(site: Site, path: Any) -> Any:
    return next(each.node for each in site.weights.scope.enclosing() if each.path == path)


def _at(places: Sequence[str]) -> str:
    known = list(dict.fromkeys(filter(None, places)))
    return f" ({few(known)})" if known else ""
