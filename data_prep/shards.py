"""From raw videos to TFRecord shards: in parallel, resumable, with a report.

Which video goes into which shard follows from the raw data alone, and a shard appears under its
final name only when it is whole. So a run that was killed is continued by the same command and
ends with the same bytes.
"""

import contextlib
import dataclasses
import hashlib
import json
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from etils import epath

from data_prep import parallel, poses, report
from data_prep.folders import is_left_by_system
from data_prep.images import DEFAULT_QUALITY, SIZE, FrameEncoder
from data_prep.plausibility.records import doubts
from data_prep.raw import FITTED, EncodeFrame, Note, Pixels, RawDataset, RawPath, RawVideo
from htt_jax.data import records, tfrecord
from htt_jax.data.records import ShardIndex, ShardWriter, Video
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.support.buckets import NoAnswer
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write, explained_writes
from htt_jax.support.locking import LOCK_FILE, locked
from htt_jax.support.paths import place

VIDEOS_PER_SHARD = 8  # some 30 MB: enough shards for many cores, and little to redo when resuming

_OPTIONS_FILE = "preparation.json"


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """One shard to write."""

    path: epath.Path
    root: RawPath  # the raw folder
    spec: DatasetSpec
    action_names: Sequence[str]
    object_names: Sequence[str]
    videos: Sequence[RawVideo]
    encoder: FrameEncoder
    skip_bad: bool


WriteShards: TypeAlias = Callable[[Sequence[ShardTask]], Sequence[ShardIndex]]
"""Writes shards that are not there, perhaps none, and returns the index of each."""


def prepare(
    raw: RawDataset,
    out: epath.PathLike,
    encoder: FrameEncoder,
    *,
    workers: int,
    skip_bad: bool = False,
    write: WriteShards | None = None,
) -> report.Report:
    """Writes the dataset `raw` to `out` as shards, metadata and `report.json`.

    Args:
        raw: what was found in the raw folder.
        out: a new or empty folder, or one that an earlier run with the same options has begun.
        encoder: makes the stored frames.
        workers: processes.
        skip_bad: go on without a video that has a bad file, and list it.
        write: has the shards written elsewhere than by `workers`.

    Raises:
        InputError: a bad file, `out` holds something else, or nothing could be prepared.
    """
    out = place(out)
    with _claimed(out):
        _match_options(out, raw, encoder, skip_bad)
        tasks = _tasks(raw, out, encoder, skip_bad)
        indexes = _write_all(tasks, workers, write)
        by_split: dict[str, list[ShardIndex]] = {split: [] for split in tasks}
        for split, split_tasks in tasks.items():
            by_split[split] = [indexes[task.path] for task in split_tasks]
        if not any(len(index) for found in by_split.values() for index in found):
            raise InputError(f"no video of {raw.root} can be used; {_first_reasons(raw, by_split)}")
        made = report.make(raw, by_split, _image_options(encoder))
        with explained_writes(out, continues=True):
            # A split without a shard does not exist; one with empty shards is an empty one.
            begun = {split: found for split, found in by_split.items() if found}
            spec = _as_prepared(raw.spec, indexes.values())
            records.write_metadata(out, spec, raw.action_names, raw.object_names, begun)
            with atomic_write(out / report.FILE, "w") as file:
                json.dump(made, file, indent=1)
    return made


def write_shard(task: ShardTask) -> ShardIndex:
    """Writes one shard and its index, and returns the index.

    Raises:
        InputError: a video has a bad file, and bad ones are not to be skipped; the raw folder is
            not there, or its bucket gives no answer.
    """
    if not task.root.is_dir():  # else its videos would seem to be empty
        raise InputError(
            f"{socket.gethostname()} sees no directory {task.root}; whatever writes shards must "
            "see the raw dataset there"
        )
    features = records.features(task.spec, task.action_names, task.object_names)

    def encode_frame(image: RawPath | Pixels) -> bytes:
        parallel.advance(1)
        return task.encoder(image)

    with explained_writes(task.path, continues=True), ShardWriter(task.path) as shard:
        for raw_video in task.videos:
            try:
                video, notes = _read(raw_video, task.spec, encode_frame)
            except NoAnswer:
                raise
            except InputError as error:
                if not task.skip_bad:
                    raise
                video, notes = None, [Note("bad", raw_video.video_id, str(error))]
            shard.index.notes += [note._asdict() for note in notes]
            if video is not None:
                data = records.encode(video, features)
                shard.write(data, len(video.frames), video.video_id, video.frame_rate)
    return shard.index


def _read(
    raw_video: RawVideo, spec: DatasetSpec, encode_frame: EncodeFrame
) -> tuple[Video | None, list[Note]]:
    """As `RawVideo.read`, with poses that cannot be marked as not annotated."""
    try:
        video, notes = raw_video.read(encode_frame)
    except OSError as error:
        raise InputError(f"cannot read {raw_video.video_id}: {error}") from error
    if video is None:
        return None, notes
    video, pose_notes = poses.checked(video, spec, str(raw_video.poses))
    return video, [*notes, *pose_notes, *doubts(video, spec, str(raw_video.poses))]


def _tasks(
    raw: RawDataset, out: epath.Path, encoder: FrameEncoder, skip_bad: bool
) -> dict[str, list[ShardTask]]:
    tasks: dict[str, list[ShardTask]] = {}
    for split, videos in raw.splits.items():
        count = -(-len(videos) // VIDEOS_PER_SHARD)
        bounds = [len(videos) * i // count for i in range(count + 1)] if count else []
        tasks[split] = [
            ShardTask(
                path=records.shard_path(out, raw.spec, split, i, count),
                root=raw.root,
                spec=raw.spec,
                action_names=raw.action_names,
                object_names=raw.object_names,
                videos=videos[bounds[i] : bounds[i + 1]],
                encoder=encoder,
                skip_bad=skip_bad,
            )
            for i in range(count)
        ]
    return tasks


def _write_all(
    tasks: dict[str, list[ShardTask]], workers: int, write: WriteShards | None
) -> dict[epath.Path, ShardIndex]:
    """The index of every shard; writes those that no earlier run has finished."""
    every = [task for split_tasks in tasks.values() for task in split_tasks]
    indexes = {task.path: tfrecord.stored_index(task.path) for task in every}
    finished = {path: index for path, index in indexes.items() if index is not None}
    missing = [task for task in every if task.path not in finished]
    written: Sequence[ShardIndex]
    if write is not None:
        written = write(missing)
    else:
        done = sum(sum(index.frames) for index in finished.values())
        total = done + sum(video.expected_frames for task in missing for video in task.videos)
        written = parallel.run(
            write_shard, missing, workers=workers, total_frames=total, done_frames=done
        )
    return finished | {task.path: index for task, index in zip(missing, written, strict=True)}


def _as_prepared(spec: DatasetSpec, indexes: Iterable[ShardIndex]) -> DatasetSpec:
    """`spec`, by which joints are fitted only where some were."""
    kinds = {note["kind"] for index in indexes for note in index.notes}
    return dataclasses.replace(spec, fitted_joints=spec.fitted_joints and FITTED in kinds)


@contextlib.contextmanager
def _claimed(out: epath.Path) -> Iterator[None]:
    """Makes `out`, keeps other runs away from it and clears what a killed run left half-written."""
    with locked(out):
        for leftover in out.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)
        yield


def _match_options(out: epath.Path, raw: RawDataset, encoder: FrameEncoder, skip_bad: bool) -> None:
    """Refuses to continue a run that was begun with other options or other raw data."""
    videos = {split: [repr(video) for video in videos] for split, videos in raw.splits.items()}
    content = [raw.action_names, raw.object_names, videos]
    options = {
        "dataset": raw.spec.name,
        "raw": str(raw.root.resolve()),
        **_image_options(encoder),
        "schema": records.VERSION
        + " with depth maps" * raw.spec.depth
        + " with camera poses" * raw.spec.camera_poses
        + " with object boxes" * raw.spec.object_boxes
        + " with frame rates" * raw.spec.frame_rates,
        "videos": {split: len(found) for split, found in videos.items()},
        "lists": hashlib.sha256(json.dumps(content).encode()).hexdigest(),
        "skip_bad": skip_bad,
    }
    path = out / _OPTIONS_FILE
    if path.is_file():
        try:
            before = json.loads(path.read_text("utf-8"))
        except InputError:
            raise
        except (OSError, ValueError) as error:
            raise InputError(f"cannot read {path}: {error}; use another --out") from error
        for name, value in options.items():
            # Skipping may be switched on: the shards so far held nothing bad.
            if before.get(name) == value or (name == "skip_bad" and skip_bad):
                continue
            if name == "lists":
                raise InputError(
                    f"the lists of videos or classes in {raw.root}, or the files of own "
                    f"recordings, have changed since {out} was begun; use another --out, "
                    "or remove that one"
                )
            raise InputError(
                f"{out} was begun with {name} = {before.get(name)}, this run has {value}; "
                "use the same options and data, or another --out"
            )
    elif not all(
        is_left_by_system(other.name) or other.name == LOCK_FILE for other in out.iterdir()
    ):
        raise InputError(f"--out {out} holds other files; use a new folder")
    with explained_writes(path, continues=True), atomic_write(path, "w") as file:
        json.dump(options, file, indent=1)


def _image_options(encoder: FrameEncoder) -> dict[str, object]:
    return {
        "size": list(SIZE),
        "quality": encoder.quality or f"{DEFAULT_QUALITY}, 480x270 JPEG files as they are",
        "lossless": encoder.lossless,
        "fast_decode": encoder.quarter_decode,
    }


def _first_reasons(raw: RawDataset, by_split: dict[str, list[ShardIndex]]) -> str:
    notes = report.all_notes(raw, by_split)
    reasons = [note for note in notes if note.kind != "choice"][:1]
    return "; ".join(f"{kind}: {path}: {what}" for kind, path, what in reasons) or "it lists none"
