"""PyTorch's side of a benchmark: the model of a setting, batches on its device, its memory."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import clip_batches, torch_reference
from benchmarks.clip_batches import Clips
from benchmarks.torch_reference import PUBLISHED, TUNED, Setting
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.interop import torch_model

SETTINGS = {"published": PUBLISHED, "published_kept": PUBLISHED, "tuned": TUNED}


def device() -> torch.device:
    """The GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def make_model(setting: Setting, spec: DatasetSpec) -> torch_model.HTT:
    """With random weights, on the device."""
    return torch_reference.make_model(
        setting,
        joints=spec.num_joints,
        actions=len(spec.action_names),
        objects=len(spec.object_names),
        device=device(),
    )


def on_device(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """A batch, or a part of one; a GPU fetches it while it computes."""
    tensors = {name: torch.from_numpy(x) for name, x in arrays.items()}
    if device().type == "cpu":
        return tensors
    return {name: x.pin_memory().to(device(), non_blocking=True) for name, x in tensors.items()}


def batches(setting: Setting, clips: Clips) -> list[dict[str, Tensor]]:
    """Padded batches on the device; they share their pixels, each of which is computed anyway."""
    pixels = torch.from_numpy(clip_batches.padded_images(clips))
    if setting is PUBLISHED:
        # Planes of each colour lie together, and the loader has made floats of them.
        planes = pixels.permute(0, 1, 4, 2, 3).float() / 255 - 0.5
        pixels = planes.contiguous().permute(0, 1, 3, 4, 2)
    image = pixels.to(device())
    return [on_device(batch) | {"image": image} for batch in clip_batches.padded(clips)]


def from_published(flat: Mapping[str, Tensor], clips: int) -> dict[str, Tensor]:
    """A batch of `published_loader` on the device, its frames put back into `clips` clips."""
    names = ("image", "valid", "intrinsics", "joints_2d", "depth", "hand_annotated")
    batch = {name: flat[name].to(device()).unflatten(0, (clips, -1)) for name in names}
    batch["image"] = batch["image"].permute(0, 1, 3, 4, 2)  # the planes stay where they are
    for name in ("object", "action"):  # repeated in each frame
        batch[name] = flat[name].to(device()).unflatten(0, (clips, -1))[:, 0]
    return batch


def wait(results: Sequence[Tensor]) -> None:
    """Until the device has done all its work, whose results must be numbers."""
    if device().type == "cuda":
        torch.cuda.synchronize()
    assert all(torch.isfinite(x).all() for x in results)


def facts(setting: Setting) -> dict[str, Any]:
    """Device, dtype and the device's peak memory, as `side_by_side.Measurement` has them."""
    if device().type == "cuda":
        return {
            "device": torch.cuda.get_device_name(),
            "dtype": "bfloat16" if setting.bfloat16 else "float32",
            "device_peak_gb": torch.cuda.max_memory_allocated() / 1e9,
        }
    return {"device": "cpu", "dtype": "float32", "device_peak_gb": None}
