import numpy as np

from attnreport.tasks.shown import SHOWN, SHOWN_WRONG, shown_examples, shown_note


def test_each_frequent_mistake_has_an_example():
    targets, outputs = np.zeros(400, np.int64), np.zeros(400, np.int64)
    # Thirty mistakes of one kind first, a frequent one after them, and rare ones last.
    outputs[:30] = 1
    outputs[30:70] = 2
    outputs[70:100] = np.arange(3, 33)
    shown = shown_examples(targets, outputs)
    assert len(shown) == SHOWN
    assert shown == sorted(set(shown))
    wrong = [number for number in shown if outputs[number]]
    assert len(wrong) == SHOWN_WRONG
    # One of each of the two frequent ones, and as many of the rare ones as there is room for.
    assert wrong == [0, 30, *range(70, 92)]


def test_a_mistake_has_a_second_example_only_after_each_has_one():
    targets, outputs = np.zeros(50, np.int64), np.zeros(50, np.int64)
    outputs[10:40], outputs[45] = 1, 2
    wrong = [number for number in shown_examples(targets, outputs) if outputs[number]]
    assert wrong == [*range(10, 33), 45]


def test_right_examples_are_evenly_spread():
    same = np.zeros(1000, np.int64)
    shown = shown_examples(same, same)
    assert len(shown) == SHOWN
    assert (shown[0], shown[-1]) == (0, 999)
    assert set(np.diff(shown)) <= {15, 16}


def test_few_examples_are_all_shown():
    targets, outputs = np.array([0, 1, 0]), np.array([0, 0, 1])
    assert shown_examples(targets, outputs) == [0, 1, 2]
    assert shown_examples(targets, 1 - targets) == [0, 1, 2]


def test_a_note_says_how_they_were_chosen():
    assert shown_note("test pictures", 2000, 31, 64) == (
        "Of 2,000 test pictures 64 are shown: 24 of the 31 wrong ones, with an example of each "
        "frequent mistake, and right ones evenly spread."
    )
    assert shown_note("test passages", 10, 3, 10) == "All 10 test passages are shown."
