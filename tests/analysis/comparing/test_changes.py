"""What changed, in sentences, each number against plain loops."""

import math

import numpy as np
import pytest

from attnreport.analysis import change_findings, compare, most_changed_cell, row_distances
from attnreport.recording import AttentionMap, Example, Kind, Recording, TokenAxis
from tests.report.compared_recordings import (
    BEFORE,
    BOTH,
    IN_AFTER,
    IN_BEFORE,
    placed,
    sentence,
    two_checkpoints,
    two_texts,
)


def entropy(row):
    """Bits of a row that sums to one."""
    return -sum(w * math.log2(w) for w in row if w > 0)


def slow_distance(one, other):
    """Jensen-Shannon distance of two rows over what both have, key by key."""
    both = [k for k in range(len(one)) if not (math.isnan(one[k]) or math.isnan(other[k]))]
    if not both:
        return math.nan
    p, q = ([row[k] for k in both] for row in (one, other))
    if sum(p) == 0 or sum(q) == 0:
        return math.nan
    p, q = ([w / sum(row) for w in row] for row in (p, q))
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return math.sqrt(max(0, entropy(middle) - (entropy(p) + entropy(q)) / 2))


def slow_rows(recordings, layer, head):
    one = placed(recordings[0], layer, head, IN_BEFORE)
    other = placed(recordings[1], layer, head, IN_AFTER)
    return [slow_distance(a, b) for a, b in zip(one, other, strict=True)]


@pytest.fixture
def texts():
    recordings = two_texts()
    return recordings, compare(*recordings).examples[0]


def test_rows_that_both_have_are_compared_over_keys_that_both_have(texts):
    recordings, example = texts
    for layer, compared in enumerate(example.maps):
        for head in range(3):
            slow = slow_rows(recordings, layer, head)
            np.testing.assert_allclose(row_distances(compared, head), slow, atol=1e-6)
            assert compared.distances[head] == pytest.approx(np.nanmean(slow), abs=1e-6)


def test_the_most_changed_cell_is_of_the_most_changed_row_of_the_most_changed_head(texts):
    recordings, example = texts
    means = {
        (layer, head): np.nanmean(slow_rows(recordings, layer, head))
        for layer in range(2)
        for head in range(3)
    }
    layer, head = max(means, key=means.__getitem__)
    query = int(np.nanargmax(slow_rows(recordings, layer, head)))
    one, other = (
        placed(each, layer, head, places)[query]
        for each, places in zip(recordings, (IN_BEFORE, IN_AFTER), strict=True)
    )
    cell = most_changed_cell(example.maps)
    assert cell is not None
    assert (cell.map, cell.head, cell.query) == (layer, head, query)
    assert cell.key == int(np.nanargmax(np.abs(other - one)))


def test_the_first_finding_says_where_the_most_changed_head_looked(texts):
    recordings, example = texts
    cell = most_changed_cell(example.maps)
    assert cell is not None
    shared = sorted(set(IN_BEFORE) & set(IN_AFTER))
    before, after = (
        np.array([placed(each, cell.map, cell.head, places)[q] for q in shared]).mean(axis=0)
        for each, places in zip(recordings, (IN_BEFORE, IN_AFTER), strict=True)
    )
    key = int(np.nanargmax(np.abs(after - before)))
    found = change_findings(example, example.maps)[0]
    assert found.value == f"L{cell.map} H{cell.head}"
    shares = [
        f"{each:.0%}" if each >= 0.0995 else f"{each:.1%}" for each in (before[key], after[key])
    ]
    assert f"with {shares[0]} in A, {shares[1]} in B" in found.text
    assert BOTH[key] in found.text
    assert found.cell == (cell.query, cell.key)


def test_half_of_the_heads_changed_less_than_the_middle_one(texts):
    recordings, example = texts
    every = [np.nanmean(slow_rows(recordings, n, h)) for n in range(2) for h in range(3)]
    found = change_findings(example, example.maps)[1]
    assert found.value == f"{np.median(every):.2f}"
    assert "6 heads" in found.text


def test_the_position_that_changed_most_is_named_in_quotes(texts):
    recordings, example = texts
    rows = np.array([slow_rows(recordings, n, h) for n in range(2) for h in range(3)])
    shared = sorted(set(IN_BEFORE) & set(IN_AFTER))
    means = rows[:, shared].mean(axis=0)
    query = shared[int(means.argmax())]
    found = change_findings(example, example.maps)[2]
    assert BOTH[query] in found.value
    assert f"{means.max():.2f}" in found.detail


def test_what_only_one_has_is_told_with_what_it_gets(texts):
    recordings, example = texts
    shared = sorted(set(IN_BEFORE) & set(IN_AFTER))
    shares = {}
    for letter, recording, places in zip("AB", recordings, (IN_BEFORE, IN_AFTER), strict=True):
        only = sorted(set(places) - set(shared))
        cells = [placed(recording, n, h, places) for n in range(2) for h in range(3)]
        shares[letter] = np.mean([c[q][only].sum() for c in cells for q in shared])
    more, less = sorted(shares, key=shares.__getitem__, reverse=True)
    found = change_findings(example, example.maps)[3]
    assert found.value == f"{shares[more]:.0%}"
    assert f"goes to what only {more} has" in found.text
    assert f"In {less} {shares[less]:.0%} go to" in found.detail
    assert all(f"“{word}”" in found.text + found.detail for word in ("black", "warm", "tired"))


def test_of_one_text_nothing_is_said_of_what_only_one_has():
    example = compare(*two_checkpoints()).examples[0]
    assert not any("only" in each.text for each in change_findings(example, example.maps))


def test_a_recording_and_itself_have_one_finding():
    example = compare(*[sentence(BEFORE, seed=1)] * 2).examples[0]
    (found,) = change_findings(example, example.maps)
    assert found.value == "0 heads"


def test_one_head_is_not_called_the_most_changed_of_all():
    pair = [sentence(BEFORE, seed=seed, layers=1, heads=1) for seed in (1, 2)]
    example = compare(*pair).examples[0]
    found = change_findings(example, example.maps)
    assert found[0].value == f"{float(example.maps[0].distances[0]):.2f}"
    assert "most" not in found[0].text


# --- What rescaled rows do not show, and strengths ----------------------------------------------


def one_map(tokens, weights, *, kind: Kind = "self", normalized=True):
    axis = TokenAxis(tuple(tokens))
    weights = np.asarray(weights, np.float32)[np.newaxis]
    attention = AttentionMap("layer", weights, axis, axis, kind=kind, normalized=normalized)
    return Recording((Example("one", (attention,)),))


def said(first, second):
    (example,) = compare(first, second).examples
    return change_findings(example, example.maps)


def test_a_new_word_that_takes_half_of_every_row_is_not_called_no_change():
    shares, new = said(
        one_map("ac", [[0.75, 0.25], [0.5, 0.5]]),
        one_map("abc", [[0.375, 0.5, 0.125], [0.2, 0.6, 0.2], [0.25, 0.5, 0.25]]),
    )
    assert shares.value == "0 heads"
    assert "the same shares" in shares.text
    # 0.75 fell to 0.375, which is the largest fall.
    assert "by up to 0.375" in shares.detail
    assert (new.value, "“b”" in new.text) == ("50%", True)


def test_gates_that_open_alike_do_not_give_the_same_weights():
    gates = [one_map("ab", np.full((2, 2), w), kind="gate", normalized=False) for w in (0.2, 0.8)]
    (found,) = said(*gates)
    assert "the same shares" in found.text
    assert "by up to 0.600" in found.detail


def test_rows_apart_by_rounding_alone_have_the_same_shares():
    one = np.array([[0.7, 0.2, 0.1]] * 3)
    longer = np.insert(one / 3, 1, 2 / 3, axis=1)
    shares, new = said(one_map("acd", one), one_map("abcd", longer[[0, 0, 1, 2]]))
    assert "the same shares" in shares.text
    assert new.value == "67%"


@pytest.mark.parametrize("kind", ["gate", "activation"])
def test_strengths_are_no_percents(kind):
    changed, spread_or_query, *_ = said(
        one_map("ab", [[1, 1], [1, 1]], kind=kind, normalized=False),
        one_map("ab", [[1, 7], [1, 7]], kind=kind, normalized=False),
    )
    assert "gave “b” a strength of 1 in A, 7 in B" in changed.text
    assert "%" not in changed.text
    assert "strengths changed most" in spread_or_query.text


def test_what_only_one_has_gets_a_share_of_all_strength():
    *_, new = said(
        one_map("ac", [[1, 3], [3, 1]], normalized=False),
        one_map("abc", [[3, 4, 1], [9, 9, 9], [1, 4, 3]], normalized=False),
    )
    # Rows of A and C give 8 each, of which B gets 4.
    assert new.value == "50%"
    assert "of the strength in B" in new.text
