"""What an attention attends to: its own tokens, others, or none in particular."""

from collections.abc import Callable, Iterator

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis, ancestry, origins_of, stems_from
from attnreport.capture.dimensions.products import product_of
from attnreport.capture.program.graph import Value, feeds
from attnreport.capture.program.lineage import Numbers, is_given, source
from attnreport.capture.roles.neighborhoods import collected_along
from attnreport.capture.roles.origins import ENTRYWISE, Origins, argument_of
from attnreport.capture.roles.projections import Projection
from attnreport.capture.roles.roles import Role
from attnreport.capture.roles.scores import is_parameter, key_side, looked_up_in, rank
from attnreport.capture.roles.sites import Site


class Kinds:
    """Tells kinds of attention apart."""

    def __init__(
        self, dimensions: Dimensions, numbers: Numbers, is_weights: Callable[[Value], bool]
    ):
        """Knows a program, and which of its values are weights."""
        self._dimensions = dimensions
        self._origins = Origins(numbers, is_weights)

    def of(self, site: Site) -> str:
        """`self`, `cross`, `pooling`, `gate`, `router` or `memory`.

        Of several segments of keys one may be learned, such as a prefix, and another one not.
        """
        if site.parts:
            kinds = [self.of(part) for part in site.parts]
            kinds = [kind for kind in kinds if kind != "memory"] or kinds
            return "self" if "self" in kinds else kinds[0]
        if site.form == "gate":
            return "gate"
        if self._routes(site) and not collected_along(self._dimensions, site.contraction):
            return "router"
        asking, answering = self._sides(site)
        among = asking is not None and any(self._origins.in_common(asking, e) for e in answering)
        if not among and self._has_learned_keys(site) and self._averages_parameters(site):
            return "memory"
        if among:
            return "self"
        alone = "query" not in site.roles.of.values()
        alone &= not any(loop.role in ("query", "step") for loop in site.loops)
        learned = asking is None or self._is_learned(site, asking)
        if alone and learned:
            return "pooling"
        if learned and not self._brings(site, "query"):
            return "self" if self._have_one_dimension(site) else "cross"
        pools = learned and self._asks_directly(site)
        return "pooling" if pools or self._is_of_the_model(site, asking, answering) else "cross"

    def _routes(self, site: Site) -> bool:
        """Whether scores of learned keys choose what is computed from the tokens that ask."""
        scores = site.scores
        learned = scores.of_parameters
        if scores.query is not None and scores.key is not None and scores.product is not None:
            # Of two given arrays, keys that are a matrix are those of experts, if tokens ask.
            apart = source(scores.query) is not source(scores.key)
            given = is_parameter(scores.query) and is_parameter(scores.key)
            matrix = rank(scores.key) <= 2
            learned |= apart and given and matrix and self._brings(site, "query", "batch")
        return learned and self._acts_on_what_asks(site) and not self._is_among_its_own(site)

    def _is_among_its_own(self, site: Site) -> bool:
        """Whether keys number parts of what asks, such as variables, and not experts."""
        numbered = origins_of(site.contraction.theirs)
        asking = [] if site.scores.query is None else list(self._origins.of(site.scores.query))
        return any(each is origin for origin in numbered for each in asking)

    def _averages_parameters(self, site: Site) -> bool:
        """Whether values are learned like the keys, as in a dense layer behind a softmax."""
        values = site.contraction.values
        value = source(looked_up_in(values) or values)
        mine = self._dimensions.within(value)
        if any(stems_from(each, mine) for each in site.roles.with_role("batch")):
            return False
        product = None if value.node is None else product_of(self._dimensions, value.node)
        return all(map(_is_table, [value] if product is None else product.operands))

    def _has_learned_keys(self, site: Site) -> bool:
        """Whether what is looked at is a table of parameters, and no tokens."""
        scores = site.scores
        if scores.query is None or scores.key is None:
            return scores.of_parameters or looked_up_in(site.contraction.values) is not None
        if _is_given_only(scores.query):
            # Of two given arrays, the keys of several heads are no table.
            learned = scores.of_parameters or self._is_held_by_a_model(site)
            return learned and rank(scores.key) <= 2
        return scores.of_parameters or _is_table(scores.key)

    def _is_held_by_a_model(self, site: Site) -> bool:
        """Whether the given keys are part of an argument that is a model, and the query of another.

        What a module holds is a layer. Of what a dictionary or a list holds, keys such as those of
        a cache have their features last, and a layer's matrix first.
        """
        scores = site.scores
        if scores.query is None or scores.key is None or scores.product is None:
            return False
        (asking, _), (answering, place) = argument_of(scores.query), argument_of(scores.key)
        if asking == answering or not place:
            return False
        first = self._dimensions.of(source(scores.key))[0]
        summed = scores.product.summed[key_side(scores.product, site.over)]
        return "." in place or any(stems_from(each, first) for each in summed)

    def _sides(self, site: Site) -> tuple[Value | None, list[Value]]:
        """What asks and what answers, before it was projected.

        A key may be made of several terms, such as a token and an edge, of which one was projected.
        Places that are learned, as in synthesizers, are those of the values.
        """
        scores, roles = site.scores, site.roles
        apart = self._added_up(site)
        if apart is not None:
            return apart[0], [apart[1]]
        asking = _data(scores.query, roles.query_projection)
        if scores.of_parameters:
            return asking, [site.contraction.values]
        answering = [_data(scores.key, roles.key_projection)]
        answering += [scores.key] if scores.form == "dot" and scores.of_tokens else []
        return asking, [each for each in answering if each is not None]

    def _added_up(self, site: Site) -> tuple[Value, Value] | None:
        """The terms of an additive score that asks and answers; None if it is none of these."""
        scores = site.scores
        if scores.product is None or scores.query is None or not is_parameter(scores.query):
            return None
        side = key_side(scores.product, site.over)
        pairs = zip(scores.product.own[side], scores.product.made[side], strict=False)
        keys = tuple(own for own, made in pairs if any(stems_from(k, (made,)) for k in site.over))
        waiting = [scores.product.operands[side]]
        for _ in range(_NEAR):
            if not waiting:
                break
            node = source(waiting.pop(0)).node
            if node is None or node.primitive not in ENTRYWISE:
                continue
            if node.primitive in ("add", "sub") and not any(map(is_parameter, node.inputs)):
                has = [self._has(each, keys) for each in node.inputs]
                if has[0] != has[1]:
                    return node.inputs[has[0]], node.inputs[has[1]]
            waiting.extend(node.inputs)
        return None

    def _has(self, value: Value, keys: Axis) -> bool:
        mine = self._dimensions.within(source(value))
        return any(stems_from(each, mine) for each in keys)

    def _is_learned(self, site: Site, asking: Value) -> bool:
        """Whether what asks is a parameter: a given array that is the same for all examples."""
        if not is_parameter(asking):
            return False
        mine = self._dimensions.ids(source(asking))
        batch = [factor for factor, role in site.roles.of.items() if role == "batch"]
        return not any(id(each) in mine for factor in batch for each in ancestry(factor))

    def _is_of_the_model(self, site: Site, asking: Value | None, answering: list[Value]) -> bool:
        """Whether what asks is made of what a model holds, such as latents, for all examples alike.

        An argument that holds it is a model's if the tokens that are looked at came in another one.
        What was computed from other tokens on the way, as queries that attend to each other are, is
        no longer learned alone.
        """
        projection = site.roles.query_projection
        if asking is None or projection is None:
            return False
        made = list(_made_of_given(asking))
        batch = {id(e) for f in site.roles.with_role("batch") for e in ancestry(f)}
        if any(not batch.isdisjoint(self._dimensions.ids(each)) for each in made):
            return False
        held = {argument_of(each)[0] for each in made}
        origins = (each for e in answering for each in self._origins.of(e) if is_given(each))
        looked_at = {argument_of(each)[0] for each in origins}
        return held == {argument_of(projection.weights)[0]} and not looked_at <= held

    def _brings(self, site: Site, *roles: Role) -> bool:
        """Whether dimensions with some roles are those of the array that asks."""
        query = site.scores.query
        mine = () if query is None else self._dimensions.within(query)
        return any(stems_from(each, mine) for role in roles for each in site.roles.with_role(role))

    def _asks_directly(self, site: Site) -> bool:
        """Whether a parameter is the query itself, and the keys are computed."""
        key = site.scores.key
        return site.roles.query_projection is None and key is not None and not is_parameter(key)

    def _acts_on_what_asks(self, site: Site) -> bool:
        """Whether the values are computed from the tokens that ask, as those of experts are."""
        tokens = None if site.scores.query is None else source(site.scores.query)
        seen = {site.weights, source(site.weights)}
        waiting = [site.contraction.weights, site.contraction.values]
        for _ in range(_FAR):
            if not waiting:
                break
            current = waiting.pop(0)
            if current in seen:
                continue
            seen.add(current)
            if current is tokens:
                return True
            # Where entries of a table are looked up is no part of them.
            table = looked_up_in(current)
            waiting.extend(feeds(current) if table is None else [table])
        return False

    def _have_one_dimension(self, site: Site) -> bool:
        """Whether the queries' places are those of the keys."""
        queries = [factor for factor, role in site.roles.of.items() if role == "query"]
        keys = {id(each) for factor in site.over for each in ancestry(factor)}
        return any(id(each) in keys for factor in queries for each in ancestry(factor))


def _is_table(value: Value) -> bool:
    """Whether an array is a parameter, or has up to two axes and is made of parameters alone."""
    return is_parameter(value) or (rank(value) <= 2 and _is_given_only(value))


def _is_given_only(value: Value) -> bool:
    """Whether an array is made of given ones entry by entry or axis by axis."""
    seen = {source(value)}
    waiting = [source(value)]
    while waiting and len(seen) < _NEAR:
        current = waiting.pop()
        node = current.node
        if node is None and not is_parameter(current):
            return False
        if node is not None and (node.scopes or node.primitive in _PRODUCTS):
            return False
        for each in map(source, () if node is None else node.inputs):
            if each not in seen and not each.is_scalar:
                seen.add(each)
                waiting.append(each)
    return not waiting


def _made_of_given(value: Value) -> Iterator[Value]:
    """The given arrays that a value is made of, token by token; nothing if it has met others.

    They are projected by matrices that are given too, or normalized; products of two computed
    arrays and loops are none of that.
    """
    found: list[Value] = []
    seen = {source(value)}
    waiting = [source(value)]
    while waiting:
        current = waiting.pop()
        node = current.node
        if node is None:
            if not is_parameter(current):
                return
            found.append(current)
            continue
        if node.scopes:
            return
        operands = node.inputs
        if node.primitive == "dot_general":
            operands = [each for each in operands if not is_parameter(each)] or operands[:1]
            if len(operands) > 1:
                return
        for each in map(source, operands):
            if each not in seen and not each.is_scalar:
                seen.add(each)
                waiting.append(each)
    yield from found


def _data(value: Value | None, projection: Projection | None) -> Value | None:
    return value if projection is None else projection.data


_NEAR, _FAR = 40, 600
_PRODUCTS = frozenset(["dot_general", "conv_general_dilated", "gather"])
