"""What a reader sees of how the chosen map was proved."""

import pytest

from attnreport.report import render_report
from tests.browser.colors import luminance
from tests.report.proved_recording import proved_recording
from tests.report.recordings import HOSTILE

PHONE = {"width": 390, "height": 844}
PLAIN, GUESSED, MIXED = 0, 2, 3
COLOR = """(element) => {
  const [color, paper] = [element, document.body].map((each) => {
    const context = new OffscreenCanvas(1, 1).getContext("2d");
    const style = getComputedStyle(each);
    context.fillStyle = each === element ? style.color : style.backgroundColor;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  });
  return { color, paper };
}"""


@pytest.fixture(scope="session")
def proved(tmp_path_factory):
    """A report on a captured model."""
    path = tmp_path_factory.mktemp("proved") / "proved.html"
    path.write_text(render_report(proved_recording()), encoding="utf-8", newline="\n")
    return path


def listed(report):
    """The statements on the page as they are read, by what was checked; a guess by that word."""
    items = report.page.locator("#proof li")
    found = {}
    for number in range(items.count()):
        item = items.nth(number)
        name = item.locator(".name")
        key = name.text_content() if name.count() else item.get_attribute("data-outcome")
        found[key] = (item.locator(".tag").text_content(), item.locator("div").text_content())
    return found


def test_the_chosen_map_says_how_it_was_proved(visit, proved):
    report = visit(proved)
    report.choose(layer=PLAIN, head=1)
    found = listed(report)
    assert list(found) == [
        "form",
        "weights times values",
        "row sums",
        "output with and without capture",
        "the same weights in every run",
    ]
    outcome, text = found["form"]
    assert outcome == "–"
    assert text.startswith("form Recognized as softmax (proved_recording.py:")
    assert found["weights times values"] == (
        "held",
        "weights times values 0 Difference from the program's own result, relative to its largest "
        "number.",
    )
    outcome, text = found["row sums"]
    assert (outcome, text[:26]) == ("held", "row sums off 1 by at most ")
    assert found["output with and without capture"][1].endswith(" the same")
    assert report.page.locator("#proof").is_visible()
    assert report.page.locator("#doubt").is_hidden()


def test_a_guess_is_marked_wherever_the_map_is_named(visit, proved):
    report = visit(proved)
    report.choose(layer=GUESSED, head=0)
    outcome, text = listed(report)["guess"]
    assert outcome == "guess"
    assert text.startswith("Queries and keys come without a projection, so which axis holds")
    assert report.text("#doubt") == "rests on a guess"
    assert report.page.locator("#bar #doubt").is_visible()
    assert ", rests on a guess. " in report.text("#live")
    assert "1 of 4 attentions rests on a guess" in report.text(".facts")
    report.choose(layer=PLAIN)
    assert "guess" not in listed(report)
    assert report.page.locator("#doubt").is_hidden()
    assert "guess" not in report.text("#live")


def test_what_was_not_multiplied_out_says_so(visit, proved):
    report = visit(proved)
    report.choose(layer=MIXED)
    outcome, text = listed(report)["weights times values"]
    assert outcome == "–"
    assert text.startswith("weights times values Not multiplied out: the program changes")
    assert report.page.locator("#doubt").is_hidden()


def test_the_list_follows_example_and_group(visit, proved):
    report = visit(proved)
    report.choose(stack=1, layer=GUESSED)
    assert "guess" in listed(report)
    translator = visit("translator")
    for stack in range(3):
        translator.choose(stack=stack)
        assert listed(translator)["output with and without capture"][0] == "held"
    assert "not compared" in listed(visit("self"))["output with and without capture"][1]


def test_a_failure_is_worse_than_a_guess(visit):
    report = visit("hostile")
    assert report.text("#doubt") == "a check failed"
    assert {outcome for outcome, _ in listed(report).values()} >= {"failed", "held"}


def test_hostile_texts_are_shown_and_do_nothing(visit):
    report = visit("hostile")
    names = report.page.locator("#proof .name").all_text_contents()
    assert names[: len(HOSTILE)] == HOSTILE
    inside = "[...document.querySelectorAll('#proof *')].map((each) => each.localName)"
    assert set(report.page.evaluate(inside)) == {"li", "span", "div", "b"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_mark_of_a_guess_stands_out(visit, proved, scheme):
    report = visit(proved, color_scheme=scheme)
    report.choose(layer=GUESSED)
    tags = report.page.locator("#proof .tag")
    colors = dict(
        zip(tags.all_text_contents(), (t.evaluate(COLOR) for t in tags.all()), strict=True)
    )
    guess, held = colors["guess"], colors["held"]
    assert guess["color"] != held["color"]
    darker, lighter = sorted(luminance(guess[name]) for name in ("color", "paper"))
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5
    assert report.page.locator("#doubt").evaluate(COLOR)["color"] == guess["color"]


def test_on_a_phone_nothing_is_wider_than_the_screen(visit, proved):
    report = visit(proved, viewport=PHONE, is_mobile=True, has_touch=True)
    for layer in (PLAIN, GUESSED, MIXED):
        report.choose(layer=layer)
        box = report.page.locator("#proof").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        assert report.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
