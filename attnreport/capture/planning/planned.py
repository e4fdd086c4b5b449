"""A plan: every attention of a program, what would leave the program, and a table of it."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import jax

from attnreport._errors import CaptureError
from attnreport.capture.choice.budget import over_budget, size_text
from attnreport.capture.choice.options import Options
from attnreport.capture.choice.selection import Choice
from attnreport.capture.extraction.attention import About
from attnreport.capture.extraction.extraction import Extraction
from attnreport.capture.extraction.proofs import Product
from attnreport.capture.extraction.stacking import Stacking
from attnreport.capture.extraction.wanted import Wanted
from attnreport.capture.planning.table import attention_table
from attnreport.capture.program.jaxprs import Path
from attnreport.capture.replay.replay import Probe
from attnreport.capture.roles.sites import Site


@dataclasses.dataclass(frozen=True, eq=False)
class Planned:
    """One attention of a plan.

    Attributes:
        name: Its name.
        site: Where it is.
        about: What is known of it, for what is kept of it.
        stacking: The loops around it.
        layers: Numbers of all its layers.
        choice: Which layers and heads are kept, or why it is left out.
        wanted: What is taken beside the weights.
        shape: Shape of its canonical weights before they are reduced; a loop of which only running
            tells how long it is counts as the iterations that are kept.
        bytes: Size of what leaves the program.
        products: How what the program holds is multiplied with values, for each segment of the
            keys; None where that is not told.
        weights: Whether its weights are taken.
    """

    name: str
    site: Site
    about: About
    stacking: Stacking
    layers: tuple[int, ...]
    choice: Choice
    wanted: Wanted
    shape: tuple[int, ...]
    bytes: int
    products: tuple[Product | None, ...]
    weights: bool = True

    @property
    def kept(self) -> bool:
        """Whether it is captured."""
        return not self.choice.left_out

    @property
    def extraction(self) -> Extraction:
        """What is taken out."""
        return Extraction(
            self.name,
            self.site,
            self.stacking,
            self.layers,
            self.choice,
            self.wanted,
            self.weights,
            self.about.reduction or None,
        )

    @property
    def product(self) -> Product | None:
        """How what the program holds is multiplied with values, if it holds it in one array."""
        return self.products[0] if len(self.products) == 1 else None

    @property
    def segments(self) -> "tuple[Planned, ...]":
        """The same for each segment of the keys; itself if there is only one."""
        if not self.site.parts:
            return (self,)
        return tuple(
            # No name of an attention goes on in another line.
            dataclasses.replace(
                self, name=f"{self.name}\nsegment {number}", site=site, products=(product,)
            )
            for number, (site, product) in enumerate(
                zip(self.site.parts, self.products, strict=True)
            )
        )

    def reduced(self, reduce: str | None) -> "Planned":
        """The same with another reduction."""
        about = dataclasses.replace(self.about, reduction=reduce or "")
        return dataclasses.replace(self, about=about).weighed()

    def weighed(self) -> "Planned":
        """The same with its size."""
        leaves = jax.tree.leaves(self.extraction.shapes())
        size = sum(leaf.dtype.itemsize * math.prod(leaf.shape) for leaf in leaves)
        return dataclasses.replace(self, bytes=size)


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Every attention of a program, and what would be captured.

    Attributes:
        attentions: All that were found, in the order in which they run.
        said: Sentences about what was seen but cannot be captured.
        options: What was asked for, with the reduction that is done.
        random: Whether an output depends on random numbers that the program draws.
        notes: What else a reader must know, a sentence each.
        bounds: How many iterations are kept of `while` loops whose text does not tell; None where
            only the last one is.
    """

    attentions: tuple[Planned, ...]
    said: tuple[str, ...]
    options: Options
    random: bool = False
    notes: tuple[str, ...] = ()
    bounds: Mapping[Path, int] | None = None

    @property
    def kept(self) -> tuple[Planned, ...]:
        """Those that are captured."""
        return tuple(each for each in self.attentions if each.kept)

    @property
    def bytes(self) -> int:
        """How much leaves the program."""
        return sum(each.bytes for each in self.kept)

    @property
    def refusal(self) -> str:
        """Why the budget does not allow it, and what to do; empty if it does."""
        sizes = {each.name: each.bytes for each in self.kept}
        return over_budget(sizes, self.options)

    def require_within_budget(self) -> None:
        """Raises if more would leave the program than the budget allows.

        Raises:
            CaptureError: It would.
        """
        if self.refusal:
            raise CaptureError(self.refusal)

    def probes(self) -> list[Probe]:
        """What replay has to take out of the program."""
        products = [None if each.about.unproved else each.product for each in self.kept]
        return [
            probe
            for each, product in zip(self.kept, products, strict=True)
            for probe in each.extraction.probes(product)
        ]

    def __str__(self) -> str:
        total = (
            f"{len(self.kept)} of {len(self.attentions)} kept, {size_text(self.bytes)}",
            *([self.refusal] if self.refusal else []),
        )
        of_each: dict[str, list[str]] = {}
        for each in self.kept:
            for sentence in (*each.about.fallbacks, *each.about.notes):
                of_each.setdefault(sentence, []).append(each.name)
        told = [f"{_names(names)}: {sentence}" for sentence, names in of_each.items()]
        return "\n".join(
            [attention_table(self.attentions), "", *total, *self.said, *self.notes, *told]
        )


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
