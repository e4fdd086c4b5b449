"""The list of examples: what went in, what came out, and how well."""

from collections.abc import Sequence

from attnreport.recording import Example, Recording
from attnreport.report.context import ExampleCard
from attnreport.report.outcome_text import verdict_on
from attnreport.report.pictures import picture_of
from attnreport.report.stacks import Stack


def example_cards(
    recording: Recording, stacks: Sequence[Stack], label: str
) -> tuple[ExampleCard, ...]:
    """A card per example, with the thumbnails of the named group where it has that group."""
    cards = []
    for index, example in enumerate(recording.examples):
        own = [i for i, stack in enumerate(stacks) if stack.example == index]
        alike = [i for i in own if stacks[i].label == label]
        # Of a translation that differs nobody can say that it is wrong.
        verdict = verdict_on(example) if recording.confusion else ""
        shown = stacks[(alike or own)[0]]
        # The single row of a text is no picture of anything.
        pictured = picture_of(example) is not None or shown.is_map or len(shown.query) > 1
        cards.append(_card(index, example, (alike or own)[0], verdict, thumbnail=pictured))
    return tuple(cards)


def _card(
    index: int, example: Example, stack: int, verdict: str, *, thumbnail: bool
) -> ExampleCard:
    differs = example.target and example.target != example.output
    return ExampleCard(
        index=index,
        # A name that repeats the input would only be read twice.
        name=example.name if example.name != (example.input or example.name) else "",
        stack=stack,
        input=example.input or example.name,
        output=example.output,
        target=example.target if differs else "",
        scores=tuple((name, f"{value:.2f}") for name, value in example.scores.items()),
        verdict=verdict,
        thumbnail=thumbnail,
    )
