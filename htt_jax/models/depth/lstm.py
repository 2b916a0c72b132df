"""A long short-term memory of one layer, as PyTorch's."""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from htt_jax.models.linear import uniform
from htt_jax.models.parameters import Given


class LSTMState(NamedTuple):
    """Behind a step."""

    hidden: Float[Array, "clips width"]
    cell: Float[Array, "clips width"]

    @classmethod
    def zeros(cls, clips: int, width: int) -> "LSTMState":
        """Before the first."""
        return cls(jnp.zeros((clips, width)), jnp.zeros((clips, width)))


class LSTM(Given):
    """Gates lie in the order input, forget, cell, output.

    It has two biases, of which only the sum matters, because an optimizer that moves each of them
    moves the sum twice as far as it would move one.
    """

    inputs: int
    width: int

    def setup(self) -> None:
        """Starts as PyTorch's does."""
        start = functools.partial(uniform, self.width**-0.5)
        gates = 4 * self.width
        self.input_kernel = self.param("input_kernel", start, (self.inputs, gates))
        self.input_bias = self.param("input_bias", start, (gates,))
        self.recurrent_kernel = self.param("recurrent_kernel", start, (self.width, gates))
        self.recurrent_bias = self.param("recurrent_bias", start, (gates,))

    def __call__(self, x: Float[Array, "clips steps inputs"]) -> Float[Array, "clips steps width"]:
        """Returns the hidden state after each step."""

        def step(state: LSTMState, gates: jax.Array) -> tuple[LSTMState, jax.Array]:
            state = self._gated(state, gates)
            return state, state.hidden

        gates = self._of_inputs(x).swapaxes(0, 1)
        _, hidden = jax.lax.scan(step, LSTMState.zeros(x.shape[0], self.width), gates)
        return hidden.swapaxes(0, 1)

    def step(self, state: LSTMState, x: Float[Array, "clips inputs"]) -> LSTMState:
        """The state after one more step."""
        return self._gated(state, self._of_inputs(x))

    def _of_inputs(self, x: Float[Array, "*places inputs"]) -> Float[Array, "*places gates"]:
        """What the inputs say to the gates."""
        return _product(x, self.input_kernel) + (self.input_bias + self.recurrent_bias)

    def _gated(self, state: LSTMState, gates: Float[Array, "clips gates"]) -> LSTMState:
        gates += _product(state.hidden, self.recurrent_kernel)
        enter, keep, new, leave = jnp.split(gates, 4, axis=-1)
        cell = nn.sigmoid(keep) * state.cell + nn.sigmoid(enter) * jnp.tanh(new)
        return LSTMState(nn.sigmoid(leave) * jnp.tanh(cell), cell)


def _product(
    x: Float[Array, "*places n"], kernel: Float[Array, "n m"]
) -> Float[Array, "*places m"]:
    return jnp.matmul(x, kernel, precision=jax.lax.Precision.HIGHEST)
