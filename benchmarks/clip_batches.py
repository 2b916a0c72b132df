"""Batches of clips of given lengths with random pixels: packed as our loader packs, or padded.

Both kinds have the same clips, poses and labels. What is in the pixels does not matter for the
time a step takes, so batches share them and are quick to make.
"""

import argparse
import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from benchmarks import lengths
from htt_jax import camera
from htt_jax.data import packing
from htt_jax.datasets.spec import FPHA, SPECS, STORED_SIZE, DatasetSpec

Batch = dict[str, np.ndarray]

_SAMPLED_BATCHES = 256  # whose lengths decide the numbers of slots, as in training


@dataclasses.dataclass(frozen=True)
class Clips:
    """The clips of some batches.

    Attributes:
        spec: the dataset whose hands and classes they have.
        counts: real frames of each clip.
        sizes: numbers of slots that packed batches of such clips have.
        frames: T, of a padded clip.
        image_size: (width, height), pixels.
    """

    spec: DatasetSpec
    counts: Int[np.ndarray, "batches clips"]
    sizes: tuple[int, ...]
    frames: int
    image_size: tuple[int, int]

    @property
    def real_frames(self) -> int:
        """Of all batches."""
        return int(self.counts.sum())

    @property
    def padded_frames(self) -> int:
        """Of all batches, if every clip is filled up."""
        return self.counts.size * self.frames

    @property
    def slots(self) -> list[int]:
        """Frames that packing computes, for each batch."""
        return [packing.smallest_size(self.sizes, int(count.sum())) for count in self.counts]


def add_options(parser: argparse.ArgumentParser, *, clips: int) -> None:
    """Adds what decides the clips; `clips` is the default number of a batch's."""
    parser.add_argument(
        "--lengths", nargs="+", choices=lengths.LENGTHS, default=["fpha"], help="of the clips"
    )
    parser.add_argument("--clips", type=int, default=clips, help="of a batch")
    parser.add_argument("--batches", type=int, default=8, help="of a run, one step each")
    parser.add_argument("--frames", type=int, default=lengths.FRAMES, help="T, of a clip")
    parser.add_argument("--width", type=int, default=STORED_SIZE[0], help="pixels")
    parser.add_argument("--height", type=int, default=STORED_SIZE[1], help="pixels")


def from_options(options: argparse.Namespace, *, training: bool) -> Clips:
    """The clips that the options ask for, of one kind of lengths."""
    return draw(
        options.lengths,
        training=training,
        batches=options.batches,
        clips=options.clips,
        frames=options.frames,
        image_size=(options.width, options.height),
    )


def draw(
    dataset: str,
    *,
    training: bool,
    batches: int,
    clips: int,
    frames: int,
    image_size: tuple[int, int],
) -> Clips:
    """The first batches of a shuffled split with such lengths.

    Args:
        dataset: one of `lengths.LENGTHS`.
        training: clips as in training; else as at test time.
        batches: how many.
        clips: of each batch.
        frames: T, of a clip.
        image_size: (width, height), pixels.
    """
    drawn = lengths.clip_lengths(dataset, training=training, frames=frames)
    drawn = np.resize(drawn, (max(batches, len(drawn) // clips), clips))
    totals = drawn[:_SAMPLED_BATCHES].sum(axis=1)
    return Clips(
        spec=spec_of(dataset),
        counts=drawn[:batches],
        sizes=packing.slot_sizes(totals, int(drawn.max()) * clips, multiple=1),
        frames=frames,
        image_size=image_size,
    )


def spec_of(dataset: str) -> DatasetSpec:
    """The dataset whose model is measured at those lengths; for `full` ones FPHA's."""
    return SPECS.get(dataset, FPHA)


def packed(clips: Clips) -> list[Batch]:
    """Batches as of `htt_jax.data.loader`; they share their pixels."""
    width, height = clips.image_size
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (max(clips.slots), height, width, 3), dtype=np.uint8)
    return [
        _labels(clips, counts) | _places(counts, slots, clips.frames) | {"image": images[:slots]}
        for counts, slots in zip(clips.counts, clips.slots, strict=True)
    ]


def padded(clips: Clips) -> list[Batch]:
    """The same clips for `torch_reference`, without images."""
    return [for_torch(_labels(clips, counts)) for counts in clips.counts]


def for_torch(batch: Mapping[str, np.ndarray]) -> Batch:
    """What `torch_reference` takes of a batch of our loader, but for the images."""
    batch = dict(batch)
    batch["joints_2d"], batch["depth"] = camera.project(batch["joints_3d"], batch["intrinsics"])
    for name in ("object", "action"):
        batch[name] = batch[name].astype(np.int64)
    names = ("valid", "intrinsics", "joints_2d", "depth", "hand_annotated", "object", "action")
    return {name: batch[name] for name in names}


def padded_images(clips: Clips) -> np.ndarray:
    """Random pixels for every place of a padded batch: uint8 (clips, frames, height, width, 3)."""
    width, height = clips.image_size
    shape = (clips.counts.shape[1], clips.frames, height, width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _labels(clips: Clips, counts: Int[np.ndarray, " clips"]) -> Batch:
    spec, shape = clips.spec, (len(counts), clips.frames)
    rng = np.random.default_rng(int(counts.sum()))
    intrinsics = camera.scale_intrinsics(spec.intrinsics, spec.native_size, clips.image_size)
    joints = rng.normal(0.0, 0.05, (*shape, spec.num_joints, 3)) + np.array([0.0, 0.0, 0.4])
    return {
        "valid": np.arange(clips.frames) < counts[:, None],
        "intrinsics": np.broadcast_to(intrinsics, (*shape, 3, 3)).astype(np.float32),
        "joints_3d": joints.astype(np.float32),
        "hand_annotated": np.ones((*shape, len(spec.hands)), bool),
        "object": rng.integers(0, len(spec.object_names), len(counts), dtype=np.int32),
        "action": rng.integers(0, len(spec.action_names), len(counts), dtype=np.int32),
        "video": np.arange(len(counts), dtype=np.int32),
        "start": np.zeros(len(counts), np.int32),
    }


def _places(counts: Int[np.ndarray, " clips"], slots: int, frames: int) -> Batch:
    """Where in packed images each frame lies; slots left over repeat the last one."""
    first = np.cumsum(counts) - counts
    clip = np.repeat(np.arange(len(counts)), counts)
    clip = np.append(clip, np.full(slots - len(clip), len(counts) - 1))
    place = np.minimum(np.arange(slots) - first[clip], counts[clip] - 1)
    slot = first[:, None] + np.minimum(np.arange(frames), counts[:, None] - 1)
    arrays = {"slot_clip": clip, "slot_frame": place, "slot": slot}
    return {name: x.astype(np.int32) for name, x in arrays.items()}
