import pytest


def column(report, table, index):
    return report.page.locator(f"{table} tbody tr td:nth-child({index})").all_text_contents()


def open_fold(report, section):
    report.click(f"{section} summary")


def sort_by(report, table, name):
    report.page.locator(f"{table} thead button", has_text=name).first.click()
    return report.page.locator(f"{table} th[aria-sort]").get_attribute("aria-sort")


def test_numbers_sort_by_value_and_turn_around(visit):
    report = visit("self")
    open_fold(report, "#head-table")
    assert sort_by(report, "#heads-table", "entropy") == "ascending"
    values = [float(text.split()[0]) for text in column(report, "#heads-table", 3)]
    assert values == sorted(values)
    assert sort_by(report, "#heads-table", "entropy") == "descending"
    values = [float(text.split()[0]) for text in column(report, "#heads-table", 3)]
    assert values == sorted(values, reverse=True)


def test_heads_sort_by_layer_then_head(visit):
    report = visit("self")
    open_fold(report, "#head-table")
    sort_by(report, "#heads-table", "pattern")
    sort_by(report, "#heads-table", "head")
    assert column(report, "#heads-table", 1) == [
        f"L{layer} H{head}" for layer in range(2) for head in range(3)
    ]


def test_only_one_column_says_that_it_is_sorted(visit):
    report = visit("self")
    open_fold(report, "#head-table")
    for name in ("head", "pattern", "entropy"):
        sort_by(report, "#heads-table", name)
        assert report.page.locator("#heads-table th[aria-sort]").count() == 1


def test_examples_sort_by_their_texts_and_scores(visit):
    report = visit("translator")
    open_fold(report, "#example-table")
    sort_by(report, "#example-table", "input")
    assert column(report, "#example-table", 1) == ["b", "a"]
    sort_by(report, "#example-table", "AER")
    assert column(report, "#example-table", 1) == ["a", "b"]


@pytest.mark.parametrize("after_sorting", [False, True])
def test_a_head_in_the_table_can_be_chosen(visit, after_sorting):
    report = visit("self")
    open_fold(report, "#head-table")
    if after_sorting:
        sort_by(report, "#heads-table", "entropy")
    report.page.locator("#heads-table a", has_text="L1 H2").click()
    report.settle()
    assert (report.state()["layer"], report.state()["head"]) == (1, 2)
    report.until("document.querySelector('#bar').getBoundingClientRect().top < innerHeight / 2")


def test_tables_of_another_group_sort_too(visit):
    report = visit("translator")
    report.page.locator("#groups label", has_text="encoder").click()
    report.settle()
    open_fold(report, "#head-table")
    assert sort_by(report, "#heads-table", "distance") == "ascending"
    headings = report.page.locator("#heads-table thead th").all_text_contents()
    values = column(report, "#heads-table", headings.index("distance") + 1)
    assert [float(text) for text in values] == sorted(float(text) for text in values)
