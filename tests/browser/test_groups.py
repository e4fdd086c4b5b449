from tests.browser.colors import distinct, luminance

GROUPS = ["encoder self-attention", "decoder self-attention", "cross-attention"]


def choose_group(report, name):
    report.page.locator("#groups label", has_text=name).click()
    report.settle()


def table(report):
    headings = report.page.locator("#heads-table thead th").all_text_contents()
    rows = report.page.locator("#heads-table tbody tr")
    return headings, [rows.nth(i).locator("td").all_text_contents() for i in range(rows.count())]


def test_one_group_needs_no_choice(visit):
    assert visit("self").page.locator("#groups").is_hidden()


def test_the_groups_of_the_example_can_be_chosen(visit):
    report = visit("translator")
    assert report.page.locator("#groups label").all_text_contents() == GROUPS
    assert report.page.locator("#groups label:has(:checked)").text_content() == GROUPS[2]
    for index, name in enumerate(GROUPS):
        choose_group(report, name)
        assert report.state()["stack"] == index
        assert report.shown("group") == name


def test_everything_follows_the_group(visit):
    report = visit("translator")
    choose_group(report, GROUPS[0])
    assert report.page.locator("#strip-query").is_hidden()
    assert report.page.locator("#chart-overview").is_visible()
    assert report.page.locator("#chart-scatter").is_visible()
    assert report.page.locator("#one .gold").is_hidden()
    choose_group(report, GROUPS[1])
    assert report.page.locator("#one .masked").is_visible()
    choose_group(report, GROUPS[2])
    assert report.page.locator("#strip-query").is_visible()
    assert report.page.locator("#one .gold").is_visible()
    assert report.page.locator("#all").is_hidden()
    assert report.page.locator("#one [data-when=many-heads]:visible").count() == 0


def test_heads_that_differ_in_number_between_layers_can_all_be_reached(visit):
    report = visit("translator")
    choose_group(report, GROUPS[0])
    report.choose(layer=0, head=0)
    seen = []
    for _ in range(3):
        seen.append((report.state()["layer"], report.state()["head"]))
        report.click("#bar [aria-label='next head']")
    report.click("#bar [aria-label='next layer']")
    seen.append((report.state()["layer"], report.state()["head"]))
    report.click("#bar [aria-label='next head']")
    seen.append((report.state()["layer"], report.state()["head"]))
    assert seen == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 0)]


def test_the_table_of_heads_lists_the_chosen_group_under_its_own_headings(visit):
    report = visit("translator")
    statistics = report.page.evaluate("attnreport.manifest.stacks.map((s) => s.statistics)")
    for index, name in ((0, GROUPS[0]), (1, GROUPS[1]), (0, GROUPS[0])):
        choose_group(report, name)
        headings, rows = table(report)
        assert len(rows) == len(statistics[index])
        for row, expected in zip(rows, statistics[index], strict=True):
            assert len(row) == len(headings)
            assert row[1] == expected["pattern"]
            assert dict(zip(headings[2:], row[2:], strict=True)) == dict(expected["facts"])


def test_a_card_chooses_its_example_and_keeps_the_group(visit):
    report = visit("translator")
    choose_group(report, GROUPS[1])
    report.click("[data-example='1']")
    assert report.state()["stack"] == 4
    assert report.page.locator("[aria-current=true]").get_attribute("data-example") == "1"
    assert report.page.locator("#groups label:has(:checked)").text_content() == GROUPS[1]
    assert report.page.locator("#strip-key .tk").first.text_content() == "sie"
    report.click("[data-example='0']")
    assert report.state()["stack"] == 1


def test_another_example_has_its_own_axes(visit):
    report = visit("translator")
    small = report.canvas("heatmap")
    report.click("[data-example='1']")
    choose_group(report, GROUPS[2])
    report.hover_cell(7, 5)
    assert (report.tooltip() or [""])[0] == ". → read"
    assert report.page.evaluate("attnreport.view('heatmap').signal('queries')") == 9
    assert report.canvas("heatmap") != small


def test_every_card_carries_a_picture_of_its_example(visit):
    report = visit("translator")
    for index in range(2):
        canvas = report.page.locator(f"[data-example='{index}'] canvas")
        canvas.scroll_into_view_if_needed()
        report.until(f"document.querySelectorAll('.cards canvas')[{index}].width > 1")
        colors = distinct(report.picture(f"[data-example='{index}'] canvas"))
        assert min(map(luminance, colors)) < 0.5


def test_a_new_place_starts_where_it_is_worth_looking(visit):
    report = visit("translator")
    for index in range(6):
        report.choose(stack=index)
        start = report.page.evaluate(f"attnreport.manifest.stacks[{index}].start")
        state = report.state()
        assert {name: state[name] for name in start} == start
