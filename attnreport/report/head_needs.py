"""What is said of how much a model needs each head: numbers for the page, and sentences."""

import numpy as np
from jaxtyping import Float

from attnreport.analysis import Finding, visible_text
from attnreport.recording import Importance, LayerImportance
from attnreport.report.phrases import rounded
from attnreport.report.stacks import Stack

# What the fall of the score without a head is called among its statistics.
NEED = "need"


class HeadNeeds:
    """What the model needs of the heads of one stack, counted layer by layer.

    A head is compared with all that were measured, in whatever group they are.

    Attributes:
        falls: How far the score falls without each head; NaN of heads that were not measured.
    """

    falls: Float[np.ndarray, " head"]

    def __init__(self, stack: Stack, importance: Importance) -> None:
        self._importance, self._stack = importance, stack
        self._places: list[tuple[LayerImportance, int] | None] = []
        for number, attention in zip(stack.layer_numbers, stack.maps, strict=True):
            found = importance.of(attention.group, number)
            known = found is not None and len(found.falls) == attention.heads
            for head in range(attention.heads):
                self._places.append((found, head) if found and known else None)
        self.falls = np.array(
            [place[0].falls[place[1]] if place else float("nan") for place in self._places]
        )
        self._all = np.concatenate([np.array(layer.falls) for layer in importance.layers])

    @property
    def measured(self) -> bool:
        """Whether any head of the stack was."""
        return bool(np.isfinite(self.falls).any())

    @property
    def meaning(self) -> str:
        """What the numbers are, in a sentence."""
        return f"How far the {self._score} falls without the head, {self._data}."

    def sentence(self, head: int) -> str:
        """What the model loses without a head; empty where that was not measured."""
        place = self._places[head]
        if place is None:
            return ""
        layer, number = place
        told = f"Without this head the {self._score} {_fall(layer, number)} ({self._data})"
        if layer.needed and not layer.needed[number]:
            return f"{told}: no more than chance may do. Other heads may do its work."
        if layer.falls[number] <= 0 or len(self._all) < 2:
            return f"{told}."
        return f"{told}: {self._rank(layer.falls[number])}."

    def finding(self) -> Finding | None:
        """The head that the model needs most, beside the middle one; None of a single head."""
        if len(self._all) < 2:
            return None
        small = f"{self._data[0].upper()}{self._data[1:]}."
        heads = [
            (layer, head)
            for layer in self._importance.layers
            for head, fall in enumerate(layer.falls)
            if fall > 0 and (not layer.needed or layer.needed[head])
        ]
        if not heads:
            text = (
                f"is shown to be needed by itself: without any one of them the {self._score} falls "
                "by no more than chance may do"
            )
            return Finding("No head", text, detail=small)
        layer, head = max(heads, key=lambda each: each[0].falls[each[1]])
        middle = float(np.median(self._all))
        groups = len({each.group for each in self._importance.layers})
        where = f" of {visible_text(layer.group)}" if groups > 1 else ""
        text = (
            f"{where} is the head that the model needs most: without it the {self._score} "
            f"{_change(layer.falls[head])}, without the middle one of {len(self._all)} heads it "
            f"{_change(middle)}"
        )
        return Finding(
            f"L{layer.layer} H{head}", text.strip(), self._address(layer, head), detail=small
        )

    @property
    def _score(self) -> str:
        return visible_text(self._importance.score)

    @property
    def _data(self) -> str:
        return visible_text(self._importance.data)

    def _rank(self, fall: float) -> str:
        above = int((self._all > fall).sum())
        if above == 0:
            return f"no other of {len(self._all)} heads is needed more"
        return f"{above} of {len(self._all)} heads {'is' if above == 1 else 'are'} needed more"

    def _address(self, layer: LayerImportance, head: int) -> tuple[str, int, int] | None:
        """Group, place in the stack and head; None of a head that is in no map of the stack."""
        for place, (number, attention) in enumerate(
            zip(self._stack.layer_numbers, self._stack.maps, strict=True)
        ):
            if (attention.group, number) == (layer.group, layer.layer):
                return layer.group, place, head
        return None


def _fall(layer: LayerImportance, head: int) -> str:
    error = f" ± {rounded(layer.errors[head])}" if layer.errors and layer.falls[head] else ""
    return _change(layer.falls[head]) + error


def _change(fall: float) -> str:
    if fall == 0:
        return "stays as it is"
    return f"{'falls' if fall > 0 else 'rises'} by {rounded(abs(fall))}"


def head_needs(stack: Stack, importance: Importance | None) -> HeadNeeds | None:
    """What the model needs of the heads of a stack; None where that was not measured."""
    if importance is None:
        return None
    needs = HeadNeeds(stack, importance)
    return needs if needs.measured else None
