"""A page as a tree, parsed by the standard library and not by the code under test."""

import base64
import dataclasses
import json
import re
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

_VOID = {"br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


@dataclasses.dataclass
class Node:
    """One element of a page."""

    tag: str
    attributes: dict[str, str]
    parent: "Node | None"
    children: list["Node"] = dataclasses.field(default_factory=list)
    texts: list["str | Node"] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        """Everything written inside, as a browser's `textContent`."""
        return "".join(part if isinstance(part, str) else part.text for part in self.texts)

    def walk(self) -> Iterator["Node"]:
        """The element and all inside it, in the order of the page."""
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, tag: str, **attributes: str) -> list["Node"]:
        """All elements inside of the given name and attributes."""
        return [
            node
            for node in self.walk()
            if node.tag == tag and attributes.items() <= node.attributes.items()
        ]

    def one(self, tag: str, **attributes: str) -> "Node":
        """The only such element inside."""
        (found,) = self.all(tag, **attributes)
        return found

    def by_id(self, name: str) -> "Node":
        """The only element with the id."""
        (found,) = [node for node in self.walk() if node.attributes.get("id") == name]
        return found

    def json(self, name: str) -> Any:
        """The data in the inert script with the id."""
        return json.loads(self.by_id(name).text)

    def manifest(self) -> Any:
        """The manifest, with axes and conditions where stacks name them by number."""
        found = self.json("manifest")
        for stack in found["stacks"]:
            for side in ("query", "key"):
                stack[side] = None if stack[side] is None else found["axes"][stack[side]]
            stack["conditions"] = found["conditions"][stack["conditions"]]
        return found

    def outline(self) -> tuple[Any, ...]:
        """The structure alone: element names and, of each, the names of its attributes."""
        names = tuple(sorted(self.attributes))
        return (self.tag, names, tuple(child.outline() for child in self.children))


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.here = Node("document", {}, None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs}, self.here)
        assert len(node.attributes) == len(attrs), f"an attribute of <{tag}> occurs twice"
        self.here.children.append(node)
        self.here.texts.append(node)
        if tag not in _VOID:
            self.here = node

    def handle_endtag(self, tag: str) -> None:
        assert self.here.tag == tag, f"</{tag}> closes <{self.here.tag}>"
        assert self.here.parent is not None
        self.here = self.here.parent

    def handle_data(self, data: str) -> None:
        self.here.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"the page has a comment: {data[:60]!r}")


def parse_page(page: str) -> Node:
    """The page as a tree; fails where tags do not match, as a browser would only guess."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    assert parser.here is parser.root, f"<{parser.here.tag}> is never closed"
    return parser.root.one("html")


def library_of(page: Node) -> tuple[dict[str, Any], list[str]]:
    """The compiled charts and the scripts that the page unpacks when it starts."""
    packed = base64.b64decode(page.by_id("library").text)
    charts, *scripts = zlib.decompress(packed).decode().split("\0")
    return json.loads(charts), scripts


def policy_of(page: Node) -> dict[str, list[str]]:
    """The content security policy: sources by directive."""
    (meta,) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    directives = (part.split() for part in meta.attributes["content"].split(";"))
    return {name: sources for name, *sources in directives}


def addresses_in(page: Node) -> list[str]:
    """Everything that a browser could fetch because of the page, links to click left out."""
    found = []
    for node in page.walk():
        for name in ("src", "data", "poster", "action", "formaction", "background", "xlink:href"):
            found += [node.attributes[name]] if name in node.attributes else []
        if node.tag != "a" and "href" in node.attributes:
            found.append(node.attributes["href"])
        if "srcset" in node.attributes:
            found += [part.split()[0] for part in node.attributes["srcset"].split(",")]
        styles = [node.attributes.get("style", "")] + ([node.text] if node.tag == "style" else [])
        for style in styles:
            found += re.findall(r"url\(\s*['\"]?([^'\")]*)", style)
            found += re.findall(r"@import\s+['\"]?([^'\";]*)", style)
            found += re.findall(r"image-set\(\s*['\"]?([^'\")]*)", style)
    return found
