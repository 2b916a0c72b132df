"""The published model in PyTorch: same names, shapes and order of tensors, same results.

Needs torch; import this module only where it is wanted.
"""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from htt_jax.interop import names
from htt_jax.interop.torch_mobile import MobileNetwork
from htt_jax.interop.torch_resnet import ResNet18
from htt_jax.models import backbones, htt
from htt_jax.models.htt.heads import DEPTH_OFFSET


def build(model: htt.HTT, tensors: Mapping[str, Tensor]) -> "HTT":
    """The module that computes in PyTorch what `model` does, with the weights given.

    Args:
        model: of the published structure, its backbone any.
        tensors: the published state dict, loaded strictly.
    """
    first = next(names.backbone_entries(model.backbone_name, names.BACKBONE))
    module = HTT(
        num_joints=model.num_joints,
        num_actions=model.num_actions,
        num_objects=model.num_objects,
        window=model.window,
        width=model.width,
        heads=model.heads,
        mlp_width=model.mlp_width,
        pose_layers=model.pose_layers,
        action_layers=model.action_layers,
        backbone_name=model.backbone_name,
        backbone_width=model.backbone_width,
        pixel_scale=model.pixel_scale,
        depth_scale=model.depth_scale,
        channels=tensors[first.name].shape[1],
    )
    module.load_state_dict(tensors, strict=True)
    return module.eval()


class HTT(nn.Module):
    """Hierarchical Temporal Transformer; arguments and results are `htt_jax.models.htt.HTT`'s.

    `state_dict()` has the tensors of the published checkpoints, in their order, but for the table
    `transformer_pe.pe`; with another backbone its own, and with features of another width than the
    tokens a projection of them. Under autocast, poses and logits are still computed in float32.
    After `to(memory_format=torch.channels_last)` no convolution copies its input into another
    layout.

    Attributes:
        tells_within: whether `names.WITHIN` are among the results, too.
    """

    def __init__(
        self,
        *,
        num_joints: int,
        num_actions: int,
        num_objects: int,
        window: int,
        width: int = 512,
        heads: int = 8,
        mlp_width: int = 2048,
        pose_layers: int = 2,
        action_layers: int = 2,
        backbone_name: str = backbones.RESNET18,
        backbone_width: int = backbones.FULL_WIDTH,
        pixel_scale: float = 100.0,
        depth_scale: float = 1e-4,
        channels: int = 3,
    ) -> None:
        super().__init__()
        self.num_joints = num_joints
        self.window = window
        self.pixel_scale = pixel_scale
        self.depth_scale = depth_scale
        self.tells_within = False
        self.action_token = nn.Parameter(torch.randn(1, 1, width))
        backbone = make_backbone(backbone_name, backbone_width, channels)
        self.meshregnet = nn.ModuleDict({"base_net": backbone})
        features = backbones.make(backbone_name, backbone_width).features
        if features != width:
            self.image_projection = nn.Linear(features, width)
        self.transformer_pose = Encoder(pose_layers, width, heads, mlp_width)
        self.image_to_hand_pose = nn.ModuleDict({"mlp": _pose_head(width, num_joints)})
        self.image_to_olabel_embed = nn.Linear(width, width)
        self.obj_classification = _classifier(width, num_objects)
        self.hand_pose3d_to_action_input = nn.Linear(2 * num_joints, width)
        self.olabel_to_action_input = nn.Linear(num_objects, width)
        self.concat_to_action_input = nn.Linear(3 * width, width)
        self.transformer_action = Encoder(action_layers, width, heads, mlp_width)
        self.action_classification = _classifier(width, num_actions)

    def forward(
        self,
        image: Float[Tensor, "clips frames height width channels"],
        valid: Bool[Tensor, "clips frames"],
        intrinsics: Float[Tensor, "clips frames 3 3"],
    ) -> dict[str, Tensor]:
        """Estimates poses, objects and actions.

        Args:
            image: `pixel / 255 - 0.5`, RGB; or one channel, of depth.
            valid: whether a frame is real; padding changes no other frame's result.
            intrinsics: in pixels of `image`.

        Returns:
            What `htt_jax.models.outputs` names, with axes and units.

        Raises:
            RuntimeError: the number of frames is not a multiple of `window`.
        """
        clips, frames, height, width, _ = image.shape
        features = self.meshregnet["base_net"](image.flatten(0, 1).permute(0, 3, 1, 2))
        if hasattr(self, names.PROJECTION):
            features = self.image_projection(features)
        tokens = self._pose_block(features.unflatten(0, (clips, frames)), valid)
        raw_pose = self.image_to_hand_pose["mlp"](tokens).unflatten(-1, (self.num_joints, 3))
        object_logits = self.obj_classification["classifier"](self.image_to_olabel_embed(tokens))
        frame_tokens = self._action_input(tokens, raw_pose, object_logits)
        within = dict(zip(names.WITHIN, (features, frame_tokens), strict=True))
        return {
            **self._decode_pose(raw_pose, intrinsics, (height, width)),
            "object_logits": object_logits,
            "action_logits": self._action_block(frame_tokens, valid),
            **(within if self.tells_within else {}),
        }

    def _pose_block(
        self, features: Float[Tensor, "clips frames features"], valid: Bool[Tensor, "clips frames"]
    ) -> Float[Tensor, "clips frames features"]:
        """The encoder over each window of `window` frames (Sec. 3.2)."""
        windows = features.unflatten(1, (-1, self.window))
        # A window of padding alone would otherwise have nothing to attend to.
        first = torch.arange(self.window, device=valid.device) == 0
        visible = valid.unflatten(1, (-1, self.window)) | first
        encoded = self.transformer_pose(windows.flatten(0, 1), visible.flatten(0, 1))
        return encoded.reshape(features.shape)

    def _action_input(
        self,
        tokens: Float[Tensor, "clips frames features"],
        raw_pose: Float[Tensor, "clips frames joints 3"],
        object_logits: Float[Tensor, "clips frames objects"],
    ) -> Float[Tensor, "clips frames features"]:
        """Eq. 5: one token a frame out of image feature, 2D pose and object probabilities."""
        pose = self.hand_pose3d_to_action_input(raw_pose[..., :2].flatten(-2))
        objects = self.olabel_to_action_input(object_logits.softmax(-1))
        return self.concat_to_action_input(torch.cat([tokens, pose, objects], -1))

    def _action_block(
        self,
        frame_tokens: Float[Tensor, "clips frames features"],
        valid: Bool[Tensor, "clips frames"],
    ) -> Float[Tensor, "clips actions"]:
        """The encoder over a trained token and all frames; that token decides (Sec. 3.3)."""
        token = self.action_token.expand(frame_tokens.shape[0], -1, -1)
        visible = F.pad(valid, (1, 0), value=True)
        encoded = self.transformer_action(torch.cat([token, frame_tokens], 1), visible)
        return self.action_classification["classifier"](encoded[:, 0])

    def _decode_pose(
        self,
        raw: Float[Tensor, "clips frames joints 3"],
        intrinsics: Float[Tensor, "clips frames 3 3"],
        image_size: tuple[int, int],
    ) -> dict[str, Tensor]:
        """Pixels, depth and camera-space joints from raw coordinates (published code)."""
        height, width = image_size
        u = self.pixel_scale * raw[..., 0] + width / 2
        v = self.pixel_scale * raw[..., 1] + height / 2
        fx, fy = intrinsics[..., 0, 0, None], intrinsics[..., 1, 1, None]
        cx, cy = intrinsics[..., 0, 2, None], intrinsics[..., 1, 2, None]
        depth = DEPTH_OFFSET + self.depth_scale * fx * raw[..., 2]
        joints_3d = torch.stack([(u - cx) / fx * depth, (v - cy) / fy * depth, depth], -1)
        return {"joints_2d": torch.stack([u, v], -1), "depth": depth, "joints_3d": joints_3d}


class Encoder(nn.Module):
    """The pre-norm encoder of both blocks, with one more LN after the last layer (Sec. 3.4)."""

    frequency: Tensor

    def __init__(self, layers: int, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        stack = nn.ModuleList(EncoderLayer(width, heads, mlp_width) for _ in range(layers))
        self.encoder = nn.ModuleDict({"layers": stack, "norm": nn.LayerNorm(width)})
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        frequency = torch.exp(-math.log(10000.0) * torch.arange(0, width, 2) / width)
        self.register_buffer("frequency", frequency, persistent=False)

    def forward(
        self,
        x: Float[Tensor, "sequences tokens features"],
        visible: Bool[Tensor, "sequences tokens"],
    ) -> Float[Tensor, "sequences tokens features"]:
        """Returns encoded tokens; a token that is not `visible` is attended to by none."""
        angle = torch.arange(x.shape[1], device=x.device)[:, None] * self.frequency
        positions = torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
        for layer in self.encoder["layers"].children():
            x = layer(x, positions, visible)
        return self.encoder["norm"](x)


class EncoderLayer(nn.Module):
    """LN, self-attention, add; LN, Linear, ReLU, Linear, add."""

    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.self_attn = SelfAttention(width, heads)
        self.linear1 = nn.Linear(width, mlp_width)
        self.linear2 = nn.Linear(mlp_width, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(
        self,
        x: Float[Tensor, "sequences tokens features"],
        positions: Float[Tensor, "tokens features"],
        visible: Bool[Tensor, "sequences tokens"],
    ) -> Float[Tensor, "sequences tokens features"]:
        """Returns the tokens after one layer."""
        x = x + self.self_attn(self.norm1(x), positions, visible)
        return x + self.linear2(F.relu(self.linear1(self.norm2(x))))


class SelfAttention(nn.Module):
    """Multi-head self-attention; positions are added to queries and keys, not to values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.zeros_(self.out_proj.bias)

    def forward(
        self,
        x: Float[Tensor, "sequences tokens features"],
        positions: Float[Tensor, "tokens features"],
        visible: Bool[Tensor, "sequences tokens"],
    ) -> Float[Tensor, "sequences tokens features"]:
        """Returns what each token gathers from the visible tokens."""
        width = x.shape[-1]
        weight, bias = self.in_proj_weight, self.in_proj_bias
        query_key = F.linear(x + positions, weight[: 2 * width], bias[: 2 * width])
        value = F.linear(x, weight[2 * width :], bias[2 * width :])
        query, key, value = (self._split_heads(y) for y in (*query_key.chunk(2, -1), value))
        mask = visible[:, None, None, :]
        gathered = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.out_proj(gathered.transpose(1, 2).flatten(2))

    def _split_heads(
        self, x: Float[Tensor, "sequences tokens features"]
    ) -> Float[Tensor, "sequences heads tokens features_of_head"]:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Float32Linear(nn.Linear):
    """A linear layer that autocast leaves alone: bfloat16 would round poses to whole pixels."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns float32."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float())


def make_backbone(name: str, width: int, channels: int = 3) -> nn.Module:
    """The backbone of that name, see `models.backbones.make`; `channels` are those of the image."""
    if name == backbones.RESNET18:
        return ResNet18(width, channels)
    return MobileNetwork(backbones.architecture(name, width), channels)


def _pose_head(width: int, num_joints: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, width),
        nn.LeakyReLU(0.01),
        nn.Linear(width, width),
        nn.LeakyReLU(0.01),
        Float32Linear(width, 3 * num_joints),
    )


def _classifier(width: int, classes: int) -> nn.ModuleDict:
    return nn.ModuleDict({"classifier": Float32Linear(width, classes)})
