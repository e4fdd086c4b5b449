"""The page of two recordings: what is drawn and said of both against NumPy."""

import numpy as np
import pytest

from attnreport.report.palette import DARK_CHANGE, LIGHT_CHANGE, hex_to_rgb
from tests.browser.colors import is_hatched, near
from tests.browser.comparing import SIDES, both, distances, marked, place, ranked
from tests.report.compared_recordings import BOTH, IN_AFTER, IN_BEFORE

CELLS = [(q, k) for q in range(len(BOTH)) for k in range(len(BOTH))]


# --- The ranking --------------------------------------------------------------------------------


def test_heads_are_listed_the_most_changed_first(visit):
    report = visit("two-texts")
    tiles = report.page.locator("#change-list button")
    assert [each.split("L")[1][:4] for each in tiles.all_text_contents()] == [
        f"{layer} H{head}" for layer, head in ranked()
    ]
    assert [float(text[-5:]) for text in tiles.all_text_contents()] == pytest.approx(
        sorted(distances().values(), reverse=True), abs=6e-4
    )
    assert place(report) == ranked()[0]


def test_the_grid_is_as_dark_as_heads_changed(visit):
    report = visit("two-texts")
    rows = report.page.evaluate("attnreport.rows('attn:changes/0')")
    most = max(distances().values())
    for row in rows:
        distance = distances()[row["layer"], row["head"]]
        assert row["w"] == pytest.approx(distance, abs=6e-5)
        assert row["shade"] == pytest.approx(distance / most, abs=1e-3)
    assert len(rows) == 6


def test_keys_walk_from_the_most_changed_head_to_the_next(visit):
    report = visit("two-texts")
    report.press("n")
    assert place(report) == ranked()[1]
    report.press("p", "p")
    assert place(report) == ranked()[-1]
    assert report.page.locator("#change-list [aria-current]").count() == 1


def test_arrows_walk_through_the_grid_and_the_list(visit):
    report = visit("two-texts")
    report.choose(layer=0, head=0)
    report.page.focus("#chart-changes")
    report.press("ArrowRight", "ArrowDown")
    assert place(report) == (1, 1)
    report.page.focus("#change-list [aria-current]")
    at = ranked().index((1, 1))
    report.press("ArrowLeft" if at else "ArrowRight")
    assert place(report) == ranked()[at - 1 if at else 1]


def test_a_click_on_a_head_of_the_table_shows_it(visit):
    report = visit("two-texts")
    report.page.locator("#ranking summary").click()
    report.page.locator("#ranking tbody a").nth(3).click()
    report.settle()
    assert place(report) == ranked()[3]


# --- The matrices -------------------------------------------------------------------------------


@pytest.mark.parametrize(("scheme", "ramp"), [("light", LIGHT_CHANGE), ("dark", DARK_CHANGE)])
def test_the_colors_of_the_difference_are_those_of_numpy(visit, scheme, ramp):
    report = visit("two-texts", color_scheme=scheme)
    report.choose(layer=0, head=1, q=5, k=5, scale="linear")
    one, other = both(0, 1)
    largest = report.page.evaluate("attnreport.stack().change.largest")
    stops = np.array([hex_to_rgb(color) for color in ramp], dtype=float)
    colors = report.cell_colors(CELLS, "difference")
    shades = []
    for (q, k), color in zip(CELLS, colors, strict=True):
        change = (other - one)[q, k]
        if np.isnan(change):
            # The middle of a cell is on a line of the hatch, or between two.
            assert is_hatched(color, scheme), (q, k)
        elif (q, k) not in {(5, 5)}:
            at = 5 + 5 * change / largest
            low, high = stops[int(np.floor(at))], stops[int(np.ceil(at))]
            span = np.sort([low, high], axis=0)
            # Colors run through Lab, so between two stops only the range is known.
            assert (span[0] - 14 <= color).all(), (q, k, change)
            assert (color <= span[1] + 14).all(), (q, k, change)
            shades.append((change, color))
    # More is redder than blue, less bluer than red, and the more so the more it changed.
    lean = [float(color[0]) - float(color[2]) for _, color in shades]
    assert np.corrcoef([change for change, _ in shades], lean)[0, 1] > 0.8


def test_a_head_that_did_not_change_has_the_color_of_the_page(visit):
    report = visit("two-texts")
    one, other = both(0, 0)
    exact = report.page.evaluate("attnreport.view('difference').signal('scheme')")
    assert exact == "attnlightChange"
    ends = report.page.evaluate("attnreport.view('difference').signal('legendLabels')")
    largest = max(
        np.nanmax(np.abs(b - a)) for a, b in (both(n, h) for n in (0, 1) for h in range(3))
    )
    assert ends[1] == "0"
    assert [float(text.replace("−", "-")) for text in (ends[0], ends[2])] == pytest.approx(
        [-largest, largest], rel=0.05
    )
    assert not np.isnan(other - one).all()


def rescaled(weights):
    """A head without its special tokens, whose rows give all they have to the others."""
    kept = weights.copy()
    kept[:, [0, len(BOTH) - 1]] = np.nan
    return kept / np.nansum(kept, axis=1, keepdims=True)


def test_the_scale_of_what_is_left_ends_at_what_both_have(visit):
    report = visit("two-texts")
    most = []
    for layer, head in distances():
        report.choose(layer=layer, head=head, hidden=True)
        one, other = (rescaled(each) for each in both(layer, head))
        ceiling = report.page.evaluate("attnreport.view('difference').signal('ceiling')")
        assert ceiling == pytest.approx(np.nanmax(np.abs(other - one)), rel=1e-4)
        lone = [np.nanmax(np.where(np.isnan(one + other), each, 0)) for each in (one, other)]
        most.append(max(lone) > ceiling)
    # What only one has would have been larger.
    assert any(most)


@pytest.mark.parametrize("query", [q for q in IN_BEFORE if q in IN_AFTER])
def test_by_row_the_largest_change_that_both_have_has_the_last_color(visit, query):
    report = visit("two-texts")
    report.choose(layer=0, head=1, q=5, k=5, scale="row")
    one, other = both(0, 1)
    change = (other - one)[query]
    key = int(np.nanargmax(np.abs(change)))
    (color,) = report.cell_colors([(query, key)], "difference")
    assert near(color, hex_to_rgb(LIGHT_CHANGE[-1 if change[key] > 0 else 0]), within=6)


def test_the_scale_of_words_ends_at_the_largest_change_of_a_word(visit):
    report = visit("two-words")
    report.choose(scale="linear", words=False)
    ends = "attnreport.view('difference').signal('legendLabels')"
    assert report.page.evaluate(ends) == ["−0.3", "0", "+0.3"]
    report.choose(words=True)
    assert report.page.evaluate(ends) == ["−0.6", "0", "+0.6"]


@pytest.mark.parametrize("chart", ["first", "second"])
def test_both_sides_are_drawn_with_the_same_colors(visit, chart):
    report = visit("two-texts")
    report.choose(layer=1, head=2, q=4, k=4)
    weights = both(1, 2)[SIDES.index(chart)]
    colors = report.cell_colors(CELLS, chart)
    dark = [
        np.nan if np.isnan(weights[c]) else -sum(color)
        for c, color in zip(CELLS, colors, strict=True)
    ]
    pairs = [
        (weights[c], d) for c, d in zip(CELLS, dark, strict=True) if c != (4, 4) and not np.isnan(d)
    ]
    order = np.argsort([w for w, _ in pairs])
    darkness = np.array([d for _, d in pairs])[order]
    assert (np.diff(darkness) >= -3).all()
    hatched = [c for c, color in zip(CELLS, colors, strict=True) if is_hatched(color)]
    assert set(hatched) == {c for c in CELLS if np.isnan(weights[c])}
    legends = [
        report.page.evaluate(f"attnreport.view('{each}').signal('legendLabels')")
        for each in ("first", "second")
    ]
    assert legends[0] == legends[1]


@pytest.mark.parametrize("chart", SIDES)
def test_hovering_one_marks_the_pair_in_all_and_says_the_three_numbers(visit, chart):
    report = visit("two-texts")
    report.choose(layer=1, head=0, q=0, k=0)
    report.hover_cell(4, 3, chart)
    for other in SIDES:
        assert marked(report, other) == (4, 3)
    one, other = (weights[4, 3] for weights in both(1, 0))
    tooltip = report.tooltip() or []
    assert tooltip[0] == "was → cat"
    numbers = dict(zip(tooltip[2::2], tooltip[3::2], strict=True))
    assert float(numbers["A"]) == pytest.approx(one, abs=6e-4)
    assert float(numbers["B"]) == pytest.approx(other, abs=6e-4)
    assert float(numbers["B − A"].replace("−", "-")) == pytest.approx(other - one, abs=1.2e-3)
    assert float(report.shown("first-weight")) == pytest.approx(one, abs=6e-4)
    assert report.state()["q"] == 0


def test_what_one_side_lacks_is_said_and_not_called_zero(visit):
    report = visit("two-texts")
    report.choose(layer=0, head=0, q=0, k=BOTH.index("black"))
    assert report.shown("first-weight") == "not in A"
    assert float(report.shown("second-weight")) > 0
    assert report.shown("change-weight") == "–"
    report.choose(q=BOTH.index("tired"), k=0)
    assert report.shown("second-weight") == "not in B"


def test_a_mask_is_said_where_both_have_the_position(visit):
    report = visit("two-checkpoints")
    report.choose(q=1, k=4)
    assert report.shown("first-weight") == report.shown("second-weight") == "masked"
    assert is_hatched(report.cell_colors([(1, 4)], "difference")[0])


def test_clicks_and_arrows_choose_in_any_of_the_three(visit):
    report = visit("two-texts")
    for number, chart in enumerate(SIDES):
        report.click_cell(3 + number, 2, chart)
        assert (report.state()["q"], report.state()["k"]) == (3 + number, 2)
        report.page.focus(f"#chart-{chart}")
        report.press("ArrowRight", "ArrowUp")
        assert (report.state()["q"], report.state()["k"]) == (2 + number, 3)


def test_the_paired_row_is_that_of_both(visit):
    report = visit("two-texts")
    rows = report.page.evaluate("attnreport.rows('attn:paired-row/0/1/2/1/1/2/4/0')")
    for side, weights in enumerate(both(1, 2)):
        found = [row["w"] for row in rows if row["side"] == side]
        np.testing.assert_allclose(found, np.nan_to_num(weights[4]), atol=1e-6)


def test_hiding_special_tokens_hides_them_in_both(visit):
    report = visit("two-texts")
    report.choose(layer=0, head=0, q=4, k=3)
    report.press("m")
    kept = [k for k in range(len(BOTH)) if k not in (0, len(BOTH) - 1)]
    one, other = (weights[4, 3] / np.nansum(weights[4, kept]) for weights in both(0, 0))
    assert float(report.shown("first-weight")) == pytest.approx(one, abs=6e-4)
    assert float(report.shown("second-weight")) == pytest.approx(other, abs=6e-4)
    assert float(report.shown("change-weight").replace("−", "-")) == pytest.approx(
        other - one, abs=1.2e-3
    )


def test_weights_of_eight_bits_say_how_far_they_may_be_off(visit):
    report = visit("two-u8")
    report.choose(layer=0, head=0, q=4, k=3)
    one, other = (weights[4, 3] for weights in both(0, 0))
    text = report.shown("change-weight").replace("−", "-")
    change, error = (float(each) for each in text.split(" ± "))
    assert abs(change - (other - one)) <= error + 6e-4
    assert 0 < error < 0.01
