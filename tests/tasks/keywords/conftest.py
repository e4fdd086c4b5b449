from pathlib import Path

import pytest

from attnreport.tasks.keywords.collection import Collection, Passage
from attnreport.tasks.keywords.words import split_words

# Each group has words of its own, and every text some that all share.
SUBJECTS = {
    "rec.boats": ("sail", "mast", "harbor", "rudder", "anchor"),
    "sci.bread": ("flour", "yeast", "oven", "dough", "crust"),
}


def sentence(label: str, number: int) -> str:
    """A text about a label: two of its words among words that say nothing."""
    words = SUBJECTS[label]
    first, second = words[number % 5], words[(number + 2) % 5]
    return f"This is text number {number} and the {first} is near the {second} of the other one."


def passages(label: str, numbers: range) -> tuple[Passage, ...]:
    return tuple(
        Passage(f"{label} {number}", split_words(sentence(label, number)), label)
        for number in numbers
    )


def collection() -> Collection:
    train, validation, test = (
        tuple(each for label in SUBJECTS for each in passages(label, numbers))
        for numbers in (range(160), range(160, 170), range(170, 175))
    )
    return Collection(
        tuple(SUBJECTS),
        train,
        validation,
        test,
        {"rec.boats": frozenset({"rec", "boat", "sail"}), "sci.bread": frozenset({"oven"})},
        "words of some titles",
        "Sentences about boats and bread.",
    )


@pytest.fixture(name="collection", scope="session")
def collection_fixture() -> Collection:
    """Two labels that a few words tell apart."""
    return collection()


def write(file: Path, text: str, encoding: str = "utf-8") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode(encoding))


@pytest.fixture
def newsgroups(tmp_path) -> Path:
    """Messages as in `20news-bydate.tar.gz`: a header, Latin-1, numbers for names."""
    root = tmp_path / "20news"
    for part, numbers in (("train", range(12)), ("test", range(20, 24))):
        for label in SUBJECTS:
            for number in numbers:
                message = (
                    "From: jos\u00e9@uni.example (Jos\u00e9)\n"
                    f"Subject: Re: {label}\n"
                    f"Newsgroups: {label}\n"
                    "Lines: 3\n\n"
                    f"{sentence(label, number)}\n\n>> Caf\u00e9, he wrote.\n"
                )
                file = root / f"20news-bydate-{part}" / label / str(59_800 + number)
                write(file, message, "latin-1")
    return root


@pytest.fixture
def reviews(tmp_path) -> Path:
    """Reviews as in `aclImdb_v1.tar.gz`: train and test, and among them texts without a label."""
    root = tmp_path / "aclImdb"
    for part in ("train", "test"):
        for label, stars in (("pos", 9), ("neg", 2)):
            for number in range(5):
                text = f"A {label} film, number {number}.<br /><br />Caf\u00e9 scenes."
                write(root / part / label / f"{number}_{stars}.txt", text)
            write(root / part / f"urls_{label}.txt", "http://www.imdb.example/title/tt0064354\n")
        write(root / part / "labeledBow.feat", "9 0:9 1:1 2:4\n")
    write(root / "train" / "unsup" / "0_0.txt", "A film nobody rated.")
    write(root / "README", "Large Movie Review Dataset v1.0\n")
    write(root / "imdb.vocab", "the\nand\n")
    return root
