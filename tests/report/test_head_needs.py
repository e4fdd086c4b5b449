import numpy as np
import pytest

from attnreport.recording import Importance, LayerImportance, Recording
from attnreport.report.head_needs import head_needs
from attnreport.report.stacks import stacks_of


@pytest.fixture
def stack(softmax_weights):
    """Two layers of two heads."""
    recording = Recording.from_arrays(softmax_weights(2, 2, 3, 3), group="encoder")
    return stacks_of(recording)[0]


def importance(*layers, data="3 texts, mean"):
    return Importance("probability", data, layers)


def test_what_the_model_needs_most_is_a_finding(stack):
    first = LayerImportance("encoder", 0, (0.02, 0.3), (0.05, 0.1), (False, True))
    second = LayerImportance("encoder", 1, (0.01, 0), (0.001, 0), (True, False))
    needs = head_needs(stack, importance(first, second))
    found = needs.finding()
    assert f"{found.value} {found.text}" == (
        "L0 H1 is the head that the model needs most: without it the probability falls by 0.3, "
        "without the middle one of 4 heads it falls by 0.015"
    )
    assert found.head == ("encoder", 0, 1)
    assert found.detail == "3 texts, mean."
    assert [needs.sentence(head) for head in range(4)] == [
        "Without this head the probability falls by 0.02 ± 0.05 (3 texts, mean): no more than "
        "chance may do. Other heads may do its work.",
        "Without this head the probability falls by 0.3 ± 0.1 (3 texts, mean): no other of 4 heads "
        "is needed more.",
        "Without this head the probability falls by 0.01 ± 0.001 (3 texts, mean): 2 of 4 heads are "
        "needed more.",
        "Without this head the probability stays as it is (3 texts, mean): no more than chance may "
        "do. Other heads may do its work.",
    ]


def test_a_great_fall_that_chance_explains_does_not_hide_one_that_it_does_not(stack):
    needs = head_needs(
        stack, importance(LayerImportance("encoder", 0, (0.5, 0.3), (0.4, 0.01), (False, True)))
    )
    assert needs.finding().value == "L0 H1"
    assert needs.sentence(1).endswith("1 of 2 heads is needed more.")


def test_heads_that_chance_explains_are_not_called_needed(stack):
    layers = [
        LayerImportance("encoder", layer, (0.1, -0.2), (0.1, 0.1), (False, False))
        for layer in (0, 1)
    ]
    needs = head_needs(stack, importance(*layers))
    found = needs.finding()
    assert f"{found.value} {found.text}" == (
        "No head is shown to be needed by itself: without any one of them the probability falls by "
        "no more than chance may do"
    )
    assert "rises by 0.2 ± 0.1" in needs.sentence(1)


def test_a_head_of_another_group_may_be_needed_more(stack):
    own = LayerImportance("encoder", 0, (0.1, 0.05))
    needs = head_needs(stack, importance(own, LayerImportance("decoder", 3, (0.9, -0.8))))
    found = needs.finding()
    assert found.value == "L3 H0"
    assert found.text.startswith("of decoder is the head that the model needs most: ")
    assert found.head is None
    assert needs.sentence(0).endswith("1 of 4 heads is needed more.")


def test_where_every_fall_is_a_rise_nothing_is_ranked(stack):
    needs = head_needs(stack, importance(LayerImportance("encoder", 0, (-0.1, -0.3))))
    assert needs.finding().value == "No head"
    assert needs.sentence(0) == "Without this head the probability rises by 0.1 (3 texts, mean)."


def test_heads_that_were_not_measured_say_nothing(stack):
    needs = head_needs(stack, importance(LayerImportance("encoder", 1, (0.5, 0.25))))
    assert np.isnan(needs.falls[:2]).all()
    assert [needs.sentence(head) for head in (0, 3)] == [
        "",
        "Without this head the probability falls by 0.25 (3 texts, mean): 1 of 2 heads is needed "
        "more.",
    ]
    assert needs.finding().head == ("encoder", 1, 0)


def test_other_groups_and_other_numbers_of_heads_are_not_mistaken_for_these(stack):
    assert head_needs(stack, None) is None
    for other in (LayerImportance("decoder", 0, (1, 1)), LayerImportance("encoder", 0, (1, 1, 1))):
        assert head_needs(stack, importance(other)) is None


def test_one_head_needs_no_comparison(softmax_weights):
    recording = Recording.from_arrays(softmax_weights(1, 1, 3, 3), group="encoder")
    needs = head_needs(
        stacks_of(recording)[0], importance(LayerImportance("encoder", 0, (0.5,)), data="a text")
    )
    assert needs.finding() is None
    assert needs.sentence(0) == "Without this head the probability falls by 0.5 (a text)."
