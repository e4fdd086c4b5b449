"""Attention inside fused kernels: Pallas, cuDNN and foreign calls.

Such a kernel takes queries, keys and values and gives their attention; its weights are in no array.
Which operand is which is read off the shapes, the weights are measured (see `kernel_weights`), and
only what the kernel's own result bears out is shown.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.kernels.calls import KernelCall, kernel_calls
from attnreport.capture.kernels.readings import readings
from attnreport.capture.kernels.roles import KernelAttention, KernelRoles
from attnreport.capture.kernels.weights import tolerance
from attnreport.capture.program.graph import Graph, Value
from attnreport.capture.program.lineage import Numbers, source
from attnreport.capture.roles.contractions import Contraction
from attnreport.capture.roles.loops import loops_of
from attnreport.capture.roles.roles import Layout
from attnreport.capture.roles.scores import Scores
from attnreport.capture.roles.sites import Recipe, Site

FORM = "fused kernel, measured"


class Kernels:
    """Finds attention in the kernels of a program."""

    def __init__(
        self, dimensions: Dimensions, numbers: Numbers, is_weights: Callable[[Value], bool]
    ):
        """Knows a program, and which of its values are weights."""
        self._dimensions = dimensions
        self._roles = KernelRoles(dimensions, numbers, is_weights)

    def sites(self, graph: Graph, known: Iterable[Site]) -> Iterator[Site]:
        """Every kernel that can be read as attention, or else the innermost call around it.

        Args:
            graph: The program.
            known: Attentions that are not in kernels; what is called around them is left out.
        """
        taken = {site.contraction.node.path for site in known}
        for calls in kernel_calls(graph):
            free = [call for call in calls if not any(map(call.holds, taken))]
            found = list(filter(None, map(self._read, free)))
            if found:
                taken.add(found[0][0].call.path)
                yield self._site(found[0][0], [*_around(found), *_alternatives(found[0])])

    def _read(self, call: KernelCall) -> list[KernelAttention]:
        """All readings of a kernel, the likeliest first."""
        found = [self._roles.read(call, each) for each in readings(call.signature)]
        return sorted(found, key=lambda each: each.misplaced)

    def _site(self, first: KernelAttention, likely: Sequence[KernelAttention]) -> Site:
        node, product, roles = first.call.node, first.product, first.roles
        weights = Value(first.shape, jnp.dtype(jnp.float32), node.scope, node=node)
        scores = Scores(weights, node, *product.operands, product.summed[0], "dot", (), (), product)
        result = first.call.result(first.reading.output)
        return Site(
            weights=weights,
            recipe=_recipe(likely),
            over=product.made[1],
            form=FORM,
            sums="to be measured",
            mixed=False,
            contraction=Contraction(node, weights, first.values, product.made[1], result),
            scores=scores,
            roles=roles,
            layout=Layout(first.shape, (0, 1, 2, 3), first.shape, (1, first.shape[0], 1)),
            loops=loops_of(self._dimensions, weights, scores, roles),
        )


def _recipe(likely: Sequence[KernelAttention]) -> Recipe:
    """How to measure the weights: by the first reading that a few keys bear out."""
    addresses = tuple(dict.fromkeys(address for each in likely for address in each.addresses))

    def checked(*values: Any) -> tuple[Any, Any]:
        known = dict(zip(addresses, values, strict=True))
        ways = [each.measurement(known) for each in likely]
        if len(ways) == 1:
            return ways[0].weights()
        errors = jnp.stack([way.trial() for way in ways])
        passed = errors <= tolerance(likely[0].result.dtype)
        chosen = jnp.where(passed.any(), passed.argmax(), errors.argmin())
        return lax.switch(chosen, [way.weights for way in ways])

    return Recipe(addresses, lambda *values: checked(*values)[0], checked)


def _alternatives(found: Sequence[KernelAttention]) -> list[KernelAttention]:
    """The likeliest reading, and those in which other operands are the values.

    Where the kernel's own names tell which they are, there is only one.
    """
    first = found[0]
    if first.call.signature.names[first.reading.value].lower().startswith("v"):
        return [first]
    others: dict[int, KernelAttention] = {}
    for each in found:
        if each.shape == first.shape and each.reading.output == first.reading.output:
            others.setdefault(each.reading.value, each)
    return list(others.values())[:_MOST_ALTERNATIVES]


def _around(found: Sequence[Sequence[KernelAttention]]) -> Iterator[KernelAttention]:
    """The call around a kernel that makes something else of its result, such as to divide it."""
    inner = found[0][0]
    for outer, *_ in found[1:]:
        if outer.shape == inner.shape and source(outer.result) is not source(inner.result):
            yield outer
            return


_MOST_ALTERNATIVES = 3
