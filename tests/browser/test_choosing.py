import pytest

# Where the middle of a grid's cell stands in the window.
GRID_POINT = """([name, layer, head, layers, heads]) => {
  const view = attnreport.view(name);
  const drawing = document.querySelector(`#chart-${name} :is(canvas, svg)`);
  const box = drawing.getBoundingClientRect();
  const shrunk = box.width / (parseFloat(drawing.style.width) || drawing.width.baseVal.value);
  const [left, top] = view.origin();
  return [
    box.left + (left + (view.width() * (head + 0.5)) / heads) * shrunk,
    box.top + (top + (view.height() * (layer + 0.5)) / layers) * shrunk,
  ];
}"""


def click_grid(report, name, layer, head, *, layers=2, heads=3):
    report.page.locator(f"#chart-{name}").scroll_into_view_if_needed()
    report.settle()
    point = report.page.evaluate(GRID_POINT, [name, layer, head, layers, heads])
    report.page.mouse.click(*point)
    report.settle()


def place(report):
    state = report.state()
    return state["layer"], state["head"]


@pytest.mark.parametrize("name", ["overview", "pair"])
def test_a_click_on_a_cell_of_a_grid_chooses_that_head(visit, name):
    report = visit("self")
    for layer, head in ((1, 2), (0, 0), (0, 2), (1, 0)):
        click_grid(report, name, layer, head)
        assert place(report) == (layer, head)
        assert (report.shown("layer"), report.shown("head")) == (str(layer), str(head))


def test_a_head_can_be_picked_again_after_the_keyboard_left_it(visit):
    report = visit("self")
    click_grid(report, "overview", 1, 1)
    report.choose(layer=0, head=0)
    click_grid(report, "overview", 1, 1)
    assert place(report) == (1, 1)


def test_a_place_without_a_head_chooses_nothing(visit):
    report = visit("translator")
    report.choose(stack=0, layer=0, head=1)
    click_grid(report, "overview", 1, 2)  # the second layer has one head
    assert place(report) == (0, 1)


def test_a_click_on_a_mark_of_the_scatter_chooses_its_head(visit):
    report = visit("self")
    marks = report.page.locator("#chart-scatter svg path[aria-label^='Layer']")
    assert marks.count() == 6
    for number in range(6):
        label = marks.nth(number).get_attribute("aria-label")
        box = marks.nth(number).bounding_box()
        report.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        report.settle()
        layer, head = place(report)
        assert label.startswith(f"Layer {layer}, head {head}:")


def test_the_picture_changes_with_the_head(visit):
    report = visit("self")
    report.choose(layer=0, head=0)
    pictures = {report.canvas("heatmap")}
    for layer, head in ((0, 1), (1, 0), (1, 2)):
        report.choose(layer=layer, head=head)
        pictures.add(report.canvas("heatmap"))
    assert len(pictures) == 4


def test_buttons_step_through_layers_and_heads_and_around_the_ends(visit):
    report = visit("self")
    report.choose(layer=0, head=0)
    for button, expected in (
        ("next head", (0, 1)),
        ("next head", (0, 2)),
        ("next head", (0, 0)),
        ("previous head", (0, 2)),
        ("next layer", (1, 2)),
        ("next layer", (0, 2)),
        ("previous layer", (1, 2)),
    ):
        report.click(f"#bar [aria-label='{button}']")
        assert place(report) == expected


def test_stepping_to_a_layer_with_fewer_heads_stays_inside(visit):
    report = visit("translator")
    report.choose(stack=0, layer=0, head=2)
    report.click("#bar [aria-label='next layer']")
    assert place(report) == (1, 0)


def test_the_bar_says_what_kind_of_head_it_is(visit):
    report = visit("self")
    statistics = report.page.evaluate("attnreport.manifest.stacks[0].statistics")
    for layer in range(2):
        for head in range(3):
            report.choose(layer=layer, head=head)
            expected = statistics[3 * layer + head]
            assert report.shown("pattern") == expected["pattern"]
            for name, value in expected["facts"]:
                assert f"{name} {value}" in report.text("#statistics")


def test_a_finding_leads_to_the_head_it_is_about(visit):
    report = visit("self")
    links = report.page.locator(".findings a")
    assert links.count() >= 1
    for number in range(links.count()):
        report.choose(layer=0, head=0, q=0, k=0)
        link = links.nth(number).get_attribute("href")
        links.nth(number).click()
        report.settle()
        layer, head = place(report)
        assert link.startswith(f"#L{layer}H{head}")


def test_a_finding_brings_the_head_into_view(visit):
    report = visit("self", viewport={"width": 1280, "height": 600})
    report.page.locator(".findings a").first.click()
    report.until("document.querySelector('#bar').getBoundingClientRect().top < innerHeight - 60")


def test_bars_and_lines_tell_their_weights(visit):
    report = visit("asymmetric")
    report.choose(q=1, k=6)
    x, _ = report.cell_point(1, 6)
    report.page.locator("#chart-row").scroll_into_view_if_needed()
    box = report.page.locator("#chart-row canvas").bounding_box()
    report.page.mouse.move(x, box["y"] + box["height"] / 2)
    report.until("!document.querySelector('#tip').hidden")
    assert report.tooltip() == ["query1 → key6", "1.000"]


def test_a_click_on_a_label_of_the_lines_chooses_the_token(visit):
    report = visit("asymmetric")
    report.choose(q=1, k=6)
    report.page.locator("#chart-lines").scroll_into_view_if_needed()
    report.settle()
    where = """([x, share]) => {
      const view = attnreport.view("lines"); const [left, top] = view.origin();
      const box = document.querySelector("#chart-lines canvas").getBoundingClientRect();
      const beside = x ? view.width() + 20 : -20;
      return [box.left + left + beside, box.top + top + view.height() * share];
    }"""
    report.page.mouse.click(*report.page.evaluate(where, [0, 3.5 / 5]))
    report.settle()
    assert (report.state()["q"], report.state()["k"]) == (3, 6)
    report.page.mouse.click(*report.page.evaluate(where, [1, 2.5 / 8]))
    report.settle()
    assert (report.state()["q"], report.state()["k"]) == (3, 2)
