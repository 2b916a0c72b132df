"""One training step and one evaluation step: pure functions, to be jitted by their caller."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from htt_jax.losses import LossWeights, htt_loss
from htt_jax.models.htt import HTT

Batch: TypeAlias = Mapping[str, jax.Array]


class Applicable(Protocol):
    """`models.htt.HTT`, or an exported program in its place."""

    def apply(self, variables: Any, image: Any, valid: Any, intrinsics: Any, /) -> Any:
        """See `HTT.__call__`."""


Metrics: TypeAlias = dict[str, Float[Array, ""]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class TrainState:
    """All that training changes, and the batch-norm statistics, which it does not.

    Attributes:
        step: updates done.
        params: what the optimizer moves.
        batch_stats: frozen means and variances.
        opt_state: Adam's moments.
    """

    step: Int[Array, ""]
    params: Any
    batch_stats: Any
    opt_state: Any

    @property
    def variables(self) -> dict[str, Any]:
        """What `HTT.apply` takes."""
        return {"params": self.params, "batch_stats": self.batch_stats}


def create_state(
    variables: Mapping[str, Any], optimizer: optax.GradientTransformation
) -> TrainState:
    """The state before the first step."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=variables["params"],
        batch_stats=variables["batch_stats"],
        opt_state=optimizer.init(variables["params"]),
    )


def loss_and_gradients(
    model: HTT, weights: LossWeights, state: TrainState, batch: Batch
) -> tuple[Metrics, Any]:
    """The loss and its terms before weighting, and the loss's gradient for every parameter."""

    def loss_of(params: Any) -> tuple[Float[Array, ""], Metrics]:
        variables = {"params": params, "batch_stats": state.batch_stats}
        inputs = (batch[name] for name in ("image", "valid", "intrinsics", "slot"))
        out = model.apply(variables, *inputs)
        with jax.named_scope("loss"):
            return htt_loss(out, batch, weights)  # type: ignore[arg-type]

    (loss, terms), gradients = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    return {"loss": loss, **{f"loss_{name}": term for name, term in terms.items()}}, gradients


def update(
    model: HTT,
    optimizer: optax.GradientTransformation,
    weights: LossWeights,
    state: TrainState,
    batch: Batch,
) -> tuple[TrainState, Metrics]:
    """One step of the optimizer on one batch of inputs (see `augment.to_inputs`).

    Returns:
        The next state; the loss, its terms before weighting, the gradient's norm.
    """
    metrics, gradients = loss_and_gradients(model, weights, state, batch)
    with jax.named_scope("optimizer"):
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        norm = optax.tree.norm(gradients)
    next_state = TrainState(state.step + 1, params, state.batch_stats, opt_state)
    return next_state, metrics | {"gradient_norm": norm}


def predict(model: Applicable, variables: Mapping[str, Any], batch: Batch) -> dict[str, jax.Array]:
    """Poses in metres and pixels, and class probabilities, of one batch of inputs.

    The images are packed if the batch has `slot` (see `HTT.__call__`); an exported program takes
    them as clips only.

    Returns:
        joints_2d, depth, joints_3d as `HTT.__call__`; object_probabilities (clips, frames,
        objects); action_probabilities (clips, actions); action_over_time (clips, windows,
        actions), the action's as they stand after each window, the frames to come unseen. An
        exported program cannot tell the latter: its result for the whole clip stands at each
        window.
    """
    inputs = [batch[name] for name in ("image", "valid", "intrinsics")]
    if isinstance(model, HTT):
        out = model.apply(variables, *inputs, batch.get("slot"), method="per_frame")
        assert isinstance(out, dict)
        # Both, though the latter ends with the former: a caller of jit pays for what it uses only.
        logits = model.apply(variables, out["frame_tokens"], batch["valid"], method="per_clip")
        over_time = model.apply(variables, out["frame_tokens"], batch["valid"], method="over_time")
    else:
        out = model.apply(variables, *inputs)
        logits = out["action_logits"]
        over_time = logits[:, None]
    assert isinstance(logits, jax.Array)
    assert isinstance(over_time, jax.Array)
    return {
        "joints_2d": out["joints_2d"],
        "depth": out["depth"],
        "joints_3d": out["joints_3d"],
        "object_probabilities": jax.nn.softmax(out["object_logits"]),
        "action_probabilities": jax.nn.softmax(logits),
        "action_over_time": jax.nn.softmax(over_time),
    }
