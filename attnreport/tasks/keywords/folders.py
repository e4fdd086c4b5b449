"""Labelled texts in a folder: a subfolder a label, a file a text.

So 20 Newsgroups (`20news-bydate-train/sci.space/59848`) and the Large Movie Review Dataset
(`aclImdb/train/pos/0_9.txt`) are laid out. Two folders that end in `train` and `test` are the
parts of a data set; without them texts are held out by a seed.
"""

import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

from attnreport._errors import DataError
from attnreport.tasks.keywords.collection import Collection, Passage, held_out
from attnreport.tasks.keywords.words import split_words, title_roots

LONGEST = 160
# Reviews without a label in the Large Movie Review Dataset.
_UNLABELLED = "unsup"
_HEADER = re.compile(r"[A-Za-z][A-Za-z-]*: ")
_BREAK = re.compile(r"<br ?/?>")


def folder_collection(
    folder: "str | PathLike[str]",
    *,
    seed: int = 0,
    most: int | None = None,
    texts: int | None = None,
) -> Collection:
    """The texts of a folder, each cut to `LONGEST` words.

    A tenth of the training texts of each label is held out for validation, and a sixth of all
    texts for the test where the folder does not say which these are.

    Args:
        folder: The folder.
        seed: Decides which texts are held out.
        most: Most labels, the first in alphabetical order; all if left out.
        texts: Most texts of a label in each part, evenly spread; all if left out.

    Raises:
        DataError: There is no such folder, or no texts of two labels in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(
            f"There is no folder {str(root)!r}. Give a folder with a subfolder of text files for "
            "each label."
        )
    parts = [_part(root, "train"), _part(root, "test")]
    if all(parts):
        rest, test = (tuple(_passages(part, texts)) for part in parts if part)
    else:
        rest, test = held_out(tuple(_passages(root, texts)), 1 / 6, seed)
    labels = sorted({passage.label for passage in rest} & {passage.label for passage in test})
    labels = labels[:most]
    _require_labels(root, labels)
    rest, test = (tuple(each for each in part if each.label in labels) for part in (rest, test))
    train, validation = held_out(rest, 1 / 10, seed)
    return Collection(
        tuple(labels),
        train,
        validation,
        test,
        {label: title_roots([re.sub(r"[\W_]+", " ", label)]) for label in labels},
        "words of the name of their label",
        f"Test texts of the folder `{root.name}`: {len(rest) + len(test):,} texts of "
        f"{len(labels)} labels, of which at most the first {LONGEST} words are read. The model has "
        "seen none of the test texts in training.",
    )


def _part(root: Path, name: str) -> Path | None:
    """The only subfolder that ends in the name of a part."""
    found = [each for each in root.iterdir() if each.is_dir() and each.name.endswith(name)]
    return found[0] if len(found) == 1 else None


def _passages(root: Path, texts: int | None) -> Iterator[Passage]:
    """All texts with a word, ordered by label and name of the file."""
    for subfolder in sorted(root.iterdir()):
        if (
            not subfolder.is_dir()
            or subfolder.name.startswith(".")
            or subfolder.name == _UNLABELLED
        ):
            continue
        files = [
            file
            for file in sorted(subfolder.iterdir())
            if file.is_file() and not file.name.startswith(".")
        ]
        step = 1 if texts is None else max(-(-len(files) // texts), 1)
        for file in files[::step]:
            words = split_words(_without_markup(_read(file)))[:LONGEST]
            if words:
                yield Passage(f"{subfolder.name}/{file.name}", words, subfolder.name)


def _read(file: Path) -> str:
    """The text of a file: UTF-8, or else Latin-1, in which 20 Newsgroups is written."""
    content = file.read_bytes().replace(b"\r\n", b"\n")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _without_markup(text: str) -> str:
    """A text without line breaks in HTML, and without the header of a message.

    A header names the group and its people, and would give the label away.
    """
    head, _, body = text.partition("\n\n")
    lines = head.splitlines()
    if len(lines) > 1 and all(_HEADER.match(line) or line[:1].isspace() for line in lines):
        text = body
    return _BREAK.sub(" ", text)


def _require_labels(root: Path, labels: list[str]) -> None:
    if len(labels) < 2:
        found = f"only the label {labels[0]!r}" if labels else "no label"
        raise DataError(
            f"The folder {str(root)!r} has {found} with texts for training and test. Give a folder "
            "with two or more subfolders of text files, a label each, or with two folders `train` "
            "and `test` of such subfolders."
        )
