"""Plans: every attention of a call, found without computing anything, chosen and weighed."""

import jax
import jax.numpy as jnp
import pytest

from attnreport import capture_attention, plan_attention, with_attention
from attnreport._errors import CaptureError
from attnreport.capture.choice.options import WANTED, Options
from tests.capture.attending import attend, encode, numbers, projections, weights_of

LAYERS = [projections(number) for number in range(3)]
X = numbers(2, 5, 8)


def shapes(tree):
    return jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), tree)


def planned(**options):
    return plan_attention(encode, LAYERS, X, options=Options(**options))


def test_a_plan_is_a_table():
    assert str(planned()).splitlines() == [
        "name      kind  form     axes                  layers  heads  shape          size   kept",
        "layers.0  self  softmax  batch head query key  0       0, 1   2 × 2 × 5 × 5  400 B  yes",
        "layers.1  self  softmax  batch head query key  1       0, 1   2 × 2 × 5 × 5  400 B  yes",
        "layers.2  self  softmax  batch head query key  2       0, 1   2 × 2 × 5 × 5  400 B  yes",
        "",
        "3 of 3 kept, 1.2 KiB",
    ]


def test_a_table_shows_what_is_kept_and_why_the_rest_is_not():
    _, *rows = str(planned(select="*.[12]", layers=[0, 2], heads=1)).splitlines()
    assert [row[-10:].strip() for row in rows[:2]] == ["no (name)", "no (layer)"]
    assert rows[2].endswith("  2       1      2 × 1 × 5 × 5  200 B  yes")
    assert rows[-1] == "1 of 3 kept, 200 B"


def test_shapes_are_enough_and_nothing_is_computed():
    # 4 TiB, which no machine here holds.
    long = jax.ShapeDtypeStruct((1, 1 << 19, 8), jnp.float32)
    plan = plan_attention(encode, shapes(LAYERS), long)
    assert [each.shape for each in plan.attentions] == [(1, 2, 1 << 19, 1 << 19)] * 3
    assert plan.bytes == 3 * 2 * 4 << 38
    assert "2,048.0 GiB" in str(plan)
    assert "more than the budget of 2.0 GiB" in str(plan)


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


def test_kinds_are_chosen():
    def model(layers, x, memory):
        x = attend(layers[0], x)
        return attend(layers[1], x, memory)

    args = LAYERS, X, numbers(2, 4, 8)
    assert [e.about.kind for e in plan_attention(model, *args).attentions] == ["self", "cross"]
    plan = plan_attention(model, *args, options=Options(kinds=("cross",)))
    assert [each.kept for each in plan.attentions] == [False, True]


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


@pytest.mark.parametrize(
    ("options", "bytes_"),
    [
        ({"want": ["weights", "logits"]}, 800),
        ({"want": ["weights", "mask"]}, 500),
        ({"want": "logits"}, 400),
        ({"want": WANTED}, 400 + 400 + 100 + 6 * 2 * 2 * 5 * 4 * 4),
        ({"want": WANTED, "heads": 0}, 450 + 6 * 2 * 5 * 4 * 4),
        ({"want": ["weights", "mask"], "reduce": "head mean"}, 250),
        ({"want": ["weights", "mask"], "reduce": "pooled-3"}, 2 * 2 * 9 * 5),
    ],
)
def test_what_else_is_wanted_counts(options, bytes_):
    assert [each.bytes for each in planned(**options).attentions] == [bytes_] * 3
    _, attention = with_attention(encode, **options)(LAYERS, X)
    for captured in attention.values():
        leaves = jax.tree.leaves((captured.weights, captured.others))
        assert sum(leaf.nbytes for leaf in leaves) == bytes_


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
    assert each.about.layers == (0, 1, 2)
    (some,) = plan_attention(model, stack, X, options=Options(layers=[0, 2], heads=1)).attentions
    assert (some.shape, some.bytes) == ((2, 2, 1, 5, 5), 400)
    assert (some.about.layers, some.about.heads) == ((0, 2), (1,))


def test_a_program_without_attention_is_said():
    plan = plan_attention(jnp.sin, X)
    assert plan.attentions == ()
    assert "0 of 0 kept, 0 B\nNothing in it is divided by a sum" in str(plan)


def test_random_numbers_are_told():
    def model(layer, key, x):
        kept = jax.random.bernoulli(key, 0.9, x.shape)
        return attend(layer, jnp.where(kept, x, 0))

    plan = plan_attention(model, LAYERS[0], jax.random.key(0), X)
    assert plan.random
    assert plan.attentions[0].about.random
    assert not planned().random


def until(x, steps):
    """A loop whose condition does not tell how often it runs, around attention."""

    def step(carry):
        number, x = carry
        return number + 1, attend(LAYERS[0], x)

    return jax.lax.while_loop(lambda carry: carry[0] < steps, step, (0, x))[1]


# Lines of the loop, and of the softmax in it.
LOOP = until.__code__.co_firstlineno + 7
SOFTMAX = weights_of.__code__.co_firstlineno + 7


def test_an_unbounded_loop_is_said():
    plan = plan_attention(until, X, jnp.int32(3))
    assert plan.notes == (
        f"Only the last iteration is kept of the `while` loop (test_plan.py:{LOOP}) around "
        "until, because its condition does not tell how often it runs. Say how many to keep with "
        "`steps`.",
    )
    (each,) = plan.attentions
    assert (each.shape, each.bytes) == ((1, 2, 2, 5, 5), 400)
    (each,) = (plan := plan_attention(until, X, jnp.int32(3), options=Options(steps=7))).attentions
    assert (each.shape, each.bytes, plan.notes) == ((7, 2, 2, 5, 5), 2800, ())
    _, attention = with_attention(until, steps=7)(X, jnp.int32(3))
    assert next(iter(attention.values())).weights.nbytes == 2800


def test_attentions_of_one_name_are_told_apart_and_said():
    def model(layer, x):
        return attend(layer["attention"], attend(layer["attention"], x))

    plan = plan_attention(model, {"attention": LAYERS[0]}, X)
    assert [each.name for each in plan.kept] == ["attention (call 1)", "attention (call 2)"]
    assert plan.notes == (
        "Attentions that share a name are numbered in the order in which they run: 2 are called "
        f"`attention` (attending.py:{SOFTMAX}). For names of their own, tag their weights with "
        "`jax.ad_checkpoint.checkpoint_name`, each with another tag.",
    )
    one = plan_attention(model, {"attention": LAYERS[0]}, X, options=Options(layers=0))
    assert one.notes == ()


def test_names_are_those_that_capture_gives():
    def model(q, x):
        query, key = (x @ each for each in q)
        return jax.nn.softmax(query @ key.mT) @ x

    args = numbers(2, 8, 8), X
    (planned,) = plan_attention(model, *args).attentions
    (found,) = capture_attention(model, *args).examples[0].maps
    assert list(with_attention(model)(*args)[1]) == [planned.name] == [found.name]
