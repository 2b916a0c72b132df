"""Prepares FPHA: raw folders to TFRecord shards.

The First-Person Hand Action benchmark: 1175 videos of 45 actions with 26 objects, one hand.
"""

import argparse
import dataclasses
import pathlib
import re
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from data_prep import command, images
from data_prep.images import FrameEncoder
from data_prep.raw import (
    EncodeFrame,
    Note,
    RawDataset,
    as_found,
    first_directory,
    integer,
    numbered_files,
    read_lines,
)
from htt_jax import camera
from htt_jax.data.records import Video
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import host_memory
from htt_jax.support import cli
from htt_jax.support.errors import InputError

NATIVE_SIZE = FPHA.native_size

INTRINSICS = FPHA.intrinsics
"""Of the colour camera, pixels at 1920x1080."""

WORLD_TO_CAMERA = np.array(
    [
        [0.999988496304, -0.00468848412856, 0.000982563360594, 25.7],
        [0.00469115935266, 0.999985218048, -0.00273845880292, 1.22],
        [-0.000969709653873, 0.00274303671904, 0.99999576807, 3.902],
    ]
)
"""From the annotations' space to the colour camera's, millimetres."""

JOINT_ORDER = (0, 1, 6, 7, 8, 2, 9, 10, 11, 3, 12, 13, 14, 4, 15, 16, 17, 5, 18, 19, 20)
"""Where in a row of skeleton.txt each of our joints stands."""

IGNORED = frozenset(
    {"Subject_2/close_milk/4", "Subject_2/put_tea_bag/2", "Subject_4/flip_sponge/2"}
)
"""Videos whose annotation is known to be wrong."""

_SPLIT_FILE = "data_split_action_recognition.txt"
_ACTION_FILE = "action_object_info.txt"
_SPLIT_NAMES = {"training": "train", "train": "train", "test": "test"}
_IMAGE_NAME = re.compile(r"color_(\d+)\.(?:jpe?g|png)")
_SKELETON_COLUMNS = 1 + 3 * 21


@dataclasses.dataclass(frozen=True)
class FphaVideo:
    """One sequence, not read yet."""

    video_id: str
    action: int
    object: int
    color: pathlib.Path  # folder of its images
    skeleton: pathlib.Path
    listed_frames: int | None  # in Subjects_info

    @property
    def expected_frames(self) -> int:
        """As Subjects_info says, else as many as there are files."""
        if self.listed_frames is not None:
            return self.listed_frames
        return sum(1 for _ in self.color.iterdir())

    def read(self, encode_frame: EncodeFrame) -> tuple[Video | None, list[Note]]:
        """Reads poses and images; a frame needs both.

        Raises:
            InputError: a bad row in skeleton.txt or a bad image.
        """
        poses = read_skeleton(self.skeleton)
        paths = numbered_files(self.color, _IMAGE_NAME)
        notes = self._mismatches(paths, poses)
        numbers = sorted(paths.keys() & poses.keys())
        if self.listed_frames is not None:
            numbers = numbers[: self.listed_frames]
        if not numbers:
            notes.append(Note("left out", str(self.color), "no frame has an image and a pose"))
            return None, notes
        video = Video(
            video_id=self.video_id,
            segment_id=-1,
            subject=self.video_id.split("/")[0],
            action=self.action,
            object=self.object,
            frames=[encode_frame(paths[number]) for number in numbers],
            frame_numbers=np.array(numbers, np.int64),
            joints_3d=np.stack([to_camera_space(poses[number]) for number in numbers]),
            hand_annotated=np.ones((len(numbers), 1), bool),
            intrinsics=camera.scale_intrinsics(INTRINSICS, NATIVE_SIZE, images.SIZE).astype("f"),
        )
        return video, notes

    def _mismatches(
        self, paths: Mapping[int, pathlib.Path], poses: Mapping[int, np.ndarray]
    ) -> list[Note]:
        notes = []
        if not poses:
            notes.append(Note("empty", str(self.skeleton), "no pose in it"))
        missing = [n for n in range(max(paths, default=-1)) if n not in paths]
        notes += [
            Note("missing", str(self.color / f"color_{n:04d}.jpeg"), "a later image exists")
            for n in missing
        ]
        counts = {"images": len(paths), "poses": len(poses)}
        if self.listed_frames is not None:
            counts["frames in Subjects_info"] = self.listed_frames
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{count} {what}" for what, count in counts.items())
            used = min(counts.values())
            notes.append(Note("mismatch", str(self.color.parent), f"{found}: at most {used} used"))
        return notes


def find(root: pathlib.Path) -> RawDataset:
    """The videos in the raw folder `root`, whichever variant of the layout it has.

    Raises:
        InputError: a folder or list is missing, or a list has a bad row.
    """
    color = first_directory(root, ("Video_files", "Video_files_480"))
    poses = first_directory(root, ("Hand_pose_annotation_v1_1", "Hand_pose_annotation_v1"))
    notes = [Note("choice", str(color), "frames"), Note("choice", str(poses), "hand poses")]
    objects, object_names, action_notes = read_actions(root / _ACTION_FILE)
    actions = list(objects)
    splits, split_notes = read_split(root / _SPLIT_FILE, actions)
    subjects = sorted({row.split("/")[0] for rows in splits.values() for row in rows})
    lengths, length_notes = _read_lengths(root / "Subjects_info", subjects)
    notes += [*action_notes, *split_notes, *length_notes]
    videos: dict[str, list[FphaVideo]] = {}
    for split, rows in splits.items():
        videos[split] = []
        for video_id, action in rows.items():
            video = FphaVideo(
                video_id=video_id,
                action=action,
                object=object_names.index(objects[actions[action]]),
                color=color / video_id / "color",
                skeleton=poses / video_id / "skeleton.txt",
                listed_frames=lengths.get(video_id),
            )
            reason = _unusable(video)
            if reason:
                notes.append(reason)
            else:
                videos[split].append(video)
    return RawDataset(as_found(FPHA, root), root, actions, object_names, videos, notes)


def read_actions(path: pathlib.Path) -> tuple[dict[str, str], list[str], list[Note]]:
    """The object of each action in the order of the actions' ids, and the objects' order.

    Objects are numbered by their first appearance in the file.

    Raises:
        InputError: a row has too few columns, or an id is repeated or left out.
    """
    if not path.is_file():
        what = "the built-in list of 45 actions and 26 objects is used"
        note = Note("missing", str(path), what)
        return dict(FPHA.object_of_action), list(FPHA.object_names), [note]
    rows: dict[int, tuple[str, str]] = {}
    for line, words in read_lines(path)[1:]:
        if len(words) < 3:
            raise InputError(
                f"{path}, line {line}: {len(words)} columns, expected `id name object object_pose "
                "scenario`"
            )
        number = integer(words[0], path, line, "the action's id, from 1")
        if number in rows or words[1] in {name for name, _ in rows.values()}:
            raise InputError(f"{path}, line {line}: id or name repeated; expected each once")
        rows[number] = (words[1], words[2])
    if sorted(rows) != list(range(1, len(rows) + 1)) or not rows:
        raise InputError(f"{path}: the ids are {sorted(rows)}, expected 1 to the number of actions")
    object_names = list(dict.fromkeys(name for _, name in rows.values()))
    return dict(action for _, action in sorted(rows.items())), object_names, []


def read_split(
    path: pathlib.Path, actions: Sequence[str]
) -> tuple[dict[str, dict[str, int]], list[Note]]:
    """The videos of each split with their action's class, in the file's order.

    Raises:
        InputError: the file is missing or has a bad row or an unknown action.
    """
    splits: dict[str, dict[str, int]] = {}
    announced: dict[str, int] = {}
    split = ""
    for line, words in read_lines(path):
        if len(words) != 2:
            raise InputError(
                f"{path}, line {line}: {len(words)} columns, expected `Subject_1/<action>/<n> "
                "<label>` or `Training <count>` or `Test <count>`"
            )
        if words[0].lower() in _SPLIT_NAMES:
            split = _SPLIT_NAMES[words[0].lower()]
            announced[split] = integer(words[1], path, line, "the number of videos")
            splits[split] = {}
            continue
        if not split:
            raise InputError(f"{path}, line {line}: expected `Training <count>` before any video")
        if words[0] in splits[split]:
            raise InputError(f"{path}, line {line}: {words[0]} again; expected each video once")
        splits[split][words[0]] = _checked_label(words, path, line, actions)
    if not splits:
        raise InputError(f"{path} is empty; expected `Training <count>` and its videos")
    notes = [
        Note(
            "mismatch", str(path), f"{announced[name]} {name} videos announced, {len(rows)} listed"
        )
        for name, rows in splits.items()
        if announced[name] != len(rows)
    ]
    return splits, notes


def read_skeleton(path: pathlib.Path) -> dict[int, Float[np.ndarray, "21 3"]]:
    """Poses by frame number: millimetres, world space, the file's joint order.

    Raises:
        InputError: a row does not have 64 finite numbers.
    """
    poses = {}
    for line, words in read_lines(path):
        if len(words) != _SKELETON_COLUMNS:
            raise InputError(
                f"{path}, line {line}: {len(words)} columns, expected {_SKELETON_COLUMNS} "
                "(frame number and 21 joints)"
            )
        try:
            values = np.array(words, np.float64)
        except ValueError as error:
            raise InputError(f"{path}, line {line}: {error}; expected numbers only") from error
        if not np.isfinite(values).all():
            raise InputError(f"{path}, line {line}: a value is not finite; expected millimetres")
        poses[int(values[0])] = values[1:].reshape(21, 3)
    return poses


def to_camera_space(pose: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "21 3"]:
    """A pose of skeleton.txt in metres, camera space and our joint order, float32."""
    in_camera = pose[list(JOINT_ORDER)] @ WORLD_TO_CAMERA[:, :3].T + WORLD_TO_CAMERA[:, 3]
    return (in_camera / 1000).astype(np.float32)


def _checked_label(
    words: Sequence[str], path: pathlib.Path, line: int, actions: Sequence[str]
) -> int:
    label = integer(words[1], path, line, "the action's label, from 0")
    parts = words[0].split("/")
    if len(parts) != 3:
        raise InputError(f"{path}, line {line}: {words[0]!r}, expected `Subject_1/<action>/<n>`")
    if parts[1] not in actions:
        raise InputError(
            f"{path}, line {line}: unknown action {parts[1]!r}, expected one of the {len(actions)} "
            f"in {_ACTION_FILE}"
        )
    if actions.index(parts[1]) != label:
        raise InputError(
            f"{path}, line {line}: {parts[1]!r} has label {label}, expected "
            f"{actions.index(parts[1])} (its id in {_ACTION_FILE} less 1)"
        )
    return label


def _read_lengths(
    folder: pathlib.Path, subjects: Sequence[str]
) -> tuple[dict[str, int], list[Note]]:
    """Frames of each video according to Subjects_info."""
    lengths, notes = {}, []
    for subject in subjects:
        path = folder / f"{subject}_info.txt"
        if not path.is_file():
            notes.append(Note("missing", str(path), "frames are counted without it"))
            continue
        for line, words in read_lines(path)[3:]:
            if len(words) != 3:
                raise InputError(
                    f"{path}, line {line}: {len(words)} columns, expected `name_action "
                    "num_instance num_frames`"
                )
            frames = integer(words[2], path, line, "a number of frames")
            lengths[f"{subject}/{words[0]}/{words[1]}"] = frames
    return lengths, notes


def _unusable(video: FphaVideo) -> Note | None:
    """Why a video is left out, as far as can be told without reading it."""
    if video.video_id in IGNORED:
        return Note("ignored", video.video_id, "its annotation is known to be wrong")
    if not video.color.is_dir():
        return Note("missing", str(video.color), "video left out")
    if not video.skeleton.is_file():
        return Note("missing", str(video.skeleton), "video left out")
    if not video.skeleton.stat().st_size:
        return Note("empty", str(video.skeleton), "video left out")
    return None


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = command.parser("fpha", "FPHA", "/data/First_Person_Action_Benchmark")
    parser.add_argument(
        "--fast-decode",
        action="store_true",
        help="let the JPEG decoder make the quarter-size image: three times as fast, pixels differ "
        "slightly from those the published figures were made with",
    )
    command.run(parser.parse_args(argv), find, _encoder)


def _encoder(options: argparse.Namespace) -> FrameEncoder:
    return FrameEncoder(
        NATIVE_SIZE,
        images.resize_antialiased,
        quality=options.quality,
        lossless=options.lossless,
        quarter_decode=options.fast_decode,
    )


if __name__ == "__main__":
    cli.run(main, host_memory.keep_freed)
