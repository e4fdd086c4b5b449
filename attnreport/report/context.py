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
class Verdict:
    """Whether to trust an order of what is taken away.

    Attributes:
        name: The order.
        better: Whether it does better than orders drawn at random.
        said: That in words, as the rest of a sentence that begins with the name.
    """

    name: str
    better: bool
    said: str


@dataclasses.dataclass(frozen=True)
class DeletionText:
    """What is said of the curves of taking parts of the inputs away.

    Attributes:
        what: How to read them.
        columns: The shares that are taken away.
        rows: For each order its name and its scores.
        verdicts: For each order that was compared with random ones, what came of it.
        data: On what it was measured.
    """

    what: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    verdicts: tuple[Verdict, ...]
    data: str


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
class PageContext:
    """What the templates of every page may use.

    Attributes:
        kicker: What kind of page it is.
        title: What it is about.
        facts: Short facts under the title, a strong part and the rest of each.
        findings: What stands out, in words.
        output: What came out of a single example; may be empty.
        examples: The examples, when there is more than one; else empty.
        compares: Whether some examples are right and others are wrong.
        filters: Value, name and count of each choice of examples, when `compares`.
        confusion: For each class its name, how often it was taken for each, and how often for
            itself in percent.
        charts: Names of the charts that the page has a place for.
        conditions: For each condition, such as `many-heads`, whether it holds for the stack that
            the page opens on; elements that ask for one that does not start hidden.
        version: Version of attnreport.
        assets: Style, scripts and policy.
        manifest: What the scripts read first, as an inert element.
        first_stack: Number of the stack that the page opens on.
        first_atlas: Its thumbnails, a PNG in base64.
        atlases: The other stacks' thumbnails.
        blocks: Weights and masks.
    """

    kicker: str
    title: str
    facts: tuple[tuple[str, str], ...]
    findings: tuple[FindingText, ...]
    output: str
    examples: tuple[ExampleCard, ...]
    compares: bool
    filters: tuple[tuple[str, str, int], ...]
    confusion: tuple[tuple[str, tuple[str, ...], str], ...]
    charts: tuple[str, ...]
    conditions: Mapping[str, bool]
    version: str
    assets: Assets
    manifest: Markup
    first_stack: int
    first_atlas: str
    atlases: tuple[Block, ...]
    blocks: tuple[Block, ...]


@dataclasses.dataclass(frozen=True)
class ReportContext(PageContext):
    """Everything the template `report.html.jinja` may use.

    Attributes:
        classes: Names of the classes of a classifier.
        panels: For each panel of the training, the names of its curves.
        kept: Step of the checkpoint that was kept; empty where it is not known.
        deletion: What is said of how the score falls as parts of the inputs are taken away.
        score_columns: Names of the scores that examples have.
        patterns: Name and meaning of each pattern that occurs.
        statistics: Name and meaning of each statistic that heads have.
        metrics: Numbers over a whole data set.
        head_columns: Headings of the statistics in the table of heads.
        head_rows: The heads of the stack that the page opens on.
        scoring: Whether queries and keys of some map are known.
        broadest: Entropy in bits of attention spread evenly over the keys of that stack.
        check_columns: Headings of the further columns of `checks`.
        checks: What was verified, map by map.
        other_checks: What else was verified, stack by stack.
        made: Term and description of how the report was made.
        notes: Things a reader must know, a sentence each.
    """

    classes: tuple[str, ...]
    panels: tuple[str, ...]
    kept: str
    deletion: DeletionText | None
    score_columns: tuple[str, ...]
    patterns: tuple[tuple[str, str], ...]
    statistics: tuple[tuple[str, str], ...]
    metrics: tuple[MetricText, ...]
    head_columns: tuple[str, ...]
    head_rows: tuple[HeadRow, ...]
    scoring: bool
    broadest: str
    check_columns: tuple[str, ...]
    checks: tuple[CheckRow, ...]
    other_checks: tuple[OtherCheckRow, ...]
    made: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class SideText:
    """One of two recordings that are compared.

    Attributes:
        letter: What it is called on the page: A or B.
        name: What tells it best from the other: what went in, the model, the training step.
        facts: Term and description of what else does.
    """

    letter: str
    name: str
    facts: tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class ChangeRow:
    """One head in the table of what changed.

    Attributes:
        number: Number of its layer in the model.
        head: Its number in the layer.
        link: Address of the place in the page that shows it, where it changed most.
        group: Attention group of its map.
        change: How much it changed on average.
        most: Name of the example in which it changed most.
        there: How much it changed there.
        patterns: What it mostly does there, in A and in B.
        entropies: Its entropy there in bits, in A and in B.
    """

    number: int
    head: int
    link: str
    group: str
    change: str
    most: str
    there: str
    patterns: tuple[str, str]
    entropies: tuple[str, str]


@dataclasses.dataclass(frozen=True)
class ComparisonContext(PageContext):
    """Everything the template `comparison.html.jinja` may use.

    Attributes:
        sides: The two recordings, A and B.
        common: Term and description of what is the same of both.
        alignment: How the positions of both were paired, a sentence each.
        notes: What could not be compared, and why, a sentence each.
        rows: All heads, the most changed first.
        stored: How the page keeps the weights, and the largest error of one.
    """

    sides: tuple[SideText, SideText]
    common: tuple[tuple[str, str], ...]
    alignment: tuple[str, ...]
    notes: tuple[str, ...]
    rows: tuple[ChangeRow, ...]
    stored: str
