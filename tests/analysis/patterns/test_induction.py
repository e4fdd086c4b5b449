import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import after_repeats, prefix_matching, repeated_tokens


def induction_head(tokens):
    """Looks at what came after the last occurrence of each token, else at the first token."""
    weights = np.zeros((len(tokens), len(tokens)))
    for query in range(len(tokens)):
        earlier = [key for key in range(query) if tokens[key] == tokens[query]]
        weights[query, earlier[-1] + 1 if earlier else 0] = 1
    return weights


def even_head(tokens):
    past = np.tri(len(tokens))
    return past / past.sum(axis=-1, keepdims=True)


def test_what_came_after_a_repeat():
    found = after_repeats(["a", "b", "a", "a", "b"])
    # The second a is followed by the third: at the third itself, that is no successor.
    assert np.argwhere(found).tolist() == [[2, 1], [3, 1], [4, 2]]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=9))
def test_repeats_agree_with_plain_loops(labels):
    expected = {
        (query, key + 1)
        for query in range(len(labels))
        for key in range(query - 1)
        if labels[key] == labels[query]
    }
    assert {tuple(pair) for pair in np.argwhere(after_repeats(labels)).tolist()} == expected


def test_drawn_tokens_differ_and_are_repeated():
    tokens = repeated_tokens(range(10, 40), length=5, repeats=3, start=[1])
    assert tokens[0] == 1
    first, second, third = tokens[1:].reshape(3, 5).tolist()
    assert first == second == third
    assert len(set(first)) == 5
    assert set(first) <= set(range(10, 40))
    assert repeated_tokens(range(10, 40), length=5).tolist() != (
        repeated_tokens(range(10, 40), length=5, seed=1).tolist()
    )


def test_a_whole_vocabulary_can_be_drawn():
    tokens = repeated_tokens([7, 7, 3, 5], length=3, repeats=2)
    assert sorted(tokens.tolist()) == [3, 3, 5, 5, 7, 7]


def test_an_induction_head_scores_one_and_an_even_head_by_chance():
    def weights_of(tokens):
        return [
            np.stack([even_head(tokens)]),
            np.stack([induction_head(tokens), even_head(tokens)]),
        ]

    first, second = prefix_matching(weights_of, range(100), length=6, repeats=2, start=[0], texts=3)
    assert second.score == pytest.approx([1, first.score[0]])
    assert first.score == pytest.approx([first.chance])
    # Rows 7 to 12 of the text may look at 8 to 13 tokens, one of which is the right one.
    assert first.chance == pytest.approx(np.mean([1 / seen for seen in range(8, 14)]))
    assert second.error == pytest.approx([0, 0])


def test_scores_are_averaged_over_texts_with_their_error():
    """Induction in the first text, and none in the second: 1 and 0."""
    heads = iter([induction_head, lambda tokens: np.eye(len(tokens))])
    (found,) = prefix_matching(
        lambda tokens: [next(heads)(tokens)[np.newaxis]], range(50), length=4, texts=2
    )
    assert found.score == pytest.approx([0.5])
    assert found.error == pytest.approx([0.5])


def test_one_text_has_no_error():
    (found,) = prefix_matching(lambda tokens: [even_head(tokens)[None]], range(30), texts=1)
    assert np.isnan(found.error).all()


@pytest.mark.parametrize("options", [{"length": 1}, {"length": 31}, {"repeats": 1}])
def test_texts_that_repeat_nothing_are_refused(options):
    with pytest.raises(InvalidAttentionError, match="repeats no sequence of different tokens"):
        repeated_tokens(range(30), **options)


def test_weights_of_another_text_are_refused():
    with pytest.raises(InvalidAttentionError, match=r"text of 8 tokens.*\(1, 3, 3\)"):
        prefix_matching(lambda tokens: [np.ones((1, 3, 3))], range(30), length=2)
