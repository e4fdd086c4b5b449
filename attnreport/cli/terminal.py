"""Talks to a terminal, a pipe, a file, or nobody."""

import os
import sys
from pathlib import Path
from typing import TextIO

import click

# Joins the parts of one emoji; every other invisible character is shown by its number.
_JOINER = "\u200d"


def prepare_streams() -> None:
    """Makes standard input, output and error safe to use, whatever the caller did to them.

    A file that is opened while one of them is closed takes its number, and then receives what a
    library prints. So the closed ones are tied to nothing.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Prints a result on standard output; whoever stopped reading it has seen enough."""
    try:
        click.echo(printable(text))
    except BrokenPipeError:
        _silence(sys.stdout)
    except OSError:
        # What could not be written must not fail once more when Python ends.
        _silence(sys.stdout)
        raise


def say_error(text: str) -> None:
    """Prints a message on standard error; it is lost if nobody can read it there."""
    try:
        click.echo(printable(text), err=True)
    except OSError:
        _silence(sys.stderr)


def write_text(path: Path, text: str) -> None:
    """Writes a result into a file as UTF-8; what is not UTF-8 is escaped as on a terminal."""
    path.write_text(
        text.removesuffix("\n") + "\n", encoding="utf-8", errors="backslashreplace", newline="\n"
    )


def _silence(stream: TextIO) -> None:
    """Drops what the stream still holds, so that Python does not fail on it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def printable(text: str) -> str:
    """The text with characters that steer a terminal replaced by their escapes."""
    return "".join(
        each if each.isprintable() or each in ("\n", _JOINER) else ascii(each)[1:-1]
        for each in text
    )


def readable_size(count: int) -> str:
    """A number of bytes in kB, MB or GB, to three digits."""
    size, unit = count / 1e3, "kB"
    for larger in ("MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1e3, larger
    return f"{size:.3g} {unit}"
