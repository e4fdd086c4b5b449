"""What every module that shows weights or gates has to do, whatever it computes."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from attnreport import capture_attention


@dataclasses.dataclass(frozen=True)
class Case:
    """One module and what goes into it.

    Attributes:
        make: Makes the module, given `rngs` and perhaps `dtype`.
        shapes: Shapes of the inputs; the first axis of each is the batch.
        hiding: Arguments that hide everything from everything; None if there are none.
        hiding_some: Arguments that hide something, for capture; None likewise.
        kind: What the recording says it is.
        sums: Whether rows of weights sum to one.
    """

    make: Callable[..., nnx.Module]
    shapes: tuple[tuple[int, ...], ...]
    hiding: Mapping[str, Any] | None = None
    hiding_some: Mapping[str, Any] | None = None
    kind: str = "self"
    sums: bool = True

    def module(self, **options: Any) -> Any:
        """The module, with its zeros and ones replaced by something that shows."""
        module = self.make(rngs=nnx.Rngs(0), **options)
        random = np.random.default_rng(7)

        def moved(leaf):
            return leaf + jnp.asarray(random.normal(scale=0.3, size=leaf.shape), leaf.dtype)

        nnx.update(module, jax.tree.map(moved, nnx.state(module, nnx.Param)))
        return module

    def inputs(self, dtype: Any = jnp.float32) -> list[jax.Array]:
        random = np.random.default_rng(1)
        return [jnp.asarray(random.normal(size=shape), dtype) for shape in self.shapes]


def returned(module: Any, *inputs: Any, **options: Any) -> list[jax.Array]:
    _, weights = module(*inputs, return_weights=True, **options)
    return jax.tree.leaves(weights)


def sown(module: Any, *inputs: Any, **options: Any) -> list[jax.Array]:
    _, stored = nnx.capture(module, nnx.Intermediate)(*inputs, **options)
    found = nnx.to_flat_state(stored)
    return [
        each for path, leaf in found if path[-1] == "attention_weights" for each in leaf.get_value()
    ]


def captured(module: Any, *inputs: Any, **options: Any) -> tuple[list[np.ndarray], set[str]]:
    """Weights of the unedited module, `[batch, head, query, key]`, and their kinds."""
    recording = capture_attention(module, *inputs, kwargs=options, verify=False)
    maps = [example.maps for example in recording.examples]
    weights = [
        np.stack(
            [np.stack([each.weights[h] for h in range(each.weights.shape[0])]) for each in one]
        )
        for one in zip(*maps, strict=True)
    ]
    return weights, {each.kind for one in maps for each in one}


def require_all_ways_give_the_same_weights(case: Case, options: Mapping[str, Any]) -> None:
    module, inputs = case.module(), case.inputs()
    plain = module(*inputs, **options)
    output, _ = module(*inputs, return_weights=True, **options)
    assert np.array_equal(plain, output)
    shown = returned(module, *inputs, **options)
    for first, second in zip(shown, sown(module, *inputs, **options), strict=True):
        assert np.array_equal(first, second)
    found, kinds = captured(module, *inputs, **options)
    assert kinds == {case.kind}
    expected = by_part(shown, len(found), len(inputs[0]))
    for first, second in zip(found, expected, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def by_part(weights: Sequence[jax.Array], maps: int, batch: int) -> list[np.ndarray]:
    """Weights of `[batch * parts]`, one array a part, as a recording has them."""
    if len(weights) == maps:
        return [np.asarray(each) for each in weights]
    (joined,) = weights
    parts = np.asarray(joined).reshape(batch, maps, *joined.shape[1:])
    return list(parts.swapaxes(0, 1))


def require_the_same_when_transformed(case: Case) -> None:
    """Compiled, scanned, rematerialized and mapped at once, in values and in gradients."""
    module, inputs = case.module(), case.inputs()
    two = [jnp.stack([each, -each]) for each in inputs]
    graph, parameters, rest = nnx.split(module, nnx.Param, ...)

    def call(parameters, inputs):
        return nnx.merge(graph, parameters, rest)(*inputs, return_weights=True)

    def transformed(parameters, inputs):
        def step(carry, inputs):
            return carry, jax.vmap(jax.checkpoint(call), (None, 0))(parameters, inputs)

        again = [each[None] for each in inputs]
        return jax.tree.map(lambda leaf: leaf[0], jax.lax.scan(step, None, again)[1])

    def one_by_one(parameters, inputs):
        results = [call(parameters, [each[place] for each in inputs]) for place in (0, 1)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)

    plain = with_gradients(one_by_one, parameters, two)
    changed = jax.jit(lambda *inputs: with_gradients(transformed, *inputs))(parameters, two)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), plain, changed)
    (_, gradients), _ = plain
    assert all(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradients))


def with_gradients(function: Callable[..., Any], *arguments: Any) -> Any:
    """Gradients of an uneven sum of the output, and the output with the weights."""

    def loss(*arguments):
        output, weights = function(*arguments)
        factors = jnp.cos(jnp.arange(output.size).reshape(output.shape))
        return (output * factors).sum(), (output, weights)

    return jax.grad(loss, argnums=(0, 1), has_aux=True)(*arguments)


def require_float32_weights_under_bfloat16(case: Case) -> None:
    module, inputs = case.module(dtype=jnp.bfloat16), case.inputs(jnp.bfloat16)
    output, rounded = module(*inputs, return_weights=True)
    assert output.dtype == jnp.bfloat16
    precise = returned(case.module(), *case.inputs())
    for weights, close in zip(jax.tree.leaves(rounded), precise, strict=True):
        assert weights.dtype == jnp.float32
        np.testing.assert_allclose(weights, close, atol=0.1)
        if case.sums:
            # Eight bits would leave a sum that is off by some thousandths.
            assert np.abs(np.asarray(weights).sum(-1) - 1).max() < 1e-6


def require_nothing_where_nothing_is_seen(case: Case) -> None:
    module, inputs = case.module(), case.inputs()
    graph, parameters, rest = nnx.split(module, nnx.Param, ...)

    def call(parameters, inputs):
        module = nnx.merge(graph, parameters, rest)
        return module(*inputs, return_weights=True, **(case.hiding or {}))

    gradients, (output, weights) = with_gradients(call, parameters, inputs)
    assert all((np.asarray(each) == 0).all() for each in jax.tree.leaves(weights))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((gradients, output)))
