"""Layers 3 and 5 of six: whatever a reader sees, hears or saves calls them 3 and 5."""

import re

import pytest

# Labels of each axis of a chart as Vega has drawn them, from left to right or top to bottom.
AXIS_LABELS = """(name) => {
  const found = [];
  const walk = (item) => {
    if (item.role === "axis-label") {
      const labels = [...item.items].sort((a, b) => a.x + a.y - b.x - b.y);
      found.push(labels.map((label) => label.text));
    }
    (item.items ?? []).forEach(walk);
  };
  walk(attnreport.view(name).scenegraph().root);
  return found;
}"""


def axis_labels(report, chart):
    return report.page.evaluate(AXIS_LABELS, chart)


def heads_of(report, chart):
    """What the marks of a chart are called, for those who hear it."""
    return report.page.evaluate(
        "(name) => attnreport.rows(name).then((rows) => rows.map((row) => [row.name, row.tip]))",
        chart,
    )


@pytest.mark.parametrize("chart", ["overview", "pair"])
def test_axes_of_layers_show_their_numbers(visit, chart):
    report = visit("layers")
    report.page.locator(f"#chart-{chart}").scroll_into_view_if_needed()
    report.until(f"attnreport.view('{chart}') !== null")
    assert axis_labels(report, chart) == [["0", "1", "2"], ["3", "5"]]


@pytest.mark.parametrize("chart", ["overview", "pair"])
def test_axes_follow_another_stack(visit, chart):
    report = visit("two-layers")
    report.page.locator(f"#chart-{chart}").scroll_into_view_if_needed()
    for stack, numbers in ((0, ["3", "5"]), (1, ["0", "2", "9"]), (0, ["3", "5"])):
        report.choose(stack=stack)
        assert axis_labels(report, chart)[1] == numbers


@pytest.mark.parametrize("address", ["attn:heads/0", "attn:pair/0/3/4/false"])
def test_marks_and_tooltips_say_the_numbers(visit, address):
    for index, (name, tip) in enumerate(heads_of(visit("layers"), address)):
        layer, head = (3, 5)[index // 3], index % 3
        assert name.startswith(f"Layer {layer}, head {head}: ")
        assert tip.startswith(f"layer {layer} · head {head}\t")


def test_captions_and_the_live_text_say_the_numbers(visit):
    report = visit("layers")
    for layer, number in enumerate((3, 5)):
        report.choose(layer=layer, head=1)
        assert report.shown("layer") == str(number)
        assert report.shown("module") == f"layer {number}"
        assert report.text("#live").startswith(f"Layer {number}, head 1, ")


@pytest.mark.parametrize(
    ("link", "layer"),
    [("#L3H2", 0), ("#L5H2q4k7", 1), ("#L0H0", 0), ("#L4H0", 0), ("#L9H9", 1)],
)
def test_a_link_names_a_layer_by_its_number_or_the_nearest(visit, link, layer):
    assert visit("layers", link).state()["layer"] == layer


def test_the_address_names_the_layer_by_its_number(visit):
    report = visit("layers")
    report.choose(layer=1, head=2, q=6, k=1)
    report.until("location.hash === '#L5H2q6k1'")
    report.page.evaluate("location.hash = '#L3H1q5k6'")
    report.until("attnreport.state().q === 5")
    report.settle()
    assert (report.state()["layer"], report.shown("layer")) == (0, "3")


def test_keys_and_buttons_walk_from_number_to_number(visit):
    report = visit("layers", "#L3H0")
    report.page.focus("#chart-overview")
    for key, number in (("ArrowDown", "5"), ("ArrowDown", "3"), ("ArrowUp", "5")):
        report.press(key)
        assert report.shown("layer") == number
    report.click("[data-step='layer 1']")
    assert report.shown("layer") == "3"


def test_findings_lead_to_the_layer_they_name(visit):
    report = visit("layers")
    links = report.page.locator(".findings a")
    assert links.count() > 0
    for index in range(links.count()):
        number = re.match(r"#L(\d+)", links.nth(index).get_attribute("href"))[1]
        links.nth(index).click()
        report.settle()
        assert report.shown("layer") == number


def test_the_table_leads_to_the_layer_it_names(visit):
    report = visit("layers")
    report.click("#head-table summary")
    report.page.locator("#heads-table a", has_text="L5 H2").click()
    report.settle()
    assert (report.shown("layer"), report.shown("head")) == ("5", "2")


def test_the_table_of_another_group_links_to_that_group(visit):
    report = visit("translator")
    report.choose(stack=3)
    links = report.page.locator("#heads-table a")
    assert [link.get_attribute("href") for link in links.all()] == [
        "#e1L0H0",
        "#e1L0H1",
        "#e1L0H2",
        "#e1L1H0",
    ]


def test_every_example_has_numbers_of_its_own(visit):
    report = visit("two-layers", "#e1L9H1")
    assert (report.state()["stack"], report.shown("layer")) == (1, "9")
    report.click("#head-table summary")
    names = report.page.locator("#heads-table a").all_text_contents()
    assert names == [f"L{layer} H{head}" for layer in (0, 2, 9) for head in range(2)]


@pytest.mark.parametrize("kind", ["png", "svg", "csv"])
def test_saved_files_are_named_after_the_number(visit, kind):
    report = visit("layers", "#L5H1")
    with report.page.expect_download() as waiting:
        report.page.click(f"#save-{kind}")
    assert waiting.value.suggested_filename == f"attention-example0-self-attention-L5-H1.{kind}"
