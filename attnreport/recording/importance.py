"""How far the score of a model falls without each of its heads."""

import dataclasses
import math
import operator
from collections import Counter

from attnreport._errors import InvalidAttentionError


@dataclasses.dataclass(frozen=True)
class LayerImportance:
    """What the heads of one layer are worth.

    Attributes:
        group: The group of the layer's maps.
        layer: Its number in that group.
        falls: For each head how far the score falls without it, in the unit of the score; below 0
            where it rises.
        errors: The standard error of each, over the inputs; empty where it is not known, as of one
            input.
        needed: Whether each falls by more than chance may do; empty where that was not asked.
    """

    group: str
    layer: int
    falls: tuple[float, ...]
    errors: tuple[float, ...] = ()
    needed: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in (("falls", float), ("errors", float), ("needed", bool)):
            object.__setattr__(self, name, tuple(kind(each) for each in getattr(self, name)))
        object.__setattr__(self, "layer", operator.index(self.layer))
        where = f"The importance of layer {self.layer} of group {self.group!r}"
        known = {len(self.falls), len(self.errors or self.falls), len(self.needed or self.falls)}
        if not self.falls or len(known) > 1:
            raise InvalidAttentionError(
                f"{where} has {len(self.falls)} falls, {len(self.errors)} errors, and says of "
                f"{len(self.needed)} heads whether they are needed. Give a fall for each head, and "
                "the others for each or none."
            )
        if (
            not all(map(math.isfinite, (*self.falls, *self.errors)))
            or min(self.errors, default=0) < 0
        ):
            raise InvalidAttentionError(
                f"{where} has a fall or an error that is not finite, or an error below 0. Leave a "
                "layer out whose heads were not measured."
            )


@dataclasses.dataclass(frozen=True)
class Importance:
    """What a model loses with each of its heads alone; see `attnreport.analysis.head_importance`.

    Attributes:
        score: What falls, such as `probability of the right word`.
        data: On what it was measured, such as `100 test sentences`.
        layers: The layers whose heads were left out one by one.
    """

    score: str
    data: str
    layers: tuple[LayerImportance, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        places = Counter((each.group, each.layer) for each in self.layers)
        if not places or max(places.values()) > 1:
            raise InvalidAttentionError(
                f"An importance has {len(self.layers)} layers at {len(places)} places. Give each "
                "layer that was measured once, at least one."
            )

    def __repr__(self) -> str:
        """What was measured, without the numbers."""
        heads = sum(len(each.falls) for each in self.layers)
        return f"Importance({self.score!r} without each of {heads} heads, {self.data})"

    def of(self, group: str, layer: int) -> LayerImportance | None:
        """What was measured of one layer; None if nothing was."""
        found = (each for each in self.layers if (each.group, each.layer) == (group, layer))
        return next(found, None)
