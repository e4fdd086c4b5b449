"""What a training of a text classifier depends on."""

import dataclasses
import hashlib
from os import PathLike
from pathlib import Path
from typing import Self

from attnreport.tasks.keywords import folders, help_topics
from attnreport.tasks.keywords.collection import Collection
from attnreport.tasks.training import Schedule

# Passages that a training sees, the same one many times: so many texts are read less often.
_SEEN = 36_000
_MOST_EPOCHS = 60


@dataclasses.dataclass(frozen=True)
class KeywordsPlan:
    """Everything that a training of a text classifier depends on, besides code and machine.

    Attributes:
        schedule: How long and how fast; its seed is that of the collection, too.
        attention: How words are pooled: one of `attnreport.models.text_classifier`.
        width: Most words of a passage.
        digest: Of the passages, which differ between versions of Python.
        folder: Where they are; None for the help of this Python.
        most: Most labels; None for all.
        embedding: Features of a word.
        scoring: Features of the network that scores a word.
        hops: How many times `self-attentive` looks.
        dropout: Share of the features of words that training drops.
        word_dropout: Share of the words that training takes out, so that the model does not learn
            to lean on few.
        batch: Passages in a batch.
    """

    schedule: Schedule
    attention: str = "additive"
    width: int = help_topics.LONGEST
    digest: str = ""
    folder: Path | None = None
    most: int | None = None
    embedding: int = 64
    scoring: int = 64
    hops: int = 4
    dropout: float = 0.5
    word_dropout: float = 0.5
    batch: int = 32

    @classmethod
    def of(
        cls,
        *,
        seed: int = 0,
        attention: str = "additive",
        folder: "str | PathLike[str] | None" = None,
        quick: bool = False,
    ) -> Self:
        """The usual plan.

        Args:
            seed: Of data and training.
            attention: How words are pooled.
            folder: Where texts are; None for the help of this Python.
            quick: Whether a few labels and epochs will do.

        Raises:
            DataError: The folder holds no labelled texts.
            MissingDependencyError: This Python came without its help topics.
        """
        data = cls(
            Schedule(seed),
            folder=None if folder is None else Path(folder).expanduser().resolve(),
            most=8 if quick else None,
        )
        found = data.collection()
        epochs = max(min(_SEEN // len(found.train), _MOST_EPOCHS), 2)
        return dataclasses.replace(
            data,
            schedule=Schedule(
                seed, epochs=min(epochs, 8) if quick else epochs, rounds=1, patience=epochs
            ),
            attention=attention,
            width=max(len(each.words) for each in (*found.train, *found.validation, *found.test)),
            digest=_digest(found),
        )

    def collection(self) -> Collection:
        """The passages."""
        seed = self.schedule.seed
        if self.folder is None:
            return help_topics.help_collection(seed=seed, most=self.most)
        return folders.folder_collection(self.folder, seed=seed, most=self.most)


def _digest(collection: Collection) -> str:
    """A short key of all passages."""
    digest = hashlib.sha256()
    for part in (collection.train, collection.validation, collection.test):
        for passage in part:
            digest.update(f"{passage.label}\n{passage.text}\n\n".encode(errors="surrogatepass"))
    return digest.hexdigest()[:16]
