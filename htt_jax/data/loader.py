"""Batches of clips from a prepared dataset: the Grain pipeline.

The order of training clips is a pure function of (seed, step): whatever the number of hosts and
of workers, and wherever the run was resumed. To keep that, clips are chosen when the clip table
is built, shards are strides over the one global order, and clips are put together to batches last.

A batch is a dict of NumPy arrays, for C clips, T frames, J joints, H hands. Its images are packed:
S slots hold the real frames, clip after clip, and behind them the last one repeated; S is one of a
few numbers (see `packing`).

    image          uint8   (S, height, width, 3)  RGB
    slot_clip      int32   (S,)          the clip whose frame it is
    slot_frame     int32   (S,)          that frame's place in the clip
    slot           int32   (C, T)        where in `image` the frame lies; padding: the last real one
    valid          bool    (C, T)        the frame is real; padding repeats the last real frame
    intrinsics     float32 (C, T, 3, 3)  pixels, at the image's size
    joints_3d      float32 (C, T, J, 3)  metres, camera space
    hand_annotated bool    (C, T, H)
    action         int32   (C,)          -1: hidden
    object         int32   (C,)          -1: unknown
    video          int32   (C,)          index in the split; -1: a padding clip, never valid
    start          int32   (C,)          first raw frame

With several processes, slots and clips are counted over all of them, process after process.
"""

import dataclasses
import gc
import itertools
import os
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import grain
import numpy as np
from grain.experimental import DatasetOptions, ThreadPrefetchIterDataset, WithOptionsIterDataset
from jaxtyping import Int

from htt_jax import camera
from htt_jax.data import packing
from htt_jax.data.clips import clip_frames, clip_table
from htt_jax.data.decode import decode_frame
from htt_jax.data.records import RecordSource, Video
from htt_jax.errors import InputError

Batch: TypeAlias = dict[str, np.ndarray]

PADDING = -1
FRAME_ARRAYS = ("intrinsics", "joints_3d", "hand_annotated")
MAX_THREADS = 16
MIN_SHARED_BYTES = 1 << 20  # what is smaller costs more as shared memory than as a message
SAMPLED_STEPS = 256  # whose lengths decide the sizes of batches


def train_batches(
    source: RecordSource,
    *,
    window: int,
    frames: int,
    spacing: int,
    batch_size: int,
    seed: int,
    image_size: tuple[int, int] | None = None,
    workers: int = 0,
    first_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    slot_multiple: int = 1,
) -> Iterator[Batch]:
    """Shuffled training clips, epoch after epoch, without end.

    Args:
        source: the training split.
        window: t, frames that the pose block sees together.
        frames: T, frames of a clip; a multiple of `window`.
        spacing: raw frames between two neighbours in a clip.
        batch_size: clips of a step, over all processes.
        seed: decides the order.
        image_size: (width, height); None for the stored size.
        workers: processes that read and decode; 0 for threads of this process.
        first_step: steps already done; the batches go on as if they had just been drawn.
        process_index: which share of every batch this process gets.
        process_count: number of processes that share the batches.
        slot_multiple: what the number of slots is a multiple of: this process's devices.

    Raises:
        InputError: the split has no clip, or the numbers do not fit each other. While iterating: a
            record is damaged, or a frame in it cannot be decoded.
    """
    table = _checked_clip_table(source, window, frames, spacing, training=True)
    _check_shares(batch_size, process_count)
    load = _ClipReader(source, table, frames, spacing, _checked_size(source, image_size))
    order = grain.MapDataset.range(len(table)).seed(seed).shuffle().repeat(None)
    slots = _plan_slots(order, table, batch_size, process_count, slot_multiple)
    clips = order.map(load)[first_step * batch_size :][process_index::process_count]
    return _batches(clips, slots, process_index, first_step, frames, workers)


def eval_batches(
    source: RecordSource,
    *,
    window: int,
    frames: int,
    spacing: int,
    batch_size: int,
    image_size: tuple[int, int] | None = None,
    workers: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    slot_multiple: int = 1,
) -> Iterator[Batch]:
    """Every test clip once, in order, so that every frame of the split is seen exactly once.

    The last batch is filled up with padding clips; all processes get the same number of batches.
    Arguments and errors are those of `train_batches`.
    """
    table = _checked_clip_table(source, window, frames, spacing, training=False)
    _check_shares(batch_size, process_count)
    filler = np.full((-len(table) % batch_size, 3), PADDING)
    table = np.concatenate([table, filler])
    load = _ClipReader(source, table, frames, spacing, _checked_size(source, image_size))
    order = grain.MapDataset.range(len(table))
    slots = _plan_slots(order, table, batch_size, process_count, slot_multiple)
    clips = order.map(load)[process_index::process_count]
    return _batches(clips, slots, process_index, 0, frames, workers)


def num_train_clips(source: RecordSource, *, window: int, frames: int, spacing: int) -> int:
    """Clips of one epoch: one pass over all training starts."""
    return len(_checked_clip_table(source, window, frames, spacing, training=True))


def steps_per_epoch(
    source: RecordSource, *, window: int, frames: int, spacing: int, batch_size: int
) -> int:
    """Steps after which every training clip was seen at least once."""
    return -(-num_train_clips(source, window=window, frames=frames, spacing=spacing) // batch_size)


@dataclasses.dataclass(frozen=True)
class _ClipReader:
    """Loads the clip in a row of the table: its real frames only, padding would only be copied."""

    source: RecordSource
    table: Int[np.ndarray, "clips 3"]
    frames: int
    spacing: int
    image_size: tuple[int, int]

    def __call__(self, row: int) -> Batch:
        video, start, count = (int(x) for x in self.table[row])
        if video == PADDING:
            # One real frame, so that all numbers are sound; nothing of it is valid.
            nothing = np.array(PADDING, np.int32)
            labels = {"action": nothing, "object": nothing, "video": nothing, "start": nothing}
            return self._read(0, np.zeros(1, np.int64)) | labels | {"count": np.array(0)}
        indices, valid = clip_frames(start, count, frames=self.frames, spacing=self.spacing)
        place = {"start": np.array(start, np.int32), "count": np.array(count)}
        return self._read(video, indices[valid]) | place

    def _read(self, index: int, frames: Int[np.ndarray, " real"]) -> Batch:
        video = self.source[index]
        intrinsics = camera.scale_intrinsics(
            video.intrinsics, self.source.image_size, self.image_size
        )
        return {
            "image": self._decode(video, frames),
            "intrinsics": np.broadcast_to(intrinsics, (len(frames), 3, 3)),
            "joints_3d": video.joints_3d[frames],
            "hand_annotated": video.hand_annotated[frames],
            "action": np.array(video.action, np.int32),
            "object": np.array(video.object, np.int32),
            "video": np.array(index, np.int32),
        }

    def _decode(self, video: Video, frames: Int[np.ndarray, " real"]) -> np.ndarray:
        width, height = self.image_size
        images = np.empty((len(frames), height, width, 3), np.uint8)
        for image, frame in zip(images, frames, strict=True):
            try:
                decode_frame(video.frames[frame], self.source.image_size, image)
            except ValueError as error:
                raise InputError(
                    f"cannot decode frame {frame} (number {video.frame_numbers[frame]}) of video "
                    f"{video.video_id} in split {self.source.split}: {error}; "
                    "prepare the dataset again"
                ) from None
        return images


@dataclasses.dataclass(frozen=True)
class _SlotPlan:
    """How many slots each process's share of a batch has; the same for all processes.

    Attributes:
        order: rows of the clip table, as they come.
        counts: real frames of each row.
        batch_size: clips of a step, over all processes.
        process_count: that share them.
        sizes: numbers of slots to choose from.
    """

    order: grain.MapDataset[int]
    counts: Int[np.ndarray, " rows"]
    batch_size: int
    process_count: int
    sizes: tuple[int, ...] = ()

    def total(self, step: int) -> int:
        """Real frames of a batch in the process that has most of them."""
        rows = [self.order[step * self.batch_size + i] for i in range(self.batch_size)]
        shares = self.counts[rows].reshape(-1, self.process_count)
        return int(shares.sum(axis=0).max())

    def slots(self, step: int) -> int:
        """For each process."""
        return packing.smallest_size(self.sizes, self.total(step))


def _plan_slots(
    order: grain.MapDataset[int],
    table: Int[np.ndarray, "clips 3"],
    batch_size: int,
    process_count: int,
    multiple: int,
) -> _SlotPlan:
    counts = np.maximum(table[:, 2], 1)  # a padding clip brings one frame
    plan = _SlotPlan(order, counts, batch_size, process_count)
    steps = min(SAMPLED_STEPS, len(order) // batch_size)
    totals = np.array([plan.total(step) for step in range(steps)])
    largest = int(counts.max()) * batch_size // process_count
    return dataclasses.replace(plan, sizes=packing.slot_sizes(totals, largest, multiple))


def _batches(
    clips: grain.MapDataset[Batch],
    plan: _SlotPlan,
    process_index: int,
    first_step: int,
    frames: int,
    workers: int,
) -> Iterator[Batch]:
    """Reads clips in parallel, and one batch ahead of its use."""
    share = plan.batch_size // plan.process_count
    threads = 1 if workers else min(os.cpu_count() or 1, MAX_THREADS)
    # A clip can take 50 MB: buffers are counted in few of them.
    ahead = 1 if workers else max(share, threads)
    read = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
    loaded = WithOptionsIterDataset(
        clips.to_iter_dataset(read), DatasetOptions(min_shm_size=MIN_SHARED_BYTES)
    ).mp_prefetch(grain.MultiprocessingOptions(workers))
    numbers = itertools.count(first_step)

    def collate(clips: Sequence[Batch]) -> Batch:
        return _collate(clips, plan.slots(next(numbers)), frames, process_index)

    batches = loaded.batch(share, batch_fn=collate)
    return _closing(ThreadPrefetchIterDataset(batches, prefetch_buffer_size=1))


def _closing(batches: grain.IterDataset[Batch]) -> Iterator[Batch]:
    """Ends threads and worker processes when the iterator is closed, let go, or fails."""
    iterator = iter(batches)
    failure = ""
    try:
        yield from iterator
    except InputError as error:
        failure = str(error)
    finally:
        iterator.close()
    if failure:
        gc.collect()  # the first error, in a cycle with its traceback, holds shared memory
        raise InputError(failure)


def _collate(clips: Sequence[Batch], slots: int, frames: int, process_index: int) -> Batch:
    """Puts clips into one array each: images packed, the rest padded to `frames`.

    Args:
        clips: of this process, ragged.
        slots: of each process.
        frames: of a clip.
        process_index: how many processes' slots and clips come before.
    """
    batch = {
        name: np.stack([clip[name] for clip in clips])
        for name in clips[0].keys() - {*FRAME_ARRAYS, "image"}
    }
    for name in FRAME_ARRAYS:
        first = clips[0][name]
        batch[name] = np.empty((len(clips), frames, *first.shape[1:]), first.dtype)
        for padded, clip in zip(batch[name], clips, strict=True):
            padded[: len(clip[name])] = clip[name]
            padded[len(clip[name]) :] = clip[name][-1]
    batch["valid"] = np.arange(frames) < batch.pop("count")[:, None]
    return batch | _pack([clip["image"] for clip in clips], slots, frames, process_index)


def _pack(images: Sequence[np.ndarray], slots: int, frames: int, process_index: int) -> Batch:
    """The frames of all clips in one row of slots, and where each is."""
    lengths = np.array([len(image) for image in images])
    first = np.cumsum(lengths) - lengths
    packed = np.empty((slots, *images[0].shape[1:]), np.uint8)
    np.concatenate(images, out=packed[: lengths.sum()])
    packed[lengths.sum() :] = images[-1][-1]
    clip = np.repeat(np.arange(len(images)), lengths)
    clip = np.append(clip, np.full(slots - len(clip), len(images) - 1))
    place = np.minimum(np.arange(slots) - first[clip], lengths[clip] - 1)
    slot = first[:, None] + np.minimum(np.arange(frames), lengths[:, None] - 1)
    return {
        "image": packed,
        "slot_clip": (clip + process_index * len(images)).astype(np.int32),
        "slot_frame": place.astype(np.int32),
        "slot": (slot + process_index * slots).astype(np.int32),
    }


def _checked_clip_table(
    source: RecordSource, window: int, frames: int, spacing: int, *, training: bool
) -> Int[np.ndarray, "clips 3"]:
    table = clip_table(
        source.frame_counts, window=window, frames=frames, spacing=spacing, training=training
    )
    if not len(table):
        raise InputError(f"split {source.split} holds no frame; prepare the dataset again")
    return table


def _checked_size(source: RecordSource, wanted: tuple[int, int] | None) -> tuple[int, int]:
    """The size of the batches' images: as wanted, or as stored."""
    stored = source.image_size
    if wanted is None:
        return stored
    if not all(0 < new <= old for new, old in zip(wanted, stored, strict=True)):
        raise InputError(
            f"image size {wanted[0]}x{wanted[1]} does not fit frames stored at "
            f"{stored[0]}x{stored[1]}; choose that or smaller"
        )
    return wanted


def _check_shares(batch_size: int, process_count: int) -> None:
    if batch_size < 1 or batch_size % process_count:
        raise InputError(
            f"batch size {batch_size} cannot be divided by {process_count} processes; "
            "choose a positive multiple of their number"
        )
