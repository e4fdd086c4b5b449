"""What every kind of multi-head attention has to do, whatever is switched on."""

import functools

import jax.numpy as jnp
import pytest
from flax import nnx

from attnreport.nn import Alibi, MultiHeadAttention, RelativeBias, Rotary, causal_mask
from tests.nn import behavior
from tests.nn.behavior import Case

TEXT, MEMORY = (2, 5, 16), (2, 7, 16)


def heads(*, rngs, dtype=None, relative=False, **options):
    bias = {"position_bias": RelativeBias(4, rngs=rngs)} if relative else {}
    return MultiHeadAttention(4, 16, dtype=dtype, rngs=rngs, **bias, **options)


def own(**options) -> Case:
    return Case(
        functools.partial(heads, **options),
        (TEXT,),
        hiding={"mask": jnp.zeros((1, 1, 5, 5), bool)},
        hiding_some={"mask": causal_mask(5)},
        sums="sink" not in options,
    )


def other(**options) -> Case:
    seen = jnp.ones((2, 1, 1, 7), bool).at[1, 0, 0, 4:].set(False)
    return Case(
        functools.partial(heads, **options),
        (TEXT, MEMORY),
        hiding={"mask": jnp.zeros((1, 1, 5, 7), bool)},
        hiding_some={"mask": seen},
        kind="cross",
        sums="sink" not in options,
    )


CASES = {
    "grouped-query": own(num_kv_heads=2),
    "multi-query, cross": other(num_kv_heads=1),
    "rotary": own(rotary=Rotary()),
    "alibi": own(position_bias=Alibi(4)),
    "relative bias": own(relative=True),
    "soft cap": own(cap=1.0),
    "sink": own(sink=True),
    "as in Gemma": own(num_kv_heads=2, rotary=Rotary(halves=True), cap=50.0, normalize_qk="rms"),
    "as in gpt-oss": own(num_kv_heads=2, rotary=Rotary(), sink=True, position_bias=Alibi(4)),
}

every = pytest.mark.parametrize("name", CASES)
# Every option is on in one of these.
few = pytest.mark.parametrize(
    "name", ["multi-query, cross", "relative bias", "as in Gemma", "as in gpt-oss"]
)


@every
def test_all_ways_give_the_same_weights(name):
    case = CASES[name]
    behavior.require_all_ways_give_the_same_weights(case, case.hiding_some or {})


@pytest.mark.parametrize("name", ["multi-query, cross", "as in Gemma", "as in gpt-oss"])
def test_all_ways_give_the_same_weights_without_a_mask(name):
    behavior.require_all_ways_give_the_same_weights(CASES[name], {})


@few
def test_transformed_it_gives_the_same(name):
    behavior.require_the_same_when_transformed(CASES[name])


@few
def test_in_bfloat16_the_softmax_is_in_float32(name):
    behavior.require_float32_weights_under_bfloat16(CASES[name])


@every
def test_a_query_that_may_look_nowhere_gets_zeros_and_no_gradient_is_nan(name):
    behavior.require_nothing_where_nothing_is_seen(CASES[name])


def test_new_options_leave_the_parameters_as_they_were():
    def shapes(module):
        flat = nnx.to_flat_state(nnx.state(module, nnx.Param))
        return {".".join(map(str, path)): leaf.shape for path, leaf in flat}

    plain = shapes(heads(rngs=nnx.Rngs(0)))
    assert plain == {
        **{f"{name}.kernel": (16, 4, 4) for name in ("query", "key", "value")},
        **{f"{name}.bias": (4, 4) for name in ("query", "key", "value")},
        "out.kernel": (4, 4, 16),
        "out.bias": (16,),
    }
    more = shapes(heads(rngs=nnx.Rngs(0), relative=True, normalize_qk="rms", sink=True))
    assert more == plain | {
        "query_ln.scale": (4,),
        "key_ln.scale": (4,),
        "position_bias.embedding.embedding": (32, 4),
        "sinks": (4,),
    }
