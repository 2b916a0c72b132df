"""HTT: frame features, pose block over windows, action block over the clip (Sec. 3, Fig. 2)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from htt_jax.models.htt import seen
from htt_jax.models.htt.forecast import Forecaster
from htt_jax.models.htt.frames import OBJECT_BOX, FrameNetwork, Outputs
from htt_jax.models.htt.heads import action_score, output_layer
from htt_jax.models.transformer import Encoder, mapped

_WITHIN = ("frame_tokens", "pose_tokens", "raw_pose", "object_tokens", *OBJECT_BOX)
"""What `per_frame` alone tells, to the parts that come after it and to its caller."""


class HTT(FrameNetwork):
    """Hierarchical Temporal Transformer; the defaults are the paper's model for FPHA.

    Attributes, besides those of `FrameNetwork`:
        num_actions: action classes.
        action_layers: encoder layers of the action block.
        verbs: the verb of each action; empty: the action is told without a verb and a noun.
        nouns: the noun of each action, likewise.
        forecast: frames ahead of each window whose poses are told; 0: none.
    """

    num_actions: int = 45
    action_layers: int = 2
    verbs: tuple[int, ...] = ()
    nouns: tuple[int, ...] = ()
    forecast: int = 0

    def setup(self) -> None:
        """Names every part as its parameters are named."""
        super().setup()
        block = (self.heads, self.mlp_width, self.dtype)
        self.action_token = self.param("action_token", nn.initializers.normal(1.0), (self.width,))
        self.action_block = mapped(Encoder, 1)(self.action_layers, *block)
        self.action_head = output_layer(self.width, self.num_actions)
        if self.verbs:
            self.verb_head = output_layer(self.width, max(self.verbs) + 1)
            self.noun_head = output_layer(self.width, max(self.nouns) + 1)
        if self.forecast:
            sizes = self.forecast, self.num_joints, self.num_actions
            self.forecaster = mapped(Forecaster, 2)(*sizes, *block)

    def __call__(
        self,
        image: Float[Array, "*places height width channels"],
        valid: Bool[Array, "clips frames"],
        intrinsics: Float[Array, "clips frames 3 3"],
        slot: Int[Array, "clips frames"] | None = None,
    ) -> Outputs:
        """Estimates poses, objects and actions.

        Args:
            image: see `augment.to_pixel_range`; (clips, frames, ..), or the real frames of all
                clips without the padding between them, (slots, ..).
            valid: whether a frame is real; padding changes no other frame's result.
            intrinsics: in pixels of `image`.
            slot: where in packed images a frame is, for padding any place; None: not packed.

        Returns:
            What `htt_jax.models.outputs` names, with axes and units.

        Raises:
            ValueError: the number of frames is not a multiple of `window`.
        """
        outputs = self.per_frame(image, valid, intrinsics, slot)
        told = {name: x for name, x in outputs.items() if name not in _WITHIN}
        told["action_logits"] = self.per_clip(outputs["frame_tokens"], valid)
        if self.forecast:
            told |= self.ahead(outputs, valid, intrinsics, image.shape[-3:-1])
        return told

    def per_clip(
        self,
        frame_tokens: Float[Array, "clips frames features"],
        valid: Bool[Array, "clips frames"],
    ) -> Float[Array, "clips actions"]:
        """Logits of the action: a trained token looks at all frames and decides (Sec. 3.3)."""
        return self._score(self.answers(frame_tokens, valid))

    def over_time(
        self,
        frame_tokens: Float[Array, "clips frames features"],
        valid: Bool[Array, "clips frames"],
    ) -> Float[Array, "clips windows actions"]:
        """Logits of the action as they stand after each window, the frames to come unseen.

        The last are those of the whole clip.
        """
        return self._score(self.answers_after_windows(frame_tokens, valid))

    def answers(
        self,
        frame_tokens: Float[Array, "clips frames features"],
        visible: Bool[Array, "clips frames"],
    ) -> Outputs:
        """What each head reads off the action token that has looked at the visible frames.

        Returns:
            `action_logits` (clips, actions), and `verb_logits` (clips, verbs) and `noun_logits`
            (clips, nouns) of a model with verbs.
        """
        encoded = self._decision(frame_tokens, visible)
        found = {"action_logits": self.action_head(encoded)}
        if self.verbs:
            found["verb_logits"] = self.verb_head(encoded)
            found["noun_logits"] = self.noun_head(encoded)
        return found

    def answers_after_windows(
        self,
        frame_tokens: Float[Array, "clips frames features"],
        valid: Bool[Array, "clips frames"],
    ) -> Outputs:
        """The same after each window, of (clips, windows, ..)."""
        found = self.answers(*seen.up_to_each_window(frame_tokens, valid, self.window))
        return {name: x.reshape(len(valid), -1, x.shape[-1]) for name, x in found.items()}

    def _decision(
        self,
        frame_tokens: Float[Array, "clips frames features"],
        visible: Bool[Array, "clips frames"],
    ) -> Float[Array, "clips features"]:
        """What the action's token has become when it has looked at the visible frames."""
        clips = frame_tokens.shape[0]
        token = self.action_token.astype(frame_tokens.dtype)
        token = jnp.broadcast_to(token, (clips, 1, self.width))
        visible = jnp.concatenate([jnp.ones((clips, 1), bool), visible], axis=1)
        return self.action_block(jnp.concatenate([token, frame_tokens], axis=1), visible)[:, 0]

    def ahead(
        self,
        outputs: Outputs,
        valid: Bool[Array, "clips frames"],
        intrinsics: Float[Array, "clips frames 3 3"],
        image_size: tuple[int, ...],
        told: tuple[
            Float[Array, "clips_windows frames_of_clip features"],
            Bool[Array, "clips_windows frames_of_clip"],
        ]
        | None = None,
    ) -> Outputs:
        """What comes after each window, of what `per_frame` returned; see `Forecaster`.

        Args:
            outputs: of `per_frame`.
            valid: see `__call__`.
            intrinsics: see `__call__`.
            image_size: (height, width).
            told: what the action block is told at the end of each window, tokens of a clip's frames
                and which of them it sees; None: those of `outputs` up to there.

        Returns:
            forecast_joints_2d (clips, windows, forecast, joints, 2), forecast_depth and
            forecast_joints_3d as those of frames, each in its own frame's camera, and
            forecast_action_logits (clips, windows, actions).
        """

        def windows(x: jax.Array) -> jax.Array:
            return x.reshape(len(x), -1, self.window, *x.shape[2:])

        if told is None:
            told = seen.up_to_each_window(outputs["frame_tokens"], valid, self.window)
        raw, logits = self.forecaster(
            *(windows(x) for x in (outputs["pose_tokens"], outputs["raw_pose"], valid)),
            self._decision(*told).reshape(len(valid), -1, self.width),
        )
        # No frame is there yet; a clip has one camera.
        camera = intrinsics[:, self.window - 1 :: self.window, None]
        poses = self._decoded(raw, jnp.broadcast_to(camera, (*raw.shape[:3], 3, 3)), image_size)
        ahead = {f"forecast_{name}": x for name, x in poses.items()}
        return ahead | {"forecast_action_logits": logits}

    def _score(self, answers: Outputs) -> jax.Array:
        """Logits of the action, by all heads together."""
        if not self.verbs:
            return answers["action_logits"]
        return action_score(answers, self.verbs, self.nouns)
