"""Layers and heads in recordings: those that are chosen, under the numbers that the model has."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport import capture_attention, plan_attention, with_attention
from attnreport._errors import CaptureError
from attnreport.recording.layers import layer_numbers
from tests.capture.attending import (
    ROUNDING,
    attend,
    encode,
    numbers,
    projections,
    references,
    weights_of,
)

LAYERS = [projections(number, features=12, heads=3) for number in range(4)]
STACK = jax.tree.map(lambda *each: jnp.stack(each), *LAYERS)
X = numbers(2, 5, 12)
EXPECTED = [np.asarray(weights) for weights in references(LAYERS, X)]


def scanned(stack, x):
    return jax.lax.scan(lambda x, layer: (attend(layer, x), None), x, stack)[0]


def nested(stack, x):
    """Two groups of two layers."""
    groups = jax.tree.map(lambda array: array.reshape(2, 2, *array.shape[1:]), stack)

    def group(x, layers):
        return jax.lax.scan(lambda x, layer: (attend(layer, x), None), x, layers)[0], None

    return jax.lax.scan(group, x, groups)[0]


MODELS = {"unrolled": (encode, LAYERS), "scanned": (scanned, STACK), "nested": (nested, STACK)}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def found_in(recording):
    """Weights of the first example by number of the layer, with the names of the maps."""
    maps = recording.examples[0].maps
    return {
        number: (each.name, each.array())
        for number, each in zip(layer_numbers(maps), maps, strict=True)
    }


@pytest.mark.parametrize("layers", [1, [0, 3], range(1, 4)], ids=str)
def test_layers_keep_their_numbers(model, layers):
    recording = capture_attention(*model, X, layers=layers, verify=False)
    wanted = [layers] if isinstance(layers, int) else list(layers)
    found = found_in(recording)
    assert list(found) == wanted
    for number, (_, weights) in found.items():
        assert abs(weights - EXPECTED[number][0]).max() <= ROUNDING
    # The same layers out of a recording of everything have the same numbers and names.
    whole = capture_attention(*model, X, verify=False).select(layers=wanted)
    assert {n: name for n, (name, _) in found_in(whole).items()} == {
        n: name for n, (name, _) in found.items()
    }


def test_heads_are_told_by_the_name_of_their_map(model):
    recording = capture_attention(*model, X, heads=[0, 2], verify=False)
    for number, (name, weights) in found_in(recording).items():
        assert name.endswith(" (heads 0, 2)")
        assert abs(weights - EXPECTED[number][0][[0, 2]]).max() <= ROUNDING
    (said,) = (c for c in recording.examples[0].maps[1].checks.others if c.name == "heads")
    assert said.detail == (
        "Of the 3 heads of the model, this map shows heads 0, 2, numbered from 0 here."
    )


def test_each_layer_has_its_own_heads(model):
    recording = capture_attention(*model, X, heads={3: [1, 2], 1: 0, 0: None}, verify=False)
    found = found_in(recording)
    kept = {0: [0, 1, 2], 1: [0], 3: [1, 2]}
    assert list(found) == list(kept)
    for number, heads in kept.items():
        assert abs(found[number][1] - EXPECTED[number][0][heads]).max() <= ROUNDING
    endings = [name.partition(" (")[2] for name, _ in found.values()]
    assert endings == ["", "head 0)", "heads 1, 2)"]


def test_only_chosen_layers_and_heads_leave_a_compiled_program(model):
    capture = jax.jit(with_attention(model[0], layers=[1, 2], heads=2))
    leaves = jax.tree.leaves(capture.trace(model[1], X).out_info[1])
    assert sum(leaf.size for leaf in leaves if len(leaf.shape) >= 4) == 2 * 2 * 1 * 5 * 5
    _, attention = capture(model[1], X)
    found = [np.asarray(each.weights).reshape(-1, 2, 1, 5, 5) for each in attention.values()]
    assert abs(np.concatenate(found) - np.stack(EXPECTED)[1:3, :, 2:]).max() <= ROUNDING
    assert [n for each in attention.values() for n in each.about.layers] == [1, 2]
    assert {each.about.heads for each in attention.values()} == {(2,)}


def test_layers_of_nested_loops_are_one_axis_once_some_are_left_out():
    _, attention = with_attention(nested)(STACK, X)
    (each,) = attention.values()
    assert each.axes == ("layer", "layer", "batch", "head", "query", "key")
    _, attention = with_attention(nested, layers=[0, 1, 3])(STACK, X)
    (each,) = attention.values()
    assert each.axes == ("layer", "batch", "head", "query", "key")
    assert each.weights.shape == (3, 2, 3, 5, 5)


def encode_and_decode(params, source, target):
    for layer in params["encoder"]:
        source = attend(layer, source)
    for layer in params["decoder"]:
        target = attend(layer["self"], target)
        target = attend(layer["cross"], target, source)
    return target


PARAMS = {
    "encoder": LAYERS[:2],
    "decoder": [{"self": LAYERS[2], "cross": LAYERS[3]}, {"self": LAYERS[0], "cross": LAYERS[1]}],
}
TARGET = numbers(2, 3, 12, seed=5)


def test_layers_are_numbered_in_each_group():
    args = PARAMS, X, TARGET
    plan = plan_attention(encode_and_decode, *args)
    assert {each.name: each.layers for each in plan.attentions} == {
        "encoder.0": (0,),
        "encoder.1": (1,),
        "decoder.0.self": (0,),
        "decoder.0.cross": (0,),
        "decoder.1.self": (1,),
        "decoder.1.cross": (1,),
    }
    recording = capture_attention(encode_and_decode, *args, layers=1, verify=False)
    maps = recording.examples[0].maps
    assert {each.name: each.group for each in maps} == {
        "encoder.1": "encoder self-attention",
        "decoder.1.self": "decoder self-attention",
        "decoder.1.cross": "cross-attention",
    }
    assert layer_numbers(maps) == (1, 1, 1)


def test_groups_of_the_caller_number_the_layers():
    recording = capture_attention(
        encode_and_decode,
        PARAMS,
        X,
        TARGET,
        group=lambda name: "coder" if "cross" not in name else "across",
        layers=[2],
        verify=False,
    )
    (found,) = recording.examples[0].maps
    assert (found.name, found.group, found.layer) == ("decoder.0.self", "coder", 2)
    with pytest.raises(CaptureError, match=r"coder has 0–3; across has 0, 1"):
        capture_attention(
            encode_and_decode,
            PARAMS,
            X,
            TARGET,
            group=lambda name: "coder" if "cross" not in name else "across",
            layers=4,
        )


def test_a_layer_that_is_left_out_leaves_its_number_free():
    def model(layers, x):
        x = attend(layers[0], x)
        spoiled = jax.nn.softmax((x @ x.mT).at[0, 0, 0].set(jnp.nan)) @ x
        return attend(layers[1], x), spoiled

    maps = capture_attention(model, LAYERS, X, verify=False).examples[0].maps
    assert [each.layer for each in maps] == [None, 2]
    assert layer_numbers(maps) == (0, 2)


@pytest.mark.parametrize("taken", [[True, False, True, True], [False, True, False, False]])
def test_layers_that_did_not_run_are_said(taken):
    def model(stack, x, taken):
        def layer(x, each):
            own, run = each
            return jax.lax.cond(run, lambda x: attend(own, x), lambda x: x, x), None

        return jax.lax.scan(layer, x, (stack, taken))[0]

    recording = capture_attention(model, STACK, X, jnp.array(taken), verify=False)
    ran = [number for number, run in enumerate(taken) if run]
    assert list(found_in(recording)) == ran
    (note,) = recording.source.notes
    missing = "1" if taken[0] else "0, 2, 3"
    assert f", iteration {missing} did not run: a branch was not taken, or a loop ended" in note


def repeated(layer, x, count):
    """The same layer until a count that only running tells."""

    def step(carry):
        number, x = carry
        return number + 1, attend(layer, x)

    return jax.lax.while_loop(lambda carry: carry[0] < count, step, (0, x))[1]


def test_layers_of_a_loop_of_unknown_length_are_kept_as_far_as_it_ran():
    recording = capture_attention(repeated, LAYERS[0], X, jnp.int32(3), steps=5, verify=False)
    found = found_in(recording)
    assert list(found) == [0, 1, 2]
    x = X
    for _, weights in found.values():
        assert abs(weights - weights_of(LAYERS[0], x)[0]).max() <= ROUNDING
        x = attend(LAYERS[0], x)
    (note,) = recording.source.notes
    assert ", iteration 3, 4 did not run" in note


def test_each_loop_counts_its_own_iterations():
    def twice(layer, x, count):
        return repeated(layer, repeated(layer, x, count), count + 1)

    recording = capture_attention(twice, LAYERS[0], X, jnp.int32(2), steps=4, verify=False)
    notes = [note for note in recording.source.notes if "did not run" in note]
    assert [note.partition(" did not")[0] for note in notes] == [
        "Of twice (call 1), iteration 2, 3",
        "Of twice (call 2), iteration 3",
    ]


def test_more_iterations_than_are_kept_are_said():
    recording = capture_attention(repeated, LAYERS[0], X, jnp.int32(7), steps=2, verify=False)
    assert list(found_in(recording)) == [0, 1]
    assert recording.source.notes == (
        "The loop around repeated ran 7 times, of which the first 2 are kept. Say more `steps` to "
        "keep more.",
    )


def test_only_the_last_iteration_of_an_unbounded_loop_is_kept_and_said():
    recording = capture_attention(repeated, LAYERS[0], X, jnp.int32(3), verify=False)
    ((_, weights),) = found_in(recording).values()
    x = attend(LAYERS[0], attend(LAYERS[0], X))
    assert abs(weights - weights_of(LAYERS[0], x)[0]).max() <= ROUNDING
    (note,) = recording.source.notes
    assert note.startswith("Only the last iteration is kept of the `while` loop (")
    assert note.endswith("runs. Say how many to keep with `steps`.")


def decoder(layers, memory, count):
    """A decoding loop with layers inside: one question a step."""

    def step(carry):
        number, state = carry

        def layer(state, each):
            query = jnp.einsum("bm,mhd->bhd", state, each["q"])
            key, value = (jnp.einsum("btm,mhd->bhtd", memory, each[n]) for n in "kv")
            weights = jax.nn.softmax(jnp.einsum("bhd,bhtd->bht", query, key))
            new = jnp.einsum("bht,bhtd->bhd", weights, value).reshape(state.shape)
            return state + new, None

        return number + 1, jax.lax.scan(layer, state, layers)[0]

    return jax.lax.while_loop(lambda carry: carry[0] < count, step, (0, memory.mean(1)))[1]


def test_steps_of_a_decoder_are_queries_of_each_layer():
    def by_hand(number_of_layer, steps):
        state, found = X.mean(1), []
        for _ in range(steps):
            for number, each in enumerate(LAYERS):
                query = jnp.einsum("bm,mhd->bhd", state, each["q"])
                key, value = (jnp.einsum("btm,mhd->bhtd", X, each[n]) for n in "kv")
                weights = jax.nn.softmax(jnp.einsum("bhd,bhtd->bht", query, key))
                new = jnp.einsum("bht,bhtd->bhd", weights, value).reshape(state.shape)
                state = state + new
                found += [weights] * (number == number_of_layer)
        return jnp.stack(found, 2)[0]

    recording = capture_attention(
        decoder, STACK, X, jnp.int32(3), steps=5, layers=[1, 3], heads=[2], verify=False
    )
    found = found_in(recording)
    assert list(found) == [1, 3]
    for number, (_, weights) in found.items():
        assert weights.shape == (1, 3, 5)
        assert abs(weights - by_hand(number, 3)[2:]).max() <= 2 * ROUNDING


def windows(layers, x):
    """Two windows of a single example."""
    for layer in layers:
        x = attend(layer, x.reshape(2, -1, 12)).reshape(x.shape)
    return x


def test_windows_of_an_example_are_told_by_their_place():
    x = numbers(1, 6, 12)
    recording = capture_attention(windows, LAYERS[:2], x, layers=1, verify=False)
    maps = recording.examples[0].maps
    assert [each.name for each in maps] == ["layers.1 (part 1)", "layers.1 (part 2)"]
    assert layer_numbers(maps) == (0, 1)
