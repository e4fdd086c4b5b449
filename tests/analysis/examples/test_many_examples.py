import gc
import weakref

import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import head_patterns, row_statistics, summarize_examples
from attnreport.recording import AttentionMap, Example, TokenAxis


def example(number, heads=2, calls=1):
    size = 4 + number
    axis = TokenAxis(tuple(f"word{place}" for place in range(size)))
    random = np.random.default_rng(number)
    weights = random.dirichlet(np.full(size, 0.3), (heads, size)).astype(np.float32)
    attention = AttentionMap("layer", weights, axis, axis)
    return Example(f"text {number}", (attention,) * calls)


def test_means_and_spreads_agree_with_all_examples_at_once():
    examples = [example(number) for number in range(5)]
    for summary in summarize_examples(iter(examples)):
        assert (summary.map, summary.call, summary.group) == ("layer", 0, "self-attention")
        for name, spread in summary.statistics.items():
            each = [row_statistics(one.maps[0])[name] for one in examples]
            values = [statistic.by_head()[summary.head] for statistic in each]
            chances = [statistic.chance_by_head()[summary.head] for statistic in each]
            assert spread.count == 5
            assert spread.mean == pytest.approx(np.mean(values))
            assert spread.deviation == pytest.approx(np.std(values, ddof=1))
            assert spread.chance == pytest.approx(np.mean(chances))


def test_patterns_are_counted_and_their_clearest_examples_kept():
    examples = [example(number) for number in range(6)]
    for summary in summarize_examples(examples, top=2):
        for name, share in summary.patterns.items():
            told = [
                (pattern.value, one.name, pattern.found)
                for one in examples
                for pattern in head_patterns(one.maps[0], every=True)[summary.head]
                if pattern.name == name
            ]
            assert share.measured == len(told)
            assert share.found == sum(found for _, _, found in told)
            best = sorted(told, key=lambda each: -each[0])[:2]
            assert [name for _, name in share.top] == [name for _, name, _ in best]


def test_of_equal_examples_the_first_is_kept():
    same = example(1)
    named = [Example(name, same.maps) for name in ("first", "second", "third")]
    for summary in summarize_examples(named, top=2):
        for share in summary.patterns.values():
            assert [name for _, name in share.top] == ["first", "second"]


def test_calls_of_one_module_are_told_apart():
    found = summarize_examples([example(0, calls=2), example(1, calls=2)])
    assert [(each.call, each.head) for each in found] == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_no_example_is_kept():
    seen = []

    def stream():
        for number in range(4):
            one = example(number)
            seen.append(weakref.ref(one.maps[0]))
            yield one
            del one
            gc.collect()
            assert sum(each() is not None for each in seen) <= 1

    assert len(summarize_examples(stream())) == 2


def test_examples_of_another_model_are_refused():
    with pytest.raises(
        InvalidAttentionError, match="2 heads in the first example and 3 in 'text 1'"
    ):
        summarize_examples([example(0), example(1, heads=3)])


def test_no_examples_have_no_heads():
    assert summarize_examples([]) == []


def test_only_the_maps_that_are_wanted_are_measured():
    several = Example("text", example(0, calls=3).maps)
    found = summarize_examples([several], wanted=lambda attention, layer: layer != 1)
    assert {(each.map, each.call, each.layer) for each in found} == {
        ("layer", 0, 0),
        ("layer", 2, 2),
    }
