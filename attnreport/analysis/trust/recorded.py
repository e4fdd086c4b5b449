"""What was measured of a model as a recording keeps it."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from attnreport._errors import InvalidAttentionError
from attnreport.analysis.trust.importance import HeadImportance, head_importance
from attnreport.analysis.trust.trust import Trust
from attnreport.recording import (
    AttentionMap,
    Deletion,
    DeletionCurve,
    Importance,
    LayerImportance,
    Recording,
    layer_numbers,
)


def recorded_deletion(
    found: Mapping[str, Trust], *, score: str, positions: str, data: str
) -> Deletion:
    """The deletion curves of several orders, each with its chance, and those of random orders.

    Args:
        found: By the name of the order, such as `heaviest attention first`, what `measure_trust`
            found with one seed.
        score: What falls, such as `probability of the predicted label`.
        positions: What is taken out, such as `words`.
        data: On what it was measured, such as `this text`.

    Raises:
        InvalidAttentionError: There is no order, or they were measured at different shares.
    """
    curves = [
        DeletionCurve(
            name,
            tuple(trust.deletion),
            chance=trust.comprehensiveness.chance,
            draws=len(trust.random_deletion),
        )
        for name, trust in found.items()
    ]
    if len({trust.shares for trust in found.values()}) != 1:
        raise InvalidAttentionError(
            f"The {len(found)} orders of a deletion were not measured at the same shares. Measure "
            "one at least, and all at the same."
        )
    first = next(iter(found.values()))
    draws = first.random_deletion
    spread = tuple(zip(draws.min(axis=0), draws.max(axis=0), strict=True))
    name = f"random order, {len(draws)} draws"
    curves.append(DeletionCurve(name, tuple(draws.mean(axis=0)), spread))
    return Deletion(score, positions, first.shares, tuple(curves), data)


def recorded_importance(
    recording: Recording,
    heads: Sequence[tuple[str, tuple[int, ...]]],
    scores: Float[np.ndarray, "version example"],
    *,
    score: str,
    data: str,
    tested: bool = True,
) -> Importance:
    """How far a score falls without each head, at the layers that a recording has of it.

    Args:
        recording: A recording of the same model.
        heads: Name and index of each head, as `Ablation.heads` gives them.
        scores: Of the whole model, then without each of the heads.
        score: What falls, such as `probability of the right word`.
        data: On what it was measured, such as `100 test sentences`.
        tested: Whether to tell falls from chance; False for a score that can only fall.

    Raises:
        InvalidAttentionError: There are not so many scores, a layer of the recording has other
            heads, or it has none of these layers.
    """
    found = head_importance(lambda _: scores, len(heads))
    places: dict[str, dict[int, int]] = {}
    for number, (name, index) in enumerate(heads):
        layer = name + "".join(f"[{step}]" for step in index[:-1])
        places.setdefault(layer, {})[index[-1]] = number
    maps = recording.examples[0].maps
    layers = [
        _layer(attention, number, places[attention.name], found, tested=tested)
        for attention, number in zip(maps, layer_numbers(maps), strict=True)
        if attention.name in places
    ]
    if not layers:
        raise InvalidAttentionError(
            f"The recording has no map called {', '.join(list(places)[:3])}, whose heads were "
            "measured. Give a recording of the same model."
        )
    return Importance(score, data, tuple(layers))


def _layer(
    attention: AttentionMap,
    number: int,
    places: Mapping[int, int],
    found: HeadImportance,
    *,
    tested: bool,
) -> LayerImportance:
    if sorted(places) != list(range(attention.heads)):
        raise InvalidAttentionError(
            f"Of {attention.name}, which has {attention.heads} heads here, {len(places)} were "
            "measured. Measure each of its heads."
        )
    order = [places[head] for head in range(attention.heads)]
    several = np.isfinite(found.error).all()
    return LayerImportance(
        attention.group,
        number,
        tuple(found.fall[order]),
        tuple(found.error[order]) if several else (),
        tuple(found.needed[order]) if several and tested else (),
    )
