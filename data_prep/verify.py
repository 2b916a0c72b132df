"""Reads a prepared dataset through and says what is wrong in which shard and record."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from etils import epath

from data_prep import camera_poses, depth, images, object_boxes, parallel, poses
from htt_jax.data import records, tfrecord
from htt_jax.data.records import Metadata, ShardIndex, Video
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place
from htt_jax.support.ranges import open_ranges


@dataclasses.dataclass(frozen=True)
class ShardCheck:
    """One shard to read through."""

    path: epath.Path
    split: str
    expected_videos: int
    metadata: Metadata


@dataclasses.dataclass
class Findings:
    """What a shard, or all of them, turned out to hold."""

    problems: list[str] = dataclasses.field(default_factory=list)
    video_ids: list[str] = dataclasses.field(default_factory=list)
    frames: int = 0
    depth_sizes: dict[tuple[int, int], str] = dataclasses.field(default_factory=dict)
    """(width, height) of depth maps, and the first record that has such ones."""


def verify(out: epath.PathLike, *, workers: int) -> Findings:
    """Reads every record and decodes every frame of the prepared dataset in `out`.

    Raises:
        InputError: `out` is not a prepared dataset.
    """
    metadata = records.read_metadata(out)
    checks = [
        ShardCheck(path, split, expected, metadata)
        for split, lengths in metadata.shard_lengths.items()
        for path, expected in zip(metadata.shards(place(out), split), lengths, strict=True)
    ]
    total = sum(sum(index.frames) for c in checks if (index := tfrecord.stored_index(c.path)))
    whole = Findings()
    seen: dict[tuple[str, str], epath.Path] = {}
    for check, found in zip(
        checks, parallel.run(check_shard, checks, workers=workers, total_frames=total), strict=True
    ):
        whole.problems += found.problems
        whole.frames += found.frames
        whole.video_ids += found.video_ids
        whole.depth_sizes = found.depth_sizes | whole.depth_sizes
        for video_id in found.video_ids:
            first = seen.setdefault((check.split, video_id), check.path)
            if first != check.path:
                whole.problems.append(f"{check.path}: video {video_id!r} is also in {first}")
    if len(whole.depth_sizes) > 1:
        sizes = [f"{w}x{h} in {where}" for (w, h), where in whole.depth_sizes.items()]
        whole.problems.append(f"depth maps of several sizes: {', '.join(sizes)}")
    return whole


def check_shard(check: ShardCheck) -> Findings:
    """Reads one shard through: checksums, schema, labels, poses and frames of each record."""
    found = Findings()
    metadata = check.metadata
    features = records.features(metadata.spec, metadata.action_names, metadata.object_names)
    index = tfrecord.stored_index(check.path)
    read = _by_index(check.path, index) if index is not None else _in_turn(check.path)
    number, is_read_through = -1, True
    for number, data in enumerate(read):
        if isinstance(data, InputError):
            found.problems.append(str(data))
            is_read_through = index is not None
            continue
        try:
            video = records.decode(data, features)
        except InputError as error:
            found.problems.append(f"{check.path}: record {number}: {error}")
            continue
        where = f"{check.path}: record {number} ({video.video_id})"
        found.problems += [f"{where}: {problem}" for problem in _problems(video, metadata)]
        if video.depth is not None and (size := depth.first_size(video.depth)):
            found.depth_sizes.setdefault(size, where)
        found.frames += len(video.frames)
        found.video_ids.append(video.video_id)
        parallel.advance(len(video.frames))
    if is_read_through and number + 1 != check.expected_videos:
        found.problems.append(
            f"{check.path}: {number + 1} records, expected {check.expected_videos} "
            "(dataset_info.json)"
        )
    return found


def _by_index(path: epath.Path, index: ShardIndex) -> Iterator[bytes | InputError]:
    """Each record, or what is wrong with it; goes on after a damaged one."""
    file = open_ranges(path)
    for number in range(len(index)):
        try:
            yield tfrecord.read_one(file, index, number)
        except InputError as error:
            yield error


def _in_turn(path: epath.Path) -> Iterator[bytes | InputError]:
    """Each record up to the first damaged one, after which nothing can be found."""
    try:
        yield from tfrecord.read_all(path)
    except InputError as error:
        yield error


def _problems(video: Video, metadata: Metadata) -> Iterator[str]:
    for name, value, known in (
        ("action", video.action, metadata.action_names),
        ("object", video.object, metadata.object_names),
    ):
        if not -1 <= value < len(known):
            yield f"{name} is {value}, expected -1 to {len(known) - 1}"
    for fault in poses.faults(video, metadata.spec):
        yield (
            f"{fault.text(video)}; prepared again into a new folder, it is marked as not annotated"
        )
    left = ~video.hand_annotated.repeat(len(metadata.spec.skeleton.joints), axis=1)
    if video.joints_known is not None:
        left |= video.joints_known[..., 0]  # places in images, of which no fault above tells
    if not np.isfinite(video.joints_3d[left]).all():
        yield "a joint of a hand that is not annotated, or is in the image alone, is not finite"
    if not (np.isfinite(video.intrinsics).all() and video.intrinsics[0, 0] > 0):
        yield "the intrinsics are no camera's"
    for number, data in zip(video.frame_numbers, video.frames, strict=True):
        try:
            height, width, _ = images.decode(data).shape
        except InputError as error:
            yield f"frame {number}: {error}"
            continue
        if (width, height) != images.SIZE:
            yield f"frame {number} is {width}x{height}, expected {images.SIZE[0]}x{images.SIZE[1]}"
    if video.camera_poses is not None:
        yield from camera_poses.problems(video.camera_poses, video.frame_numbers.tolist())
    if video.object_boxes is not None:
        yield from object_boxes.problems(video.object_boxes, video.frame_numbers.tolist())
    if video.depth is not None:
        yield from depth.problems(video.depth, video.frame_numbers.tolist())
