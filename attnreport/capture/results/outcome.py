"""What a captured call gives, whichever way its attention was taken out."""

import dataclasses
from collections.abc import Mapping

from attnreport.capture.results.calls import Call


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came out of a call.

    Attributes:
        calls: Its attention in forward order, loops taken apart, `[batch, head, query, key]` each.
        notes: Sentences that a reader must know.
        output_difference: Largest difference between the outputs with and without capture; None
            when that was not tried or there are no numbers to compare.
        examples: Length of the leading axis of the inputs, None when it is not one length.
        model: Name of the model.
        framework: Library it is written in.
        versions: Version of each library that runs it.
    """

    calls: tuple[Call, ...]
    notes: tuple[str, ...]
    output_difference: float | None
    examples: int | None
    model: str
    framework: str
    versions: Mapping[str, str]
