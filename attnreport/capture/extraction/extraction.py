"""What leaves the program for one attention: what is read where, and what is made of it.

Everything is computed on the device, in the program that the weights come from: canonical order,
the proof, the cut to chosen heads and layers, the reduction. What one iteration of a loop has
whole is cut and reduced there; what several have together, after the loop.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attnreport.capture.choice.reductions import mask_reduction, reduction
from attnreport.capture.choice.selection import Choice
from attnreport.capture.extraction.attention import About, Captured
from attnreport.capture.extraction.proofs import Product, Proof, proof
from attnreport.capture.extraction.stacking import Stacking
from attnreport.capture.extraction.wanted import Wanted
from attnreport.capture.replay.replay import Aux, Probe
from attnreport.capture.roles.layouts import canonical_weights, merged, with_examples
from attnreport.capture.roles.loops import MERGED
from attnreport.capture.roles.sites import Site, address_of

Arrays = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Extraction:
    """What is taken out for one attention.

    Attributes:
        name: Its name.
        site: Where it is.
        stacking: The loops around it.
        layers: Numbers of all its layers.
        choice: Which layers and heads are kept.
        wanted: What is taken beside the weights.
        weights: Whether the weights are taken.
        reduce: How they are reduced.
    """

    name: str
    site: Site
    stacking: Stacking
    layers: tuple[int, ...]
    choice: Choice
    wanted: Wanted
    weights: bool
    reduce: str | None

    def probes(self, product: Product | None) -> list[Probe]:
        """What replay has to take out of the program.

        Args:
            product: How to check weights against the program's own result; None if not at all.
        """
        outside = [
            Probe(self._outside(name), (address_of(value),), lambda array: array)
            for name, value in self.wanted.outside.items()
        ]
        return [self._inside(product), *outside]

    def _outside(self, name: str) -> str:
        # No name of an attention goes on in another line.
        return f"{self.name}\n{name}"

    def _inside(self, product: Product | None) -> Probe:
        """The probe in the scope of the weights."""
        site = self.site
        checked = [] if product is None else [site.contraction.values, site.contraction.output]
        if any(each.address is None or each.scope is not site.weights.scope for each in checked):
            product, checked = None, []
        canonical, own = self.wanted.canonical, self.wanted.own
        addresses = [
            site.recipe.addresses,
            tuple(map(address_of, checked)),
            *(part.addresses for part in (*canonical.values(), *own.values())),
        ]

        def compute(*values: Any) -> Any:
            given = iter(values)
            read, used, *rest = (tuple(itertools.islice(given, len(each))) for each in addresses)
            # In the format in which they meet the values: a softmax in float32 may be rounded.
            weights, error = site.recipe.run(*read)
            weights = weights.astype(site.contraction.weights.dtype)
            weights = canonical_weights(weights, site.layout)
            error = product.error(read[0], *used) if product else error
            taken = [
                part.compute(weights, *arrays)
                for part, arrays in zip((*canonical.values(), *own.values()), rest, strict=True)
            ]
            ours = dict(zip(canonical, taken, strict=False))
            theirs = dict(zip(own, taken[len(canonical) :], strict=True))
            return self._early({"weights": weights, **ours}, theirs), proof(weights, error)

        return Probe(self.name, tuple(itertools.chain.from_iterable(addresses)), compute)

    def captured(self, values: Arrays, aux: Aux, about: About) -> Captured:
        """What the probes gave, as attention.

        Args:
            values: What each probe of the program gave.
            aux: How its loops and branches ran.
            about: What was known before.
        """
        (canonical, own), proved = values[self.name]
        outside = {name: values[self._outside(name)] for name in self.wanted.outside}
        taken, assembled = self._late(canonical, own, outside, proved.product_error)
        return Captured(
            weights=taken.pop("weights", None),
            others=taken,
            proof=assembled or proved,
            ran=_ran(self.site, aux),
            iterations=tuple(
                aux.iterations.get("/".join(map(str, loop.path))) for loop in self.site.loops
            ),
            about=about,
        )

    def shapes(self) -> Any:
        """Shapes and formats of what leaves the program, without running it."""
        site, lengths = self.site, self.stacking.lengths
        parts = (self.wanted.canonical, self.wanted.own)
        canonical, own = (
            {name: jax.ShapeDtypeStruct((*lengths, *p.shape), p.dtype) for name, p in each.items()}
            for each in parts
        )
        weights = jax.ShapeDtypeStruct(
            (*lengths, *site.layout.shape), site.contraction.weights.dtype
        )
        outside = {
            name: jax.ShapeDtypeStruct(
                (*(lengths[place] for place in self._present(value)), *value.shape), value.dtype
            )
            for name, value in self.wanted.outside.items()
        }

        def leaving(canonical: Arrays, own: Arrays, outside: Arrays) -> Any:
            kept, mine = _mapped(self._early, len(lengths))(canonical, own)
            return self._late(kept, mine, outside, jnp.float32(jnp.nan))[0]

        return jax.eval_shape(leaving, {"weights": weights, **canonical}, own, outside)

    @property
    def _is_whole(self) -> bool:
        """Whether each iteration has all that is reduced together; examples are reduced apart."""
        joined = any(loop.role in MERGED and loop.role != "batch" for loop in self.site.loops)
        return not joined and self.site.assemble is None

    def _early(self, canonical: Arrays, own: Arrays) -> tuple[Arrays, Arrays]:
        """What leaves one iteration."""
        own = {name: self._own_heads(name, array) for name, array in own.items()}
        return (self._finished(canonical) if self._is_whole else canonical), own

    def _late(
        self, canonical: Arrays, own: Arrays, outside: Arrays, product_error: Any
    ) -> tuple[dict[str, Any], Proof | None]:
        """What leaves the program, and the proof of rows that were put together after loops."""
        assembled = None
        if self._is_whole:
            canonical = {n: with_examples(tree, self.site.loops) for n, tree in canonical.items()}
        else:
            canonical = {n: merged(array, self.site.loops) for n, array in canonical.items()}
            if self.site.assemble is not None:
                weights = self.site.assemble(canonical["weights"])
                assembled = proof(weights, jnp.float32(jnp.nan))
                masks = {"mask": weights != 0} if "mask" in canonical else {}
                canonical = {**canonical, "weights": weights, **masks}
            elif any(loop.role == "key" for loop in self.site.loops):
                assembled = proof(canonical["weights"], jnp.max(product_error))
            canonical = _mapped(self._finished, len(self.stacking.front))(canonical)
        every = range(len(self.site.loops))
        taken = {
            **self._kept_layers(canonical, self.stacking.front),
            **self._kept_layers(own, every),
        }
        for name, array in outside.items():
            present = self._present(self.wanted.outside[name])
            mapped = _mapped(lambda each, name=name: self._own_heads(name, each), len(present))
            taken |= self._kept_layers({name: mapped(array)}, present)
        return taken, assembled

    def _finished(self, canonical: Arrays) -> dict[str, Any]:
        """Canonical arrays of one iteration, cut to the heads that are kept, and reduced."""
        heads = self.choice.all_heads
        cut = {name: _taken(array, heads, 1) for name, array in canonical.items()}
        reductions = {"weights": reduction(self.reduce), "mask": mask_reduction(self.reduce)}
        return {
            name: reductions[name](array) if name in reductions else array
            for name, array in cut.items()
            if self.weights or name != "weights"
        }

    def _own_heads(self, name: str, array: Any) -> Any:
        """An array of one iteration in its own axes, with the heads that are kept."""
        axis = self.wanted.head_axes.get(name)
        return array if axis is None else _taken(array, self.choice.all_heads, axis)

    def _kept_layers(self, arrays: Arrays, present: Sequence[int]) -> dict[str, Any]:
        """Arrays with an axis for each loop of `present` in front, cut to the layers kept."""
        if not set(self.stacking.layers) <= set(present):
            return dict(arrays)
        kept = [self.layers.index(layer) for layer in self.choice.layers]
        return {
            name: self.stacking.cut(array, kept, list(present)) for name, array in arrays.items()
        }

    def _present(self, value: Any) -> list[int]:
        """Places of the loops around a value that is outside of others."""
        around = {scope.path for scope in value.scope.enclosing()}
        return [place for place, loop in enumerate(self.site.loops) if loop.path in around]


def _mapped(function: Any, times: int) -> Any:
    for _ in range(times):
        function = jax.vmap(function)
    return function


def _taken(array: Any, numbers: Sequence[int], axis: int) -> Any:
    if len(numbers) == array.shape[axis]:
        return array
    return jnp.take(array, np.asarray(numbers), axis=axis, mode="clip")


def _ran(site: Site, aux: Aux) -> jax.Array:
    """Whether all branches around an attention were taken, for each iteration of its loops."""
    ran = jnp.array(True)
    for scope in site.weights.scope.enclosing():
        if scope.kind == "branch":
            taken = aux.branches["/".join(map(str, scope.path))]
            here = taken == int(str(scope.path[-1]).removeprefix("branch"))
            ran = jnp.reshape(ran, (*ran.shape, *(1,) * (here.ndim - ran.ndim))) & here
    return ran
