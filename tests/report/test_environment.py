import jinja2
import pytest

from attnreport.report import render_report
from attnreport.report.environment import template_environment
from tests.report.page_parser import parse_page
from tests.report.recordings import self_recording


def test_templates_of_a_folder_replace_built_in_ones(tmp_path):
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections" / "reading.html.jinja").write_text("<p id=mine>{{ report.title }}</p>")
    page = parse_page(render_report(self_recording(), title="A < B", templates=tmp_path))
    assert page.by_id("mine").text == "A < B"
    assert not [node for node in page.walk() if node.attributes.get("id") == "reading"]
    assert page.by_id("chart-heatmap")


def test_a_template_can_extend_the_built_in_one(tmp_path):
    (tmp_path / "report.html.jinja").write_text(
        '{% extends "attnreport:report.html.jinja" %}\n'
        "{% block head %}<style>h1 { color: red }</style>{% endblock %}"
        '{% block before %}<p id="first">{{ report.version }}</p>{% endblock %}'
        '{% block after %}<p id="last">ours</p>{% endblock %}'
    )
    page = parse_page(render_report(self_recording(), templates=tmp_path))
    assert page.one("head").all("style")[-1].text == "h1 { color: red }"
    main = page.one("main").children
    assert main[0].attributes == {"id": "first"}
    assert main[-1].attributes == {"id": "last"}
    assert page.by_id("chart-heatmap")


def test_a_mistyped_name_in_a_template_is_an_error(tmp_path):
    (tmp_path / "report.html.jinja").write_text("{{ report.titel }}")
    with pytest.raises(jinja2.UndefinedError, match="titel"):
        render_report(self_recording(), templates=tmp_path)


def test_values_are_escaped_in_every_template(tmp_path):
    (tmp_path / "plain.txt").write_text("{{ value }}")
    template = template_environment(tmp_path).get_template("plain.txt")
    assert template.render(value="<b>&\0") == "&lt;b&gt;&amp;␀"


def test_a_template_that_is_nowhere_is_named():
    with pytest.raises(jinja2.TemplateNotFound, match="missing"):
        template_environment().get_template("missing.html.jinja")
