"""One training step: a pure function, to be jitted by its caller."""

from typing import Any, TypeAlias

import jax
import optax
from jaxtyping import Array, Real

from htt_jax.runs.state import TrainState
from htt_jax.systems import Batch, Losses, System

Metrics: TypeAlias = dict[str, Real[Array, ""]]


def _loss_and_gradients(system: System, state: TrainState, inputs: Batch) -> tuple[Losses, Any]:
    """The loss, see `System.loss`, and its gradient for every parameter."""

    def loss_of(params: Any) -> tuple[jax.Array, Losses]:
        with jax.named_scope("loss"):
            losses = system.loss({"params": params, "batch_stats": state.batch_stats}, inputs)
        return losses.total, losses

    (_, losses), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    return losses, gradients


def update(
    system: System, optimizer: optax.GradientTransformation, state: TrainState, inputs: Batch
) -> tuple[TrainState, Metrics]:
    """One step of the optimizer on one batch of inputs (see `System.training_inputs`).

    Returns:
        The next state; the loss, its terms before weighting, the gradient's norm.
    """
    losses, gradients = _loss_and_gradients(system, state, inputs)
    with jax.named_scope("optimizer"):
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        norm = optax.tree.norm(gradients)
    next_state = TrainState(state.step + 1, params, losses.batch_stats, opt_state)
    terms = {f"loss_{name}": term for name, term in losses.terms.items()}
    return next_state, {"loss": losses.total, **terms, "gradient_norm": norm}
