"""One training step: a pure function, to be jitted by its caller."""

from typing import Any, TypeAlias

import jax
import optax
from jaxtyping import Array, Real

from htt_jax.runs.state import TrainState
from htt_jax.systems import Batch, Losses, System

Metrics: TypeAlias = dict[str, Real[Array, ""]]


def loss_and_gradients(system: System, state: TrainState, inputs: Batch) -> tuple[Metrics, Any]:
    """The loss and its terms before weighting, and the loss's gradient for every parameter."""

    def loss_of(params: Any) -> Losses:
        with jax.named_scope("loss"):
            return system.loss({"params": params, "batch_stats": state.batch_stats}, inputs)

    (loss, terms), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    return {"loss": loss, **{f"loss_{name}": term for name, term in terms.items()}}, gradients


def update(
    system: System, optimizer: optax.GradientTransformation, state: TrainState, inputs: Batch
) -> tuple[TrainState, Metrics]:
    """One step of the optimizer on one batch of inputs (see `System.training_inputs`).

    Returns:
        The next state; the loss, its terms before weighting, the gradient's norm.
    """
    metrics, gradients = loss_and_gradients(system, state, inputs)
    with jax.named_scope("optimizer"):
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        norm = optax.tree.norm(gradients)
    next_state = TrainState(state.step + 1, params, state.batch_stats, opt_state)
    return next_state, metrics | {"gradient_norm": norm}
