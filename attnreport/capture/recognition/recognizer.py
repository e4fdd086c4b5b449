"""Finds every attention of a program.

Every sum of products is looked at twice, once with each operand as the weights. They are weights
of an attention if they are normalized over what is summed, before or after, and if both they and
the values are computed from numbers that go into the program. Where no operation shows how rows
are normalized, but scores of two sets of tokens lead to them, the numbers will tell.
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attnreport.capture.dimensions.factors import canonical
from attnreport.capture.forms.after import normalized_after
from attnreport.capture.forms.before import hits_of, is_apart, normalized_before
from attnreport.capture.forms.blocks import (
    Blocks,
    are_complete,
    blocks_of,
    goes_through_queries,
    in_blocks,
    segments_of,
)
from attnreport.capture.forms.facts import Facts
from attnreport.capture.forms.gates import gates
from attnreport.capture.forms.joined import joined
from attnreport.capture.forms.measured import is_unnormalized, to_be_measured
from attnreport.capture.kernels.kernels import Kernels
from attnreport.capture.program.graph import Graph, Node, Value
from attnreport.capture.program.lineage import carries_numbers
from attnreport.capture.recognition.said import (
    Pieces,
    Said,
    kernels,
    linear_attention,
    pieces,
    segments,
    unnormalized,
    unused,
)
from attnreport.capture.roles.contractions import Contraction, contractions
from attnreport.capture.roles.kinds import Kinds
from attnreport.capture.roles.requirements import (
    comes_from_backward,
    is_backward,
    is_recomputed,
    is_result,
    tells_keys_apart,
)
from attnreport.capture.roles.sites import Site


class Analysis:
    """A program that was read: its attention, and what else was seen.

    Attributes:
        facts: What is known of it.
    """

    def __init__(self, graph: Graph):
        """Reads a program."""
        self.facts = Facts(graph)
        self._totals = {each.total for each in self.facts.normalized.values()}
        self._pieces: dict[Node, Pieces] = {}
        self._unnormalized: list[Site] = []

    def sites(self) -> list[Site]:
        """Every attention that an output depends on, in the order in which they run."""
        return list(self._sites)

    def said(self) -> list[Said]:
        """What was seen but is not captured."""
        facts, sites = self.facts, self._sites
        put_together = [each.contraction.node for each in sites if each.assemble is not None]
        captured = {s for node in (*put_together, *self._pieces) for s in node.scope.enclosing()}

        scored = {each.scores.node for each in sites}

        def is_forward(node: Node) -> bool:
            backward = is_backward(node) or comes_from_backward(node)
            return not backward and node not in scored and not captured.intersection(node.scopes)

        return [
            *kernels(facts.graph, {each.contraction.node for each in sites}),
            *segments(facts.graph, facts.numbers),
            *linear_attention(facts.graph, facts.is_weights, is_forward),
            *pieces(self._pieces),
            *unnormalized(self._unnormalized, is_forward),
            *([] if sites else unused(facts.graph, facts.normalized.values(), is_forward)),
        ]

    @functools.cached_property
    def _sites(self) -> list[Site]:
        facts = self.facts
        uses = list(contractions(facts.graph, facts.dimensions))
        # Of a forward pass that nothing needs the compiler leaves only what is computed again.
        found = self._found_in(filter(self._is_forward, uses)) or self._found_in(
            use for use in uses if is_recomputed(use.node) and self._is_candidate(use)
        )
        for site in gates(facts):
            found.setdefault(_identity(site), site)
        found = self._with_carried_heads(self._without_repeated(found))
        known = (facts.dimensions, facts.numbers, facts.is_weights)
        fused = Kernels(*known).sites(facts.graph, list(found.values()))
        found |= {_identity(site): site for site in fused}
        kinds = Kinds(*known)
        ordered = joined(facts, sorted(found.values(), key=_order))
        return [dataclasses.replace(site, kind=kinds.of(site)) for site in ordered]

    def _found_in(self, uses: Iterable[Contraction]) -> dict[Any, Site]:
        found: dict[Any, Site] = {}
        for use in uses:
            for site in self._at(use):
                found.setdefault(_identity(site), site)
        return found

    def _is_forward(self, use: Contraction) -> bool:
        backward = is_backward(use.node) and not is_result(use.output)
        return not backward and not is_recomputed(use.node) and self._is_candidate(use)

    def _is_candidate(self, use: Contraction) -> bool:
        # What only adds up weights to normalize them again makes no use of them.
        dead = use.node in self._totals or not self._is_needed(use)
        return bool(use.over) and not dead and carries_numbers(use.values, counts=True)

    def _is_needed(self, use: Contraction) -> bool:
        """Whether an output depends on a contraction, or on the gradients of its weights.

        Where only the gradient of a loss is wanted, its last products are of no use by themselves,
        and if the loss is rematerialized as a whole, nothing of the forward pass is.
        """
        return self.facts.graph.is_live(use.output) or use.weights.shape in self._in_backward

    @functools.cached_property
    def _in_backward(self) -> set[tuple[int, ...]]:
        """The shapes of what the backward pass computes."""
        graph = self.facts.graph
        live = [node for node in graph.nodes if graph.is_live(node.outputs[0])]
        return {node.outputs[0].shape for node in live if is_backward(node)}

    def _at(self, use: Contraction) -> Iterator[Site]:
        """The attentions of a contraction, in the form that comes first."""
        facts = self.facts
        steps = list(facts.walk.back(use.weights, use.over, facts.normalized.__contains__))
        hits = hits_of(facts, use, steps)
        if hits and not tells_keys_apart(facts.dimensions, use):
            return
        apart = is_apart(facts, use) and not is_backward(use.node)
        blocks = blocks_of(facts, use, steps) if apart and not hits else None
        if apart and blocks is None:
            blocks = segments_of(facts, use, steps, [each.normalized for each in hits])
        if blocks is not None:
            yield from self._in_blocks(use, blocks)
            return
        for hit in hits:
            yield from normalized_before(facts, use, steps, hit)
        if apart and not hits:
            site = normalized_after(facts, use, steps) or to_be_measured(facts, use, steps)
            if site is not None and is_unnormalized(site):
                self._unnormalized.append(site)
            else:
                yield from [site] if site is not None else []

    def _in_blocks(self, use: Contraction, blocks: Blocks) -> Iterator[Site]:
        if not are_complete(self.facts, use, blocks):
            if goes_through_queries(self.facts, use, blocks):
                self._pieces[use.node] = "pairs"
            else:
                self._pieces[use.node] = "segments" if blocks.loop is None else "loop"
            return
        site = in_blocks(self.facts, use, blocks)
        yield from [site] if site is not None else []

    def _without_repeated(self, found: Mapping[Any, Site]) -> dict[Any, Site]:
        """Each attention once, where a gradient of the program's own computes it again.

        Nothing but that gradient needs the weights again, and nothing needs their product again.
        """
        numbers, is_live = self.facts.numbers, self.facts.graph.is_live
        kept: dict[Any, Site] = {}
        seen: set[tuple[int, int]] = set()
        for identity, site in found.items():
            same = numbers.of(site.weights), numbers.of(site.contraction.values)
            if same not in seen or is_live(site.contraction.output):
                kept[identity] = site
            seen.add(same)
        return kept

    def _with_carried_heads(self, found: Mapping[Any, Site]) -> dict[Any, Site]:
        """Heads of one attention are heads of another that only carries them along."""
        heads = [f for site in found.values() for f in site.roles.with_role("head")]
        sites: dict[Any, Site] = {}
        for identity, site in found.items():
            roles = site.roles.with_heads(heads)
            layout = roles.layout(self.facts.dimensions.of(site.weights))
            sites[identity] = dataclasses.replace(site, roles=roles, layout=layout)
        return sites


def _order(site: Site) -> int:
    return -1 if site.weights.node is None else site.weights.node.order


def _identity(site: Site) -> tuple[Value, frozenset[int]]:
    """One array may serve as weights over two of its axes, as in slots and back."""
    return site.weights, frozenset(id(canonical(factor)) for factor in site.over)
