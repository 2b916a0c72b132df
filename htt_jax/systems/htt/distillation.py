"""Distillation: what a teacher says of frames, and the terms that a student's loss has for it.

Poses are learned as labels are. Of classes the student learns the teacher's probabilities at a
temperature (Hinton et al., 2015), and of the tokens of frames how alike each two of a clip are
(Tung and Mori, 2019), which asks for no width in common and for no parameter.
"""

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from htt_jax import augment
from htt_jax.losses import LossWeights, masked_mean
from htt_jax.models.htt import HTT
from htt_jax.systems import Batch, Variables

_LEAST = 1e-30
"""Of a probability: its logarithm is then finite."""


@dataclasses.dataclass(frozen=True)
class Distillation:
    """Factors of the terms, and the temperature.

    Attributes:
        pose: of the poses, in parts of the labels' `joints_2d` and `depth`.
        object: of each frame's object.
        action: of the clip's action.
        tokens: of the frames' likeness; 0: not asked for.
        temperature: of teacher and student, for classes.
    """

    pose: float = 1.0
    object: float = 1.0
    action: float = 1.0
    tokens: float = 0.0
    temperature: float = 2.0

    def factors(self, labels: LossWeights) -> dict[str, float]:
        """The factor of each term by its name, beside those of the labels."""
        return {
            "taught_joints_2d": self.pose * labels.joints_2d,
            "taught_depth": self.pose * labels.depth,
            "taught_object": self.object,
            "taught_action": self.action,
            "taught_tokens": self.tokens,
        }


def answers(model: HTT, variables: Variables, inputs: Batch) -> dict[str, jax.Array]:
    """What a teacher says of a batch of inputs.

    Returns:
        joints_3d (clips, frames, joints, 3), metres, camera space; objects (clips, frames, objects)
        and actions (clips, actions), probabilities; tokens (clips, frames, features).
    """
    arrays = (inputs[name] for name in ("image", "valid", "intrinsics", "slot"))
    out = model.apply(variables, *arrays, method="per_frame")
    assert isinstance(out, dict)
    tokens = out["frame_tokens"]
    logits = model.apply(variables, tokens, inputs["valid"], method="per_clip")
    assert isinstance(logits, jax.Array)
    return {
        "joints_3d": out["joints_3d"],
        "objects": jax.nn.softmax(out["object_logits"]),
        "actions": jax.nn.softmax(logits),
        "tokens": tokens.astype(jnp.float32),
    }


def moved(inputs: Batch) -> dict[str, jax.Array]:
    """Inputs with taught_joints_2d and taught_depth: the teacher's poses where the frames are now.

    They are taught in camera space, so that they move with the camera as labels do.
    """
    joints_3d = inputs["taught_joints_3d"]
    joints_2d = augment.projected(joints_3d, inputs["intrinsics"])
    return {**inputs, "taught_joints_2d": joints_2d, "taught_depth": joints_3d[..., 2]}


def terms(
    out: Mapping[str, jax.Array], inputs: Mapping[str, jax.Array], options: Distillation
) -> dict[str, Float[Array, ""]]:
    """The terms before weighting, those whose factor is not zero.

    A clip's action is taught by the mean of the teacher's answers in its frames.

    Args:
        out: of the student: joints_2d (clips, frames, joints, 2), pixels, depth (clips, frames,
            joints), metres, object_logits (clips, frames, objects), action_logits (clips, actions),
            frame_tokens (clips, frames, features).
        inputs: valid (clips, frames), and of the teacher taught_joints_2d and taught_depth, as
            those of the student, taught_objects (clips, frames, objects) and taught_actions
            (clips, frames, actions), probabilities, and taught_tokens (clips, frames, features of
            its own). A joint that is not in front of the camera teaches nothing.
        options: see there.
    """
    valid, temperature = inputs["valid"], options.temperature
    found = {}
    if options.pose:
        seen = valid[..., None] & (inputs["taught_depth"] > 0)
        error_2d = jnp.abs(out["joints_2d"] - inputs["taught_joints_2d"]).mean(axis=-1)
        error_depth = jnp.abs(out["depth"] - inputs["taught_depth"])
        found["taught_joints_2d"] = masked_mean(error_2d, seen)
        found["taught_depth"] = masked_mean(error_depth, seen)
    if options.object:
        apart = divergence(out["object_logits"], inputs["taught_objects"], temperature)
        found["taught_object"] = masked_mean(apart, valid)
    if options.action:
        share = valid / jnp.maximum(valid.sum(axis=1, keepdims=True), 1)
        answer = (inputs["taught_actions"] * share[..., None]).sum(axis=1)
        apart = divergence(out["action_logits"], answer, temperature)
        found["taught_action"] = masked_mean(apart, valid.any(axis=1))
    if options.tokens:
        found["taught_tokens"] = unlikeness(out["frame_tokens"], inputs["taught_tokens"], valid)
    return found


def divergence(
    logits: Float[Array, "*batch classes"],
    probabilities: Float[Array, "*batch classes"],
    temperature: float,
) -> Float[Array, "*batch"]:
    """Kullback-Leibler divergence of a student's answer from a teacher's, both at a temperature.

    Times its square, so that gradients are as large at every temperature.
    """
    taught = jax.nn.log_softmax(jnp.log(jnp.maximum(probabilities, _LEAST)) / temperature)
    learned = jax.nn.log_softmax(logits / temperature)
    return temperature**2 * (jnp.exp(taught) * (taught - learned)).sum(axis=-1)


def unlikeness(
    tokens: Float[Array, "clips frames features"],
    taught: Float[Array, "clips frames features_of_teacher"],
    valid: Bool[Array, "clips frames"],
) -> Float[Array, ""]:
    """Mean squared difference of the cosines between each two real frames of a clip."""
    difference = _cosines(tokens) - _cosines(taught)
    others = ~jnp.eye(valid.shape[1], dtype=bool)
    return masked_mean(difference**2, valid[:, :, None] & valid[:, None] & others)


def _cosines(tokens: Float[Array, "clips frames features"]) -> Float[Array, "clips frames frames"]:
    x = tokens.astype(jnp.float32)
    x = x * jax.lax.rsqrt((x * x).sum(axis=-1, keepdims=True) + 1e-6)
    return jnp.einsum("cif,cjf->cij", x, x)
