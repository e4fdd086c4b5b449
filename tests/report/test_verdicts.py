import pytest

from attnreport.recording import Deletion, DeletionCurve
from attnreport.report.outcome_text import deletion_text


@pytest.mark.parametrize(
    ("chance", "draws", "better", "said"),
    [
        (1 / 21, 20, True, "tells what the model needs: none of 20 random orders do as well"),
        (2 / 101, 100, True, "tells what the model needs: 1 of 100 random orders does as well"),
        (
            5 / 21,
            20,
            False,
            "is not shown to tell what the model needs: 4 of 20 random orders do as well",
        ),
        (0.001, 0, True, "tells what the model needs: 0.1% of random orders do as well"),
        (1 / 2, 1, False, "was compared with 1 random order, too few to tell"),
    ],
)
def test_an_order_is_judged_by_how_many_random_ones_do_as_well(chance, draws, better, said):
    curve = DeletionCurve("first", (1, 0.5), chance=chance, draws=draws)
    (verdict,) = deletion_text(Deletion("score", "words", (0, 0.5), (curve,))).verdicts
    assert verdict.better is better
    assert verdict.said.startswith(said)


def test_an_order_without_a_chance_is_not_judged():
    curve = DeletionCurve("first", (1, 0.5))
    assert deletion_text(Deletion("score", "words", (0, 0.5), (curve,))).verdicts == ()
