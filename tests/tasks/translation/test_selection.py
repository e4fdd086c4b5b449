import pytest

from attnreport.tasks.translation.corpus import CorpusSizes, make_corpus
from attnreport.tasks.translation.selection import choose_examples

PAIRS = make_corpus(CorpusSizes(train=0, validation=0, test=800)).test


@pytest.fixture(scope="module")
def chosen():
    return choose_examples(PAIRS, [True] * len(PAIRS))


def german(pairs) -> list[str]:
    return [" ".join(pair.german) for pair in pairs]


def test_there_is_one_sentence_of_each_kind(chosen):
    assert len(chosen) == len(set(chosen)) == 11
    texts = german(chosen)
    assert " , weil " in texts[0]
    assert texts[1].split()[-1] in {"auf", "zu", "an", "ab", "ein", "mit", "weg", "zurück"}
    assert " dass " in texts[2]
    assert "," not in texts[3]
    assert len(texts[3].split()) >= 9
    assert ", dem " in texts[4] or ", denen " in texts[4]
    assert ", um " in texts[5]
    assert texts[6].endswith("?")
    assert " kein" in f" {texts[7]}"
    assert texts[8].split()[0] in ("jeden", "am", "nachts")
    assert "it" in chosen[9].english
    others = [pair for pair in PAIRS if pair not in chosen[:10]]
    assert len(chosen[10].english) == max(len(pair.english) for pair in others)


def test_the_first_wrong_sentence_is_shown_too_and_changes_no_other(chosen):
    right = [True] * len(PAIRS)
    wrong = next(i for i, pair in enumerate(PAIRS) if pair not in chosen)
    right[wrong] = right[wrong + 5] = False
    assert choose_examples(PAIRS, right) == [*chosen, PAIRS[wrong]]


def test_a_wrong_sentence_that_is_shown_anyway_is_shown_once(chosen):
    right = [pair != chosen[3] for pair in PAIRS]
    assert choose_examples(PAIRS, right) == chosen


def test_kinds_that_do_not_occur_are_left_out():
    assert len(choose_examples(PAIRS[:3], [True] * 3)) <= 3
    assert choose_examples((), ()) == []
