"""Batches of clips from a prepared dataset: the Grain pipeline.

The order of training clips is a pure function of (seed, step): whatever the number of hosts and
of workers, and wherever the run was resumed. To keep that, clips are chosen when the clip table
is built, shards are strides over the one global order, and clips are put together to batches last.

A batch is a dict of NumPy arrays, for C clips, T frames, J joints, H hands. Its images are packed:
S slots hold the real frames, clip after clip, and after them the last one repeated; S is one of a
few numbers (see `packing`).

    image          uint8   (S, height, width, 3)  RGB, or what the system's reader makes
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

of a dataset whose records say of each joint what is known, the place in the image and the depth,
`joints_known` bool (C, T, J, 2), and the labels of the system's reader, (C, T, ...).

Of a split whose frames lie on the devices, `row` int32 (S,) stands in place of `image`: which of
those frames it is.

With several processes, slots and clips are counted over all of them, process after process.
"""

import itertools
import re
from collections.abc import Generator, Iterator, Sequence
from typing import TypeAlias

import grain
import numpy as np
from grain.experimental import DatasetOptions, ThreadPrefetchIterDataset, WithOptionsIterDataset
from jaxtyping import Int

from htt_jax.data import actions, order
from htt_jax.data.cache import Cache
from htt_jax.data.clip_reader import PADDING, Clip, ClipReader
from htt_jax.data.clips import ClipSpec, clip_table
from htt_jax.data.collate import collate
from htt_jax.data.decode import RGB, FrameReader
from htt_jax.data.handover import MIN_BYTES, WITHOUT, Handover
from htt_jax.data.records import RecordSource
from htt_jax.data.slot_plan import SlotPlan, plan_slots
from htt_jax.support.errors import InputError
from htt_jax.support.machine import usable_cores
from htt_jax.support.shared_memory import check_room

Batch: TypeAlias = dict[str, np.ndarray]

BALANCED = "config.data.balance=actions"
MAX_THREADS = 16


def train_batches(
    source: RecordSource,
    *,
    clips: ClipSpec,
    batch_size: int,
    seed: int,
    image_size: tuple[int, int] | None = None,
    reader: FrameReader = RGB,
    workers: int = 0,
    first_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    slot_multiple: int = 1,
    cache: Cache | None = None,
    balanced: bool = False,
) -> "Batches":
    """Shuffled training clips, epoch after epoch, without end.

    Args:
        source: the training split.
        clips: how its videos are cut.
        batch_size: clips of a step, over all processes.
        seed: decides the order.
        image_size: (width, height); None for the stored size.
        reader: of the frames in a record.
        workers: processes that read and decode; 0 for threads of this process.
        first_step: steps already done; the batches go on as if they had just been drawn.
        process_index: which share of every batch this process gets.
        process_count: number of processes that share the batches.
        slot_multiple: what the number of slots is a multiple of: this process's devices.
        cache: of `source` at `image_size`, to read from instead.
        balanced: draw as many clips of each action, see `order.balanced`.

    Raises:
        InputError: the split has no clip, the numbers do not fit each other, or actions cannot be
            balanced, see `actions.known`. While iterating: a
            record is damaged, a frame in it cannot be decoded, or worker processes end or find no
            room for what they share.
    """
    table = _checked_clip_table(source, clips, training=True)
    _check_shares(batch_size, process_count)
    size = checked_size(source, image_size)
    load = ClipReader(source, table, clips, size, reader, cache)
    rows = _order(source, table, seed, balanced=balanced)
    slots = plan_slots(rows, table, batch_size, process_count, slot_multiple)
    read = rows.map(load)[first_step * batch_size :][process_index::process_count]
    return _batches(read, slots, process_index, first_step, clips.frames, workers)


def eval_batches(
    source: RecordSource,
    *,
    clips: ClipSpec,
    batch_size: int,
    image_size: tuple[int, int] | None = None,
    reader: FrameReader = RGB,
    workers: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    slot_multiple: int = 1,
    first_batch: int = 0,
) -> "Batches":
    """Every test clip once, in order, so that every frame of the split is seen exactly once.

    The last batch is filled up with padding clips; all processes get the same number of batches.
    Those before `first_batch` are left out. Arguments and errors are those of `train_batches`.
    """
    table = _checked_clip_table(source, clips, training=False)
    _check_shares(batch_size, process_count)
    filler = np.full((-len(table) % batch_size, 3), PADDING)
    table = np.concatenate([table, filler])
    load = ClipReader(source, table, clips, checked_size(source, image_size), reader)
    rows = grain.MapDataset.range(len(table))
    slots = plan_slots(rows, table, batch_size, process_count, slot_multiple)
    read = rows.map(load)[first_batch * batch_size :][process_index::process_count]
    return _batches(read, slots, process_index, first_batch, clips.frames, workers)


def _order(
    source: RecordSource, table: Int[np.ndarray, "clips 3"], seed: int, *, balanced: bool
) -> grain.MapDataset[int]:
    if not balanced:
        return order.shuffled(len(table), seed)
    return order.balanced(actions.known(source, BALANCED)[table[:, 0]], seed)


def num_train_clips(source: RecordSource, clips: ClipSpec) -> int:
    """Clips of one epoch: one pass over all training starts."""
    return len(_checked_clip_table(source, clips, training=True))


def steps_per_epoch(source: RecordSource, clips: ClipSpec, batch_size: int) -> int:
    """Steps after which every training clip was seen at least once."""
    return -(-num_train_clips(source, clips) // batch_size)


class Batches(Iterator[Batch]):
    """Batches as they are read.

    Threads and worker processes end with it, at the latest when it is let go.
    """

    def __init__(
        self, plan: SlotPlan, first_step: int, batches: Generator[Batch, None, None]
    ) -> None:
        """Hands out `batches`, whose first is that of `first_step`."""
        self._plan = plan
        self._first_step = first_step
        self._batches = batches

    def slot_sizes(self, steps: int) -> tuple[int, ...]:
        """Numbers of slots of this process that the first `steps` batches have, as they come."""
        looked_at = range(self._first_step, self._first_step + min(steps, self._plan.sampled))
        sizes = [self._plan.slots(step) for step in looked_at]
        later = self._plan.sizes if steps > self._plan.sampled else ()
        return tuple(dict.fromkeys((*sizes, *later)))

    def __next__(self) -> Batch:
        return next(self._batches)

    def close(self) -> None:
        """Ends threads and worker processes."""
        self._batches.close()


def _batches(
    clips: grain.MapDataset[Batch],
    plan: SlotPlan,
    process_index: int,
    first_step: int,
    frames: int,
    workers: int,
) -> Batches:
    """Reads clips in parallel, and one batch ahead of its use."""
    share = plan.batch_size // plan.process_count
    threads = 1 if workers else min(usable_cores(), MAX_THREADS)
    # A clip can take 50 MB: buffers are counted in few of them.
    ahead = 1 if workers else max(share, threads)
    read = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=ahead)
    handover = Handover()
    loaded = clips.to_iter_dataset(read)
    if workers:
        sent = WithOptionsIterDataset(
            loaded.map(handover.send), DatasetOptions(min_shm_size=MIN_BYTES)
        )
        loaded = sent.mp_prefetch(grain.MultiprocessingOptions(workers)).map(handover.receive)
    numbers = itertools.count(first_step)

    def put_together(clips: Sequence[Clip]) -> Batch:
        return collate(clips, plan.slots(next(numbers)), frames, process_index)

    batches = loaded.batch(share, batch_fn=put_together)
    ahead_of_use = ThreadPrefetchIterDataset(batches, prefetch_buffer_size=1)
    return Batches(plan, first_step, _closing(ahead_of_use, workers, handover))


def _closing(
    batches: grain.IterDataset[Batch], workers: int, handover: Handover
) -> Generator[Batch, None, None]:
    """Ends threads and worker processes when the iterator is closed, let go, or fails."""
    if workers:
        check_room(workers, WITHOUT)
    iterator = iter(batches)
    failure = ""
    try:
        yield from iterator
    except InputError as error:
        failure = str(error)
    except RuntimeError as error:  # Grain's, of a worker that is no more
        found = re.search(r"Worker process was terminated .*exit code (-?\d+)", str(error))
        if not found:
            raise
        failure = (
            f"a loader process ended with status {found[1]}, perhaps for lack of memory; take "
            "fewer workers, or 0 for threads"
        )
    finally:
        iterator.close()
        handover.clear()
    if failure:
        raise InputError(failure)


def _checked_clip_table(
    source: RecordSource, clips: ClipSpec, *, training: bool
) -> Int[np.ndarray, "clips 3"]:
    table = clip_table(source.frame_counts, clips, training=training)
    if not len(table):
        raise InputError(f"split {source.split} holds no frame; prepare the dataset again")
    return table


def checked_size(source: RecordSource, wanted: tuple[int, int] | None) -> tuple[int, int]:
    """The size of the batches' images: as wanted, or as stored.

    Raises:
        InputError: it is larger than the stored frames, or not positive.
    """
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
