"""HTT: frame features, pose block over windows, action block over the clip (Sec. 3, Fig. 2)."""

from collections.abc import Callable
from typing import Any, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from htt_jax.datasets.spec import BOX_POINTS
from htt_jax.models.htt import cells, packed_windows, seen
from htt_jax.models.htt.forecast import Forecaster
from htt_jax.models.htt.heads import (
    ObjectHead,
    PoseHead,
    action_score,
    decode_pose,
    output_layer,
)
from htt_jax.models.htt.queries import Queries
from htt_jax.models.htt.rematerialised import rematerialised
from htt_jax.models.linear import linear
from htt_jax.models.resnet import ResNet18, pooled
from htt_jax.models.transformer import Encoder, mapped

Outputs: TypeAlias = dict[str, jax.Array]

ACTION_INPUTS = ("image", "pose", "object")
"""What the action block is told of a frame, in the order of Eq. 5's concatenation here."""
BOX = "box"
"""What it can be told besides: where the object is."""
OBJECT_BOX = ("object_box_2d", "object_box_depth", "object_box_3d")
"""Pixels, depth and camera space of the box's points, as those of joints."""
_WITHIN = ("frame_tokens", "pose_tokens", "raw_pose", "object_tokens", *OBJECT_BOX)
"""What `per_frame` alone tells, to the parts that come after it and to its caller."""


def pose_scales(width: int) -> dict[str, float]:
    """`pixel_scale` and `depth_scale` of a model of frames so many pixels wide.

    The paper's 100 pixels and 1e-4 metres suit its 480 pixels; at every width the same raw
    numbers are then the same pose.
    """
    return {"pixel_scale": width / 4.8, "depth_scale": 0.048 / width}


class HTT(nn.Module):
    """Hierarchical Temporal Transformer; the defaults are the paper's model for FPHA.

    Attributes:
        num_joints: 21 a hand.
        num_actions: action classes.
        num_objects: object classes.
        window: t, frames the pose block sees together; 1 leaves the pose block out (Tab. 4).
        width: d, of every token.
        heads: of every attention.
        mlp_width: hidden units of the encoders' feed-forward parts.
        pose_layers: encoder layers of the pose block.
        action_layers: encoder layers of the action block.
        cascaded: the action block reads what the pose block found; otherwise both read the
            frame features (Tab. 5, "parallel").
        action_inputs: which of `ACTION_INPUTS` and `BOX` the cascaded action block is told
            (Tab. 5).
        object_box: whether the object's box is told, which `BOX` needs.
        verbs: the verb of each action; empty: the action is told without a verb and a noun.
        nouns: the noun of each action, likewise.
        forecast: frames ahead of each window whose poses are told; 0: none.
        spatial: one of `queries.SPATIAL`; "pool" is the paper's.
        spatial_layers: of the queries.
        backbone_width: channels of the ResNet's first stage.
        pixel_scale: pixels per unit of raw x and y; the paper's 100 suits 480x270 frames.
        depth_scale: metres per unit of raw z and pixel of focal length.
        rematerialise: compute the backbone's activations again for the gradient instead of keeping
            them: less memory, more time.
        side_by_side: compute the backbone's first stage on columns side by side, the same in a form
            that suits TPUs (see `lanes`).
        dtype: of the computation; parameters, logits and poses are float32.
    """

    num_joints: int = 21
    num_actions: int = 45
    num_objects: int = 26
    window: int = 16
    width: int = 512
    heads: int = 8
    mlp_width: int = 2048
    pose_layers: int = 2
    action_layers: int = 2
    cascaded: bool = True
    action_inputs: tuple[str, ...] = ACTION_INPUTS
    object_box: bool = False
    verbs: tuple[int, ...] = ()
    nouns: tuple[int, ...] = ()
    forecast: int = 0
    spatial: str = "pool"
    spatial_layers: int = 1
    backbone_width: int = 64
    pixel_scale: float = 100.0
    depth_scale: float = 1e-4
    rematerialise: bool = False
    side_by_side: bool = False
    dtype: DTypeLike = jnp.float32

    def setup(self) -> None:
        """Names every part as its parameters are named."""
        self.backbone = ResNet18(
            self.backbone_width, dtype=self.dtype, side_by_side=self.side_by_side
        )
        if self.backbone.features != self.width:
            self.image_projection = linear(self.backbone.features, self.width, dtype=self.dtype)
        block = (self.heads, self.mlp_width, self.dtype)
        if self.spatial == "queries":
            self.queries = Queries(self.num_joints, self.spatial_layers, self.width, *block)
        if self.window > 1:
            self.pose_block = mapped(Encoder, 2)(self.pose_layers, *block)
        self.pose_head = PoseHead(self.num_joints, self.dtype)
        self.object_head = ObjectHead(self.num_objects, self.dtype)
        if self.object_box:
            self.object_box_head = PoseHead(BOX_POINTS, self.dtype)
        if self.cascaded:
            if "pose" in self.action_inputs:
                self.pose_to_action = linear(2 * self.num_joints, self.width, dtype=self.dtype)
            if "object" in self.action_inputs:
                self.object_to_action = linear(self.num_objects, self.width, dtype=self.dtype)
            if BOX in self.action_inputs:
                self.box_to_action = linear(2 * BOX_POINTS, self.width, dtype=self.dtype)
            inputs = len(self.action_inputs) * self.width
            self.action_input = linear(inputs, self.width, dtype=self.dtype)
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

    def per_frame(
        self,
        image: Float[Array, "*places height width channels"],
        valid: Bool[Array, "clips frames"],
        intrinsics: Float[Array, "clips frames 3 3"],
        slot: Int[Array, "clips frames"] | None = None,
        dropped: Bool[Array, "clips 2"] | None = None,
    ) -> Outputs:
        """All of `__call__` that depends on a frame's own window alone.

        Arguments are those of `__call__`, and `dropped`: whether the action block is not told a
        clip's poses, and its objects; None: it is told all of `action_inputs`.

        Returns:
            What `__call__` returns of frames, and of (clips, frames, ..) `frame_tokens`, what the
            action block is told of each, `pose_tokens`, those of the pose block, and `raw_pose`;
            with queries `object_tokens`, what the object's has found; of a model that tells the
            object's box also object_box_2d (clips, frames, points, 2), object_box_depth and
            object_box_3d as those of joints.
        """
        size = image.shape[-3:]
        looked = self._looked(image.reshape(-1, *size))
        if slot is None:
            slots = None  # and the number of frames may be a symbol, as in exports
            looked = [x.reshape(*valid.shape, *x.shape[1:]) for x in looked]
        else:
            slots = len(looked[0])
            looked = [x[slot] for x in looked]
        features, *found = looked
        tokens = self._pose_tokens(features, valid, slots)
        raw_pose, of_object = self.pose_head(tokens), tokens
        within = {}
        for spatial in found:  # one, or none
            raw_pose += self.queries.corrections(spatial[..., :-1, :], tokens)
            within["object_tokens"] = spatial[..., -1, :]
            of_object += self.queries.of_object(spatial[..., -1, :])
        object_logits = self.object_head(of_object)
        raw_box = self.object_box_head(of_object) if self.object_box else None
        if self.cascaded:
            frame_tokens = self._action_tokens(tokens, raw_pose, object_logits, dropped, raw_box)
        else:
            frame_tokens = features
        return {
            **self._decoded(raw_pose, intrinsics, size[:2]),
            **self._decoded_box(raw_box, intrinsics, size[:2]),
            "object_logits": object_logits,
            "frame_tokens": frame_tokens,
            "pose_tokens": tokens,
            "raw_pose": raw_pose,
            **within,
        }

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

    def _looked(self, image: Float[Array, "slots height width channels"]) -> list[jax.Array]:
        """ResNet features (slots, features); of a model with queries their tokens too."""
        queries = self.spatial == "queries"
        look: Callable[[Any, jax.Array], Any] = HTT._queried if queries else ResNet18.__call__
        module = self if queries else self.backbone
        if self.rematerialise and not self.is_initializing():
            found = rematerialised(look, module, image)
        else:
            found = look(module, image)
        features, *tokens = found if queries else [found]
        if self.backbone.features != self.width:
            features = self.image_projection(features)
        if queries:
            features += self.queries.of_frame(tokens[0]).astype(features.dtype)
        return [features, *tokens]

    def _queried(
        self, image: Float[Array, "slots height width channels"]
    ) -> tuple[Float[Array, "slots features"], Float[Array, "slots tokens features"]]:
        maps = self.backbone.maps(image)
        looked_at = tuple(maps[stage - 1] for stage in cells.STAGES)
        _, height, width, _ = image.shape
        return pooled(maps[-1]), self.queries(looked_at, (height, width))

    def _pose_tokens(
        self,
        features: Float[Array, "clips frames features"],
        valid: Bool[Array, "clips frames"],
        slots: int | None,
    ) -> Float[Array, "clips frames features"]:
        """The pose block's encoder over each window of `window` frames (Sec. 3.2)."""
        if self.window == 1:
            return features
        return packed_windows.encoded_frames(self.pose_block, features, valid, self.window, slots)

    def _action_tokens(
        self,
        tokens: Float[Array, "clips frames features"],
        raw_pose: Float[Array, "clips frames joints 3"],
        object_logits: Float[Array, "clips frames objects"],
        dropped: Bool[Array, "clips 2"] | None,
        raw_box: Float[Array, "clips frames points 3"] | None = None,
    ) -> Float[Array, "clips frames features"]:
        """Eq. 5: one token a frame out of image feature, 2D pose and object probabilities.

        With `BOX` also of the box in 2D. In the place of what is dropped are zeros; with its
        object's class a clip loses the box.
        """

        def told(part: jax.Array, kind: int) -> jax.Array:
            return part if dropped is None else jnp.where(dropped[:, kind, None, None], 0, part)

        parts = []
        if "image" in self.action_inputs:
            parts.append(tokens)
        if "pose" in self.action_inputs:
            xy = raw_pose[..., :2].reshape(*tokens.shape[:2], 2 * self.num_joints)
            parts.append(told(self.pose_to_action(xy), 0))
        if "object" in self.action_inputs:
            parts.append(told(self.object_to_action(jax.nn.softmax(object_logits)), 1))
        if BOX in self.action_inputs:
            assert raw_box is not None, "the box that is told must be estimated"
            xy = raw_box[..., :2].reshape(*tokens.shape[:2], 2 * BOX_POINTS)
            parts.append(told(self.box_to_action(xy), 1))
        return self.action_input(jnp.concatenate(parts, axis=-1))

    def _decoded_box(
        self, raw: jax.Array | None, intrinsics: jax.Array, size: tuple[int, ...]
    ) -> Outputs:
        if raw is None:
            return {}
        box = self._decoded(raw, intrinsics, size)
        found = (box[name] for name in ("joints_2d", "depth", "joints_3d"))
        return dict(zip(OBJECT_BOX, found, strict=True))

    def _decoded(self, raw: jax.Array, intrinsics: jax.Array, size: tuple[int, ...]) -> Outputs:
        return decode_pose(raw, intrinsics, size, self.pixel_scale, self.depth_scale)
