import numpy as np
import pytest

from attnreport.recording import special_positions
from attnreport.report.packing import ENCODINGS
from attnreport.report.stacks import stacks_of
from tests.browser.reports import asymmetric_recording, causal_recording, long_recording
from tests.report.recordings import (
    hostile_recording,
    self_recording,
    smallest_recording,
    translator_recording,
)

EXACT = {
    "self": self_recording,
    "smallest": smallest_recording,
    "translator": translator_recording,
    "hostile": hostile_recording,
    "asymmetric": asymmetric_recording,
    "causal": causal_recording,
    "long": long_recording,
}


def heads_of(recording):
    for index, stack in enumerate(stacks_of(recording)):
        for layer, attention in enumerate(stack.maps):
            for head in range(attention.heads):
                yield index, layer, head, attention.head(head)


@pytest.mark.parametrize("name", EXACT)
def test_every_weight_is_read_back_exactly(visit, name):
    report = visit(name)
    for stack, layer, head, expected in heads_of(EXACT[name]()):
        found = np.array(report.weights(stack, layer, head))
        assert found.shape == expected.shape
        assert (found == expected.astype(np.float64)).all()


@pytest.mark.parametrize("name", ["u8", "u16"])
def test_quantized_weights_are_as_close_as_the_report_says(visit, name):
    report = visit(name)
    worst = 0.0
    for stack, layer, head, expected in heads_of(self_recording()):
        found = np.array(report.weights(stack, layer, head))
        worst = max(worst, np.abs(found - expected.astype(np.float64)).max())
    assert 0 < worst <= ENCODINGS[name].largest_error
    assert ENCODINGS[name].label in report.text(".facts")


@pytest.mark.parametrize("name", ["u8", "u16"])
def test_the_error_of_a_rescaled_weight_is_that_of_the_quotient(visit, name):
    report = visit(name)
    place = report.state()
    attention = self_recording().examples[0].maps[place["layer"]]
    weights = attention.head(place["head"]).astype(np.float64)
    special = list(special_positions(attention.key))
    weights[:, special] = 0
    expected = weights / weights.sum(axis=1, keepdims=True)
    report.choose(hidden=True)
    for query, key in ((2, 3), (7, 1), (11, 11)):
        rows = report.page.evaluate(
            f"attnreport.rows('attn:row/0/{place['layer']}/{place['head']}/{query}/1')"
        )
        report.hover_cell(query, key)
        bound = float((report.tooltip() or [])[3].removeprefix("± "))
        error = abs(rows[key]["w"] - expected[query, key])
        assert error <= 1.05 * bound
        assert bound < 0.2
    report.hover_cell(2, special[0])
    assert (report.tooltip() or [])[3] == "left out"


@pytest.mark.parametrize("name", ["u8", "u16"])
def test_the_tooltip_of_a_quantized_weight_states_its_error(visit, name):
    report = visit(name)
    place = report.state()
    expected = self_recording().examples[0].maps[place["layer"]].head(place["head"])
    shown = np.array(report.weights(0, place["layer"], place["head"]))
    for query, key in ((2, 3), (7, 1), (11, 11)):
        report.hover_cell(query, key)
        _, _, where, bound = report.tooltip() or []
        assert where == f"query {query}, key {key}"
        assert bound.startswith("± ")
        # Two digits are shown, so the bound may be rounded down a little.
        assert abs(shown[query, key] - expected[query, key]) <= 1.05 * float(bound[2:])
