from collections import Counter

from attnreport.tasks.keywords.collection import Passage, held_out


def made(label: str, count: int) -> list[Passage]:
    return [Passage(f"{label} {number}", ("word",), label) for number in range(count)]


def test_a_share_of_each_label_is_held_out():
    passages = [*made("a", 20), *made("b", 3), *made("c", 1)]
    rest, out = held_out(passages, 0.25, 0)
    assert Counter(each.label for each in out) == {"a": 5, "b": 1}
    assert Counter(each.label for each in rest) == {"a": 15, "b": 2, "c": 1}
    assert sorted(each.name for each in (*rest, *out)) == sorted(each.name for each in passages)


def test_the_most_frequent_label_is_that_of_training(collection):
    assert collection.most_frequent == 0.5
