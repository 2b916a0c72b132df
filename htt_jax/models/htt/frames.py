"""What HTT tells of frames: their features, and the pose block over windows (Sec. 3.2)."""

from collections.abc import Callable
from typing import Any, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from htt_jax.datasets.spec import BOX_POINTS
from htt_jax.models import backbones
from htt_jax.models.htt import cells, packed_windows
from htt_jax.models.htt.heads import ObjectHead, PoseHead, decode_pose
from htt_jax.models.htt.queries import Queries
from htt_jax.models.htt.rematerialised import rematerialised
from htt_jax.models.linear import linear
from htt_jax.models.resnet import pooled
from htt_jax.models.transformer import Encoder, mapped

Outputs: TypeAlias = dict[str, jax.Array]

ACTION_INPUTS = ("image", "pose", "object")
"""What the action block is told of a frame, in the order of Eq. 5's concatenation here."""
BOX = "box"
"""What it can be told besides: where the object is."""
OBJECT_BOX = ("object_box_2d", "object_box_depth", "object_box_3d")
"""Pixels, depth and camera space of the box's points, as those of joints."""


def pose_scales(width: int) -> dict[str, float]:
    """`pixel_scale` and `depth_scale` of a model of frames so many pixels wide.

    The paper's 100 pixels and 1e-4 metres suit its 480 pixels; at every width the same raw
    numbers are then the same pose.
    """
    return {"pixel_scale": width / 4.8, "depth_scale": 0.048 / width}


class FrameNetwork(nn.Module):
    """All of `HTT` that depends on a frame's own window alone, whose attributes these are.

    Attributes:
        num_joints: 21 a hand.
        num_objects: object classes.
        window: t, frames the pose block sees together; 1 leaves the pose block out (Tab. 4).
        width: d, of every token.
        heads: of every attention.
        mlp_width: hidden units of the encoders' feed-forward parts.
        pose_layers: encoder layers of the pose block.
        cascaded: the action block reads what the pose block found; otherwise both read the
            frame features (Tab. 5, "parallel").
        action_inputs: which of `ACTION_INPUTS` and `BOX` the cascaded action block is told
            (Tab. 5).
        object_box: whether the object's box is told, which `BOX` needs.
        spatial: one of `queries.SPATIAL`; "pool" is the paper's.
        spatial_layers: of the queries.
        backbone_name: one of `backbones.NAMES`; the first is the paper's.
        backbone_width: channels of the ResNet's first stage; others have as large a part of theirs.
        pixel_scale: pixels per unit of raw x and y; the paper's 100 suits 480x270 frames.
        depth_scale: metres per unit of raw z and pixel of focal length.
        rematerialise: compute the backbone's activations again for the gradient instead of keeping
            them: less memory, more time.
        side_by_side: compute the backbone's first stage on columns side by side, the same in a form
            that suits TPUs (see `lanes`).
        dtype: of the computation; parameters, logits and poses are float32.
    """

    num_joints: int = 21
    num_objects: int = 26
    window: int = 16
    width: int = 512
    heads: int = 8
    mlp_width: int = 2048
    pose_layers: int = 2
    cascaded: bool = True
    action_inputs: tuple[str, ...] = ACTION_INPUTS
    object_box: bool = False
    spatial: str = "pool"
    spatial_layers: int = 1
    backbone_name: str = backbones.RESNET18
    backbone_width: int = backbones.FULL_WIDTH
    pixel_scale: float = 100.0
    depth_scale: float = 1e-4
    rematerialise: bool = False
    side_by_side: bool = False
    dtype: DTypeLike = jnp.float32

    def setup(self) -> None:
        """Names every part as its parameters are named."""
        self.backbone = backbones.make(
            self.backbone_name,
            self.backbone_width,
            dtype=self.dtype,
            side_by_side=self.side_by_side,
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

    def per_frame(
        self,
        image: Float[Array, "*places height width channels"],
        valid: Bool[Array, "clips frames"],
        intrinsics: Float[Array, "clips frames 3 3"],
        slot: Int[Array, "clips frames"] | None = None,
        dropped: Bool[Array, "clips 2"] | None = None,
    ) -> Outputs:
        """Estimates all that is told of frames, and what the parts after it need.

        Args:
            image: see `HTT.__call__`, and so `valid`, `intrinsics` and `slot`.
            valid: whether a frame is real.
            intrinsics: in pixels.
            slot: places of packed images.
            dropped: whether the action block is not told a clip's poses, and its objects; None: it
                is told all of `action_inputs`.

        Returns:
            What `HTT.__call__` returns of frames, and of (clips, frames, ..) `frame_tokens`, what
            the action block is told of each, `pose_tokens`, those of the pose block, and
            `raw_pose`; of a model that tells the object's box also object_box_2d (clips, frames,
            points, 2), object_box_depth and object_box_3d as those of joints.
        """
        size = image.shape[-3:]
        looked = self.looked(image.reshape(-1, *size))
        if slot is None:
            slots = None  # and the number of frames may be a symbol, as in exports
            looked = [x.reshape(*valid.shape, *x.shape[1:]) for x in looked]
        else:
            slots = len(looked[0])
            looked = [x[slot] for x in looked]
        return self.told(looked, valid, intrinsics, size[:2], slots, dropped)

    def told(
        self,
        looked: list[jax.Array],
        valid: Bool[Array, "clips frames"],
        intrinsics: Float[Array, "clips frames 3 3"],
        size: tuple[int, ...],
        slots: int | None = None,
        dropped: Bool[Array, "clips 2"] | None = None,
    ) -> Outputs:
        """What `per_frame` returns of frames that have been looked at.

        Args:
            looked: of each frame what `looked` returns, (clips, frames, ..).
            valid: see `per_frame`, and so `intrinsics` and `dropped`.
            intrinsics: in pixels.
            size: (height, width) of the images.
            slots: how many frames are real, at most; None: as many as there are places.
            dropped: parts of clips.
        """
        features, *found = looked
        tokens = self._pose_tokens(features, valid, slots)
        raw_pose, of_object = self.pose_head(tokens), tokens
        for spatial in found:  # one, or none
            raw_pose += self.queries.corrections(spatial[..., :-1, :], tokens)
            of_object += self.queries.of_object(spatial[..., -1, :])
        object_logits = self.object_head(of_object)
        raw_box = self.object_box_head(of_object) if self.object_box else None
        if self.cascaded:
            frame_tokens = self._action_tokens(tokens, raw_pose, object_logits, dropped, raw_box)
        else:
            frame_tokens = features
        return {
            **self._decoded(raw_pose, intrinsics, size),
            **self._decoded_box(raw_box, intrinsics, size),
            "object_logits": object_logits,
            "frame_tokens": frame_tokens,
            "pose_tokens": tokens,
            "raw_pose": raw_pose,
        }

    def looked(self, image: Float[Array, "slots height width channels"]) -> list[jax.Array]:
        """The backbone's features (slots, features); of a model with queries their tokens too.

        All that is made of one frame without its window.
        """
        queries = self.spatial == "queries"
        look: Callable[[Any, jax.Array], Any] = type(self.backbone).__call__
        module: nn.Module = self.backbone
        if queries:
            look, module = FrameNetwork._queried, self
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
        first = cells.first_of(self.backbone, (height, width))
        return pooled(maps[-1]), self.queries(looked_at, (height, width), first)

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
