"""Reads sentence pairs of the user's own, in the format of Tatoeba and ManyThings.

A line is a sentence, a tab, and its translation; what follows after another tab, such as an
attribution, is left out: `Go.	Geh.	CC-BY 2.0 (France) Attribution: tatoeba.org #2877272 (CM)`.
"""

import dataclasses
import hashlib
import random
import re
from collections.abc import Iterator
from pathlib import Path

from attnreport._errors import DataError
from attnreport.tasks.translation.corpus import Corpus, CorpusSizes
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.plan import TranslationPlan

# The recurrent translator writes a word for each one of these at once; and with more words than
# these, the last layer is most of the work.
VOCABULARY = 6_000
FEWEST = 500
_MANY = 5_000

_WORD = re.compile(r"\w+(?:['’-]\w+)*['’]?|[^\w\s]")


@dataclasses.dataclass(frozen=True)
class OwnPairs:
    """Sentence pairs that were read.

    Attributes:
        name: Name of the file or folder.
        pairs: The pairs, each with another first sentence.
        digest: Tells other texts apart.
    """

    name: str
    pairs: tuple[SentencePair, ...]
    digest: str

    def plan(self, plan: TranslationPlan) -> TranslationPlan:
        """The plan with these pairs in place of made ones, as many of them as it asked for.

        Raises:
            DataError: Too few of them are short enough.
        """
        sizes = plan.corpus
        usable = len(self._usable(sizes))
        if usable < FEWEST:
            raise DataError(
                f"{self.name} has {usable} different sentences of up to {sizes.longest} words with "
                f"a translation, and at least {FEWEST} are needed to learn from. Give more, or "
                "shorter sentences."
            )
        validation, test = (min(part, usable // 10) for part in (sizes.validation, sizes.test))
        train = min(sizes.train, usable - validation - test)
        sizes = dataclasses.replace(sizes, train=train, validation=validation, test=test)
        few = train < _MANY
        return dataclasses.replace(
            plan,
            corpus=sizes,
            batch=16 if few else plan.batch,
            one_width=few,
            vocabulary=VOCABULARY,
            data=self._described(usable),
            digest=self.digest,
        )

    def corpus(self, plan: TranslationPlan) -> Corpus:
        """The pairs of a plan, drawn and divided by its seed."""
        sizes, pairs = plan.corpus, self._usable(plan.corpus)
        random.Random(plan.schedule.seed).shuffle(pairs)
        ends = sizes.test, sizes.test + sizes.validation
        return Corpus(
            test=tuple(pairs[: ends[0]]),
            validation=tuple(pairs[ends[0] : ends[1]]),
            train=tuple(pairs[ends[1] : ends[1] + sizes.train]),
        )

    def _usable(self, sizes: CorpusSizes) -> list[SentencePair]:
        longest = sizes.longest
        return [
            pair
            for pair in self.pairs
            if len(pair.english) <= longest and len(pair.german) <= longest + 1
        ]

    def _described(self, usable: int) -> str:
        return (
            f"Sentence pairs of {self.name}: {usable:,} of {len(self.pairs):,} with different "
            "first sentences are short enough. Words are in lower case, and rare ones are "
            "<unk>. The examples are test sentences, which the model has not seen in training."
        )


def read_sentence_pairs(source: Path) -> OwnPairs:
    """The sentence pairs of a text file, or of all `.txt` and `.tsv` files in a folder.

    Words are put in lower case, and punctuation marks are words. Of several translations of a
    sentence the first is kept.

    Raises:
        DataError: There is no such file, or a line has no translation.
    """
    pairs: dict[tuple[str, ...], SentencePair] = {}
    digest = hashlib.sha256()
    for file in _files(source):
        content = file.read_bytes()
        digest.update(content)
        for pair in _pairs_of(file, content):
            pairs.setdefault(pair.english, pair)
    return OwnPairs(source.name, tuple(pairs.values()), digest.hexdigest())


def words_of(text: str) -> tuple[str, ...]:
    """Words and punctuation marks of a text, in lower case: `Don't go!` has three."""
    return tuple(_WORD.findall(text.lower()))


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise DataError(
            f"There is no file or folder {source}. Give a folder of text files with a sentence, a "
            "tab, and its translation on each line."
        )
    # ManyThings packs a file about itself beside the sentences.
    files = [
        file
        for file in sorted(source.iterdir())
        if file.suffix in (".txt", ".tsv") and file.name != "_about.txt"
    ]
    if not files:
        raise DataError(
            f"The folder {source} has no .txt or .tsv file. Put one there with a sentence, a tab, "
            "and its translation on each line."
        )
    return files


def _pairs_of(file: Path, content: bytes) -> Iterator[SentencePair]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{file}, line {line}: byte {content[error.start]:#04x} is not UTF-8. Save the file "
            "as UTF-8."
        ) from None
    # Not `splitlines`, which also splits at marks that a sentence may contain.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _pair(line, f"{file}, line {number}")


def _pair(line: str, place: str) -> SentencePair:
    english, _, rest = line.partition("\t")
    words, translated = words_of(english), words_of(rest.partition("\t")[0])
    if not words or not translated:
        found = "no tab" if not rest else "no words on one side of the tab"
        raise DataError(
            f"{place}: {found} in {line.strip()[:40]!r}. Each line needs a sentence, a tab, and "
            "its translation."
        )
    return SentencePair(words, translated, ((),) * len(translated))
