"""What is known of a program before its attention is looked for."""

import functools

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis
from attnreport.capture.forms.bounds import Intervals
from attnreport.capture.forms.scalings import Scalings
from attnreport.capture.program.graph import Graph, Node, Value
from attnreport.capture.program.jaxprs import Address
from attnreport.capture.program.lineage import Numbers, source
from attnreport.capture.roles.assignment import Assignment
from attnreport.capture.roles.contractions import Contraction, Walk, covers
from attnreport.capture.roles.loops import loops_of
from attnreport.capture.roles.normalizers import Normalized, Normalizers, Sum, unmasked
from attnreport.capture.roles.scores import Scores, logits_of
from attnreport.capture.roles.sites import Recipe, Site, Sums, address_of


class Facts:
    """What every form of attention is told by.

    Attributes:
        graph: The program.
        dimensions: Which axes are one dimension.
        numbers: Which values are the same computation.
        intervals: What numbers values can hold.
        normalizers: What divides values by their sums.
        normalized: Every value that is divided by its own sum.
        scalings: What is done to the rows of a result.
        walk: From weights back to what they are linear in.
    """

    def __init__(self, graph: Graph):
        """Reads a program."""
        self.graph = graph
        self.dimensions = Dimensions(graph)
        self.numbers = Numbers()
        self.intervals = Intervals()
        self.normalizers = Normalizers(self.dimensions, self.numbers)
        self.normalized: dict[Value, Normalized] = {
            each.value: each for each in self.normalizers.all_in(graph)
        }
        self.scalings = Scalings(self.dimensions, self.numbers, self.normalizers)
        self.walk = Walk(self.dimensions, self.intervals.is_share)
        self._assignment = Assignment(self.dimensions, self.numbers, self.is_weights)

    def is_weights(self, value: Value) -> bool:
        """Whether a value is normalized, apart from a mask."""
        return any(each in self.normalized for each in unmasked(value))

    def sums_of(self, value: Value, use: Contraction) -> list[Sum]:
        """The sums of a value over the dimensions that a contraction sums over."""
        found = {
            id(each): each
            for part in unmasked(value)
            for each in self._sums_by_number.get(self.numbers.of(part), ())
        }
        return [each for each in found.values() if covers(use.over, each.over)]

    def totals_of(self, each: Normalized) -> list[Node]:
        """Whatever adds up the exponentials that were normalized, or the same with another shift.

        A softmax and the logarithm of its sum are often computed one beside the other.
        """
        logits = self.numbers.of(logits_of(each.numerator))
        return [each.total, *self._sums_by_logits.get(logits, ())]

    def at(self, address: Address) -> Value:
        """The value at an address."""
        return self._by_address[address]

    @functools.cached_property
    def _by_address(self) -> dict[Address, Value]:
        made = (value for node in self.graph.nodes for value in node.outputs)
        given = (
            each for node in self.graph.nodes for scope in node.scopes for each in scope.inputs
        )
        values = (*self.graph.root.inputs, *given, *made)
        return {value.address: value for value in values if value.address is not None}

    @functools.cached_property
    def _sums_by_logits(self) -> dict[int, list[Node]]:
        found: dict[int, list[Node]] = {}
        for sums in self._sums_by_number.values():
            for each in sums:
                logits = logits_of(each.summand)
                if logits is not source(each.summand):
                    found.setdefault(self.numbers.of(logits), []).append(each.node)
        return found

    @functools.cached_property
    def _sums_by_number(self) -> dict[int, list[Sum]]:
        found: dict[int, list[Sum]] = {}
        for node in self.graph.nodes:
            each = self.normalizers.sum_of(node)
            if each is None:
                continue
            for value in unmasked(each.summand):
                found.setdefault(self.numbers.of(value), []).append(each)
        return found

    def site(
        self,
        use: Contraction,
        weights: Value,
        over: Axis,
        scores: Scores,
        *,
        form: str,
        sums: Sums,
        mixed: bool = False,
        recipe: Recipe | None = None,
    ) -> Site:
        """An attention, with what its axes are and what loops it runs in.

        Args:
            use: What sums the weights with values.
            weights: The value that the program has.
            over: Its dimensions that are summed over.
            scores: What it was computed from.
            form: How it is written.
            sums: What its rows sum to.
            mixed: Whether the program changes it before it is used.
            recipe: How to get the weights; None if they are the value itself.
        """
        roles = self._assignment.roles(weights, over, use, scores)
        recipe = recipe or Recipe((address_of(weights),), lambda array: array)
        made_of = list(map(self.at, recipe.addresses))
        loops = loops_of(self.dimensions, weights, scores, roles, made_of=made_of)
        if any(loop.role == "batch" for loop in loops):
            roles = self._assignment.of_single_examples(roles)
        return Site(
            weights=weights,
            recipe=recipe,
            over=over,
            form=form,
            sums=sums,
            mixed=mixed,
            contraction=use,
            scores=scores,
            roles=roles,
            layout=roles.layout(self.dimensions.of(weights)),
            loops=loops,
        )
