"""Turns a recording into one self-contained HTML page."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from attnreport.recording import Recording
from attnreport.report.assets import build_assets
from attnreport.report.build import build_context
from attnreport.report.environment import template_environment
from attnreport.report.packing import DEFAULT_BUDGET_MB, Encoding, choose_encoding
from attnreport.report.page_data import build_page_data
from attnreport.report.specs import charts_for, compiled
from attnreport.report.stacks import Stack, stacks_of


def render_report(
    recording: Recording,
    *,
    title: str | None = None,
    precision: Encoding | None = None,
    budget_mb: float = DEFAULT_BUDGET_MB,
    templates: Path | None = None,
) -> str:
    """The report as one HTML page that opens offline and asks the network for nothing.

    The same recording gives the same page, byte for byte.

    Args:
        recording: What to show.
        title: Heading of the page; by default the text of a single example, or the model's name.
        precision: How to store the weights: `float32` (exact), `u16` or `u8` (square-root steps);
            by default the most exact that fits the budget.
        budget_mb: Size the page should stay below, in megabytes.
        templates: Folder whose templates replace the built-in ones of the same name.

    Raises:
        ReportError: The recording is too large for the budget.
        UnknownNameError: No precision has that name.
        InvalidAttentionError: A weight cannot be attention.
    """
    stacks = stacks_of(recording)
    encoding = choose_encoding(
        sum(stack.weights for stack in stacks), wanted=precision, budget_mb=budget_mb
    )
    first = _first_stack(stacks)
    data = build_page_data(recording, stacks, encoding, first=first)
    charts = charts_for(recording, stacks, data.measures)
    context = build_context(
        recording,
        stacks,
        data,
        encoding,
        first=first,
        title=title,
        charts=tuple(charts),
        assets=build_assets(compiled(charts)),
        version=package_version(),
    )
    template = template_environment(templates).get_template("report.html.jinja")
    return template.render(report=context)


def _first_stack(stacks: list[Stack]) -> int:
    """The stack to open on, of the first example.

    Attention and gates come before activations, which are there to be compared with them; then
    what has a reference comes first.
    """

    def rank(index: int) -> tuple[bool, bool]:
        stack = stacks[index]
        known = any(attention.reference is not None for attention in stack.maps)
        return stack.kind == "activation", not known

    return min((i for i, stack in enumerate(stacks) if stack.example == 0), key=rank)


def package_version() -> str:
    """The version of attnreport that is installed."""
    try:
        return version("attnreport")
    except PackageNotFoundError:  # a checkout that is not installed
        return "uninstalled"
