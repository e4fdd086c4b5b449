"""Activations are no attention: what a page opens on, and what it says of them."""

import numpy as np
import pytest

from attnreport.recording import (
    AttentionMap,
    ChannelAxis,
    Deletion,
    DeletionCurve,
    Example,
    GridAxis,
    ItemAxis,
    Metric,
    Recording,
)
from attnreport.report import render_report
from tests.report.page_parser import Node, parse_page

ONE = ItemAxis(("the picture",))
GRID = GridAxis(2, 2)
WEIGHTS = np.array([[[0.1, 0.2, 0.3, 0.4]]], np.float32)
RESPONSE = AttentionMap(
    "stage.1",
    WEIGHTS,
    ONE,
    GRID,
    kind="activation",
    group="activations",
    reference=np.array([[True, False, False, False]]),
)
GATE = AttentionMap(
    "gate.1", WEIGHTS, ONE, ChannelAxis(4), kind="gate", group="gates", normalized=False
)
MEASURED = (Metric("pictures right", 0.9, percent=True), Metric("in the box", 0.3))


def page_of(*maps: AttentionMap, **said) -> Node:
    return parse_page(
        render_report(Recording((Example("test 0", maps),), metrics=MEASURED, **said))
    )


def shown(page: Node, tag: str) -> list[str]:
    """The text of each element that is not hidden, without what is hidden inside."""

    def hidden(node: Node | None) -> bool:
        return node is not None and ("hidden" in node.attributes or hidden(node.parent))

    def text(node: Node | str) -> str:
        if isinstance(node, str):
            return node
        return "" if "hidden" in node.attributes else "".join(map(text, node.texts))

    return [" ".join(text(node).split()) for node in page.all(tag) if not hidden(node)]


@pytest.fixture(scope="module")
def alone() -> Node:
    """A page of nothing but activations."""
    return page_of(RESPONSE)


def test_a_page_opens_on_a_gate_before_activations_even_with_a_reference():
    manifest = page_of(RESPONSE, GATE).manifest()
    assert manifest["stacks"][manifest["start"]["stack"]]["group"] == "gates"


def test_activations_are_told_without_weights_entropy_or_looking(alone):
    assert "What it responds to" in shown(alone, "h2")
    assert any(text.startswith("Where these numbers come from") for text in shown(alone, "h3"))
    reading = next(text for text in shown(alone, "p") if text.startswith("What is colored here"))
    assert "no attention" in reading
    told = " ".join([*shown(alone, "h2"), *shown(alone, "h3"), *shown(alone, "p")])
    for word in ("weight", "looks at", "Entropy"):
        assert word not in told, word


def test_the_headlines_of_activations_are_the_measures(alone):
    (findings,) = [text for text in shown(alone, "ul") if "pictures right" in text]
    assert "in the box" in findings
    assert "bits" not in findings
    assert any(text.startswith("4 numbers,") for text in shown(alone, "li"))
    assert alone.manifest()["stacks"][0]["statistics"][0]["facts"] == [
        ["strongest", "cell 1,1 (40%)"]
    ]


def test_deletion_curves_are_a_chart_and_a_table():
    curves = (
        DeletionCurve("heaviest first", (0.9, 0.3)),
        DeletionCurve("random", (0.9, 0.8), ((0.9, 0.9), (0.7, 0.85))),
    )
    page = page_of(RESPONSE, deletion=Deletion("probability", "words", (0, 0.2), curves))
    assert page.manifest()["deletion"] == {
        "score": "probability",
        "positions": "words",
        "shares": [0.0, 0.2],
        "curves": [
            {"name": "heaviest first", "scores": [0.9, 0.3], "spread": []},
            {"name": "random", "scores": [0.9, 0.8], "spread": [[0.9, 0.9], [0.7, 0.85]]},
        ],
    }
    (title,) = [text for text in shown(page, "h3") if text.startswith("Does it go by")]
    assert "probability without a share of the words" in title
    assert "several draws" in title
    rows = shown(page, "tr")
    assert "heaviest first0.9000.300" in rows
    assert "random0.9000.800" in rows
