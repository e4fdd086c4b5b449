"""What devices hold of the results of operations: the same, a block of an axis, or unknown.

`x` is `[4, 2, 3]` on each of eight devices and divided along its second axis; `w` is the same on
all of them.
"""

import jax
import jax.numpy as jnp
import pytest
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import AbstractMesh, AxisType
from jax.sharding import PartitionSpec as P

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.program.graph import Graph
from attnreport.capture.roles.held import SINGLE
from attnreport.capture.roles.placement import Placement

MESH = AbstractMesh((8, 2), ("m", "n"), axis_types=(AxisType.Auto,) * 2)
OWN = tuple(range(8))
HERE = {1: OWN}
AROUND = [(i, (i + 1) % 8) for i in range(8)]
X, W = jnp.zeros((4, 16, 3)), jnp.zeros((3, 5))


SECOND = P(None, "m")


def placed(fn, *, where=SECOND, x=X, **options):
    """What devices hold along `m` of the last result of an operation."""
    options = {"out_specs": P(), "check_vma": False} | options
    divided = jax.shard_map(fn, mesh=MESH, in_specs=(where, P()), **options)
    graph = Graph(jax.make_jaxpr(divided)(x, W))
    (scope,) = [each for node in graph.nodes for each in node.scopes if each.kind == "shard"]
    return Placement(Dimensions(graph), scope, "m").of(scope.outputs[0])


ENTRYWISE = {
    "abs": lambda x: lax.abs(x),
    "add": lambda x: x + x,
    "and": lambda x: lax.bitwise_and(x > 0, x > 1),
    "clamp": lambda x: lax.clamp(0.0, x, 1.0),
    "convert_element_type": lambda x: x.astype(jnp.bfloat16),
    "copy": lambda x: lax.copy_p.bind(x),
    "cos": lambda x: lax.cos(x),
    "div": lambda x: x / 3,
    "eq": lambda x: x == 0,
    "erf": lambda x: lax.erf(x),
    "exp": lambda x: lax.exp(x),
    "exp2": lambda x: lax.exp2(x),
    "floor": lambda x: lax.floor(x),
    "ge": lambda x: x >= 0,
    "gt": lambda x: x > 0,
    "integer_pow": lambda x: x**3,
    "le": lambda x: x <= 0,
    "log": lambda x: lax.log(x),
    "log1p": lambda x: lax.log1p(x),
    "logistic": lambda x: lax.logistic(x),
    "lt": lambda x: x < 0,
    "max": lambda x: lax.max(x, x + 1),
    "min": lambda x: lax.min(x, x + 1),
    "mul": lambda x: x * x,
    "name": lambda x: checkpoint_name(x, "tag"),
    "ne": lambda x: x != 0,
    "neg": lambda x: -x,
    "not": lambda x: lax.bitwise_not(x > 0),
    "optimization_barrier": lambda x: lax.optimization_barrier(x),
    "or": lambda x: lax.bitwise_or(x > 0, x > 1),
    "pmax": lambda x: lax.pmax(x, "n"),
    "pow": lambda x: x ** (x + 1),
    "psum": lambda x: lax.psum(x, "n"),
    "reduce_precision": lambda x: lax.reduce_precision(x, 8, 7),
    "rem": lambda x: lax.rem(x, x + 1),
    "round": lambda x: lax.round(x),
    "rsqrt": lambda x: lax.rsqrt(x),
    "select_n": lambda x: jnp.where(x > 0, x, 0.0),
    "sign": lambda x: lax.sign(x),
    "sin": lambda x: lax.sin(x),
    "sqrt": lambda x: lax.sqrt(x),
    "square": lambda x: lax.square(x),
    "sub": lambda x: x - 1,
    "tanh": lambda x: lax.tanh(x),
}


@pytest.mark.parametrize("name", ENTRYWISE)
def test_entry_by_entry_blocks_stay(name):
    assert placed(lambda x, w: ENTRYWISE[name](x)) == HERE


MOVING = {
    "transposed": (lambda x, w: x.transpose(1, 2, 0), {0: OWN}),
    "repeated": (lambda x, w: jnp.broadcast_to(x, (7, *x.shape)), {2: OWN}),
    "merged, outermost": (lambda x, w: x.reshape(4, 6), HERE),
    "merged, inside": (lambda x, w: x.reshape(8, 3), None),
    "split": (lambda x, w: x.reshape(4, 2, 1, 3), HERE),
    "summed beside": (lambda x, w: x.sum(0), {0: OWN}),
    "summed along": (lambda x, w: x.sum(1), None),
    "summed over devices": (lambda x, w: lax.psum(x.sum(1), "m"), {}),
    "largest beside": (lambda x, w: x.max(0), {0: OWN}),
    "smallest beside": (lambda x, w: x.min(0), {0: OWN}),
    "place of the largest beside": (lambda x, w: x.argmax(2), HERE),
    "times a matrix": (lambda x, w: x @ w, HERE),
    "times itself": (lambda x, w: jnp.einsum("btd,bsd->bts", x, x), {1: OWN, 2: OWN}),
    "contracted": (lambda x, w: jnp.einsum("btd,btf->bdf", x, x), None),
    "put behind each other beside": (lambda x, w: jnp.concatenate([x, x], 0), HERE),
    "put behind each other along": (lambda x, w: jnp.concatenate([x, x], 1), None),
    "added up beside": (lambda x, w: lax.cumsum(x, 2), HERE),
    "added up along": (lambda x, w: lax.cumsum(x, 1), None),
    "split beside": (lambda x, w: jnp.split(x, 2, 0)[0], HERE),
    "split along": (lambda x, w: jnp.split(x, 2, 1)[0], None),
    "cut beside": (lambda x, w: x[1:3], HERE),
    "cut along": (lambda x, w: x[:, :1], None),
    "cut at a place beside": (lambda x, w: lax.dynamic_slice_in_dim(x, 1, 2, 0), HERE),
    "cut at a place of its own": (
        lambda x, w: lax.dynamic_slice_in_dim(x, lax.axis_index("m"), 1, 0),
        None,
    ),
    "written beside": (lambda x, w: lax.dynamic_update_slice_in_dim(x, x[:1], 1, 0), HERE),
    "written along": (lambda x, w: lax.dynamic_update_slice_in_dim(x, x[:, :1], 1, 1), None),
    "looked up": (lambda x, w: w[x[..., 0].astype(int)], HERE),
    "convolved along": (lambda x, w: lax.conv(x, jnp.ones((2, 2, 3)), (1,), "SAME"), None),
    "turned round": (lambda x, w: lax.rev(x, (1,)), None),
    "gathered from all": (lambda x, w: lax.all_gather(x, "m", axis=1, tiled=True), {}),
    "gathered from some": (
        lambda x, w: lax.all_gather(
            x, "m", axis=1, tiled=True, axis_index_groups=[[0, 1, 2, 3], [4, 5, 6, 7]]
        ),
        None,
    ),
    "handed on": (lambda x, w: lax.ppermute(x, "m", AROUND), {1: (7, *range(7))}),
    "handed on by some": (lambda x, w: lax.ppermute(x, "m", AROUND[:3]), None),
    "least of all": (lambda x, w: lax.pmin(x, "m"), {}),
    "which device": (lambda x, w: lax.axis_index("m"), "own"),
    "times which device": (lambda x, w: x * lax.axis_index("m"), HERE),
    "a matrix times which device": (lambda x, w: w * lax.axis_index("m"), None),
    "a branch": (lambda x, w: lax.cond(w[0, 0] > 0, lambda: x, lambda: x + 1), HERE),
    "a branch of its own": (lambda x, w: lax.cond(x[0, 0, 0] > 0, lambda: x, lambda: x + 1), None),
    "carried": (lambda x, w: lax.fori_loop(0, 3, lambda _, y: y + 1, x), HERE),
    "put out": (lambda x, w: lax.scan(lambda c, y: (c, y + c), 0.0, x)[1], HERE),
    "carried round": (
        lambda x, w: lax.fori_loop(0, 3, lambda _, y: lax.ppermute(y, "m", AROUND), x),
        None,
    ),
}


@pytest.mark.parametrize("name", MOVING)
def test_what_becomes_of_blocks(name):
    fn, expected = MOVING[name]
    assert placed(fn) == expected


def test_convolutions_keep_examples():
    whole = placed(
        lambda x, w: lax.conv(x, jnp.ones((2, 16, 3)), (1,), "SAME"),
        where=P("m"),
        x=jnp.zeros((8, 16, 3)),
    )
    assert whole == {0: OWN}


def test_a_single_position_that_one_operand_still_has_is_at_that_place():
    single = jnp.zeros((4, 8, 3))
    assert placed(lambda x, w: x[:, 0] @ x.mT, x=single) == {2: OWN}
    assert placed(lambda x, w: x + x[:, 0][:, None], x=single) == {1: OWN}
    assert placed(lambda x, w: (x + x[:, 0][:, None])[:, 0], x=single) == {SINGLE: OWN}


def test_a_single_position_is_squeezed_and_comes_back():
    single = jnp.zeros((4, 8, 3))
    assert placed(lambda x, w: x[:, 0], x=single) == {SINGLE: OWN}
    assert placed(lambda x, w: x[:, 0] @ w, x=single) == {SINGLE: OWN}


def test_blocks_divided_by_two_axes_of_the_mesh_are_unknown():
    assert placed(lambda x, w: x, where=P(None, ("m", "n"))) is None


def test_parts_scattered_and_exchanged():
    def scattered(x, w):
        return lax.psum_scatter(x, "m", scatter_dimension=0, tiled=True)

    def exchanged(x, w):
        return lax.all_to_all(x, "m", 0, 1, tiled=True)

    more = jnp.zeros((8, 16, 3))
    assert placed(scattered, x=more) == {0: OWN}
    assert placed(exchanged, x=more) == {0: OWN}


def test_what_is_marked_as_different_is_still_the_same():
    def marked(x, w):
        return lax.pcast(w, "m", to="varying")

    assert placed(marked, out_specs=P("m"), check_vma=True) == {}


def test_sums_over_the_other_axis_of_the_mesh_keep_blocks():
    def summed(x, w):
        return lax.psum(lax.pcast(x, "n", to="varying"), "n")

    assert placed(summed, out_specs=SECOND, check_vma=True) == HERE
