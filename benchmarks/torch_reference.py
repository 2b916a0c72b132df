"""The same computation in PyTorch, in two settings, for benchmarks to compare with.

`PUBLISHED` is what the published code does: eager float32, images as (frames, 3, height, width),
every padded frame computed, Adam as it comes. `TUNED` is what PyTorch offers today: channels last,
bfloat16 where there is a GPU, compiled, fused Adam; it still computes the padding.

A batch is a dict of tensors on the model's device, for C clips, T frames, J joints, H hands:

    image          (C, T, height, width, 3): float32 as pixel / 255 - 0.5, or uint8
    valid          bool    (C, T)
    intrinsics     float32 (C, T, 3, 3)  pixels
    joints_2d      float32 (C, T, J, 2)  pixels
    depth          float32 (C, T, J)     metres
    hand_annotated bool    (C, T, H)
    object, action int64   (C,)          negative: unknown
"""

import dataclasses
from collections.abc import Mapping
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from htt_jax.interop import torch_model
from htt_jax.losses import LossWeights

Batch: TypeAlias = Mapping[str, Tensor]

_WEIGHTS = LossWeights()


@dataclasses.dataclass(frozen=True)
class Setting:
    """How PyTorch is used."""

    name: str
    channels_last: bool  # layout of images, feature maps and kernels
    bfloat16: bool  # autocast, on a GPU; processors stay with float32
    compiler: str | None  # the backend of torch.compile; None: eager
    fused: bool  # Adam in one kernel


PUBLISHED = Setting("published", channels_last=False, bfloat16=False, compiler=None, fused=False)
TUNED = Setting("tuned", channels_last=True, bfloat16=True, compiler="inductor", fused=True)


def make_model(
    setting: Setting,
    *,
    joints: int,
    actions: int,
    objects: int,
    window: int = 16,
    device: str | torch.device = "cpu",
    state_dict: Mapping[str, Tensor] | None = None,
) -> torch_model.HTT:
    """The paper's model in the setting's layout; random weights without a `state_dict`."""
    model = torch_model.HTT(
        num_joints=joints, num_actions=actions, num_objects=objects, window=window
    )
    if state_dict is not None:
        model.load_state_dict(state_dict, strict=True)
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    return model.to(device, memory_format=layout).eval()  # type: ignore[call-overload]


class TrainStep:
    """One step of Adam on a batch; no augmentation.

    Attributes:
        optimizer: Adam with PyTorch's defaults, for schedules.
    """

    def __init__(
        self, model: torch_model.HTT, setting: Setting, *, learning_rate: float = 3e-5
    ) -> None:
        """Prepares; what has to be compiled is compiled in the first step."""
        self._loss = _Runner(_ModelWithLoss(model), setting)
        # fused=None: PyTorch's own choice, which the published code leaves to it.
        self.optimizer = torch.optim.Adam(
            model.parameters(), lr=learning_rate, fused=True if setting.fused else None
        )

    def __call__(self, batch: Batch) -> Float[Tensor, ""]:
        """Returns the loss before the step; waits for no device."""
        loss = self._loss(batch)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class Inference:
    """Estimates of a batch: what the step of `evaluation.results` returns, but the labels."""

    def __init__(self, model: torch_model.HTT, setting: Setting) -> None:
        """Prepares; what has to be compiled is compiled in the first call."""
        self._estimates = _Runner(_Estimates(model), setting)

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Returns estimated_joints_3d, estimated_object and action_probabilities; does not wait."""
        with torch.inference_mode():
            return self._estimates(batch)


def htt_loss(out: Mapping[str, Tensor], batch: Batch) -> Float[Tensor, ""]:
    """The weighted sum of the four terms, as `htt_jax.losses.htt_loss`."""
    valid = batch["valid"]
    hands = batch["hand_annotated"]
    joints = batch["depth"].shape[-1] // hands.shape[-1]
    annotated = hands.repeat_interleave(joints, -1) & valid[..., None]
    object_class = batch["object"][:, None].expand(valid.shape)
    action_known = valid.any(1) & (batch["action"] >= 0)
    error_2d = (out["joints_2d"] - batch["joints_2d"]).abs().mean(-1)
    error_depth = (out["depth"] - batch["depth"]).abs()
    object_error = _cross_entropy(out["object_logits"], object_class)
    action_error = _cross_entropy(out["action_logits"], batch["action"])
    return (
        _WEIGHTS.joints_2d * _masked_mean(error_2d, annotated)
        + _WEIGHTS.depth * _masked_mean(error_depth, annotated)
        + _WEIGHTS.object * _masked_mean(object_error, valid & (object_class >= 0))
        + _WEIGHTS.action * _masked_mean(action_error, action_known)
    )


class _ModelWithLoss(nn.Module):
    def __init__(self, model: torch_model.HTT) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Float[Tensor, ""]:
        return htt_loss(_outputs(self.model, batch), batch)


class _Estimates(nn.Module):
    def __init__(self, model: torch_model.HTT) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        out = _outputs(self.model, batch)
        return {
            "estimated_joints_3d": out["joints_3d"],
            "estimated_object": out["object_logits"].argmax(-1),
            "action_probabilities": out["action_logits"].softmax(-1),
        }


class _Runner:
    """Calls a module as the setting wants it: compiled, under autocast."""

    def __init__(self, module: nn.Module, setting: Setting) -> None:
        self._device = next(module.parameters()).device.type
        self._bfloat16 = setting.bfloat16 and self._device == "cuda"
        if setting.compiler and self._device == "cuda":
            # All batches have one shape, for which cuDNN may search the fastest convolution.
            torch.backends.cudnn.benchmark = True
            torch.set_float32_matmul_precision("high")
        self._call = (
            torch.compile(module, backend=setting.compiler, fullgraph=True, dynamic=False)
            if setting.compiler
            else module
        )

    def __call__(self, batch: Batch):
        with torch.autocast(self._device, torch.bfloat16, enabled=self._bfloat16):
            return self._call(batch)


def _outputs(model: torch_model.HTT, batch: Batch) -> dict[str, Tensor]:
    return model(_to_pixel_range(batch["image"]), batch["valid"], batch["intrinsics"])


def _to_pixel_range(image: Shaped[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Pixels as the model takes them; floats are so already."""
    return image if image.is_floating_point() else image.float() / 255 - 0.5


def _cross_entropy(
    logits: Float[Tensor, "*batch classes"], labels: Int[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """Minus the log probability of each label; of the first class where it is negative."""
    classes = logits.shape[-1]
    known = labels.clamp(min=0).flatten()
    error = F.cross_entropy(logits.reshape(-1, classes), known, reduction="none")
    return error.reshape(labels.shape)


def _masked_mean(x: Float[Tensor, "*batch"], mask: Bool[Tensor, "*batch"]) -> Float[Tensor, ""]:
    """Mean of `x` where `mask` holds; zero where it holds nowhere. Indexing by it would wait."""
    return torch.where(mask, x, 0.0).sum() / mask.sum().clamp(min=1)
