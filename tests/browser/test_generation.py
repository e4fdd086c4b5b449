"""What was written token by token: the scrubber, what each token read, and how sure it was."""

import numpy as np
import pytest

from attnreport.analysis import display_text
from tests.report.generated_recordings import (
    ENTROPIES,
    PROBABILITIES,
    PROMPT,
    WRITTEN,
    generated_recording,
    hostile_generation,
    pieces_recording,
    translation_recording,
)

PHONE = {"width": 390, "height": 844}
SOURCE, OUTPUT = "#step-source .tk", "#step-output .tk"


def texts(report, selector):
    return report.page.locator(selector).all_text_contents()


def source_label(report):
    return report.page.locator("#step-source .striplabel").inner_text()


def classes(report, name):
    """For each written token whether it has the class."""
    return report.page.evaluate(
        f"[...document.querySelectorAll('{OUTPUT}')].map((t) => t.classList.contains('{name}'))"
    )


def tints(report):
    """How dark each token is in percent, prompt and output; 0 without a color."""
    return report.page.evaluate(
        f"[...document.querySelectorAll('{SOURCE}, {OUTPUT}')].map("
        "(t) => parseFloat(t.style.getPropertyValue('--w')) || 0)"
    )


def set_slider(report, value):
    report.page.evaluate(
        "(value) => { const slider = document.querySelector('#step'); slider.value = value;"
        " slider.dispatchEvent(new Event('input')); }",
        value,
    )
    report.settle()


def test_prompt_and_output_are_told_apart(visit):
    report = visit("generated")
    assert texts(report, SOURCE) == list(PROMPT)
    assert texts(report, OUTPUT) == list(WRITTEN)
    assert source_label(report) == "prompt"


@pytest.mark.parametrize("step", range(len(WRITTEN)))
def test_the_scrubber_shows_the_row_that_wrote_a_token(visit, step):
    report = visit("generated")
    report.choose(layer=1, head=1)
    set_slider(report, step)
    row = generated_recording().examples[0].maps[1].head(1)[len(PROMPT) - 1 + step]
    state = report.state()
    assert (state["q"], state["k"]) == (len(PROMPT) - 1 + step, int(row.argmax()))
    assert report.text("#step-token") == WRITTEN[step]
    assert report.text("#step-place") == f"token {step + 1} of {len(WRITTEN)}"
    expected = np.zeros(len(PROMPT) + len(WRITTEN))
    expected[: len(row)] = 100 * np.sqrt(row / row.max())
    np.testing.assert_allclose(tints(report), expected, atol=0.51)
    assert classes(report, "on") == [place == step for place in range(len(WRITTEN))]
    assert classes(report, "later") == [place > step for place in range(len(WRITTEN))]


def test_how_sure_the_model_was_is_said(visit):
    report = visit("generated", "#L0H0q5k0")
    said = "token 3 of 4, probability 3.1%, entropy of the choice 3.25 bits"
    assert report.text("#step-facts") == "probability 3.1% · entropy of the choice 3.25 bits"
    slider = report.page.locator("#step")
    assert slider.get_attribute("aria-valuetext") == f"mat, {said}"
    read = report.text("#step-read")
    row = generated_recording().examples[0].maps[0].head(0)[5]
    labels = [*PROMPT, *WRITTEN]
    strongest = int(row.argmax())
    assert read.startswith(f"looked most at {labels[strongest]} {row[strongest]:.3f}")


def test_charts_show_what_is_known_of_each_token(visit):
    report = visit("generated")
    for panel, values in enumerate((PROBABILITIES, ENTROPIES)):
        rows = report.page.evaluate(f"attnreport.rows('attn:steps/0/0/0/0/{panel}')")
        assert [row["value"] for row in rows] == list(values)
        assert [row["step"] for row in rows] == [0, 1, 2, 3]
        assert report.page.evaluate(f"attnreport.view('steps-{panel}').signal('panel')") == panel
    assert report.page.evaluate("attnreport.view('steps-0').signal('top')") == 1
    assert report.page.evaluate("attnreport.view('steps-0').signal('stepLabels')") == list(WRITTEN)


def test_without_numbers_the_entropy_is_that_of_the_row(visit):
    report = visit("pieces")
    rows = report.page.evaluate("attnreport.rows('attn:steps/0/1/0/0/1')")
    weights = pieces_recording().examples[0].maps[1].head(0)[2:].astype(np.float64)
    logs = np.log2(weights, out=np.zeros_like(weights), where=weights > 0)
    np.testing.assert_allclose([row["value"] for row in rows], -(weights * logs).sum(-1), atol=1e-5)
    assert report.page.locator("#chart-steps-0").is_hidden()
    assert report.page.get_by_text("Entropy of the look").is_visible()


def test_a_click_on_a_token_or_on_a_bar_chooses_it(visit):
    report = visit("generated")
    report.choose(layer=1, head=1)
    report.click(f"{OUTPUT}[data-token='2']")
    state = report.state()
    assert (state["q"], state["layer"], state["head"]) == (5, 1, 1)
    report.page.locator("#chart-steps-0").scroll_into_view_if_needed()
    x, y = report.page.evaluate(
        """() => {
          const view = attnreport.view("steps-0"); const [left, top] = view.origin();
          const box = document.querySelector("#chart-steps-0 canvas").getBoundingClientRect();
          return [box.left + left + view.scale("x")(1.5), box.top + top + 20];
        }"""
    )
    report.page.mouse.click(x, y)
    report.settle()
    assert report.state()["q"] == 4
    assert report.page.evaluate("attnreport.view('steps-0').signal('step')") == 1


def test_the_head_can_be_changed_beside_the_tokens(visit):
    report = visit("generated", "#L0H0q5k0")
    before = report.text("#step-read")
    report.click("#generation [data-step='head 1']")
    assert (report.state()["head"], report.state()["q"]) == (1, 5)
    assert report.text("#step-read") != before


def test_a_click_on_the_prompt_asks_for_that_pair(visit):
    report = visit("generated", "#L0H0q5k0")
    report.click(f"{SOURCE}[data-key='2']")
    assert (report.state()["q"], report.state()["k"]) == (5, 2)


def test_the_pointer_reads_the_texts(visit):
    report = visit("generated", "#L0H0q5k0")
    weight = generated_recording().examples[0].maps[0].head(0)[5, 1]
    report.page.hover(f"{SOURCE}[data-key='1']")
    label, _, asked, value = report.tooltip()
    assert (label, asked) == ("the", "looked at for mat")
    assert float(value) == pytest.approx(weight, rel=5e-3)
    report.page.hover(f"{OUTPUT}[data-token='3']")
    tooltip = report.tooltip()
    assert tooltip[0] == "</s>"
    # It was not there yet.
    assert "looked at for mat" not in tooltip
    assert tooltip[2:] == ["probability", "100%", "entropy of the choice", "0.00 bits"]


def test_keys_move_along_the_tokens(visit):
    report = visit("generated", "#L0H0q3k0")
    report.page.focus("#step")
    report.press("ArrowRight", "ArrowRight")
    assert report.text("#step-token") == "mat"
    report.press("ArrowLeft")
    assert report.text("#step-token") == "the"
    report.press("End")
    assert report.text("#step-token") == "</s>"
    assert report.page.locator("#step-on").is_disabled()
    report.page.focus("#step-back")
    report.press("Enter")
    assert report.text("#step-token") == "mat"


def test_it_plays_to_the_end_and_can_be_stopped(visit):
    report = visit("generated", "#L0H0q3k0")
    report.page.focus("#play")
    report.press("Enter")
    assert (report.text("#play"), report.text("#step-token")) == ("Pause", "the")
    report.press("Enter")
    assert report.text("#play") == "Play"
    report.press("Enter")
    report.until("document.querySelector('#step-token').textContent === '</s>'")
    assert report.text("#play") == "Play"
    # From the end it begins again.
    report.press("Enter")
    assert report.text("#step-token") == "on"
    report.press("Enter")


def test_a_link_leads_to_a_token(visit):
    report = visit("generated", "#L1H0q4k1")
    assert report.text("#step-token") == "the"
    assert report.page.locator("#step").input_value() == "1"
    set_slider(report, 3)
    report.until("location.hash.startsWith('#L1H0q6')")


def test_a_row_of_the_prompt_wrote_nothing(visit):
    report = visit("generated", "#L0H0q1k0")
    assert report.text("#step-place") == "no token"
    assert "wrote no token" in report.text("#step-facts")
    assert set(tints(report)) == {0}
    assert not any(classes(report, "on"))


def test_the_page_opens_at_a_token_that_was_written(visit):
    for name in ("generated", "pieces", "hostile-generation"):
        assert visit(name).text("#step-place") != "no token"


def test_what_is_written_is_no_key_of_a_source(visit):
    report = visit("translation")
    assert source_label(report) == "source"
    set_slider(report, 2)
    row = translation_recording().examples[0].maps[0].head(report.state()["head"])[2]
    expected = [*(100 * np.sqrt(row / row.max())), 0, 0, 0]
    np.testing.assert_allclose(tints(report), expected, atol=0.51)
    assert report.text("#step-token") == "sat"


def test_groups_that_wrote_nothing_have_no_scrubber(visit):
    report = visit("translation")
    assert report.page.locator("#generation").is_visible()
    report.choose(stack=2)
    assert report.page.locator("#generation").is_hidden()
    report.choose(stack=1)
    assert report.page.locator("#generation").is_visible()
    assert texts(report, SOURCE) == ["<s>"]
    assert texts(report, OUTPUT) == ["the", "cat", "sat"]


def test_other_reports_have_none(visit):
    report = visit("self")
    assert report.page.locator("#generation").count() == 0


def test_tokens_are_scrubbed_one_by_one_also_among_words(visit):
    report = visit("pieces")
    report.choose(words=True)
    # A word of several pieces stands for the first of them that a row of it wrote.
    assert report.text("#step-place").startswith("token ")
    for step, piece in enumerate(("cat", "s", "sle", "ep")):
        set_slider(report, step)
        assert report.text("#step-token") == piece
        assert report.state()["q"] == 2 + step
    assert report.state()["words"] is False


def test_hostile_tokens_are_text(visit):
    report = visit("hostile-generation")
    generation = hostile_generation().examples[0].generation
    shown = [display_text(token) for token in generation.tokens]
    assert texts(report, OUTPUT) == shown
    for step in range(0, len(shown), 4):
        set_slider(report, step)
        assert report.text("#step-token") == shown[step]
        report.page.hover(f"{OUTPUT}[data-token='{step}']")
        assert report.tooltip()[0] == shown[step]
    assert report.page.evaluate("window.pwned") is None
    assert report.page.locator("main img, main iframe, main object").count() == 0


@pytest.mark.parametrize("name", ["generated", "hostile-generation", "translation"])
def test_it_fits_on_a_phone(visit, name):
    report = visit(name, viewport=PHONE, is_mobile=True, has_touch=True)
    assert report.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_was_hardly_possible_is_not_called_impossible(visit):
    report = visit("unlikely")
    set_slider(report, 0)
    assert report.text("#step-facts") == "probability under 0.0001%"
