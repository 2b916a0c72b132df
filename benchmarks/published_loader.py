"""What the published code's loader does on processors, written anew: `torch.utils.data` and PIL.

Found in the published code: in training a frame comes as raw pixels from an LMDB, to evaluate from
a JPEG file. A clip has always T frames; padding repeats the last real frame, and each repetition is
read and augmented again. A frame is blurred (Gaussian, radius U(0, 0.5), drawn for each frame);
brightness, contrast, saturation and hue are changed by factors drawn for each clip, in an order
drawn for each frame; an affine transform translates it by up to 48 pixels, drawn for each clip;
it becomes a float tensor of `pixel / 255 - 0.5`, (3, height, width). Beside it travels the frame as
it was, for pictures that only a demo draws. A worker stacks the frames of all clips of a batch, one
after another. Sixteen workers are the default there.

LMDB is replaced by a file of pixels for each video, mapped into memory as LMDB is.
"""

import dataclasses
import pathlib
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, ImageEnhance, ImageFilter
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from benchmarks import lengths
from benchmarks.dataset import PUBLISHED_FOLDER, published_frames
from htt_jax import camera
from htt_jax.augment import AugmentOptions
from htt_jax.data.clips import ClipSpec, clip_frames, clip_table
from htt_jax.data.records import RecordSource, Video
from htt_jax.support.errors import InputError

_RANGES = AugmentOptions()
_ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "contrast": ImageEnhance.Contrast,
    "saturation": ImageEnhance.Color,
}


def train_loader(data: pathlib.Path, *, clips: int, frames: int, workers: int) -> DataLoader:
    """Shuffled batches of the split `train` that `benchmarks.dataset --published` wrote.

    Each is flat: its tensors have one row a frame, `clips` x `frames` of them.

    Raises:
        InputError: no such dataset, or it has no frames for this loader.
    """
    dataset = PublishedClips(data, frames)
    if len(dataset) < clips:
        raise InputError(f"{data} has {len(dataset)} clips, too few for batches of {clips}")
    return DataLoader(
        dataset,
        batch_size=clips,
        shuffle=True,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        drop_last=True,
        collate_fn=_flat_collate,
    )


class PublishedClips(Dataset):
    """Clips of the split `train`, augmented; an item is a list of T frames."""

    def __init__(self, data: pathlib.Path, frames: int) -> None:
        """Reads the labels of all videos; pixels are read with the clips.

        Raises:
            InputError: no such dataset, or it has no frames for this loader.
        """
        source = RecordSource(data, "train")
        if not (data / PUBLISHED_FOLDER).is_dir():
            raise InputError(
                f"{data} has no frames for the published loader; write it with "
                "`python -m benchmarks.dataset --published pixels`"
            )
        self._data = data
        self._clips = ClipSpec(lengths.WINDOW, frames, lengths.SPACING)
        self._videos = [
            dataclasses.replace(source[number], frames=[]) for number in range(len(source))
        ]
        self._table = clip_table(source.frame_counts, self._clips, training=True)

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, row: int) -> list[dict[str, Any]]:
        """The frames of a clip: image, original, labels, and `valid`, whether it is no padding."""
        number, start, count = (int(x) for x in self._table[row])
        video = self._videos[number]
        path = published_frames(self._data, number)
        pixels = path.with_suffix(".npy")
        stored = np.load(pixels, mmap_mode="r") if pixels.exists() else None
        drawn = _Draw.random()
        indices, valid = clip_frames(start, count, self._clips)
        items = []
        for frame, real in zip(indices.tolist(), valid.tolist(), strict=True):
            if stored is not None:
                image = Image.fromarray(np.array(stored[frame]))
            else:
                image = Image.open(path / f"color_{frame:04d}.jpeg").convert("RGB")
            items.append(
                _labels(video, frame, drawn)
                | {"original": np.array(image), "image": augmented(image, drawn), "valid": real}
            )
        return items


@dataclasses.dataclass(frozen=True)
class _Draw:
    """What is drawn once for a clip."""

    factors: dict[str, float]  # of brightness, contrast and saturation
    hue: float  # turns of the colour circle
    shift: tuple[int, int]  # right, down; pixels

    @staticmethod
    def random() -> "_Draw":
        reach = _RANGES.translation
        ranges = {name: getattr(_RANGES, name) for name in _ENHANCERS}
        return _Draw(
            factors={name: random.uniform(1 - x, 1 + x) for name, x in ranges.items()},
            hue=random.uniform(-_RANGES.hue, _RANGES.hue),
            shift=(random.randint(-reach, reach), random.randint(-reach, reach)),
        )


def augmented(image: Image.Image, drawn: _Draw) -> Float[Tensor, "3 height width"]:
    """Blurred, changed in colour, translated; as the model takes it."""
    image = image.filter(ImageFilter.GaussianBlur(random.uniform(0, _RANGES.blur)))
    operations = [*_ENHANCERS, "hue"]
    random.shuffle(operations)
    for operation in operations:
        if operation == "hue":
            image = _turned(image, drawn.hue)
        else:
            image = _ENHANCERS[operation](image).enhance(drawn.factors[operation])
    right, down = drawn.shift
    image = image.transform(
        image.size, Image.Transform.AFFINE, (1, 0, -right, 0, 1, -down), Image.Resampling.NEAREST
    )
    planes = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
    return planes.float().div(255).sub(0.5)


def _turned(image: Image.Image, turns: float) -> Image.Image:
    """With the hue shifted by `turns` of the colour circle."""
    hue, saturation, value = image.convert("HSV").split()
    shifted = np.array(hue) + np.uint8(int(256 * turns) % 256)
    return Image.merge("HSV", (Image.fromarray(shifted), saturation, value)).convert("RGB")


def _labels(video: Video, frame: int, drawn: _Draw) -> dict[str, Any]:
    joints_3d = video.joints_3d[frame]
    intrinsics = video.intrinsics.copy()
    intrinsics[:2, 2] += drawn.shift
    joints_2d, depth = camera.project(joints_3d, intrinsics)
    return {
        "joints_3d": joints_3d,
        "joints_2d": joints_2d,
        "depth": depth,
        "hand_annotated": video.hand_annotated[frame],
        "intrinsics": intrinsics,
        "object": video.object,
        "action": video.action,
    }


def _flat_collate(clips: Sequence[Sequence[dict[str, Any]]]) -> dict[str, Tensor]:
    return default_collate([frame for clip in clips for frame in clip])
