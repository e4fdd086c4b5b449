"""Dimensions with an identity: numbers that multiply to the sizes of axes, and when two are one.

An axis is a sequence of factors, because programs merge and split axes: `[batch, time, head × d]`
becomes `[batch, time, head, d]`. Two axes that an operation requires to be equal are one
dimension; a dimension that is only copied (broadcast, sliced, carried through a contraction) is
a new one that knows its source.
"""

import dataclasses
from collections.abc import Iterable, Sequence


@dataclasses.dataclass(eq=False, repr=False)
class Factor:
    """A dimension, or a part of one.

    Attributes:
        size: Number of positions along it, at least 2.
        sources: The dimensions it is a copy or a part of.
        origins: The program's inputs whose axes it is made of, by identity.
        parts: The factors it was split into, outermost first; empty while it is whole.
        same_as: The factor it turned out to be; None while it stands for itself.
        lineage: What `ancestry` found, once it was asked.
        apart: Factors that some array has beside this one, so that they can never be one.
    """

    size: int
    sources: list["Factor"] = dataclasses.field(default_factory=list)
    origins: set[object] = dataclasses.field(default_factory=set)
    parts: "tuple[Factor, ...]" = ()
    same_as: "Factor | None" = None
    lineage: "list[Factor] | None" = None
    apart: set["Factor"] = dataclasses.field(default_factory=set)


Axis = tuple[Factor, ...]


def canonical(factor: Factor) -> Factor:
    """The factor that stands for all that are one dimension with the given one."""
    root = factor
    while root.same_as is not None:
        root = root.same_as
    while factor.same_as is not None:
        factor.same_as, factor = root, factor.same_as
    return root


def whole(axis: Iterable[Factor]) -> Axis:
    """The axis in factors that are not split any further."""
    found: list[Factor] = []
    for factor in axis:
        root = canonical(factor)
        found.extend(whole(root.parts) if root.parts else (root,))
    return tuple(found)


def fresh_axis(size: int, *sources: Sequence[Factor]) -> Axis:
    """A new dimension that is a copy of the given ones; no factor at all for an axis of size 1."""
    if size == 1:
        return ()
    return (Factor(size, [factor for axis in sources for factor in whole(axis)]),)


def copied(axis: Sequence[Factor]) -> Axis:
    """New dimensions of the same sizes, each a copy of one of the given."""
    return tuple(Factor(factor.size, [factor]) for factor in whole(axis))


def keep_apart(axes: Iterable[Sequence[Factor]]) -> None:
    """Notes that the dimensions of one array are different dimensions.

    Queries and keys of one sequence meet again in its backward pass, where each of them is summed
    with the sequence itself; without this all three would turn out to be one.
    """
    roots = [root for axis in axes for root in whole(axis)]
    for place, root in enumerate(roots):
        for other in roots[:place]:
            if other is not root:
                root.apart.add(other)
                other.apart.add(root)


def unify(left: Sequence[Factor], right: Sequence[Factor]) -> None:
    """Makes two axes of equal size one, splitting factors where the other axis has finer ones."""
    ours, theirs = list(whole(left)), list(whole(right))
    while ours and theirs:
        a, b = canonical(ours[0]), canonical(theirs[0])
        if a.parts or b.parts:
            # An earlier step split it further.
            ours[:1], theirs[:1] = whole((a,)), whole((b,))
        elif a is b or a.size == b.size:
            _merge(a, b)
            del ours[0], theirs[0]
        elif a.size % b.size == 0:
            ours[:1] = _split(a, b.size)
        elif b.size % a.size == 0:
            theirs[:1] = _split(b, a.size)
        else:
            return


def taken(factors: list[Factor], size: int) -> Axis | None:
    """Takes factors off the front of a list until they make up an axis of the given size.

    Returns:
        The axis, or None if no front part has that size.
    """
    axis: list[Factor] = []
    while size > 1:
        if not factors:
            return None
        first = canonical(factors[0])
        if first.parts:
            factors[:1] = whole((first,))
        elif size % first.size == 0:
            axis.append(first)
            size //= first.size
            del factors[0]
        elif first.size % size == 0:
            factors[:1] = _split(first, size)
        else:
            return None
    return tuple(axis)


def stems_from(factor: Factor, targets: Iterable[Factor]) -> bool:
    """Whether a dimension is one of the targets, or a copy of a copy of one."""
    wanted = {id(root) for target in targets for root in whole((target,))}
    return any(id(each) in wanted for each in ancestry(factor))


def copies_in(axis: Axis, over: Axis) -> Axis:
    """The dimensions of an axis that contracted ones are, or that they are copies of."""
    mine = set(map(id, whole(axis)))

    def is_in(factor: Factor, each: Factor) -> bool:
        return (
            canonical(each) is factor if id(canonical(each)) in mine else stems_from(each, [factor])
        )

    return tuple(factor for factor in axis if any(is_in(factor, each) for each in over))


def ancestry(factor: Factor) -> list[Factor]:
    """A dimension and all that it is a copy or part of; for when all operations have been read."""
    if factor.lineage is None:
        factor.lineage = _ancestry(factor)
    return factor.lineage


def _ancestry(factor: Factor) -> list[Factor]:
    seen: dict[int, Factor] = {}
    waiting = list(whole((factor,)))
    while waiting:
        root = canonical(waiting.pop())
        if id(root) in seen:
            continue
        seen[id(root)] = root
        waiting.extend(root.parts or root.sources)
    return list(seen.values())


def origins_of(axis: Iterable[Factor]) -> set[object]:
    """The program's inputs whose axes a dimension is made of, through copies too."""
    return {origin for factor in axis for each in ancestry(factor) for origin in each.origins}


def _split(factor: Factor, front: int) -> tuple[Factor, Factor]:
    """Splits a factor in two, the first of size `front`."""
    sizes = (front, factor.size // front)
    first, second = (
        Factor(size, origins=set(factor.origins), apart=set(factor.apart)) for size in sizes
    )
    factor.parts = (first, second)
    for original in map(canonical, factor.sources):
        # A copy that is split shows where its original falls apart, and its parts copy the parts.
        if not original.parts and original.size == factor.size:
            _split(original, front)
        if tuple(part.size for part in original.parts) == sizes:
            first.sources.append(original.parts[0])
            second.sources.append(original.parts[1])
        else:
            first.sources.append(original)
            second.sources.append(original)
    return first, second


def _without(source: Factor, factor: Factor) -> list[Factor]:
    """A source, or those of its own sources that are no copies of a dimension, if it is one."""
    found: list[Factor] = []
    seen = {id(canonical(factor))}
    waiting = [canonical(source)]
    while waiting:
        root = waiting.pop()
        if id(root) in seen:
            continue
        seen.add(id(root))
        if any(one is factor for one in _ancestry(root)):
            waiting.extend(map(canonical, root.parts or root.sources))
        else:
            found.append(root)
    return found


def _are_apart(a: Factor, b: Factor) -> bool:
    fewer, other = (a, b) if len(a.apart) <= len(b.apart) else (b, a)
    return any(other is root for each in fewer.apart for root in whole((each,)))


def _merge(a: Factor, b: Factor) -> None:
    if a is b or _are_apart(a, b):
        return
    b.same_as = a
    # A copy of a copy that turns out to be the original, as behind a residual connection, must
    # not make the original a copy of itself; but of what else the copy is one, it is too.
    a.sources = [each for source in (*a.sources, *b.sources) for each in _without(source, a)]
    a.origins |= b.origins
    a.apart |= b.apart
