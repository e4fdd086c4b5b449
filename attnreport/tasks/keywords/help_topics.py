"""Paragraphs of Python's own help: `pydoc_data.topics`, which ships with every CPython.

Its topics are cut from the language reference, and some hold whole others: `specialnames` holds
`customization`, for instance. So a paragraph belongs to the shortest topic that has it.
"""

import importlib
import pydoc
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping

from attnreport._errors import MissingDependencyError
from attnreport.tasks.keywords.collection import Collection, Passage, held_out
from attnreport.tasks.keywords.words import is_prose, split_words, title_roots

# A topic of fewer paragraphs is left out: it could not be learned, nor measured.
FEWEST = 12
# Fewer words are a heading, or a line of a list. More words are cut off.
SHORTEST, LONGEST = 12, 80
_UNDERLINE = re.compile(r"([*=\-^~\"])\1+")


def help_collection(*, seed: int = 0, most: int | None = None) -> Collection:
    """Paragraphs of the help topics of this Python, a sixth of each topic held out twice.

    Args:
        seed: Decides which paragraphs are held out.
        most: Most topics, those of most paragraphs first; all that are large enough if left out.

    Raises:
        MissingDependencyError: This Python came without its help topics.
    """
    topics = help_topics()
    passages = list(paragraphs(topics))
    sizes = Counter(passage.label for passage in passages)
    large = [label for label, count in sizes.most_common(most) if count >= FEWEST]
    kept = [passage for passage in passages if passage.label in large]
    rest, test = held_out(kept, 1 / 6, seed)
    train, validation = held_out(rest, 1 / 5, seed)
    return Collection(
        tuple(sorted(large)),
        train,
        validation,
        test,
        {label: title_words(label, topics[label]) for label in large},
        "words of the title of their topic, or words that help() calls related to it",
        _origin(len(large), len(topics), len(kept)),
    )


def help_topics() -> Mapping[str, str]:
    """The text of each help topic.

    Raises:
        MissingDependencyError: This Python came without them.
    """
    try:
        topics = importlib.import_module("pydoc_data.topics").topics
    except (ImportError, AttributeError):
        topics = {}
    if not topics:
        raise MissingDependencyError(
            f"This Python ({sys.executable}) came without the help topics that the demo reads "
            "(`pydoc_data.topics`), as some Linux packages of Python do. Install Python's full "
            "standard library, use a Python from python.org, or give a folder of texts: "
            "`attnreport demo keywords --data FOLDER`."
        )
    return topics


def paragraphs(topics: Mapping[str, str]) -> Iterator[Passage]:
    """Each paragraph of prose once, named by its topic and its number in it."""
    seen: set[tuple[str, ...]] = set()
    for label in sorted(topics, key=lambda label: (len(topics[label]), label)):
        number = 0
        for words in _prose(topics[label]):
            if words not in seen:
                seen.add(words)
                number += 1
                yield Passage(f"{label} {number}", words[:LONGEST], label)


def title_words(label: str, text: str) -> frozenset[str]:
    """Roots of the words that name a topic.

    They are those of its name, of its title, and of the entries of `help()` that lead to it, with
    what `help()` calls related.
    """
    title, _, rest = text.strip().partition("\n")
    names = [label.replace("-", " ")]
    if _UNDERLINE.fullmatch(rest.partition("\n")[0]):
        names.append(title)
    for entry, found in _entries():
        topic, _, related = found.partition(" ")
        if topic == label:
            # In `help()` a name in small letters is a word of Python, and others are topics.
            names.extend(
                f'"{name}"' if name.islower() else name for name in (entry, *related.split())
            )
    return title_roots(names)


def _entries() -> Iterator[tuple[str, str]]:
    """Each entry of `help()`, and the topic it leads to with those that are related."""
    for entry, found in (*pydoc.Helper.topics.items(), *pydoc.Helper.keywords.items()):
        yield entry, found if isinstance(found, str) else " ".join(found)


def _prose(text: str) -> Iterator[tuple[str, ...]]:
    for block in re.split(r"\n[ \t]*\n", text):
        lines = block.strip().splitlines()
        heading = len(lines) == 2 and _UNDERLINE.fullmatch(lines[1])
        if heading or "::=" in block or ">>>" in block or "--+" in block:
            continue
        words = split_words(block)
        if len(words) >= SHORTEST and is_prose(words):
            yield words


def _origin(kept: int, topics: int, count: int) -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    return (
        f"Test paragraphs of the help of Python {version} (`pydoc_data.topics`, which differs from "
        f"version to version): {count:,} paragraphs of prose of the {kept} of its {topics} topics "
        f"that have at least {FEWEST}. A paragraph that several topics share belongs to the "
        "shortest of them. Headings are left out, and the model has seen none of the test "
        "paragraphs in training, but others of the same topics."
    )
