"""What is said of how much a model needs each head: numbers for the page, and sentences."""

import numpy as np
from jaxtyping import Float

from attnreport.analysis import Finding, visible_text
from attnreport.recording import Importance
from attnreport.report.phrases import rounded
from attnreport.report.stacks import Stack

# What the fall of the score without a head is called among its statistics.
NEED = "need"
# A fall is told from chance when it is so many standard errors.
_CLEAR = 2


class HeadNeeds:
    """What the model needs of the heads of one stack, counted layer by layer.

    Attributes:
        falls: How far the score falls without each head; NaN of heads that were not measured.
        errors: The standard error of each; NaN where it is not known.
    """

    falls: Float[np.ndarray, " head"]
    errors: Float[np.ndarray, " head"]

    def __init__(self, stack: Stack, importance: Importance) -> None:
        falls, errors = [], []
        for number, attention in zip(stack.layer_numbers, stack.maps, strict=True):
            unknown = (float("nan"),) * attention.heads
            found = importance.of(attention.group, number)
            known = found is not None and len(found.falls) == attention.heads
            falls += found.falls if found and known else unknown
            errors += (found.errors or unknown) if found and known else unknown
        self.falls, self.errors = np.array(falls), np.array(errors)
        self._importance, self._stack = importance, stack

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
        fall, error = self.falls[head], self.errors[head]
        if np.isnan(fall):
            return ""
        if fall == 0:
            return f"Without this head the {self._score} stays as it is ({self._data})."
        verb = "falls" if fall > 0 else "rises"
        size = rounded(abs(fall)) + ("" if np.isnan(error) else f" ± {rounded(error)}")
        told = f"Without this head the {self._score} {verb} by {size} ({self._data})"
        if not np.isnan(error) and abs(fall) <= _CLEAR * error:
            return f"{told}: no more than chance may do. Other heads may do its work."
        if np.isfinite(self.falls).sum() < 2:
            return f"{told}."
        return f"{told}: {self._rank(head)}."

    def finding(self) -> Finding | None:
        """The head that the model needs most, beside the usual one; None of a single head."""
        known = np.isfinite(self.falls)
        if known.sum() < 2:
            return None
        head = int(np.nanargmax(self.falls))
        fall, error = self.falls[head], self.errors[head]
        if fall <= 0 or fall <= _CLEAR * np.nan_to_num(error):
            return Finding(
                "No head",
                f"is needed by itself: without any one of them the {self._score} falls by no more "
                "than chance may do",
                detail=f"{self._data[0].upper()}{self._data[1:]}.",
            )
        layer, place = self._place(head)
        usual = float(np.median(self.falls[known]))
        return Finding(
            f"L{self._stack.layer_numbers[layer]} H{place}",
            f"is the head that the model needs most: without it the {self._score} falls by "
            f"{rounded(fall)}, without the usual head by {rounded(usual)}",
            (self._stack.maps[layer].group, layer, place),
            detail=f"{self._data[0].upper()}{self._data[1:]}.",
        )

    @property
    def _score(self) -> str:
        return visible_text(self._importance.score)

    @property
    def _data(self) -> str:
        return visible_text(self._importance.data)

    def _rank(self, head: int) -> str:
        known = self.falls[np.isfinite(self.falls)]
        above = int((known > self.falls[head]).sum())
        if above == 0:
            return f"no other of {len(known)} heads is needed as much"
        return f"{above} of the {len(known)} heads are needed more"

    def _place(self, head: int) -> tuple[int, int]:
        for layer, attention in enumerate(self._stack.maps):
            if head < attention.heads:
                return layer, head
            head -= attention.heads
        raise IndexError(f"There are only {len(self.falls)} heads.")


def head_needs(stack: Stack, importance: Importance | None) -> HeadNeeds | None:
    """What the model needs of the heads of a stack; None where that was not measured."""
    if importance is None:
        return None
    needs = HeadNeeds(stack, importance)
    return needs if needs.measured else None
