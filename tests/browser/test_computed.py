"""How a weight was computed: the formula with the numbers of the chosen cell."""

import re

import numpy as np
import pytest

from tests.browser.damage import flip
from tests.browser.test_hostile import check_inert
from tests.report.scored_recordings import FEATURES, TOKENS, rounded_recording, scored_recording

PHONE = {"width": 390, "height": 844}
STACKS = {"plain": 0, "bias": 1, "causal": 2, "cap": 3, "sink": 4, "none": 5}
MAPS = {attention.name: attention for attention in scored_recording().examples[0].maps}
Q, K = 5, 2


def unfold(report):
    report.page.locator("#computed summary").click()
    report.until("document.querySelectorAll('#computing > li').length > 0")
    report.settle()


def steps(report):
    """What each step says, by its title."""
    found = report.page.evaluate(
        "[...document.querySelectorAll('#computing > li')].map("
        "(li) => [...li.children].map((part) => part.textContent))"
    )
    return dict(found)


def results(report):
    """The last number of each step, by its title."""
    found = report.page.evaluate(
        "[...document.querySelectorAll('#computing > li')].map((li) => [li.children[0].textContent,"
        " [...li.querySelectorAll('b')].at(-1)?.textContent])"
    )
    return {title: float(number.replace("−", "-")) for title, number in found if number}


def expected(attention, head, q=Q, k=K):
    """Product, logit, exponential and weight, in plain sums."""
    scoring = attention.scoring
    product = sum(
        float(a) * float(b)
        for a, b in zip(
            *(vectors[head][place] for vectors, place in ((scoring.query, q), (scoring.key, k))),
            strict=True,
        )
    )
    row = scoring.query[head][q].astype(float) @ scoring.key[head].astype(float).T
    if scoring.scale is None:
        row = attention.logits[head][q].astype(float)
    else:
        row = scoring.scale * row + (0 if scoring.bias is None else scoring.bias[0][q])
    row = np.where(attention.allowed()[0][q], row, -np.inf)
    raised = np.exp(row - row.max())
    return {
        "query · key": product,
        "logit": row[k],
        "exponential": raised[k],
        "softmax": raised[k] / raised.sum(),
    }


def assert_shown(report, name, head):
    found = results(report)
    wanted = {**expected(MAPS[name], head), "captured": MAPS[name].head(head)[Q, K]}
    assert set(found) == set(wanted)
    for title, value in wanted.items():
        assert found[title] == pytest.approx(value, rel=5.1e-3), title


@pytest.mark.parametrize("name", ["plain", "bias", "causal", "cap", "sink"])
@pytest.mark.parametrize("head", [0, 1])
def test_every_number_is_that_of_the_cell(visit, name, head):
    report = visit("scored", f"#g{STACKS[name]}L0H{head}q{Q}k{K}".replace("#g0", "#"))
    unfold(report)
    assert_shown(report, name, head)
    assert report.page.locator("#computing .met").count() == 1


def test_the_first_products_are_written_out(visit):
    report = visit("scored", f"#L0H0q{Q}k{K}")
    unfold(report)
    scoring = MAPS["plain"].scoring
    said = steps(report)["query · key"].replace("−", "-")
    assert f"… ({FEATURES - 4} more)" in said
    numbers = [float(text) for text in re.findall(r"\d+\.\d+(?:e-?\d+)?", said.split("…")[0])]
    shown = np.abs(np.stack([scoring.query[0][Q, :4], scoring.key[0][K, :4]], axis=1)).ravel()
    np.testing.assert_allclose(numbers, shown, rtol=1e-3)


def test_the_scale_is_named(visit):
    report = visit("scored", f"#L0H0q{Q}k{K}")
    unfold(report)
    assert f"0.25 is 1/√{FEATURES}, for {FEATURES} features." in steps(report)["logit"]


def test_a_masked_pair_has_no_weight(visit):
    report = visit("scored", f"#g{STACKS['causal']}L0H0q2k5")
    unfold(report)
    said = steps(report)
    assert list(said) == ["query · key", "logit", "mask"]
    assert said["mask"].startswith("cat may not look at")
    report.choose(q=5, k=2)
    assert f"{len(TOKENS) - 6} are masked" in steps(report)["softmax"]


def test_a_cap_and_a_sink_are_said(visit):
    report = visit("scored", f"#g{STACKS['cap']}L0H0q{Q}k{K}")
    unfold(report)
    assert "As captured. The program does more" in steps(report)["logit"]
    report.choose(stack=STACKS["sink"], layer=0, head=0, q=Q, k=K)
    whole = MAPS["sink"].head(0)[Q].sum()
    assert f"The captured row sums to {whole:.3f}: the rest went" in steps(report)["captured"]


def test_it_follows_the_choice_and_not_the_pointer(visit):
    report = visit("scored", f"#L0H0q{Q}k{K}")
    unfold(report)
    before = steps(report)
    report.hover_cell(1, 1)
    assert steps(report) == before
    report.click_cell(3, 6)
    assert results(report)["captured"] == pytest.approx(MAPS["plain"].head(0)[3, 6], rel=5.1e-3)


def test_nothing_is_decoded_before_it_is_asked_for(visit, damaged):
    report = visit(damaged("scored", lambda page: flip(page, "scoring0-0-0")), f"#L0H0q{Q}k{K}")
    assert report.page.locator("#computing > li").count() == 0
    unfold(report)
    assert "damaged" in steps(report)["damaged"]
    # Another head is whole.
    report.choose(head=1, q=Q, k=K)
    assert_shown(report, "plain", 1)


def test_layers_and_groups_without_queries_say_so_or_have_no_fold(visit):
    report = visit("scored", f"#L1H0q{Q}k{K}")
    unfold(report)
    assert "were not captured" in steps(report)["not known"]
    report.choose(stack=STACKS["none"])
    assert report.page.locator("#computed").is_hidden()
    assert visit("self").page.locator("#computed").count() == 0


def test_words_have_no_formula(visit):
    report = visit("scored", f"#L0H0q{Q}k{K}")
    unfold(report)
    report.choose(words=True)
    assert list(steps(report)) == ["tokens only"]
    report.choose(words=False)
    assert "softmax" in steps(report)


def test_rounded_weights_are_compared_within_their_bound(visit):
    report = visit("scored-u8", f"#L0H0q{Q}k{K}")
    unfold(report)
    assert report.page.locator("#computing .met").count() == 1
    weight = MAPS["plain"].head(0)[Q, K]
    assert results(report)["softmax"] == pytest.approx(weight, rel=5.1e-3)
    assert results(report)["captured"] == pytest.approx(weight, abs=4e-3)


def test_rounding_of_the_program_is_not_called_a_difference(visit):
    exact = MAPS["plain"].head(0)
    rounded = rounded_recording().examples[0].maps[0].head(0)
    q, k = np.unravel_index(np.abs(rounded - exact).argmax(), exact.shape)
    assert abs(rounded - exact)[q, k] > 2e-4
    report = visit("rounded", f"#L0H0q{q}k{k}")
    unfold(report)
    assert "As much as rounding makes" in steps(report)["captured"]
    assert "bfloat16" in steps(report)["captured"]
    assert report.page.locator("#computing .met").count() == 1


def test_a_bias_that_masks_is_called_a_mask(visit):
    report = visit("rounded", "#g1L0H0q2k5")
    unfold(report)
    said = steps(report)["logit"]
    assert "− 1000000000" in said
    assert "a bias so low that it masks the pair" in said


def test_it_opens_by_keyboard(visit):
    report = visit("scored", f"#L0H0q{Q}k{K}")
    report.page.focus("#computed summary")
    report.press("Enter")
    report.until("document.querySelectorAll('#computing > li').length === 5")


def test_hostile_tokens_are_text(visit):
    report = visit("hostile-scored")
    unfold(report)
    for position in range(0, 30, 5):
        report.choose(q=position, k=position)
        check_inert(report)
        assert list(steps(report))[-1] == "captured"


def test_it_fits_on_a_phone(visit):
    report = visit("hostile-scored", viewport=PHONE, is_mobile=True, has_touch=True)
    unfold(report)
    assert report.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
