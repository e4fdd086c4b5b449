"""What happens when capture itself fails on a program: its own output, the reason, and a way on."""

import dataclasses
import traceback
from pathlib import Path
from typing import Any

import jax

from attnreport._errors import CaptureError
from attnreport.capture.program.trace import Call, Traced
from attnreport.capture.program.untraceable import explanation

_ENGINE = Path(__file__).parent


class EngineError(CaptureError):
    """Capture itself failed on a program, which ran by itself.

    Attributes:
        output: What the program gave without capture.
    """

    def __init__(self, message: str, output: Any):
        """Holds the output beside the message."""
        super().__init__(message)
        self.output = output


@dataclasses.dataclass(frozen=True)
class Failure:
    """Where capture failed, and how; equal for programs on which it fails in the same way.

    Attributes:
        kind: Class of the error.
        place: File and function of capture that it came from; empty if it came from none.
        message: The first line of its text.
        line: Number of the line.
    """

    kind: str
    place: str
    message: str = dataclasses.field(compare=False)
    line: int = dataclasses.field(compare=False)

    def __str__(self) -> str:
        message = f": {self.message}" if self.message else ""
        return f"{self.kind}{message}{f' ({self.place}, line {self.line})' if self.place else ''}"


def failure_of(error: Exception) -> Failure:
    """Where capture failed with an error."""
    lines = str(error).strip().splitlines()
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(_ENGINE)
    ]
    last = frames[-1] if frames else None
    return Failure(
        type(error).__name__,
        f"{Path(last.filename).relative_to(_ENGINE).as_posix()}, {last.name}" if last else "",
        lines[0].rstrip(".") if lines else "",
        (last.lineno or 0) if last else 0,
    )


def plain_output(call: Call | Traced) -> Any:
    """What a program gives without capture, compiled as `jax.jit` does.

    Raises:
        CaptureError: It uses arrays that no longer are. Other errors of the program pass unchanged.
    """
    try:
        return jax.jit(call.function)(call.leaves)
    except Exception as error:
        why = explanation(error)
        if not why:
            raise
        raise CaptureError(why) from error


def failure_sentence(error: Exception, then: str = "") -> str:
    """What failed and where, and how to report it.

    Args:
        error: What was raised.
        then: What was done about it, as the end of a sentence.
    """
    return (
        f"attnreport failed on this program{then}: {failure_of(error)}. This is a fault of "
        "attnreport. `attnreport reproduce MODULE:FUNCTION -o FILE.py`, or "
        "`attnreport.capture.reproduction_of(function, *arguments)` in Python, writes a small "
        "program that fails in the same way, without your weights, to report it with."
    )


INSTEAD = ", so it was run without capture"
