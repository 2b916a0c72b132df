"""The training loss (Eq. 2, 4, 7, 8)."""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Factors of the four terms; the defaults are the paper's lambdas (200, 0.5, 1), combined."""

    joints_2d: float = 1.0  # per pixel
    depth: float = 100.0  # per metre
    object: float = 1.0
    action: float = 1.0


@dataclasses.dataclass(frozen=True)
class ForecastWeights:
    """Factors of what forecasts add to the loss: as for poses and actions that are seen."""

    forecast_joints_2d: float = 1.0  # per pixel
    forecast_depth: float = 100.0  # per metre
    forecast_action: float = 1.0


def htt_loss(
    out: Mapping[str, jax.Array], batch: Mapping[str, jax.Array], weights: LossWeights
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The weighted sum of the four terms, and the terms before weighting.

    Args:
        out: what `HTT` returns.
        batch: joints_2d (clips, frames, joints, 2) px, depth (clips, frames, joints) m,
            valid (clips, frames), hand_annotated (clips, frames, hands), object (clips,) and
            action (clips,), where a negative class is unknown and left out.
        weights: one for each term.
    """
    valid = batch["valid"]
    hands = batch["hand_annotated"]
    joints_per_hand = batch["depth"].shape[-1] // hands.shape[-1]
    annotated = jnp.repeat(hands, joints_per_hand, axis=-1) & valid[..., None]
    object_known = valid & (batch["object"] >= 0)[:, None]
    action_known = valid.any(axis=1) & (batch["action"] >= 0)
    object_class = jnp.broadcast_to(batch["object"][:, None], valid.shape)
    error_2d = jnp.abs(out["joints_2d"] - batch["joints_2d"]).mean(axis=-1)
    terms = {
        "joints_2d": _masked_mean(error_2d, annotated),
        "depth": _masked_mean(jnp.abs(out["depth"] - batch["depth"]), annotated),
        "object": _masked_mean(_cross_entropy(out["object_logits"], object_class), object_known),
        "action": _masked_mean(_cross_entropy(out["action_logits"], batch["action"]), action_known),
    }
    return _weighted(terms, weights), terms


def forecast_loss(
    out: Mapping[str, jax.Array], batch: Mapping[str, jax.Array], weights: ForecastWeights
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The weighted sum of the three terms of forecasts, and the terms before weighting.

    Every window is a past; what is counted of its future are the real frames of the same clip.

    Args:
        out: what `HTT` returns with forecasts.
        batch: see `htt_loss`.
        weights: one for each term.
    """
    frames = batch["valid"].shape[1]
    windows, steps = out["forecast_depth"].shape[1:3]
    place = frames // windows * jnp.arange(1, windows + 1)[:, None] + jnp.arange(steps)
    inside = jnp.minimum(place, frames - 1)
    future = batch["valid"][:, inside] & (place < frames)
    hands = batch["hand_annotated"][:, inside]
    joints_per_hand = batch["depth"].shape[-1] // hands.shape[-1]
    annotated = jnp.repeat(hands, joints_per_hand, axis=-1) & future[..., None]
    error_2d = jnp.abs(out["forecast_joints_2d"] - batch["joints_2d"][:, inside]).mean(axis=-1)
    error_depth = jnp.abs(out["forecast_depth"] - batch["depth"][:, inside])
    action = jnp.broadcast_to(batch["action"][:, None], future.shape[:2])
    known = future.any(axis=-1) & (action >= 0)
    terms = {
        "forecast_joints_2d": _masked_mean(error_2d, annotated),
        "forecast_depth": _masked_mean(error_depth, annotated),
        "forecast_action": _masked_mean(
            _cross_entropy(out["forecast_action_logits"], action), known
        ),
    }
    return _weighted(terms, weights), terms


def _weighted(
    terms: Mapping[str, Float[Array, ""]], weights: LossWeights | ForecastWeights
) -> Float[Array, ""]:
    factors = dataclasses.asdict(weights)
    return sum((factors[name] * term for name, term in terms.items()), jnp.zeros(()))


def _cross_entropy(
    logits: Float[Array, "*batch classes"], labels: Int[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """Minus the log probability of each label; of the first class where it is negative."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(labels, 0))


def _masked_mean(x: Float[Array, "*batch"], mask: Bool[Array, "*batch"]) -> Float[Array, ""]:
    """Mean of `x` where `mask` holds; zero, with zero gradient, where it holds nowhere."""
    # `where`, not a product: what is masked may not be finite (joints behind the camera).
    return jnp.where(mask, x, 0.0).sum() / jnp.maximum(mask.sum(), 1)
