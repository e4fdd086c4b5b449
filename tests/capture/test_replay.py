import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport._errors import CaptureError
from attnreport.capture.replay.replay import Aux, Edit, Probe, replay
from tests.capture.probing import (
    added,
    addresses,
    assert_same_bits,
    equations,
    mark,
    probed,
    replayed,
)

pytestmark = pytest.mark.optimized

X = np.array([0.5, -1.0, 2.0], np.float32)


def same(value):
    return value


def primitives(function, *inputs):
    return [equation.primitive.name for _, equation in equations(jax.make_jaxpr(function)(*inputs))]


def test_a_probe_in_the_root_gives_the_value():
    values, aux = replayed(lambda x: mark(x * 2, "twice") + 1, X)
    np.testing.assert_array_equal(values["twice"], X * 2)
    assert aux == Aux({}, {}, {})


def test_a_probe_is_computed_from_several_values_inside_the_program():
    closed = jax.make_jaxpr(lambda x: mark(x * 2, "twice") + mark(x * 3, "thrice"))(X)
    at = addresses(closed)
    probe = Probe("both", (at["twice"], at["thrice"]), lambda a, b: {"sum": a + b, "max": a.max()})
    _, values, _ = jax.jit(replay(closed, [probe]))([X], {})
    np.testing.assert_array_equal(values["both"]["sum"], X * 2 + X * 3)
    assert values["both"]["max"] == 4


def with_constants(x):
    return jax.jit(lambda y: y * CONSTANT + 1)(x * CONSTANT)


CONSTANT = np.array([1, 2, 3], np.float32)
HELD = {
    "input": (("in",), 0),
    "constant": (("const",), 0),
    "input of a call": ((1, "call", "in"), 0),
    "constant of a call": ((1, "call", "const"), 0),
}


def test_inputs_and_constants_have_addresses():
    closed = jax.make_jaxpr(with_constants)(X)
    run = replay(closed, [Probe(key, (at,), lambda x: x.at[0].add(1)) for key, at in HELD.items()])
    _, values, _ = jax.jit(run)([X], {})
    expected = [X, CONSTANT, X * CONSTANT, CONSTANT]
    for key, value in zip(HELD, expected, strict=True):
        np.testing.assert_array_equal(values[key], value + np.float32([1, 0, 0]))


@pytest.mark.parametrize("key", HELD)
def test_inputs_and_constants_can_be_edited(key):
    closed = jax.make_jaxpr(with_constants)(X)
    run = replay(closed, [], [Edit("e", HELD[key], lambda x, more: x.at[0].add(more))])
    (result,), _, _ = jax.jit(run)([X], {"e": 2.0})
    more = {name: np.float32([2, 0, 0]) * (name == key) for name in HELD}
    passed = (X + more["input"]) * (CONSTANT + more["constant"]) + more["input of a call"]
    np.testing.assert_array_equal(result, passed * (CONSTANT + more["constant of a call"]) + 1)


@pytest.mark.parametrize("jit", [True, False])
def test_calls_in_calls_are_entered(jit):
    inner = jax.jit(lambda x: mark(jnp.sin(x), "deep") * 2)
    closed = jax.make_jaxpr(jax.jit(lambda x: inner(x) + inner(x + 1)))(X)
    paths = [path for path, equation in equations(closed) if equation.primitive.name == "name"]
    probes = [Probe(str(n), ((path, 0),), same) for n, path in enumerate(paths)]
    run = replay(closed, probes)
    _, values, _ = (jax.jit(run) if jit else run)([X], {})
    np.testing.assert_allclose(values["0"], np.sin(X), rtol=1e-6)
    np.testing.assert_allclose(values["1"], np.sin(X + 1), rtol=1e-6)


def test_what_holds_no_probe_is_left_as_it_is():
    def function(x):
        y = mark(x + 1, "here")
        y = jax.jit(jnp.sin)(y)
        y = jax.checkpoint(jnp.cos)(y)
        return jax.nn.relu(y)

    closed = jax.make_jaxpr(function)(X)
    again = primitives(probed(closed), [X], {})
    assert again == primitives(function, X)


def two_layers(x):
    first = mark(jnp.sin(x), "first")
    return mark(jnp.cos(first * x), "second") * x


@pytest.mark.parametrize(
    "policy", [None, jax.checkpoint_policies.dots_saveable], ids=["none", "dots"]
)
@pytest.mark.parametrize("prevent_cse", [True, False, (True,)])
def test_remat_stays_with_its_policy(policy, prevent_cse):
    remat = jax.checkpoint(two_layers, policy=policy, prevent_cse=prevent_cse)
    values, _ = replayed(remat, X)
    np.testing.assert_allclose(values["second"], np.cos(np.sin(X) * X), rtol=1e-6)

    closed = jax.make_jaxpr(remat)(X)
    again = jax.make_jaxpr(probed(closed, edits=added(closed, "first")))([X], {"first": X})
    (kept,) = [each for _, each in equations(again) if "policy" in each.params]
    assert kept.params["policy"] is policy
    kept_apart = kept.params["prevent_cse"]
    assert kept_apart == prevent_cse or kept_apart[: len(kept_apart) - 1] == prevent_cse


def test_only_what_is_probed_leaves_a_remat():
    closed = jax.make_jaxpr(jax.checkpoint(two_layers))(X)
    run = replay(closed, [], added(closed, "first", "second"))
    again = jax.make_jaxpr(run)([X], {"first": X, "second": X})
    (kept,) = [each for _, each in equations(again) if "policy" in each.params]
    assert len(kept.outvars) == 1


def test_remat_can_be_given_up():
    closed = jax.make_jaxpr(jax.checkpoint(two_layers))(X)
    assert "remat2" in primitives(probed(closed), [X], {})
    assert "remat2" not in primitives(probed(closed, keep_remat=False), [X], {})
    assert_same_bits(
        *(jax.jit(probed(closed, keep_remat=keep))([X], {})[0] for keep in (True, False))
    )


def test_gradients_through_remat_are_equal():
    def loss(run):
        return lambda x: run(x).sum()

    remat = jax.checkpoint(two_layers)
    closed = jax.make_jaxpr(remat)(X)
    run = probed(closed)
    plain = jax.jit(jax.grad(loss(remat)))(X)
    again = jax.jit(jax.grad(loss(lambda x: run([x], {})[0][0])))(X)
    assert_same_bits([plain], [again])


def test_a_recomputation_in_a_gradient_stays_one():
    gradient = jax.grad(lambda x: jax.checkpoint(two_layers)(x).sum())
    closed = jax.make_jaxpr(gradient)(X)
    paths = [
        path
        for path, equation in equations(closed)
        if equation.primitive.name == "name" and "call" in path
    ]
    assert paths
    run = replay(closed, [Probe(str(n), ((path, 0),), same) for n, path in enumerate(paths)])
    # The compiler must not see that both passes compute the same.
    assert "optimization_barrier" in primitives(run, [X], {})
    outputs, values, _ = jax.jit(run)([X], {})
    assert_same_bits(outputs, [jax.jit(gradient)(X)])
    np.testing.assert_allclose(values["0"], np.sin(X), rtol=1e-6)


@jax.custom_jvp
def tripled_tangent(x):
    return mark(jnp.sin(x), "custom")


@tripled_tangent.defjvp
def _(primals, tangents):
    return tripled_tangent(*primals), 3 * tangents[0]


@jax.custom_vjp
def sevenfold_cotangent(x):
    return mark(jnp.sin(x), "custom")


sevenfold_cotangent.defvjp(lambda x: (sevenfold_cotangent(x), x), lambda x, given: (7 * given,))


@pytest.mark.parametrize(("rule", "factor"), [(tripled_tangent, 3), (sevenfold_cotangent, 7)])
def test_custom_rules_hold_unless_a_probe_lies_inside(rule, factor):
    def function(x):
        return rule(mark(x * 1.0, "outside"))

    values, _ = replayed(function, X)
    np.testing.assert_allclose(values["custom"], np.sin(X), rtol=1e-6)
    closed = jax.make_jaxpr(function)(X)
    outside = replay(closed, [Probe("outside", (addresses(closed)["outside"],), same)])
    gradients = [
        jax.grad(lambda x, run=run: run([x], {})[0][0].sum())(X)
        for run in (outside, probed(closed))
    ]
    np.testing.assert_array_equal(gradients[0], np.full(3, factor, np.float32))
    np.testing.assert_allclose(gradients[1], np.cos(X), rtol=1e-6)


def test_inputs_can_be_donated():
    closed = jax.make_jaxpr(lambda x: mark(x * 2, "twice") + 1)(X)
    given = jnp.asarray(X)
    outputs, values, _ = jax.jit(probed(closed), donate_argnums=0)([given], {})
    np.testing.assert_array_equal(outputs[0], X * 2 + 1)
    np.testing.assert_array_equal(values["twice"], X * 2)


def test_a_value_donated_inside_the_program_can_still_leave():
    donating = jax.jit(lambda x: x + 1, donate_argnums=0)
    closed = jax.make_jaxpr(lambda x: donating(mark(x * 2, "twice")))(X)
    _, values, _ = probed(closed)([X], {})
    np.testing.assert_array_equal(values["twice"], X * 2)


def test_literal_and_repeated_outputs():
    def function(x):
        y = mark(x + 1, "more")
        return 3, 2.5, y, y, x, jax.jit(lambda z: (mark(z, "inner"), 7))(x)

    assert set(replayed(function, X)[0]) == {"more", "inner"}


def test_random_keys_pass():
    def function(key):
        key, other = jax.random.split(key)
        return mark(jax.random.normal(key, (3,)), "noise"), other

    closed = jax.make_jaxpr(function)(jax.random.key(0))
    outputs, values, _ = jax.jit(probed(closed))([jax.random.key(3)], {})
    noise, other = jax.jit(function)(jax.random.key(3))
    assert_same_bits(
        [values["noise"], jax.random.key_data(outputs[1])], [noise, jax.random.key_data(other)]
    )


def test_outputs_are_arrays_also_where_the_text_holds_a_number():
    outputs, _, _ = probed(jax.make_jaxpr(lambda x: (3, mark(x, "x")))(X))([X], {})
    assert all(isinstance(output, jax.Array) for output in outputs)


def test_settings_of_the_trace_are_kept():
    def function(key):
        with jax.threefry_partitionable(False):
            return mark(jax.random.bits(key, (5,)), "bits")

    _, values, _ = probed(jax.make_jaxpr(function)(KEY))([KEY], {})
    np.testing.assert_array_equal(values["bits"], jax.jit(function)(KEY))
    assert not np.array_equal(values["bits"], jax.random.bits(KEY, (5,)))


KEY = jax.random.key(3)


def test_values_are_let_go_when_nothing_reads_them():
    def function(x):
        for _ in range(20):
            x = x + 1
        return mark(x, "late") * 2

    alive = []

    def count(value, _):
        alive.append(sum(array.shape == value.shape for array in jax.live_arrays()))
        return value

    start = np.zeros(1237, np.float32)  # no other array is as long
    closed = jax.make_jaxpr(function)(start)
    replay(closed, [], [Edit("e", addresses(closed)["late"], count)])([start], {"e": 0})
    assert alive[0] <= 3


def test_names_and_lines_are_kept():
    def function(x):
        with jax.named_scope("encoder"):
            return jax.jit(lambda x: mark(jnp.sin(x), "deep"))(x)

    closed = jax.make_jaxpr(function)(X)
    again = jax.make_jaxpr(probed(closed))([X], {})
    (sine,) = [each for _, each in equations(again) if each.primitive.name == "sin"]
    assert "encoder" in str(sine.source_info.name_stack)
    assert "encoder" in jax.jit(probed(closed)).lower([X], {}).as_text(debug_info=True)


def test_replays_without_names_where_jax_gives_none(monkeypatch):
    closed = jax.make_jaxpr(lambda x: mark(x * 2, "twice"))(X)
    import jax.extend.source_info_util as source_info

    monkeypatch.delattr(source_info, "current_name_stack")
    np.testing.assert_array_equal(probed(closed)([X], {})[1]["twice"], X * 2)


def test_how_it_ran_is_a_pytree_with_static_bounds():
    aux = Aux({"0/body": jnp.int32(3)}, {"1/branch0": jnp.int32(1)}, {"0/body": 4})
    leaves, tree = jax.tree.flatten(aux)
    assert len(leaves) == 2
    hash(tree.node_data()[1])  # JAX asks for it, and compares and caches structures
    assert jax.tree.unflatten(tree, leaves) == aux
    assert tree != jax.tree.structure(dataclasses.replace(aux, bounded={"0/body": 5}))


def looping(x):
    def body(carry, row):
        return carry + mark(row * 2, "inside"), None

    return jax.lax.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * 2), (0, jax.lax.scan(body, 0.0, x)[0])
    )


PROGRAM = jax.make_jaxpr(lambda x: looping(mark(x, "outside")))(X)
OUTSIDE, INSIDE = (addresses(PROGRAM)[name] for name in ("outside", "inside"))
LOOP = next(path for path, each in equations(PROGRAM) if each.primitive.name == "while")


@pytest.mark.parametrize(
    ("probes", "edits", "message"),
    [
        ([("a", (OUTSIDE,)), ("a", (INSIDE,))], [], "Several probes are called `a`"),
        ([], [("e", OUTSIDE), ("e", INSIDE)], "Several edits are called `e`"),
        ([("a", (OUTSIDE, INSIDE))], [], r"probe `a` lie in 2 scopes \(`1/scan`, `the root`\)"),
        ([("a", ())], [], "probe `a` lie in 0 scopes"),
        ([("a", (((99,), 0),))], [], r"Probe `a` names the address \(\(99,\), 0\), which"),
        ([("a", ((OUTSIDE[0], 1),))], [], "does not have"),
        ([("a", ((OUTSIDE[0], -1),))], [], "does not have"),
        ([("a", (((-1,), 0),))], [], "does not have"),
        ([("a", (((), 0),))], [], "does not have"),
        ([("a", (((*OUTSIDE[0], "scan", 0), 0),))], [], "does not have"),
        ([("a", (((*LOOP, "scan", 0), 0),))], [], "does not have"),
        ([("a", (((*LOOP, "body", "in"), 2),))], [], "does not have"),
        ([("a", (((*LOOP, "body", "out"), 0),))], [], "does not have"),
        ([], [("e", (("in",), 1))], r"Edit `e` names the address \(\('in',\), 1\)"),
        ([("a", (((*LOOP, "cond", 0), 0),))], [], "in the condition of a loop"),
    ],
)
def test_what_cannot_be_replayed_is_refused(probes, edits, message):
    with pytest.raises(CaptureError, match=message):
        replay(
            PROGRAM,
            [Probe(key, at, lambda *x: x) for key, at in probes],
            [Edit(key, at, lambda x, _: x) for key, at in edits],
        )


@pytest.mark.parametrize("steps", [0, {(*LOOP, "body"): -1}])
def test_a_loop_must_keep_a_step(steps):
    probe = Probe("a", (((*LOOP, "body", "in"), 0),), same)
    with pytest.raises(CaptureError, match=f"`{LOOP[0]}/body` was bounded to (0|-1) steps"):
        replay(PROGRAM, [probe], steps=steps)


def test_wrong_inputs_are_refused():
    run = replay(PROGRAM, [], [Edit("e", OUTSIDE, lambda x, y: x[:2] + y)])
    with pytest.raises(CaptureError, match="given 2 inputs, but it takes 1"):
        run([X, X], {"e": 1.0})
    with pytest.raises(CaptureError, match="given inputs for none, but they are called `e`"):
        run([X], {})
    with pytest.raises(CaptureError, match="given inputs for `e`, `f`, but they are called `e`"):
        run([X], {"e": 1.0, "f": 1.0})
    message = r"Edit `e` gave float32\[2\] in place of float32\[3\]. It must keep shape"
    with pytest.raises(CaptureError, match=message):
        run([X], {"e": 1.0})
