"""What the page says of whether to trust attention, and of which heads the model needs."""

import pytest

# As in `trusted_recording`: the last layer was not measured.
FALLS = [0.1, 0.3, -0.05, 0, 0.02, 0.25, 0.01, 0.04, 0.03]
HEADS = 3


def figures(report):
    return dict(
        report.page.eval_on_selector_all(
            "#figures tbody tr",
            "rows => rows.map(r => [r.cells[0].textContent, r.cells[2].textContent])",
        )
    )


def test_each_order_is_judged_against_chance_in_words(visit):
    report = visit("trusted")
    assert report.text("#outcomes h2") == "Can you trust it?"
    judged = report.page.locator(".verdicts li").all_text_contents()
    assert [" ".join(each.split()) for each in judged] == [
        "not shown to beat chance most attended to first is not shown to tell what the model "
        "needs: 14 of 19 random orders do as well. Do not read it as what the model goes by.",
        "better than chance highest rollout first tells what the model needs: none of 20 "
        "random orders do as well.",
    ]


def test_the_card_says_what_the_model_loses_without_the_head(visit):
    report = visit("trusted", "#L0H1q1k1")
    assert report.shown("need") == (
        "Without this head the share of </script> right falls by 0.3 ± 0.02 (40 texts, mean): no "
        "other of 9 heads is needed more."
    )
    assert figures(report)["need"] == "0.30"
    report.choose(head=2)
    assert report.shown("need").startswith(
        "Without this head the share of </script> right rises by 0.05 ± 0.02"
    )
    assert figures(report)["need"] == "-0.050"
    report.choose(layer=3, head=0)
    assert report.shown("need") == ""
    assert figures(report)["need"] == "–"


def test_the_head_that_is_needed_most_is_a_finding_that_leads_to_it(visit):
    report = visit("trusted")
    finding = report.page.locator(".findings li", has_text="needs most")
    assert "L0 H1" in finding.text_content()
    report.choose(layer=2, head=2)
    finding.locator("a").click()
    report.settle()
    assert (report.state()["layer"], report.state()["head"]) == (0, 1)


def test_heads_are_ordered_by_what_they_are_worth(visit):
    report = visit("trusted")
    report.choose(order="need")
    listed = report.page.locator("#head-list b").all_text_contents()
    order = sorted(range(len(FALLS)), key=lambda flat: -FALLS[flat])
    assert listed[: len(FALLS)] == [f"L{flat // HEADS} H{flat % HEADS}" for flat in order]


def test_the_scatter_has_room_for_heads_that_do_harm(visit):
    report = visit("trusted")
    report.choose(up="need")
    low, high = report.page.evaluate("attnreport.view('scatter').scale('y').domain()")
    assert low <= -0.05
    assert high >= 0.3


@pytest.mark.parametrize("name", ["patterned", "translator"])
def test_what_was_not_measured_is_not_mentioned(visit, name):
    report = visit(name)
    assert report.page.locator("[data-show=need]").locator("visible=true").count() == 0
    assert "need" not in figures(report)
