"""Says what in a program came nearest to attention, where there is none."""

import math

from attnreport.capture.contractions import contractions
from attnreport.capture.names import source_line
from attnreport.capture.normalizers import Normalized, Normalizers
from attnreport.capture.recognizer import Analysis
from attnreport.capture.scores import is_parameter


def nearest(analysis: Analysis) -> str:
    """A sentence on what a program without attention has of the parts that attention is made of."""
    normalizers = Normalizers(analysis.dimensions, analysis.numbers)
    normalized = [
        each for each in normalizers.all_in(analysis.graph) if analysis.graph.is_live(each.value)
    ]
    if normalized:
        return _of_normalized(normalized[-1])
    for use in contractions(analysis.graph, analysis.dimensions):
        if not is_parameter(use.weights) and not is_parameter(use.values):
            return (
                "What came nearest is a product of two computed values"
                f"{_at(source_line(use.node))}, as scores are; but nothing normalizes it."
            )
    return "Nothing in it is normalized, and no two computed values are multiplied and summed."


def _of_normalized(nearest: Normalized) -> str:
    size = math.prod(factor.size for factor in nearest.over)
    if size == 1:
        return (
            f"What came nearest is a {nearest.form}{_at(source_line(nearest.value.node))} over a "
            "single position, which is always 1."
        )
    return (
        f"What came nearest is a {nearest.form} over {size} positions"
        f"{_at(source_line(nearest.value.node))}; but it does not weigh values that are then "
        "summed over these positions."
    )


def _at(place: str) -> str:
    return f" ({place})" if place else ""
