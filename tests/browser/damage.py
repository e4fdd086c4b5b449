"""Damage to reports, and what a damaged report says of itself."""


def flip(page, block, *, at=0.5):
    """The page with one character of a block changed to its neighbor in base64."""
    start = page.index(f'id="{block}">') + len(f'id="{block}">')
    end = page.index("</script>", start)
    place = start + int((end - start) * at)
    other = "B" if page[place] != "B" else "C"
    return page[:place] + other + page[place + 1 :]


def expect_failure(report):
    report.expected.append("is damaged")


def note(report):
    place = report.page.locator("#note")
    return place.text_content() if place.is_visible() else ""
