"""Says what in a program without attention is like scores or shares, or that nothing is."""

from collections.abc import Iterator

from attnreport.capture.program.graph import Node
from attnreport.capture.recognition.names import source_line
from attnreport.capture.recognition.recognizer import Analysis
from attnreport.capture.roles.contractions import contractions
from attnreport.capture.roles.normalizers import quotients
from attnreport.capture.roles.requirements import comes_from_backward, is_backward
from attnreport.capture.roles.scores import is_parameter


def nearest(analysis: Analysis) -> str:
    """A sentence on the products and sums of a program that has neither attention nor a softmax."""
    for use in contractions(analysis.facts.graph, analysis.facts.dimensions):
        if not is_parameter(use.weights) and not is_parameter(use.values):
            return (
                f"What came nearest is a product of two computed values{_at(use.node)}, as scores "
                "are; but nothing that normalizes its result, such as a softmax, gives weights "
                "that then average values."
            )
    for node in _by_sums(analysis):
        what, like = _WHAT[node.primitive == "log"]
        return (
            f"What came nearest is {what}{_at(node)}, as in {like}; but it makes no weights of "
            "scores that then average values."
        )
    return (
        "Nothing in it is divided by a sum, and no two computed values are multiplied and summed."
    )


def _by_sums(analysis: Analysis) -> Iterator[Node]:
    """Divisions by sums and logarithms of sums that an output depends on, divisions first."""
    facts = analysis.facts
    nodes = [each for each in facts.graph.nodes if facts.graph.is_live(each.outputs[0])]
    forward = [e for e in nodes if not is_backward(e) and not comes_from_backward(e)]
    for node in forward:
        below = [denominator for _, denominator in quotients(node)]
        if any(facts.normalizers.denominator(each).sums for each in below):
            yield node
    for node in forward:
        if node.primitive == "log" and facts.normalizers.denominator(node.inputs[0]).sums:
            yield node


def _at(node: Node) -> str:
    place = source_line(node)
    return f" ({place})" if place else ""


_WHAT = (
    ("a division by a sum", "a mean"),
    ("the logarithm of a sum", "the logarithm of a softmax"),
)
