"""Two recordings beside each other, in numbers of NumPy and as a page shows them."""

from attnreport.analysis import compare
from tests.report.compared_recordings import IN_AFTER, IN_BEFORE, placed, two_texts

SIDES = ("first", "second", "difference")


def both(layer, head):
    """A head in A and in B over the positions of both; NaN where it has no weight."""
    one, other = two_texts()
    return placed(one, layer, head, IN_BEFORE), placed(other, layer, head, IN_AFTER)


def distances():
    (example,) = compare(*two_texts()).examples
    return {
        (layer, head): float(distance)
        for layer, each in enumerate(example.maps)
        for head, distance in enumerate(each.distances)
    }


def place(report):
    return report.state()["layer"], report.state()["head"]


def marked(report, chart):
    """The pair that the crosshair of a chart stands on."""
    return tuple(
        report.page.evaluate(f"['q','k'].map((s) => attnreport.view('{chart}').signal(s))")
    )


def ranked():
    found = distances()
    return sorted(found, key=found.__getitem__, reverse=True)
