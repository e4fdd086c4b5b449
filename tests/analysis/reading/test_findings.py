import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnreport.analysis import findings
from attnreport.recording import KINDS, AttentionMap, Metric, TokenAxis
from tests.analysis.reading.told import (
    UNIFORM,
    encoder_maps,
    layer,
    neighbor,
    sentence,
    sentences,
    stripe,
    translation,
)


def test_a_trained_encoder_in_four_sentences():
    maps = encoder_maps()
    told = findings(maps, limit=9)
    assert [sentence(finding) for finding in told] == [
        "4 of 9 heads put at least 40% of their attention on [CLS], more than on any other token",
        "L0 H2 is the sharpest head: entropy 0.00 bits (previous token, 100%)",
        "95% of the attention of “fragile” goes to “manuscript” in L2 H0, the two words, neighbors "
        "aside, that the later layers connect most",
        "2 of 9 heads look mostly at the token just before or after: L0 H2, L1 H0",
        "3 of 9 heads spread their attention broadly, most of them in layer 1",
    ]
    assert told[1].head == ("encoder", 0, 2)
    assert (told[2].head, told[2].cell) == (("encoder", 2, 0), (7, 3))
    assert findings(maps) == told[:4]


def test_a_translation_in_sentences():
    keys = [0, 1, 3, 4, 2, 5]
    metrics = [
        Metric("sentences exactly right", 0.973, "On 500 test sentences.", percent=True),
        Metric("alignment error rate", 0.0412, "0 is perfect."),
    ]
    told = findings([translation(keys, reference=keys)], metrics=metrics, limit=9)
    assert [sentence(finding) for finding in told] == [
        "97.3% sentences exactly right",
        "0.0412 alignment error rate",
        "5 of 5 words look at the word they translate",
        "2 tokens back is the longest jump: “fuchs” looks at “fox”, then “gesehen” looks at “seen”",
        "0.00 bits is the mean entropy of a row; looking everywhere equally would be 2.58 bits",
    ]
    assert told[0].detail == "On 500 test sentences."
    assert told[2].head == ("cross-attention", 0, 0)
    assert told[3].cell == (4, 2)


def test_a_jump_ahead():
    assert (
        "3 tokens ahead is the longest jump: “ich” looks at “i”, then “habe” looks at “the”"
        in sentences([translation([0, 3, 3, 4, 4, 5])])
    )


def test_a_blurred_head_tells_no_jump():
    assert not any(
        "jump" in text for text in sentences([translation([4, 0, 3, 1, 2, 5], noise=0.9)])
    )


def test_the_best_head_is_named_where_there_are_several():
    reference = [0, 1, 3, 4, 2, 5]
    wrong = translation([1, 0, 0, 0, 0, 0], reference=reference)
    right = translation([0, 1, 3, 4, 2, 0], reference=reference, heads=2)
    assert (
        "5 of 5 words look at the word they translate in L1 H0, the head that does it best"
        in sentences([wrong, right])
    )


def test_single_heads_of_several_are_named():
    maps = [layer(stripe(3, 0.5), stripe(4, 0.3), neighbor(1))]
    assert sentences(maps) == [
        "L0 H0 puts 50% of its attention on “manuscript”",
        "L0 H2 is the sharpest head: entropy 0.00 bits (next token, 100%)",
        "50% of the attention of “the” goes to “manuscript” in L0 H0, the two words, "
        "neighbors aside, that the heads connect most",
        "L0 H2 looks mostly at the token just after (100%)",
    ]


def test_an_even_spread_is_not_told_as_a_sink():
    causal = np.tril(np.ones((5, 5)))
    axis = TokenAxis(("a", "b", "c", "d", "e"))
    even = causal / causal.sum(axis=-1, keepdims=True)
    first = np.eye(5)[[0] * 5]
    maps = [layer(even, even, first, first, axis=axis, mask=causal.astype(bool))]
    told = sentences(maps, limit=9)
    assert told[0].startswith("2 of 4 heads put at least 40% of their attention on “a”")
    assert "2 of 4 heads spread their attention broadly" in told


def test_no_head_is_both_the_sharpest_and_broad():
    told = sentences([layer(UNIFORM, UNIFORM)], limit=9)
    assert told == ["2 of 2 heads spread their attention broadly"]


def test_metrics_without_a_value_are_left_out():
    metrics = [Metric("loss", float("nan")), Metric("accuracy", 1.0, percent=True)]
    assert sentences([layer(UNIFORM)], metrics=metrics) == [
        "100% accuracy",
        "3.17 bits is the mean entropy of a row; looking everywhere equally would be 3.17 bits",
    ]


@pytest.mark.parametrize(
    ("layers", "where"),
    [
        ([2, 0], ", all of them in layer 0"),
        ([1, 2], ", most of them in layer 1"),
        ([1, 1], ""),
        ([2], ""),
    ],
)
def test_broad_heads_are_placed_where_most_are(layers, where):
    maps = [layer(*[UNIFORM] * count, neighbor(0)) for count in layers]
    total = sum(layers)
    expected = f"{total} of {total + len(layers)} heads spread their attention broadly{where}"
    assert expected in sentences(maps, limit=9)


def test_a_single_broad_head_is_named():
    told = sentences([layer(UNIFORM, neighbor(0))], limit=9)
    assert "L0 H0 spreads its attention broadly: entropy 3.17 bits" in told


@pytest.mark.parametrize(
    ("layers", "heads", "who"),
    [
        (1, 1, "this head connects"),
        (1, 2, "the heads connect"),
        (2, 1, "the last layer connects"),
        (3, 1, "the later layers connect"),
    ],
)
def test_the_link_says_who_makes_it(layers, heads, who):
    linked = stripe(0, 0.9)
    linked[7, 0], linked[7, 3] = 0, 0.9
    told = sentences([layer(*[linked] * heads)] * layers)
    assert (
        "90% of the attention of “fragile” goes to “manuscript” in L0 H0, the two words, "
        f"neighbors aside, that {who} most" in told
    )


def test_many_names_are_counted():
    maps = [layer(*[neighbor(-1)] * 7)]
    assert (
        "7 of 7 heads look mostly at the token just before: L0 H0, L0 H1, L0 H2, L0 H3 and 3 more"
        in (sentences(maps, limit=9))
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 3),
    # A marker that ends in a full stop may end a sentence.
    st.lists(st.text(max_size=5).filter(lambda text: text[-1:] != "."), min_size=1, max_size=6),
    st.integers(0, 2**32 - 1),
    st.sampled_from([kind for kind in KINDS if kind != "activation"]),
)
def test_any_group_is_told_in_one_to_four_sentences(layers, heads, tokens, seed, kind):
    rng = np.random.default_rng(seed)
    axis = TokenAxis(tuple(tokens), tuple(np.flatnonzero(rng.random(len(tokens)) < 0.3).tolist()))
    maps = [
        AttentionMap(
            "layer",
            rng.dirichlet(np.full(len(axis), 0.2), (heads, len(axis))).astype(np.float32),
            axis,
            axis,
            kind=kind,
            normalized=kind != "gate",
        )
        for _ in range(layers)
    ]
    told = findings(maps)
    assert 1 <= len(told) <= 4
    for finding in told:
        assert finding.value
        assert finding.text
        assert not finding.text.endswith(".")
        sentence(finding).encode()
        if finding.cell is not None:
            _, number, head = finding.head
            assert maps[number].weights[head][finding.cell] > 0


def test_layers_are_called_by_their_numbers_in_the_model():
    numbered = [
        dataclasses.replace(attention, layer=number)
        for attention, number in zip(encoder_maps(), (4, 7, 11), strict=True)
    ]
    told = findings(numbered, limit=9)
    expected = findings(encoder_maps(), limit=9)
    names = {"L0": "L4", "L1": "L7", "L2": "L11", "layer 1": "layer 7"}
    for finding, plain in zip(told, expected, strict=True):
        in_model = re.sub(r"L\d|layer 1", lambda name: names[name[0]], sentence(plain))
        assert sentence(finding) == in_model
        assert (finding.head, finding.cell) == (plain.head, plain.cell)
    assert sum(sentence(a) != sentence(b) for a, b in zip(told, expected, strict=True)) == 4


def test_what_is_said_of_one_example_names_it():
    accuracy = Metric("right", 0.5, "On 100 texts.", percent=True)
    told, *others = findings(encoder_maps(), metrics=[accuracy], place="“test 3”")
    assert told.detail == "On 100 texts."
    assert {finding.detail for finding in others} == {"In “test 3”."}
    assert {finding.detail for finding in findings(encoder_maps())} == {""}
