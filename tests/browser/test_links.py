import pytest


def place(report):
    state = report.state()
    return {name: state[name] for name in ("stack", "layer", "head", "q", "k")}


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("#L1H2q4k7", {"stack": 0, "layer": 1, "head": 2, "q": 4, "k": 7}),
        ("#L0H1", {"stack": 0, "layer": 0, "head": 1}),
    ],
)
def test_a_link_opens_the_report_at_a_head_and_a_cell(visit, link, expected):
    report = visit("self", link)
    assert expected.items() <= place(report).items()
    assert (report.shown("layer"), report.shown("head")) == (
        str(expected["layer"]),
        str(expected["head"]),
    )


def test_a_link_restores_mask_and_color_scale(visit):
    report = visit("self", "#L1H0q3k3mlin")
    state = report.state()
    assert (state["hidden"], state["scale"]) == (True, "linear")
    assert report.page.is_checked("#hidden")
    assert report.page.input_value("#scale") == "linear"


@pytest.mark.parametrize(
    ("link", "example", "group"),
    [
        ("#e1", 1, "encoder self-attention"),
        ("#e1g2", 1, "cross-attention"),
        ("#g1L0H1q2k0", 0, "decoder self-attention"),
        ("#e1g1L0H0q3k1", 1, "decoder self-attention"),
    ],
)
def test_a_link_opens_an_example_and_a_group(visit, link, example, group):
    report = visit("translator", link)
    stack = report.page.evaluate("attnreport.stack()")
    assert (stack["example"], stack["group"]) == (example, group)


@pytest.mark.parametrize(
    "link", ["#L9H9q99k99", "#e7g7L0H0", "#nonsense", "#L1H1q999999999999999999k0"]
)
def test_a_link_that_leads_nowhere_is_harmless(visit, link):
    report = visit("self", link)
    state = report.state()
    assert state["layer"] in (0, 1)
    assert state["head"] in (0, 1, 2)
    assert 0 <= state["q"] <= 12


def test_the_address_follows_what_is_chosen(visit):
    report = visit("self")
    report.choose(layer=1, head=2, q=6, k=1)
    report.until("location.hash === '#L1H2q6k1'")
    report.press("m")
    report.until("location.hash === '#L1H2q6k1m'")
    report.page.select_option("#scale", "linear")
    report.until("location.hash === '#L1H2q6k1mlin'")


def test_the_address_names_example_and_group(visit):
    report = visit("translator")
    report.choose(stack=4, layer=0, head=1, q=2, k=1)
    report.until("location.hash === '#e1g1L0H1q2k1'")
    report.choose(stack=0, layer=1, head=0, q=0, k=3)
    report.until("location.hash === '#L1H0q0k3'")


def test_the_address_that_was_kept_opens_the_same_view(visit):
    first = visit("translator")
    first.choose(stack=3, layer=0, head=2, q=4, k=3, hidden=True, scale="linear")
    first.until("location.hash.endsWith('mlin')")
    second = visit("translator", first.page.evaluate("location.hash"))
    assert second.state() == first.state()
    assert second.canvas("heatmap") == first.canvas("heatmap")


def test_hovering_leaves_the_address_alone(visit):
    report = visit("self")
    report.click_cell(3, 3)
    report.until("location.hash.endsWith('q3k3')")
    report.hover_cell(8, 8)
    report.page.wait_for_timeout(250)
    assert report.page.evaluate("location.hash").endswith("q3k3")


def test_a_link_that_is_followed_inside_the_page_changes_the_view(visit):
    report = visit("self", "#L0H0q0k0")
    report.page.evaluate("location.hash = '#L1H1q5k6'")
    report.until("attnreport.state().q === 5")
    report.settle()
    assert (report.shown("layer"), report.shown("head")) == ("1", "1")


def test_choosing_fills_no_history(visit):
    report = visit("self")
    before = report.page.evaluate("history.length")
    for head in range(3):
        report.choose(head=head)
        report.page.wait_for_timeout(140)
    assert report.page.evaluate("history.length") == before
