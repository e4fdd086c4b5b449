"""A gated recurrent unit whose part that does not recur is computed for all steps at once."""

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float


class GatedRecurrentUnit(nnx.Module):
    r"""Gated recurrent unit (GRU), run over time by `jax.lax.scan`.

    $$r = \sigma(W_r x + U_r h),\quad z = \sigma(W_z x + U_z h),\quad
    n = \tanh(W_n x + b + r \circ U_n h),\quad h' = (1 - z) \circ n + z \circ h$$

    with a bias in all of $W$. The reset gate acts after the product with $U_n$ and not before it,
    as in `flax.nnx.GRUCell`: then one matrix product a step serves all three gates.

    Attributes:
        inputs: The projection $W$ with its bias.
        recurrent: The projection $U$.

    Source: Cho et al. (2014), "Learning Phrase Representations using RNN Encoder-Decoder",
    section 2.3, in the form of Chung et al. (2014).
    """

    def __init__(
        self, in_features: int, hidden_features: int, *, dtype: Dtype | None = None, rngs: nnx.Rngs
    ) -> None:
        self.hidden_features = hidden_features
        gates = 3 * hidden_features
        self.inputs = nnx.Linear(in_features, gates, dtype=dtype, rngs=rngs)
        self.recurrent = nnx.Linear(
            hidden_features,
            gates,
            use_bias=False,
            kernel_init=nnx.initializers.orthogonal(),
            dtype=dtype,
            rngs=rngs,
        )

    def step(
        self, state: Float[Array, "batch hidden"], projected: Float[Array, "batch gates"]
    ) -> Float[Array, "batch hidden"]:
        """The next state, given `self.inputs(x)` of this step."""
        from_input = jnp.split(projected, 3, axis=-1)
        from_state = jnp.split(self.recurrent(state), 3, axis=-1)
        reset = jax.nn.sigmoid(from_input[0] + from_state[0])
        update = jax.nn.sigmoid(from_input[1] + from_state[1])
        candidate = jnp.tanh(from_input[2] + reset * from_state[2])
        return (1 - update) * candidate + update * state

    def __call__(
        self,
        inputs: Float[Array, "batch time features"],
        real: Bool[Array, "batch time"],
        *,
        reverse: bool = False,
    ) -> Float[Array, "batch time hidden"]:
        """The state after each step, from a first state of zeros.

        Args:
            inputs: What is read.
            real: False where a position is padding; there the state stays as it is.
            reverse: Whether to read from the last position to the first.
        """
        projected = jnp.swapaxes(self.inputs(inputs), 0, 1)
        first = jnp.zeros((inputs.shape[0], self.hidden_features), projected.dtype)

        def advance(state: Array, step: tuple[Array, Array]) -> tuple[Array, Array]:
            state = jnp.where(step[1][:, None], self.step(state, step[0]), state)
            return state, state

        _, states = jax.lax.scan(advance, first, (projected, real.T), reverse=reverse)
        return jnp.swapaxes(states, 0, 1)
