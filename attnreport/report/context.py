"""What the report template receives: one documented dataclass, all text, ready to place."""

import dataclasses
from collections.abc import Mapping

from markupsafe import Markup

from attnreport.report.assets import Assets
from attnreport.report.blocks import Block


@dataclasses.dataclass(frozen=True)
class FindingText:
    """One finding at the top of the page.

    Attributes:
        value: Its big numeral or name.
        text: The sentence that follows it.
        detail: A second, smaller sentence; may be empty.
        link: Address of the place in the page that shows it; may be empty.
    """

    value: str
    text: str
    detail: str
    link: str


@dataclasses.dataclass(frozen=True)
class ExampleCard:
    """One example in the list of examples.

    Attributes:
        index: Its number.
        name: Its label.
        stack: The stack whose thumbnails stand for it.
        input: What went in.
        output: What came out; may be empty.
        target: What should have come out, where that differs from the output; may be empty.
        scores: Name and value of each score.
        verdict: `right` or `wrong`, for a classifier; else empty.
        thumbnail: Whether there is a picture worth showing.
    """

    index: int
    name: str
    stack: int
    input: str
    output: str
    target: str
    scores: tuple[tuple[str, str], ...]
    verdict: str
    thumbnail: bool

    def score(self, name: str) -> str:
        """The value of the named score; a dash where the example has none."""
        return dict(self.scores).get(name, "–")


@dataclasses.dataclass(frozen=True)
class DeletionText:
    """What is said of the curves of taking parts of the inputs away.

    Attributes:
        what: How to read them.
        columns: The shares that are taken away.
        rows: For each order its name and its scores.
    """

    what: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclasses.dataclass(frozen=True)
class HeadRow:
    """One head in the table of heads.

    Attributes:
        layer: Place of its layer in the stack.
        number: Number of its layer in the model.
        head: Its number in the layer.
        link: Address of the place in the page that shows it.
        pattern: What it mostly does.
        values: A text for each column of statistics.
    """

    layer: int
    number: int
    head: int
    link: str
    pattern: str
    values: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class CheckRow:
    """One attention operation in the table of checks.

    Attributes:
        name: Module path.
        group: The stack it belongs to.
        shape: Heads, queries and keys, in words.
        precision: Number format the weights were computed in.
        row_sum_error: Largest distance of a row's sum from 1.
        output_difference: Largest difference of the model's output with and without capture.
        deterministic: Whether the weights are the same in every run.
        others: A text for each further column.
    """

    name: str
    group: str
    shape: str
    precision: str
    row_sum_error: str
    output_difference: str
    deterministic: str
    others: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class OtherCheckRow:
    """One more check, over all maps of a stack.

    Attributes:
        name: What was checked.
        group: The stack.
        value: The worst number that was found, with its unit; a dash without one.
        outcome: Whether it held, or that it is a guess; a dash for what is only said.
        place: The map with the worst, or all maps of which the same is said; empty where there is
            only one map.
        detail: A sentence about it; may be empty.
    """

    name: str
    group: str
    value: str
    outcome: str
    place: str
    detail: str


@dataclasses.dataclass(frozen=True)
class MetricText:
    """One number over a whole data set.

    Attributes:
        name: What it measures.
        value: The number, formatted.
        detail: What it was measured on and what it means.
    """

    name: str
    value: str
    detail: str


@dataclasses.dataclass(frozen=True)
class ReportContext:
    """Everything the template `report.html.jinja` may use.

    Attributes:
        title: What the report is about.
        facts: Short facts under the title, a strong part and the rest of each.
        findings: What stands out, in words.
        examples: The examples, when there is more than one; else empty.
        compares: Whether some examples are right and others are wrong.
        filters: Value, name and count of each choice of examples, when `compares`.
        classes: Names of the classes of a classifier.
        confusion: For each class its name, how often it was taken for each, and how often for
            itself in percent.
        panels: For each panel of the training, the names of its curves.
        kept: Step of the checkpoint that was kept; empty where it is not known.
        deletion: What is said of how the score falls as parts of the inputs are taken away.
        score_columns: Names of the scores that examples have.
        output: What came out of a single example; may be empty.
        patterns: Name and meaning of each pattern that occurs.
        statistics: Name and meaning of each statistic that heads have.
        metrics: Numbers over a whole data set.
        head_columns: Headings of the statistics in the table of heads.
        head_rows: The heads of the stack that the page opens on.
        charts: Names of the charts that the page has a place for.
        conditions: For each condition, such as `many-heads`, whether it holds for the stack that
            the page opens on; elements that ask for one that does not start hidden.
        scoring: Whether queries and keys of some map are known.
        broadest: Entropy in bits of attention spread evenly over the keys of that stack.
        check_columns: Headings of the further columns of `checks`.
        checks: What was verified, map by map.
        other_checks: What else was verified, stack by stack.
        made: Term and description of how the report was made.
        notes: Things a reader must know, a sentence each.
        version: Version of attnreport.
        assets: Style, scripts and policy.
        manifest: What the scripts read first, as an inert element.
        first_stack: Number of the stack that the page opens on.
        first_atlas: Its thumbnails, a PNG in base64.
        atlases: The other stacks' thumbnails.
        blocks: Weights and masks.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    findings: tuple[FindingText, ...]
    examples: tuple[ExampleCard, ...]
    compares: bool
    filters: tuple[tuple[str, str, int], ...]
    classes: tuple[str, ...]
    confusion: tuple[tuple[str, tuple[str, ...], str], ...]
    panels: tuple[str, ...]
    kept: str
    deletion: DeletionText | None
    score_columns: tuple[str, ...]
    output: str
    patterns: tuple[tuple[str, str], ...]
    statistics: tuple[tuple[str, str], ...]
    metrics: tuple[MetricText, ...]
    head_columns: tuple[str, ...]
    head_rows: tuple[HeadRow, ...]
    charts: tuple[str, ...]
    conditions: Mapping[str, bool]
    scoring: bool
    broadest: str
    check_columns: tuple[str, ...]
    checks: tuple[CheckRow, ...]
    other_checks: tuple[OtherCheckRow, ...]
    made: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    version: str
    assets: Assets
    manifest: Markup
    first_stack: int
    first_atlas: str
    atlases: tuple[Block, ...]
    blocks: tuple[Block, ...]
