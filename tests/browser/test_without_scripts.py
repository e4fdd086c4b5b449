from tests.browser.colors import distinct, luminance


def test_findings_facts_and_the_picture_of_all_heads_are_there(visit):
    report = visit("self", wait=False, java_script_enabled=False)
    assert report.page.locator(".findings li").first.is_visible()
    assert report.page.locator(".facts li").first.is_visible()
    assert "drawn by JavaScript" in report.text(".noscript")
    picture = report.page.locator("noscript img")
    assert picture.is_visible()
    assert picture.evaluate("(image) => image.naturalWidth") == 3 * 13
    colors = distinct(report.picture("noscript img"))
    assert min(map(luminance, colors)) < 0.3
    assert max(map(luminance, colors)) > 0.9


def test_tables_can_be_opened(visit):
    report = visit("translator", wait=False, java_script_enabled=False)
    for section in ("#example-table", "#made"):
        assert report.page.locator(f"{section} table").is_hidden()
        report.page.click(f"{section} summary")
        assert report.page.locator(f"{section} table").is_visible()
    report = visit("self", wait=False, java_script_enabled=False)
    report.page.click("#head-table summary")
    assert report.page.locator("#heads-table tbody tr").count() == 6


def test_the_page_does_not_say_that_the_file_is_broken(visit):
    report = visit("self", wait=False, java_script_enabled=False)
    assert report.page.locator(".incomplete").is_hidden()
    assert report.page.locator("#note").is_hidden()


def test_no_empty_frames_wait_for_charts(visit):
    report = visit("self", wait=False, java_script_enabled=False)
    charts = report.page.locator(".chart")
    for number in range(charts.count()):
        box = charts.nth(number).bounding_box()
        assert box is None or box["height"] <= 40


def test_the_page_fits_a_phone(visit):
    report = visit(
        "self", wait=False, java_script_enabled=False, viewport={"width": 390, "height": 844}
    )
    assert report.page.evaluate("document.documentElement.scrollWidth") <= 390
