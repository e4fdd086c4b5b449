"""Says what in a program without attention is like scores, or that nothing is."""

from attnreport.capture.recognition.names import source_line
from attnreport.capture.recognition.recognizer import Analysis
from attnreport.capture.roles.contractions import contractions
from attnreport.capture.roles.scores import is_parameter


def nearest(analysis: Analysis) -> str:
    """A sentence on the products of a program in which nothing is normalized."""
    for use in contractions(analysis.facts.graph, analysis.facts.dimensions):
        if not is_parameter(use.weights) and not is_parameter(use.values):
            place = source_line(use.node)
            return (
                "What came nearest is a product of two computed values"
                f"{f' ({place})' if place else ''}, as scores are; but nothing that normalizes its "
                "result, such as a softmax, gives weights that then average values."
            )
    return "Nothing in it is normalized, and no two computed values are multiplied and summed."
