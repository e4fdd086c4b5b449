"""All heads: choosing among them by pattern and statistic, and the card of each."""

import numpy as np
import pytest

from attnreport.analysis import (
    HEAD_PATTERNS,
    MEASURES,
    NO_PATTERN,
    head_distances,
    head_patterns,
    row_statistics,
    similar_heads,
)
from tests.browser.damage import flip, note
from tests.report.recordings import patterned_recording

HEADS = 3
MAPS = patterned_recording().examples[0].maps
PATTERNS = [[pattern.name for pattern in head] for m in MAPS for head in head_patterns(m)]
EVIDENCE = [[pattern.evidence for pattern in head] for m in MAPS for head in head_patterns(m)]


def values_of(statistic):
    return np.concatenate([row_statistics(m, [statistic])[statistic].by_head() for m in MAPS])


def names(flats):
    return [f"L{flat // HEADS} H{flat % HEADS}" for flat in flats]


def listed(report):
    return report.page.locator("#head-list b").all_text_contents()


def wanted(report):
    """The heads that the grid does not veil, as Vega draws them."""
    key = report.page.evaluate("attnreport.view('overview').signal('wanted')")
    rows = report.page.evaluate("(key) => attnreport.rows(`attn:heads/0/${key}`)", key)
    return [place for place, row in enumerate(rows) if row["wanted"]]


def place(report):
    return report.state()["layer"], report.state()["head"]


def veil(report, flat):
    """How far the middle of a head in the grid is from the color of its card."""
    picture = report.pixels(report.canvas("overview"))
    box = report.page.evaluate(
        """([layer, head]) => {
          const view = attnreport.view("overview");
          const canvas = document.querySelector("#chart-overview canvas");
          const ratio = canvas.width / parseFloat(canvas.style.width);
          const [left, top] = view.origin();
          const [x, y] = [view.scale("x"), view.scale("y")];
          return [left + x(head), top + y(layer), left + x(head + 1), top + y(layer + 1)]
            .map((pixel) => Math.round(pixel * ratio));
        }""",
        divmod(flat, HEADS),
    )
    left, top, right, bottom = box
    inside = picture[top + 6 : bottom - 6, left + 6 : right - 6]
    return float(np.where(inside[..., 3] > 0, 255 - inside[..., :3].min(axis=-1), 0).mean())


def test_a_pattern_keeps_its_heads_and_veils_the_others(visit):
    report = visit("patterned")
    chips = dict(
        text.rsplit(" ", 1) for text in report.page.locator("#patterns button").all_text_contents()
    )
    assert chips.pop("all heads") == "12"
    counted = {
        name: str(sum(name in head or (not head and name == NO_PATTERN) for head in PATTERNS))
        for name in (*HEAD_PATTERNS, NO_PATTERN)
    }
    assert chips == {name: count for name, count in counted.items() if count != "0"}
    before = {flat: veil(report, flat) for flat in (0, 1, 3)}
    report.click("#patterns [data-pattern=sink]")
    sinks = [flat for flat, head in enumerate(PATTERNS) if "sink" in head]
    assert wanted(report) == sinks
    assert HEAD_PATTERNS["sink"] in report.shown("pattern-meaning")
    clearest = sorted(sinks, key=lambda flat: -values_of("sink")[flat])[:3]
    assert report.page.locator("#clearest a").all_text_contents() == names(clearest)
    assert report.shown("wanted") == f"{len(sinks)} of 12 heads"
    assert veil(report, 0) < 0.4 * before[0]
    assert veil(report, 1) == pytest.approx(before[1], rel=0.02)
    faint = report.page.locator("#chart-scatter svg path[aria-label^='Layer'][opacity='0.12']")
    assert faint.count() == 12 - len(sinks)
    report.click("#clearest a")
    assert place(report) == divmod(clearest[0], HEADS)
    report.click("#patterns [aria-pressed=true]")
    assert wanted(report) == list(range(12))


@pytest.mark.parametrize("statistic", ["entropy", "previous", "keys for 90%"])
def test_heads_are_listed_by_any_statistic(visit, statistic):
    report = visit("patterned")
    report.page.select_option("#order", statistic)
    report.settle()
    values = values_of(statistic)
    shown = listed(report)
    assert sorted(shown) == names(range(12))
    ranked = [values[names(range(12)).index(name)] for name in shown]
    assert ranked == sorted(ranked, reverse=True)
    assert report.page.locator("#chart-overview").is_hidden()
    assert MEASURES[statistic].meaning in report.shown("order-meaning")
    assert "Even attention has" in report.shown("order-meaning")
    report.click("#turn")
    assert sorted(listed(report)) == names(range(12))
    ranked = [values[names(range(12)).index(name)] for name in listed(report)]
    assert ranked == sorted(ranked)
    report.page.select_option("#order", "")
    report.settle()
    assert report.page.locator("#chart-overview").is_visible()
    assert report.page.locator("#head-list").is_hidden()


def test_thumbnails_in_the_list_are_the_heads_they_name(visit):
    report = visit("patterned")
    report.page.select_option("#order", "sink")
    report.settle()
    pixels = report.page.evaluate(
        """() => [...document.querySelectorAll("#head-list button")].map((button) => {
          const canvas = button.querySelector("canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const light = (_, i) => 0.2126 * data[4 * i] + 0.7152 * data[4 * i + 1]
            + 0.0722 * data[4 * i + 2];
          const pixels = Array.from({ length: canvas.width * canvas.height }, light);
          return [button.dataset.place, canvas.width, pixels];
        })"""
    )
    for where, width, lightness in pixels:
        layer, head = map(int, where.split())
        weights = MAPS[layer].head(head)
        assert width == len(weights)
        drawn = np.array(lightness).reshape(weights.shape)
        # The more weight, the darker.
        order = np.argsort(weights, axis=None)
        dark = -drawn.ravel()[order]
        assert (np.diff(dark) >= -1.5).all()
        assert dark[-1] - dark[0] > 0 or np.ptp(weights) < 0.01


def test_limits_on_statistics_leave_the_heads_within(visit):
    report = visit("patterned")
    report.page.select_option("#order", "sink")
    report.page.fill("#least", "50")
    report.page.press("#least", "Tab")
    report.settle()
    values = values_of("sink")
    kept = [flat for flat in np.argsort(-values) if values[flat] >= 0.5]
    assert listed(report) == names(kept)
    assert wanted(report) == sorted(kept)
    report.page.select_option("#order", "entropy")
    report.page.fill("#most", "0.0")
    report.page.press("#most", "Tab")
    report.settle()
    assert listed(report) == []
    assert "No head is left" in report.shown("no-heads")
    report.click("#limits [data-limit=entropy]")
    assert sorted(listed(report)) == names(sorted(kept))
    assert report.page.locator("#limits button").count() == 1


def test_a_box_in_the_scatter_leaves_the_heads_in_it(visit):
    report = visit("patterned")
    chart = report.page.locator("#chart-scatter svg")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    corners = report.page.evaluate(
        """() => {
          const view = attnreport.view("scatter"); const [left, top] = view.origin();
          const [x, y] = [view.scale("x"), view.scale("y")];
          return [[left + x(0.01), top + y(2.6)], [left + x(4.2), top + y(0.2)]];
        }"""
    )
    (x0, y0), (x1, y1) = corners
    before = place(report)
    report.page.mouse.move(box["x"] + x0, box["y"] + y0)
    report.page.mouse.down()
    report.page.mouse.move(box["x"] + (x0 + x1) / 2, box["y"] + y1)
    report.page.mouse.move(box["x"] + x1, box["y"] + y1)
    report.page.mouse.up()
    report.settle()
    distance, entropy = values_of("mean distance"), values_of("entropy")
    inside = (distance < 4.2) & (entropy > 0.2) & (entropy < 2.6)
    assert 0 < inside.sum() < 12
    assert wanted(report) == list(np.flatnonzero(inside))
    assert place(report) == before


def test_the_axes_of_the_scatter_can_be_chosen(visit):
    report = visit("patterned")
    report.page.select_option("#scatter-across", "sink")
    report.page.select_option("#scatter-up", "confidence")
    report.settle()
    data = report.page.evaluate("attnreport.rows('attn:points/0/sink/confidence/')")
    assert [row["x"] for row in data] == pytest.approx(list(values_of("sink")), rel=1e-3)
    assert [row["y"] for row in data] == pytest.approx(list(values_of("confidence")), rel=1e-3)
    told = report.page.evaluate("['across', 'up'].map((n) => attnreport.view('scatter').signal(n))")
    assert told == ["sink", "confidence"]
    (even,) = report.page.evaluate("attnreport.rows('attn:even/0/sink/confidence/')")
    assert (even["x"], even["y"]) == pytest.approx((1 / 13, 1 / 13), rel=1e-3)


@pytest.mark.parametrize("flat", [0, 2, 3, 11])
def test_the_card_says_what_a_head_does_and_how_it_differs_from_chance(visit, flat):
    report = visit("patterned", "#L{}H{}".format(*divmod(flat, HEADS)))
    lines = report.page.locator("#evidence li").all_text_contents()
    assert len(lines) == len(PATTERNS[flat])
    for line, name, evidence in zip(lines, PATTERNS[flat], EVIDENCE[flat], strict=True):
        assert line.startswith(f"{name} {evidence}")
        assert HEAD_PATTERNS[name] in line
        assert "Sure to" in line
    assert bool(report.shown("no-evidence")) == (not lines)
    layer, head = divmod(flat, HEADS)
    measured = row_statistics(MAPS[layer])
    rows = report.page.locator("#figures tbody tr")
    assert rows.locator("th").all_text_contents() == list(measured)
    for row, (name, found) in zip(rows.all(), measured.items(), strict=True):
        bar, here, even = row.locator("td").all()
        numbers = found.by_head()[head], found.chance_by_head()[head]
        for cell, number in zip((here, even), numbers, strict=True):
            text = cell.text_content().removesuffix(" bits")
            scale = 100 if text.endswith("%") else 1
            assert float(text.removesuffix("%")) == pytest.approx(scale * number, abs=0.51), name
        if found.measure.unit == "share":
            style = bar.locator("i").get_attribute("style")
            assert f"--value: {100 * numbers[0]:.0f}" in style or numbers[0] < 1
    near = similar_heads(head_distances(MAPS), flat)
    assert report.page.locator("#alike b").all_text_contents() == names(h for h, _ in near)
    report.click("#alike button")
    assert place(report) == divmod(near[0][0], HEADS)


def test_keys_walk_through_the_heads_with_the_same_pattern(visit):
    report = visit("patterned", "#L0H1")
    sinks = [flat for flat, head in enumerate(PATTERNS) if "sink" in head]
    assert report.shown("walk") == f"1 of {len(sinks)} heads: sink"
    seen = [place(report)]
    for _ in sinks:
        report.press("n")
        seen.append(place(report))
    assert seen == [divmod(flat, HEADS) for flat in (*sinks, sinks[0])]
    report.press("p")
    assert place(report) == divmod(sinks[-1], HEADS)
    # In the order of the list, where there is one.
    report.page.select_option("#order", "sink")
    report.settle()
    ranked = sorted(sinks, key=lambda flat: -values_of("sink")[flat])
    report.choose(layer=ranked[0] // HEADS, head=ranked[0] % HEADS)
    report.page.focus("#head-list [aria-current]")
    report.press("n", "n")
    assert place(report) == divmod(ranked[2], HEADS)


def test_arrows_walk_through_the_list(visit):
    report = visit("patterned")
    report.page.select_option("#order", "entropy")
    report.settle()
    buttons = report.page.locator("#head-list button")
    assert buttons.evaluate_all("(all) => all.filter((b) => b.tabIndex === 0).length") == 1
    first, *_, last = buttons.evaluate_all("(all) => all.map((b) => b.dataset.place)")
    second = buttons.nth(1).get_attribute("data-place")
    buttons.first.focus()
    for key, where in (("ArrowRight", second), ("End", last), ("Home", first)):
        report.press(key)
        assert place(report) == tuple(map(int, where.split()))
        assert report.page.evaluate("document.activeElement.dataset.place") == where
    assert buttons.first.get_attribute("title").startswith("Layer ")


def test_a_link_restores_what_heads_were_asked_for(visit):
    report = visit("patterned")
    asked = {
        "pattern": "sink",
        "order": "keys for 90%",
        "ascending": True,
        "limits": {"sink": [0.2, None], "mean distance": [1.5, 7]},
        "across": "first",
        "up": "confidence",
    }
    report.page.evaluate(
        """(asked) => attnreport.choose({
          ...asked, limits: { ...asked.limits, sink: [0.2, Infinity] },
        })""",
        asked,
    )
    report.settle()
    shown = listed(report)
    report.until("location.hash.includes('limit')")
    again = visit("patterned", report.page.evaluate("location.hash"))
    state = again.page.evaluate("JSON.parse(JSON.stringify(attnreport.state()))")
    assert {name: state[name] for name in asked} == asked
    assert listed(again) == shown
    assert len(shown) > 1


def test_what_a_report_does_not_know_is_asked_for_in_vain(visit):
    link = "#L0H0?pattern=constructor&limit=nothing:1:2&limit=sink:x:&order=gone&up=toString"
    report = visit("patterned", link)
    assert wanted(report) == list(range(12))
    assert report.page.locator("#chart-overview").is_visible()
    assert report.text("#patterns [aria-pressed=true]") == "all heads 12"
    assert report.shown("pattern-meaning") == report.shown("order-meaning") == ""
    assert report.page.input_value("#scatter-up") == "entropy"
    assert report.page.locator("#limits button").all_text_contents() == []


def test_of_gates_it_is_said_that_nothing_is_measured(visit):
    report = visit("gates")
    assert report.page.locator("#chart-overview").is_visible()
    assert "do not apply" in report.page.locator("#all .card:visible").nth(1).text_content()
    for selector in ("#ordering", "#card", "#chart-scatter"):
        assert report.page.locator(f"{selector}:visible").count() == 0
    report.press("n")
    assert place(report) == (0, 0)


def test_damaged_statistics_are_told_and_the_rest_is_drawn(visit, damaged):
    report = visit(damaged("patterned", lambda page: flip(page, "heads0")))
    assert note(report) == (
        "Heads cannot be compared: the statistics of the heads in this file are damaged."
    )
    assert report.page.locator("#chart-heatmap canvas").count() == 1
    assert report.page.locator("#chart-overview canvas").count() == 1
    assert report.page.locator("#figures tbody tr").count() == 0
    report.choose(layer=1, head=1)
    assert report.shown("head") == "1"
