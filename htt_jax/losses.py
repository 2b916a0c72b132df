"""The training loss (Eq. 2, 4, 7, 8), and what later work adds to that of the action."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from htt_jax import camera

_OF_ANSWER = ("action", "verb", "noun")


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """Factors of the terms; the defaults are the paper's lambdas (200, 0.5, 1), combined.

    Attributes:
        joints_2d: per pixel.
        depth: per metre.
        object: of each frame's object.
        action: of the whole clip's action.
        action_over_time: of the answers as they stand after each window; 0: not computed.
        action_at_cut: of the answer where the clip is cut; 0: not computed.
        verb_noun: of verb and noun, in every answer of a model that tells them.
        object_box_2d: of the points of the object's box, per pixel, of a model that tells it.
        object_box_depth: likewise, per metre.
        forecast_joints_2d: of the poses to come, per pixel, of a model that forecasts.
        forecast_depth: likewise, per metre.
        forecast_action: of the action to come, likewise.
        label_smoothing: no factor: how much of the certainty of a clip's action, verb and noun is
            spread over all classes; objects, which are of frames, stay as they are.
    """

    joints_2d: float = 1.0
    depth: float = 100.0
    object: float = 1.0
    action: float = 1.0
    action_over_time: float = 0.0
    action_at_cut: float = 0.0
    verb_noun: float = 1.0
    object_box_2d: float = 1.0
    object_box_depth: float = 100.0
    forecast_joints_2d: float = 1.0
    forecast_depth: float = 100.0
    forecast_action: float = 1.0
    label_smoothing: float = 0.0

    @property
    def of_terms(self) -> dict[str, float]:
        """The factor of each term by its name."""
        factors = dataclasses.asdict(self)
        return factors | {"verb": self.verb_noun, "noun": self.verb_noun}


def htt_loss(
    out: Mapping[str, Any], batch: Mapping[str, jax.Array], weights: LossWeights
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The weighted sum of the terms, and the terms before weighting.

    Args:
        out: what `HTT` returns, its action as `HTT.answers` has it; with the terms of the same
            names also `action_at_cut` and `action_over_time`, answers of (clips, ..) and of
            (clips, windows, ..); of a model that forecasts also what `HTT.ahead` returns, of one
            that tells the object's box object_box_2d and object_box_depth.
        batch: joints_2d (clips, frames, joints, 2) px, depth (clips, frames, joints) m,
            valid (clips, frames), hand_annotated (clips, frames, hands), object (clips,) and
            action (clips,), and of a model with verbs verb (clips,) and noun (clips,), where a
            negative class is unknown and left out; with action_at_cut also cut (clips,), frames
            before it, 0 where a clip is not cut; with the object's box see `object_box_terms`. Of
            a dataset that says it joint by joint joints_known (clips, frames, joints, 2) tells of
            each whether its place in the image is known, and its depth, in place of hand_annotated.
            Perhaps also action_weight (clips,), a factor of the cross-entropies of its answers.
        weights: one for each term.
    """
    valid = batch["valid"]
    in_image, in_space = _known_joints(batch, slice(None), valid)
    object_known = valid & (batch["object"] >= 0)[:, None]
    action_known = valid.any(axis=1) & (batch["action"] >= 0)
    object_class = jnp.broadcast_to(batch["object"][:, None], valid.shape)
    error_2d = jnp.abs(out["joints_2d"] - batch["joints_2d"]).mean(axis=-1)
    terms = {
        "joints_2d": masked_mean(error_2d, in_image),
        "depth": masked_mean(jnp.abs(out["depth"] - batch["depth"]), in_space),
        "object": masked_mean(_cross_entropy(out["object_logits"], object_class), object_known),
        **_of_answer(out, batch, action_known, weights),
    }
    if "action_at_cut" in out:
        at_cut = _of_answer(out["action_at_cut"], batch, action_known & (batch["cut"] > 0), weights)
        terms["action_at_cut"] = _together(at_cut, weights)
    if "action_over_time" in out:
        terms["action_over_time"] = _over_time(out["action_over_time"], batch, weights)
    if "object_box_2d" in out:
        terms |= object_box_terms(out, batch)
    if "forecast_depth" in out:
        terms |= forecast_terms(out, batch)
    factors = weights.of_terms
    return sum((factors[name] * term for name, term in terms.items()), jnp.zeros(())), terms


def object_box_terms(
    out: Mapping[str, Any], batch: Mapping[str, jax.Array]
) -> dict[str, Float[Array, ""]]:
    """Of the points of the object's box in the frames where it is known.

    Args:
        out: object_box_2d (clips, frames, points, 2), pixels, and object_box_depth (clips, frames,
            points), metres.
        batch: object_box (clips, frames, points, 3), metres, camera space, object_box_known and
            valid (clips, frames), and intrinsics (clips, frames, 3, 3), pixels.
    """
    known = (batch["object_box_known"] & batch["valid"])[..., None]
    box = jnp.where(known[..., None], batch["object_box"], jnp.array([0.0, 0.0, 1.0]))
    pixels, depth = camera.project(box, batch["intrinsics"])
    error_2d = jnp.abs(out["object_box_2d"] - pixels).mean(axis=-1)
    known = jnp.broadcast_to(known, error_2d.shape)
    return {
        "object_box_2d": masked_mean(error_2d, known),
        "object_box_depth": masked_mean(jnp.abs(out["object_box_depth"] - depth), known),
    }


def forecast_terms(
    out: Mapping[str, Any], batch: Mapping[str, jax.Array]
) -> dict[str, Float[Array, ""]]:
    """Of the future of every window: the real frames after it in the same clip.

    Args:
        out: what `HTT.ahead` returns.
        batch: see `htt_loss`.
    """
    frames = batch["valid"].shape[1]
    windows, steps = out["forecast_depth"].shape[1:3]
    place = frames // windows * jnp.arange(1, windows + 1)[:, None] + jnp.arange(steps)
    inside = jnp.minimum(place, frames - 1)
    future = batch["valid"][:, inside] & (place < frames)
    in_image, in_space = _known_joints(batch, inside, future)
    error_2d = jnp.abs(out["forecast_joints_2d"] - batch["joints_2d"][:, inside]).mean(axis=-1)
    error_depth = jnp.abs(out["forecast_depth"] - batch["depth"][:, inside])
    action = jnp.broadcast_to(batch["action"][:, None], future.shape[:2])
    known = future.any(axis=-1) & (action >= 0)
    return {
        "forecast_joints_2d": masked_mean(error_2d, in_image),
        "forecast_depth": masked_mean(error_depth, in_space),
        "forecast_action": masked_mean(
            _cross_entropy(out["forecast_action_logits"], action), known
        ),
    }


def _known_joints(
    batch: Mapping[str, jax.Array], frames: Any, real: Bool[Array, "clips *places"]
) -> tuple[Bool[Array, "clips *places joints"], Bool[Array, "clips *places joints"]]:
    """Of which joints the place in the image is known, and of which the depth.

    Args:
        batch: see `htt_loss`.
        frames: an index of its frames.
        real: whether each of these frames is.
    """
    if "joints_known" in batch:
        known = batch["joints_known"][:, frames] & real[..., None, None]
        return known[..., 0], known[..., 1]
    hands = batch["hand_annotated"][:, frames]
    joints_per_hand = batch["depth"].shape[-1] // hands.shape[-1]
    annotated = jnp.repeat(hands, joints_per_hand, axis=-1) & real[..., None]
    return annotated, annotated


def _over_time(
    answers: Mapping[str, jax.Array], batch: Mapping[str, jax.Array], weights: LossWeights
) -> Float[Array, ""]:
    """Of the answers after each window that has a real frame; all such windows count alike."""
    clips, windows = answers["action_logits"].shape[:2]
    has_frame = batch["valid"].reshape(clips, windows, -1).any(axis=2)
    labels = {
        kind: jnp.broadcast_to(batch[kind][:, None], (clips, windows))
        for kind in _OF_ANSWER
        if f"{kind}_logits" in answers
    }
    if "action_weight" in batch:
        weight = batch["action_weight"][:, None]
        labels["action_weight"] = jnp.broadcast_to(weight, (clips, windows))
    return _together(
        _of_answer(answers, labels, has_frame & (labels["action"] >= 0), weights), weights
    )


def _of_answer(
    answer: Mapping[str, jax.Array],
    labels: Mapping[str, jax.Array],
    known: Bool[Array, "*batch"],
    weights: LossWeights,
) -> dict[str, Float[Array, ""]]:
    """The cross-entropy of the action, and of verb and noun where they are told."""
    return {
        kind: masked_mean(
            _weighted(
                _cross_entropy(answer[f"{kind}_logits"], labels[kind], weights.label_smoothing),
                labels,
            ),
            known,
        )
        for kind in _OF_ANSWER
        if f"{kind}_logits" in answer
    }


def _weighted(
    of_answers: Float[Array, "*batch"], labels: Mapping[str, jax.Array]
) -> Float[Array, "*batch"]:
    """By the weights of the actions, where there are some."""
    return of_answers * labels["action_weight"] if "action_weight" in labels else of_answers


def _together(terms: Mapping[str, jax.Array], weights: LossWeights) -> Float[Array, ""]:
    """One term of an answer's."""
    return sum(
        (weights.verb_noun * terms[kind] for kind in ("verb", "noun") if kind in terms),
        terms["action"],
    )


def _cross_entropy(
    logits: Float[Array, "*batch classes"], labels: Int[Array, "*batch"], smoothing: float = 0.0
) -> Float[Array, "*batch"]:
    """Minus the log probability of each label; of the first class where it is negative.

    With `smoothing`, so much of each label is spread over all classes.
    """
    labels = jnp.maximum(labels, 0)
    if not smoothing:
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    smoothed = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
    return optax.softmax_cross_entropy(logits, smoothed)


def masked_mean(x: Float[Array, "*batch"], mask: Bool[Array, "*batch"]) -> Float[Array, ""]:
    """Mean of `x` where `mask` holds; zero, with zero gradient, where it holds nowhere."""
    # `where`, not a product: what is masked may not be finite (joints behind the camera).
    return jnp.where(mask, x, 0.0).sum() / jnp.maximum(mask.sum(), 1)
