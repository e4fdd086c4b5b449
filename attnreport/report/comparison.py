"""Turns two recordings into one page that says what changed."""

from pathlib import Path

from attnreport.analysis import compare
from attnreport.recording import Recording
from attnreport.report.assets import build_assets
from attnreport.report.comparison_context import build_comparison_context
from attnreport.report.comparison_data import build_comparison_data, shown_recording
from attnreport.report.environment import template_environment
from attnreport.report.packing import DEFAULT_BUDGET_MB, Encoding, choose_encoding
from attnreport.report.report import package_version
from attnreport.report.specs import COMPARISON_CHARTS, compiled
from attnreport.report.stack_pairs import stack_pairs


def render_comparison(
    first: Recording,
    second: Recording,
    *,
    title: str | None = None,
    precision: Encoding | None = None,
    budget_mb: float = DEFAULT_BUDGET_MB,
    templates: Path | None = None,
) -> str:
    """What changed from one recording to another, as one HTML page that opens offline.

    The page calls the first recording A and the second B. Examples, maps and tokens are paired as
    by `attnreport.analysis.compare`. The same recordings give the same page, byte for byte.

    Args:
        first: A: one input, checkpoint or model.
        second: B: what it is compared with.
        title: Heading of the page; by default it names the model, or both.
        precision: How to store the weights: `float32` (exact), `u16` or `u8` (square-root steps);
            by default the most exact that fits the budget.
        budget_mb: Size the page should stay below, in megabytes.
        templates: Folder whose templates replace the built-in ones of the same name.

    Raises:
        ReportError: The recordings are too large for the budget.
        UnknownNameError: No precision has that name.
        InvalidAttentionError: Nothing of the two can be compared, or a weight cannot be attention.
    """
    found = compare(first, second)
    pairs = stack_pairs(found)
    encoding = choose_encoding(
        2 * sum(pair.first.weights for pair in pairs), wanted=precision, budget_mb=budget_mb
    )
    shown = shown_recording(found)
    opened = max(range(len(pairs)), key=lambda number: pairs[number].most_changed)
    data = build_comparison_data(shown, pairs, encoding, first=opened)
    context = build_comparison_context(
        found,
        shown,
        pairs,
        data,
        encoding,
        first=opened,
        title=title,
        assets=build_assets(compiled(COMPARISON_CHARTS), script="comparison"),
        version=package_version(),
    )
    template = template_environment(templates).get_template("comparison.html.jinja")
    return template.render(report=context)
