import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport.analysis import merge_words, merged_labels, merged_spans
from attnreport.recording import AttentionMap, GridAxis, TokenAxis
from tests.recording.byte_level import byte_level


def spelled(text):
    return byte_level(text.encode())


def merged(tokens, special=(), words=()):
    axis = TokenAxis(tuple(tokens), special, words)
    return merged_labels(axis, merged_spans(axis))


@pytest.mark.parametrize(
    ("tokens", "special", "expected"),
    [
        ("[CLS] quick - wit ##ted . [SEP]", (0, 6), "[CLS] quick - witted . [SEP]"),
        ("<s> ▁un believ able , ▁don ' t ▁3 . 14 )", (0,), "<s> unbelievable , don't 3.14 )"),
        ("ĠIce land ' s Ġ( fox ) <|x|>", (7,), "Iceland's ( fox ) <|x|>"),
        ("▁ 我 喜欢 ▁ข้อ ความ ▁한국 어", (), "我 喜欢 ข้อ ความ 한국어"),
        ("▁ <0xF0> <0x9F> <0x98> <0x80> ▁a", (), "😀 a"),
        ("Ġשלו ם Ġال سلام Ċ Ġdone", (), "שלום السلام ⏎ done"),
        ("alpha beta , 北 京", (), "alpha beta , 北 京"),
    ],
)
def test_pieces_join_by_the_marks_of_their_tokenizer(tokens, special, expected):
    assert merged(tokens.split(" "), special) == expected.split(" ")


def test_bytes_of_a_character_join_whatever_stands_between_words():
    emoji = spelled(" 👩‍🚀")
    tokens = [spelled(" caf"), spelled("é"), *emoji, spelled(" 我"), spelled("們!")]
    assert merged(tokens) == ["café", "👩‍🚀", "我", "們!"]


def test_word_indices_of_the_axis_decide_where_it_has_them():
    tokens = ["<s>", "Ġice", "Ġcream", ",", "un", "##do"]
    words = (None, 0, 0, 1, 2, 3)
    assert merged(tokens, (0,), words) == ["<s>", "ice cream", ",", "un", "do"]


def slow_merge(weights, queries, keys):
    found = np.zeros((len(weights), len(queries), len(keys)))
    for head in range(len(weights)):
        for i, query in enumerate(queries):
            for j, key in enumerate(keys):
                pairs = [float(weights[head, q, k]) for q in query for k in key]
                found[head, i, j] = sum(pairs) / len(query)
    return found


def axis_of(lengths, name):
    words = tuple(word for word, length in enumerate(lengths) for _ in range(length))
    return TokenAxis(tuple(f"{name}{i}" for i in range(len(words))), words=words)


LENGTHS = st.lists(st.integers(1, 3), min_size=1, max_size=4)


@given(LENGTHS, LENGTHS, st.integers(0, 2**32 - 1))
def test_a_merged_map_agrees_with_plain_loops(queries, keys, seed):
    random = np.random.default_rng(seed)
    query, key = axis_of(queries, "q"), axis_of(keys, "k")
    mask = random.random((2, len(query), len(key))) < 0.6
    weights = (random.random(mask.shape) * mask).astype(np.float32)
    weights /= np.maximum(weights.sum(-1, keepdims=True), 1e-9)
    links = random.random(mask.shape[1:]) < 0.2
    given_map = AttentionMap(
        "cross", weights, query, key, kind="cross", mask=mask, reference=links, normalized=False
    )
    found = merge_words(given_map)
    spans = merged_spans(query), merged_spans(key)
    assert [len(span) for span in spans[0]] == queries
    np.testing.assert_allclose(found.array(), slow_merge(weights, *spans), atol=1e-6)
    np.testing.assert_array_equal(found.allowed(), slow_merge(mask, *spans) > 0)
    np.testing.assert_array_equal(found.reference, slow_merge(links[None], *spans)[0] > 0)
    np.testing.assert_allclose(
        found.array().sum(-1), slow_merge(weights, spans[0], [range(len(key))])[..., 0], atol=1e-6
    )


def test_markers_stay_markers_and_cells_stay_cells():
    text = TokenAxis(("<s>", "▁a", "b", "▁c"), special=(0,))
    weights = np.full((1, 4, 2), 0.5, np.float32)
    found = merge_words(AttentionMap("m", weights, text, GridAxis(1, 2), kind="cross"))
    assert found.query == TokenAxis(("<s>", "ab", "c"), special=(0,))
    assert found.key == GridAxis(1, 2)


def test_a_map_whose_words_have_one_piece_each_is_itself():
    axis = TokenAxis(("▁a", "▁b"))
    attention = AttentionMap("m", np.eye(2, dtype=np.float32)[None], axis, axis)
    assert merge_words(attention) is attention
