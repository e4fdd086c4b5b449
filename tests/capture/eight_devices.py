"""Replays of sharded programs, on eight devices; run as a module of its own."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.capture.probing import added, assert_same_bits, equations, mark, probed
from tests.devices import report

X = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
AUTO = jax.make_mesh((4, 2), ("data", "model"), axis_types=(AxisType.Auto,) * 2)
EXPLICIT = jax.make_mesh((4, 2), ("data", "model"), axis_types=(AxisType.Explicit,) * 2)
# As the shards stand in front: 4 by 2 pieces of 2 rows and 2 columns.
PIECES = X.reshape(4, 2, 2, 2).swapaxes(1, 2)


def sharded(function, **options):
    options = {"in_specs": P("data", "model"), "out_specs": P("data", "model")} | options
    return jax.shard_map(function, mesh=AUTO, **options)


def run(function, *inputs, **options):
    closed = jax.make_jaxpr(function)(*inputs)
    outputs, values, aux = jax.jit(probed(closed, **options))(inputs, {})
    assert_same_bits(outputs, jax.tree.leaves(jax.jit(function)(*inputs)))
    return {name: np.asarray(value) for name, value in values.items()}, aux


def check_each_shard_gives_an_entry():
    values, _ = run(sharded(lambda x: mark(x * 2, "double") + 1), X)
    np.testing.assert_array_equal(values["double"], PIECES * 2)


def check_a_value_that_all_shards_share_is_repeated():
    total = sharded(lambda x: mark(lax.psum(x.sum(), ("data", "model")), "total"), out_specs=P())
    values, _ = run(total, X)
    np.testing.assert_allclose(values["total"], np.full((4, 2), X.sum()), rtol=1e-5)


def check_axes_along_which_all_do_the_same_do_not_stand_in_front():
    function = sharded(lambda x: mark(x * 2, "double"), in_specs=P("data"), out_specs=P("data"))
    values, _ = run(function, X)
    np.testing.assert_array_equal(values["double"], X.reshape(4, 2, 4) * 2)


def check_axes_along_which_devices_ask_who_they_are_stand_in_front():
    function = sharded(
        lambda x: lax.psum(mark(x * lax.axis_index("model"), "product"), "model"),
        in_specs=P("data"),
        out_specs=P("data"),
    )
    values, _ = run(function, X)
    pieces = X.reshape(4, 1, 2, 4) * np.arange(2).reshape(2, 1, 1)
    np.testing.assert_array_equal(values["product"], pieces)


def check_only_manual_axes_stand_in_front():
    function = sharded(
        lambda x: mark(x * 2, "double"),
        in_specs=P("data"),
        out_specs=P("data"),
        axis_names={"data"},
    )
    values, _ = run(jax.jit(function), X)
    np.testing.assert_array_equal(values["double"], X.reshape(4, 2, 4) * 2)


def check_without_a_check_of_what_varies():
    function = sharded(lambda x: mark(x * 2, "double") + 1, check_vma=False)
    values, _ = run(function, X)
    np.testing.assert_array_equal(values["double"], PIECES * 2)
    closed = jax.make_jaxpr(function)(X)
    again = jax.make_jaxpr(probed(closed))([X], {})
    (shards,) = [each for _, each in equations(again) if each.primitive.name == "shard_map"]
    assert shards.params["check_vma"] is False


def check_softmax_over_sharded_keys():
    def attend(x):
        scores = jnp.exp(x - lax.pmax(x.max(1, keepdims=True), "model"))
        return mark(scores / lax.psum(scores.sum(1, keepdims=True), "model"), "weights")

    values, _ = run(sharded(attend, check_vma=False), X)
    expected = np.exp(X) / np.exp(X).sum(1, keepdims=True)
    got = values["weights"].swapaxes(1, 2).reshape(8, 4)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def check_a_scan_in_a_shard():
    def body(x):
        return lax.scan(lambda c, n: (mark(c * n, "product"), None), x, jnp.arange(1.0, 4.0))[0]

    values, _ = run(sharded(body), X)
    products = [PIECES * n for n in (1, 2, 6)]
    np.testing.assert_array_equal(values["product"], np.stack(products, axis=2))


def check_a_while_loop_in_a_shard():
    def body(x):
        def condition(state):
            return (state[0] < 4) & (jnp.abs(state[1]).max() < 4)

        return lax.while_loop(
            condition, lambda state: (state[0] + 1, mark(state[1] * 2, "double")), (0, x)
        )[1]

    values, aux = run(sharded(body), X)
    ((name, counts),) = aux.iterations.items()
    assert aux.bounded == {name: 4}
    for device in np.ndindex(4, 2):
        for turn in range(4):
            kept = PIECES[device] * 2 ** (turn + 1) * (turn < counts[device])
            np.testing.assert_array_equal(values["double"][device][turn], kept)
    assert len(set(np.asarray(counts).flat)) > 1


def check_a_branch_in_a_shard():
    def body(x):
        return lax.cond(x[0, 0] > 0, lambda x: mark(x * 2, "yes"), lambda x: x, x)

    values, aux = run(sharded(body), X)
    taken = PIECES[..., 0, 0] > 0
    assert 0 < taken.sum() < 8
    np.testing.assert_array_equal(values["yes"], PIECES * 2 * taken[..., None, None])
    for branch in aux.branches.values():
        np.testing.assert_array_equal(branch, taken)


def check_remat_in_a_shard():
    values, _ = run(sharded(jax.checkpoint(lambda x: jnp.sin(mark(x * 2, "double")))), X)
    np.testing.assert_array_equal(values["double"], PIECES * 2)


def check_shards_in_a_scan():
    shards = sharded(lambda x: mark(x * 2, "double"))
    values, _ = run(lambda x: lax.scan(lambda c, _: (shards(c), None), x, length=3)[0], X)
    np.testing.assert_array_equal(values["double"], [PIECES * 2, PIECES * 4, PIECES * 8])


def check_an_edit_is_given_for_each_shard():
    closed = jax.make_jaxpr(sharded(lambda x: mark(x * 2, "double") + 1))(X)
    replay = probed(closed, edits=added(closed, "double"))
    more = np.arange(32, dtype=np.float32).reshape(4, 2, 2, 2)

    def loss(more):
        outputs, values, _ = replay([X], {"double": more})
        return (outputs[0] ** 2).sum(), values["double"]

    gradient, double = jax.jit(jax.grad(loss, has_aux=True))(more)
    np.testing.assert_allclose(double, PIECES * 2 + more, rtol=1e-6)
    np.testing.assert_allclose(gradient, 2 * (PIECES * 2 + more + 1), rtol=1e-6)


def check_a_replay_inside_a_shard():
    function = sharded(lambda x: lax.cond(x[0, 0] > 0, lambda: mark(x * 2, "yes"), lambda: x))

    def inner(x):
        return lax.cond(x[0, 0] > 0, lambda: mark(x * 2, "yes"), lambda: x)

    def replayed(x):
        outputs, values, _ = probed(jax.make_jaxpr(inner)(x))([x], {})
        return outputs[0], values["yes"]

    both = jax.jit(sharded(replayed, out_specs=(P("data", "model"),) * 2))(X)
    assert_same_bits(both[:1], [jax.jit(function)(X)])
    blocks = np.asarray(both[1]).reshape(4, 2, 2, 2).swapaxes(1, 2)
    taken = PIECES[..., 0, 0] > 0
    np.testing.assert_array_equal(blocks, PIECES * 2 * taken[..., None, None])


def check_values_of_a_sharded_program_stay_sharded():
    placed = jax.device_put(X, NamedSharding(AUTO, P("data", "model")))
    closed = jax.make_jaxpr(lambda x: mark(x * 2, "double") + 1)(placed)
    compiled = jax.jit(probed(closed)).lower([placed], {}).compile()
    assert "all-gather" not in compiled.as_text()
    _, values, _ = compiled([placed], {})
    assert values["double"].sharding.is_equivalent_to(placed.sharding, 2)
    np.testing.assert_array_equal(values["double"], X * 2)


def check_a_call_that_is_told_its_layout_keeps_it():
    rows, columns = (NamedSharding(AUTO, P(*axes)) for axes in (("data",), (None, "model")))
    call = jax.jit(lambda x: mark(x * 2, "double") + 1, in_shardings=rows, out_shardings=columns)
    closed = jax.make_jaxpr(lambda x: call(x + 1))(X)
    outputs, values, _ = jax.jit(probed(closed))([X], {})
    assert outputs[0].sharding.is_equivalent_to(columns, 2)
    np.testing.assert_array_equal(values["double"], (X + 1) * 2)
    layouts = [
        each.params["sharding"]
        for _, each in equations(jax.make_jaxpr(probed(closed))([X], {}))
        if each.primitive.name == "sharding_constraint"
    ]
    assert layouts == [rows, columns]


def check_loops_and_branches_under_an_explicit_mesh():
    def function(x):
        def body(state):
            y = lax.cond(state[0] > 0, lambda y: mark(y * 2, "yes"), lambda y: y + 1, state[1])
            return state[0] + 1, mark(y * 3, "after")

        return lax.while_loop(lambda state: state[0] < 2, body, (0, x))[1]

    with jax.set_mesh(EXPLICIT):
        placed = jax.device_put(X, P("data", "model"))
        closed = jax.make_jaxpr(function)(placed)
        outputs, values, _ = jax.jit(probed(closed))([placed], {})
        assert_same_bits(outputs, [jax.jit(function)(placed)])
        assert jax.typeof(values["yes"]).sharding.spec == P(None, "data", "model")
    first = (X + 1) * 3
    np.testing.assert_allclose(values["after"], [first, first * 2 * 3], rtol=1e-6)
    np.testing.assert_allclose(values["yes"], [X * 0, first * 2], rtol=1e-6)


if __name__ == "__main__":
    report({name: check for name, check in globals().items() if name.startswith("check_")})
