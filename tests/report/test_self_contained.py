import base64
import hashlib

import pytest

from tests.report.page_parser import addresses_in, library_of, parse_page, policy_of


def source_of(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def test_nothing_in_the_page_points_outside_it(page):
    inside = ("data:", "#")
    assert all(address.startswith(inside) for address in addresses_in(page))


@pytest.mark.parametrize(
    "leak",
    [
        '<script src="https://x.test/a.js"></script>',
        '<link rel="stylesheet" href="https://x.test/a.css">',
        '<img srcset="https://x.test/a.png 2x" alt="">',
        "<style>p{background:url('https://x.test/a.png')}</style>",
        "<style>@import 'https://x.test/a.css';</style>",
        '<p style="background:url(https://x.test/a.png)"></p>',
        '<object data="https://x.test/a"></object>',
    ],
)
def test_an_address_outside_would_be_found(leak):
    page = parse_page(f"<html><body>{leak}</body></html>")
    assert any(address.startswith("https://x.test") for address in addresses_in(page))


def test_links_stay_in_the_page(page):
    assert all(link.attributes["href"].startswith("#") for link in page.all("a"))


def test_the_policy_allows_no_request_of_any_kind(page):
    policy = policy_of(page)
    assert policy["default-src"] == ["'none'"]
    assert policy["base-uri"] == ["'none'"]
    assert policy["form-action"] == ["'none'"]
    assert policy["img-src"] == ["data:", "blob:"]
    assert set(policy) == {
        "default-src",
        "script-src",
        "style-src",
        "img-src",
        "base-uri",
        "form-action",
    }


def test_the_policy_allows_exactly_the_scripts_of_the_page(page):
    (boot,) = [node for node in page.all("script") if "type" not in node.attributes]
    _, scripts = library_of(page)
    assert policy_of(page)["script-src"] == [source_of(code) for code in (boot.text, *scripts)]


def test_the_policy_comes_before_anything_that_it_must_stop(page):
    tags = [node.tag for node in page.walk()]
    policy = next(
        i
        for i, node in enumerate(page.walk())
        if node.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy < min(tags.index(tag) for tag in ("style", "script", "body"))


def test_no_element_carries_a_script_of_its_own(page):
    for node in page.walk():
        assert not [name for name in node.attributes if name.startswith("on")]
        assert "javascript:" not in node.attributes.get("href", "")


def test_every_other_script_element_is_inert(page):
    types = [node.attributes.get("type") for node in page.all("script")]
    assert types.count(None) == 1
    assert set(types) <= {None, "application/json", "application/octet-stream"}


def test_line_ends_are_those_that_the_hashes_were_taken_of(page):
    _, scripts = library_of(page)
    assert not any("\r" in script for script in scripts)


def test_charts_carry_no_data_of_their_own(page):
    charts, _ = library_of(page)
    for spec in charts.values():
        for data in spec["data"]:
            assert data.get("values", [{}]) == [{}] or data["name"].endswith("_store")
            assert "signal" in data.get("url", {"signal": ""})


def test_the_block_of_the_head_that_is_drawn_first_leads(page):
    start = page.manifest()["start"]
    stack = page.manifest()["stacks"][start["stack"]]
    flat = sum(stack["heads"][: start["layer"]]) + start["head"]
    first = f"b{stack['firstBlock'] + flat // stack['headsPerBlock']}"
    ids = [
        node.attributes["id"]
        for node in page.all("script", type="application/octet-stream")
        if node.attributes["id"] != "library"
    ]
    assert ids[0] == first


def test_the_report_is_known_by_its_signature_near_the_start(page):
    (generator,) = page.all("meta", name="generator")
    assert generator.attributes["content"].startswith("attnreport ")
