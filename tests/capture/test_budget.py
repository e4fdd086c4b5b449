"""The byte budget: refused with a sentence, or reduced to the first that fits, and said."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport import capture_attention, plan_attention, with_attention
from attnreport._errors import CaptureError
from attnreport.capture.choice.budget import size_text
from attnreport.capture.choice.options import Options
from tests.capture.attending import encode, numbers, projections, references

LAYERS = [projections(number) for number in range(3)]
X = numbers(2, 5, 8)
REFUSED = (
    "3 attentions would give 1.2 KiB, more than the budget of 1,000 B; the largest is layers.0 "
    'with 400 B. Keep fewer (`select`, `layers`, `heads`), say `over_budget="reduce"`, reduce '
    'them on the device (`reduce="uint8"`, `"pooled-64"`, `"statistics"`), or give a larger '
    "`budget`."
)


def planned(**options):
    return plan_attention(encode, LAYERS, X, options=Options(**options))


def test_too_much_is_refused_with_what_helps():
    with pytest.raises(CaptureError, match=f"^{re.escape(REFUSED)}$"):
        with_attention(encode, budget=1000)(LAYERS, X)
    # Masks leave the device too.
    with pytest.raises(CaptureError, match=re.escape("would give 1.5 KiB, more than the budget")):
        capture_attention(encode, LAYERS, X, budget=1000)


def test_a_plan_says_so_instead():
    plan = planned(budget=1000)
    assert plan.refusal == REFUSED
    assert str(plan).endswith(f"\n\n3 of 3 kept, 1.2 KiB\n{REFUSED}")
    assert planned(budget=1200).refusal == ""


@pytest.mark.parametrize(
    "fewer", [{"reduce": "uint8"}, {"select": "*.0"}, {"layers": [0, 2]}, {"heads": 1}], ids=str
)
def test_each_way_out_leads_out(fewer):
    _, attention = with_attention(encode, budget=1000, **fewer)(LAYERS, X)
    leaves = [leaf for each in attention.values() for leaf in jax.tree.leaves(each.weights)]
    assert 0 < sum(leaf.nbytes for leaf in leaves) <= 1000


NOTE = (
    "3 attentions would give 1.2 KiB, more than the budget of {budget} B, so the weights are {what}"
    ", which leaves {left} B."
)


@pytest.mark.parametrize(
    ("budget", "reduce", "what", "left"),
    [
        (600, "bfloat16", "rounded to bfloat16", 600),
        (599, "uint8", "rounded to steps of 1/255", 300),
    ],
)
def test_the_first_reduction_that_fits_is_taken_and_said(budget, reduce, what, left):
    note = NOTE.format(budget=budget, what=what, left=left)
    plan = planned(budget=budget, over_budget="reduce")
    assert (plan.options.reduce, plan.bytes, plan.notes) == (reduce, left, (note,))
    assert note in str(plan)
    _, attention = with_attention(encode, budget=budget, over_budget="reduce")(LAYERS, X)
    assert attention.notes == (note,)
    assert {each.about.reduction for each in attention.values()} == {reduce}
    assert sum(each.weights.nbytes for each in attention.values()) == left
    for each, expected in zip(attention.values(), references(LAYERS, X), strict=True):
        weights = each.weights.astype(jnp.float32) / (255 if reduce == "uint8" else 1)
        assert abs(weights - expected).max() <= 2**-8


def pooled(layer, x):
    """Attention of eight heads of one feature."""
    query, key, value = (jnp.einsum("btm,mhd->bhtd", x, layer[name]) for name in "qkv")
    return jnp.moveaxis(jax.nn.softmax(query @ key.mT) @ value, 1, 2).reshape(x.shape)


def test_the_mean_of_heads_comes_last():
    layer = projections(heads=8)
    # Eight heads of masks and weights in a byte each are 800 B; their means 50 + 200 B.
    recording = capture_attention(pooled, layer, X, over_budget="reduce", budget=799, verify=False)
    assert recording.source.notes == (
        "1 attention would give 2.0 KiB, more than the budget of 799 B, so the weights are "
        "averaged over the heads, which leaves 250 B.",
    )
    (found,) = recording.examples[0].maps
    query, key = (jnp.einsum("tm,mhd->htd", X[0], layer[name]) for name in "qk")
    expected = jax.nn.softmax(query @ key.mT).mean(0)
    assert found.name.endswith(" (mean of heads 0–7)")
    assert abs(found.array() - expected).max() < 1e-6


def test_what_is_not_enough_is_refused_all_the_same():
    sentence = (
        "3 attentions would give 1.2 KiB, more than the budget of 10 B, and even reduced to `head "
        "mean` too much; the largest is layers.0 with 400 B. Keep fewer (`select`, `layers`, "
        '`heads`), reduce them on the device (`reduce="uint8"`, `"pooled-64"`, `"statistics"`), or '
        "give a larger `budget`."
    )
    with pytest.raises(CaptureError, match=f"^{re.escape(sentence)}$"):
        with_attention(encode, budget=10, over_budget="reduce")(LAYERS, X)


def test_reductions_go_on_from_the_one_that_was_asked_for():
    plan = planned(budget=500, over_budget="reduce", reduce="bfloat16")
    assert plan.options.reduce == "uint8"
    plan = planned(budget=500, over_budget="reduce", reduce="top-3")
    assert plan.options.reduce == "top-3"
    assert "even reduced" not in plan.refusal
    assert 'say `over_budget="reduce"`' not in planned(budget=9, reduce="statistics").refusal
    assert planned(over_budget="reduce").options.reduce is None


def test_heads_that_differ_in_a_loop_have_no_mean():
    stack = jax.tree.map(lambda *each: jnp.stack(each), *(projections(n, heads=8) for n in (0, 1)))

    def model(stack, x):
        return jax.lax.scan(lambda x, layer: (x + pooled(layer, x), None), x, stack)[0]

    # Eight heads of two layers in a byte each are 800 B, their means 400 B.
    budget = {"budget": 500, "over_budget": "reduce"}
    same, uneven = {"*": range(8)}, {0: 0, 1: range(8)}
    plan = plan_attention(model, stack, X, options=Options(heads=same, **budget))
    assert plan.options.reduce == "head mean"
    plan = plan_attention(model, stack, X, options=Options(heads=uneven, **budget))
    assert plan.options.reduce is None
    assert plan.refusal
    with pytest.raises(CaptureError, match="come out of one loop, so there is no one mean of them"):
        with_attention(model, heads=uneven, reduce="head mean")(stack, X)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (1 << 31, "2.0 GiB"), (1 << 60, None)],
)
def test_sizes_are_read_easily(count, text):
    assert size_text(count) == (text or "1,073,741,824.0 GiB")


def test_reduced_weights_are_those_of_an_explicit_reduction():
    _, asked = with_attention(encode, reduce="uint8")(LAYERS, X)
    _, forced = with_attention(encode, budget=400, over_budget="reduce")(LAYERS, X)
    for one, other in zip(asked.values(), forced.values(), strict=True):
        assert np.array_equal(one.weights, other.weights)
        assert one.about == other.about
