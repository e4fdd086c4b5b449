"""Plans: every attention of a call, found without computing anything, chosen and weighed."""

import jax
import jax.numpy as jnp
import pytest

from attnreport import plan_attention, with_attention
from attnreport._errors import CaptureError
from attnreport.capture.plan import Options
from tests.capture.attending import attend, encode, numbers, projections

LAYERS = [projections(number) for number in range(3)]
X = numbers(2, 5, 8)


def shapes(tree):
    return jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), tree)


def planned(**options):
    return plan_attention(encode, LAYERS, X, options=Options(**options))


def test_a_plan_is_a_table():
    header, first, *_ = str(planned()).splitlines()
    assert header.split() == ["name", "kind", "form", "axes", "shape", "size", "kept"]
    assert first.startswith("layers.0  self  softmax  batch head query key  2 × 2 × 5 × 5  400 B")
    assert str(planned()).endswith("3 of 3 kept, 1.2 KiB")


def test_shapes_are_enough_and_nothing_is_computed():
    # 4 TiB, which no machine here holds.
    long = jax.ShapeDtypeStruct((1, 1 << 19, 8), jnp.float32)
    plan = plan_attention(encode, shapes(LAYERS), long)
    assert [each.shape for each in plan.attentions] == [(1, 2, 1 << 19, 1 << 19)] * 3
    assert plan.bytes == 3 * 2 * 4 << 38
    assert "2,048.0 GiB" in str(plan)


def test_values_are_asked_for_where_they_are_needed():
    with pytest.raises(CaptureError, match=r"`x` is a ShapeDtypeStruct.*`plan_attention` takes"):
        with_attention(encode)(LAYERS, shapes(X))


def test_what_is_selected_is_kept():
    plan = planned(select="*.[12]")
    assert [each.kept for each in plan.attentions] == [False, True, True]
    assert [each.name for each in plan.kept] == ["layers.1", "layers.2"]
    assert plan.bytes == 800
    assert "2 of 3 kept, 800 B" in str(plan)
    assert [each.name for each in planned(select=["*.0", "*.2"]).kept] == ["layers.0", "layers.2"]


def test_a_selection_that_matches_nothing_lists_the_nearest_names():
    message = r"No attention is called `layer\.1`\. Near are layers\.1, .*\. A pattern may hold"
    with pytest.raises(CaptureError, match=message):
        planned(select=["layers.0", "layer.1"])
    with pytest.raises(CaptureError, match=r"`zzz`\. There are layers\.0, layers\.1, layers\.2\."):
        planned(select="zzz")


def test_kinds_are_chosen():
    def model(layers, x, memory):
        x = attend(layers[0], x)
        return attend(layers[1], x, memory)

    args = LAYERS, X, numbers(2, 4, 8)
    assert [e.about.kind for e in plan_attention(model, *args).attentions] == ["self", "cross"]
    plan = plan_attention(model, *args, options=Options(kinds=("cross",)))
    assert [each.kept for each in plan.attentions] == [False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kinds": ("selfish",)}, "`kinds` holds 'selfish'. Choose among self, cross, pooling"),
        ({"want": ("weight",)}, "`want` holds 'weight'. Choose among weights, logits, query"),
        ({"reduce": "half"}, "There is no reduction `half`"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(CaptureError, match=message):
        Options(**options)


def test_a_budget_refuses_and_says_what_is_largest():
    message = r"3 attentions would give 1\.2 KiB, more than the budget of 1,000 B; the largest is"
    with pytest.raises(CaptureError, match=message):
        planned(budget=1000)
    assert planned(budget=1000, reduce="uint8").bytes == 300
    assert planned(budget=1000, select="*.0").bytes == 400


@pytest.mark.parametrize(
    ("reduce", "bytes_"),
    [
        (None, 400),
        ("bfloat16", 200),
        ("uint8", 100),
        ("head mean", 200),
        ("top-2", 2 * 2 * 5 * 2 * 8),
        ("statistics", 2 * 2 * 5 * 16),
        ("pooled-2", 2 * 2 * 2 * 2 * 4),
    ],
)
def test_sizes_are_those_of_what_leaves(reduce, bytes_):
    assert [each.bytes for each in planned(reduce=reduce).attentions] == [bytes_] * 3
    _, attention = with_attention(encode, reduce=reduce)(LAYERS, X)
    for captured in attention.values():
        assert sum(leaf.nbytes for leaf in jax.tree.leaves(captured.weights)) == bytes_


def test_what_else_is_wanted_counts():
    assert planned(want=("weights", "logits")).attentions[0].bytes == 800


def test_strictness_leaves_out_guesses():
    def model(query, key, value):
        return jax.nn.dot_product_attention(query, key, value)

    q = numbers(2, 5, 2, 4)
    (loose,) = plan_attention(model, q, q, q).attentions
    (strict,) = plan_attention(model, q, q, q, options=Options(strict=True)).attentions
    assert loose.kept
    assert "which axis holds the heads" in loose.about.fallbacks[0]
    assert not strict.kept
    assert all(each.kept for each in planned(strict=True).attentions)


def test_layers_of_a_loop_are_an_axis():
    stack = jax.tree.map(lambda *each: jnp.stack(each), *LAYERS)

    def model(stack, x):
        return jax.lax.scan(lambda x, layer: (attend(layer, x), None), x, stack)[0]

    (each,) = plan_attention(model, stack, X).attentions
    assert each.about.axes == ("layer", "batch", "head", "query", "key")
    assert (each.shape, each.bytes) == ((3, 2, 2, 5, 5), 1200)


def test_a_program_without_attention_is_said():
    plan = plan_attention(jnp.sin, X)
    assert plan.attentions == ()
    assert "0 of 0 kept, 0 B\nNothing in it is normalized" in str(plan)


def test_random_numbers_are_told():
    def model(layer, key, x):
        kept = jax.random.bernoulli(key, 0.9, x.shape)
        return attend(layer, jnp.where(kept, x, 0))

    plan = plan_attention(model, LAYERS[0], jax.random.key(0), X)
    assert plan.random
    assert plan.attentions[0].about.random
    assert not planned().random
