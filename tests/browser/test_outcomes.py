"""How well a classifier does: confusion, right and wrong examples, channels, and training."""

import json

import numpy as np
import pytest

from tests.browser.test_hostile import check_inert
from tests.report.picture_recordings import is_mistake, picture_recording

EXAMPLES = 10


def listed(report):
    """Numbers of the examples that the reader sees."""
    cards = report.page.locator("[data-example]:visible")
    return [int(cards.nth(i).get_attribute("data-example")) for i in range(cards.count())]


def click_cell(report, target, output):
    x, y = report.page.evaluate(
        """([t, o]) => {
          const canvas = document.querySelector("#chart-confusion canvas");
          canvas.scrollIntoView({ block: "center" });
          const view = attnreport.view("confusion");
          const [left, top] = view.origin();
          const box = canvas.getBoundingClientRect();
          const shrunk = box.width / parseFloat(canvas.style.width);
          return [box.left + (left + view.scale("x")(o + 0.3)) * shrunk,
                  box.top + (top + view.scale("y")(t + 0.6)) * shrunk];
        }""",
        [target, output],
    )
    report.page.mouse.click(x, y)
    report.settle()


def rows(report, address):
    return report.page.evaluate("(address) => attnreport.rows(address)", address)


def test_a_cell_of_the_confusion_lists_its_examples(visit):
    report = visit("pictures")
    assert listed(report) == list(range(EXAMPLES))
    click_cell(report, 1, 2)
    assert listed(report) == [4]
    # What is looked at is one of those that are listed, in the same group.
    stack = report.page.evaluate("attnreport.stack()")
    assert (stack["example"], stack["group"]) == (4, "spatial gate")
    assert report.shown("example") == "test 4"
    assert report.shown("listed") == "“cross” taken for “ring”: 1 of 10 examples in this report."
    assert report.shown("right-count") == "2 examples of “cross”"
    assert report.shown("wrong-count") == "1 example of “cross”, taken for “ring”"
    assert report.page.locator("#maps", has_text="Dashed: the shape.").is_visible()
    assert report.shown("followed") == ""
    report.choose(stack=14)
    assert report.shown("followed") == "; from class"
    assert report.page.evaluate("attnreport.view('map-right').signal('legendTitle')") == "weight"
    report.choose(stack=13)
    assert report.page.evaluate("attnreport.view('map-right').signal('legendTitle')") == "strength"
    assert "% of the strength of all cells" in report.shown("heaviest")
    click_cell(report, 1, 2)
    assert listed(report) == list(range(EXAMPLES))
    assert report.shown("right-count") == "8 examples"
    click_cell(report, 0, 0)
    assert listed(report) == [0, 3, 6]
    assert report.shown("wrong-count") == "1 example of “bar”"
    report.page.locator("button.every").click()
    report.settle()
    assert listed(report) == list(range(EXAMPLES))
    assert report.page.locator(".chosencell").is_hidden()


def test_the_confusion_is_walked_by_keys(visit):
    report = visit("pictures")
    report.page.locator("#chart-confusion").focus()
    report.press("ArrowDown")
    assert (report.state()["target"], report.state()["output"]) == (0, 0)
    report.press("ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight")
    assert (report.state()["target"], report.state()["output"]) == (1, 2)
    assert listed(report) == [4]
    report.press("Escape")
    assert report.state()["target"] == -1


def test_examples_are_listed_by_whether_they_are_right(visit):
    report = visit("pictures")
    wrong = [number for number in range(EXAMPLES) if is_mistake(number)]
    report.page.locator(".filter label", has_text="wrong").click()
    report.settle()
    assert listed(report) == wrong
    assert report.page.locator("[data-example='4'] .verdict").text_content() == "wrong"
    assert "should be: cross" in report.text("[data-example='4']")
    assert report.page.evaluate("attnreport.stack().example") == wrong[0]
    report.press("ArrowLeft")
    assert listed(report) == [n for n in range(EXAMPLES) if n not in wrong]
    report.choose(filter="wrong", target=1, output=2, opacity=0.4, stack=14, direction="to")
    report.until("location.hash.endsWith('towrongt1o2p40')")
    again = visit("pictures", report.page.evaluate("location.hash"))
    assert again.state() == report.state()
    assert listed(again) == [4]
    assert again.page.input_value("#opacity") == "0.4"


def test_the_cards_show_the_pictures(visit):
    # On a narrow page most of them are far out of sight, and on paper they all show.
    report = visit("pictures", viewport={"width": 390, "height": 600})
    report.until("[...document.querySelectorAll('.cards canvas')].every((c) => c.width === 32)")
    menu = report.page.locator("#groups select")
    assert menu.is_hidden()  # two groups and their layers are few enough to stand side by side
    found = report.page.evaluate(
        """[...document.querySelector("[data-example='1'] canvas").getContext("2d")
            .getImageData(0, 0, 32, 32).data].filter((_, i) => i % 4 === 0)"""
    )
    picture = picture_recording(2).examples[1].picture
    assert picture
    assert found == picture.pixels.ravel().tolist()


def test_right_and_wrong_examples_are_averaged_on_one_scale(visit):
    report = visit("pictures")
    gates = [example.maps[1].array()[0, 0] for example in picture_recording(EXAMPLES).examples]
    means = [
        np.mean([gate for i, gate in enumerate(gates) if is_mistake(i) == wrong], axis=0)
        for wrong in (False, True)
    ]
    for name in ("right", "wrong"):
        expected = np.min(means), np.max(means)
        assert report.ends_of_colors(f"map-{name}") == pytest.approx(expected, abs=2e-3)
    name = report.page.evaluate("attnreport.view('map-wrong').signal('map')")
    outline = rows(report, f"attn:outline/heaviest/{name}")
    heavy = np.sort(means[1])[-13]
    assert {(r["x0"], r["y0"]) for r in outline} <= {
        (x + dx, y + dy)
        for y, x in np.argwhere(means[1].reshape(8, 8) >= heavy - 1e-6)
        for dx in (0, 1)
        for dy in (0, 1)
    }


def test_without_a_wrong_example_there_is_nothing_to_average(visit):
    report = visit("pictures")
    report.choose(target=2, output=2)
    assert report.shown("wrong-count") == "0 examples of “ring”"
    # No empty frame stands there, and no room for one.
    assert not report.page.locator("#chart-map-wrong").is_visible()
    assert report.page.evaluate("document.querySelector('#chart-map-wrong').clientHeight") == 0
    assert report.page.locator("#chart-map-right").is_visible()


def test_channels_are_bars_with_the_mean_of_their_class(visit):
    report = visit("pictures")
    report.choose(stack=0)
    assert report.page.locator("#chart-channels canvas").is_visible()
    assert report.page.locator("#maps").is_hidden()
    recording = picture_recording(EXAMPLES)
    bars = [e.maps[0].array()[0, 0] for e in recording.examples if e.target == "bar"]
    found = rows(report, "attn:channels/0/0/0/0")
    assert [row["w"] for row in found] == pytest.approx(bars[0].tolist())
    assert [row["mean"] for row in found] == pytest.approx(np.mean(bars, axis=0).tolist())
    classes = rows(report, "attn:class-channels/0/0/0/0")
    assert len(classes) == 3 * 12
    assert classes[0]["w"] == pytest.approx(np.mean(bars, axis=0)[0])
    assert report.page.evaluate("attnreport.view('class-channels').signal('classes')") == [
        "bar",
        "cross",
        "ring",
    ]


def test_curves_of_one_unit_share_an_axis_and_gaps_stay_gaps(visit):
    report = visit("pictures")
    assert report.page.locator("[id^=chart-training] canvas").count() == 2
    losses, accuracy = rows(report, "attn:curves/0"), rows(report, "attn:curves/1")
    assert {row["name"] for row in losses} == {"training loss", "validation loss"}
    assert [row["value"] for row in accuracy] == [0.3, 0.8, None, 0.9]
    assert report.page.evaluate("attnreport.view('training-1').signal('chosen')") == 200


def test_names_of_classes_are_text_and_nothing_else(visit):
    report = visit("hostile-classes")
    check_inert(report)
    report.choose(target=0, output=0)
    assert "</script>" in report.shown("listed")
    assert report.page.evaluate("attnreport.view('confusion').signal('labels')[1]") == "⟨202E⟩dlrow"
    report.choose(stack=0, target=-1, output=-1)
    report.page.locator("#class-table summary").click()
    assert "👩‍👩‍👧‍👦" in report.text("#class-table")
    check_inert(report)


def test_everything_stands_in_a_table_without_scripts(visit):
    report = visit("pictures", java_script_enabled=False, wait=False)
    text = report.text("#class-table")
    assert "51" in text
    assert "87.0%" in text


def test_a_damaged_picture_is_told_and_the_rest_goes_on(visit, report_file, tmp_path):
    text = report_file("pictures").read_text(encoding="utf-8")
    start = text.index('id="picture0">') + len('id="picture0">')
    path = tmp_path / "damaged.html"
    path.write_text(text[:start] + text[start:].replace(text[start : start + 40], "A" * 40, 1))
    report = visit(path)
    report.expected.append("picture0")
    assert "picture" in report.text("#note")
    report.choose(stack=5)
    assert json.loads(report.page.evaluate("JSON.stringify(attnreport.state())"))["stack"] == 5
