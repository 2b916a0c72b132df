"""Prepares H2O: raw folders to TFRecord shards.

H2O (two hands manipulating objects): 36 actions with 8 objects, both hands, the head-mounted
camera; one record per action segment.
"""

import argparse
import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from data_prep import camera_poses, command, folders, h2o_objects, h2o_places, images
from data_prep.depth import DepthCamera, Names, with_depth
from data_prep.folders import integer, numbered_files, read_lines
from data_prep.h2o_files import read_intrinsics, read_pose
from data_prep.h2o_places import CAMERA, FRAMES, IMAGES
from data_prep.images import FrameEncoder
from data_prep.plausibility import classes
from data_prep.raw import EncodeFrame, Note, RawDataset, RawPath, as_found
from htt_jax.data.records import Video
from htt_jax.datasets.spec import H2O
from htt_jax.devices import host_memory
from htt_jax.support import cli
from htt_jax.support.errors import InputError

NATIVE_SIZE = H2O.native_size

DEPTH_CAMERA = DepthCamera(sizes=(NATIVE_SIZE, images.SIZE), from_color=np.eye(4))
"""Maps lie on the pixels of the colour frames, resized or not."""

ACTIONS = H2O.action_names
"""In the order of their labels, the first of which is 1; label 0 is the background."""

OBJECTS = H2O.object_names

_SPLITS = ("train", "val", "test")
_COLUMNS = ("id", "path", "start_act", "end_act")
_LABELS = ("action_labels", "label_split")
_DEPTH = Names("", (".png",), "000000.png")
_POSES = ("", (".txt",))


@dataclasses.dataclass(frozen=True)
class H2oSegment:
    """One action segment, not read yet."""

    segment_id: int
    path: str  # of the recording, e.g. subject1/h1/0
    start: int  # first frame of the action
    end: int  # last one, inclusive
    action: int  # class from 0, -1 = hidden
    color: RawPath  # folder of the recording's images
    # What else the dataset has; not in what identifies the segment, as `schema` is.
    with_camera_poses: bool = dataclasses.field(default=False, repr=False)
    with_object_boxes: bool = dataclasses.field(default=False, repr=False)

    @property
    def video_id(self) -> str:
        """Recording and frames."""
        return f"{self.path}/{self.start:04d}-{self.end:04d}"

    @property
    def expected_frames(self) -> int:
        """As the label file says."""
        return self.end - self.start + 1

    @property
    def poses(self) -> RawPath:
        """The folder of the recording's hand poses."""
        return self.color.parent / "hand_pose"

    @property
    def camera_poses(self) -> RawPath:
        """The folder that says where the recording's camera was."""
        return self.color.parent / "cam_pose"

    @property
    def object_poses(self) -> RawPath:
        """The folder that says where the object in hand is."""
        return self.color.parent / "obj_pose"

    def read(self, encode_frame: EncodeFrame) -> tuple[Video | None, list[Note]]:
        """Reads images and poses; a frame without pose stays, its hands marked as not annotated.

        Raises:
            InputError: a bad pose, intrinsics, camera pose or image file.
        """
        paths, notes = numbered_files(self.color, *IMAGES)
        poses, pose_notes = numbered_files(self.poses, *_POSES)
        wanted = range(self.start, self.end + 1)
        notes += pose_notes
        last = max(paths, default=-1)
        notes += [
            Note("missing", str(self.color / f"{n:06d}.png"), "frame left out")
            for n in wanted
            if n not in paths and n <= last
        ]
        numbers = [number for number in wanted if number in paths]
        if not numbers:
            return None, [Note("left out", self.video_id, f"none of its images is in {self.color}")]
        if self.end > last:
            what = f"the label ends at {self.end}, {self.color} with frame {last}; what there is "
            notes.append(Note("beyond the end", self.video_id, f"{what}was taken"))
        joints = np.zeros((len(numbers), 42, 3), np.float32)
        annotated = np.zeros((len(numbers), 2), bool)
        for i, number in enumerate(numbers):
            pose = read_pose(poses[number]) if number in poses else None
            if pose is not None:
                joints[i], annotated[i] = pose
            else:
                kind = "empty" if number in poses else "missing"
                path = str(self.poses / f"{number:06d}.txt")
                notes.append(Note(kind, path, "frame kept, hands marked as not annotated"))
        intrinsics, camera_notes = read_intrinsics(
            folders.text_file(self.color.parent, "cam_intrinsics.txt")
        )
        places = boxes = None
        if self.with_camera_poses:
            places, more = camera_poses.read(self.camera_poses, numbers)
            notes += more
        last_word = ACTIONS[self.action].split()[-1] if self.action >= 0 else ""
        held = OBJECTS.index(last_word) if last_word else -1
        if self.with_object_boxes:
            boxes, more = h2o_objects.read(self.object_poses, numbers, held)
            notes += more
        video = Video(
            video_id=self.video_id,
            segment_id=self.segment_id,
            subject=self.path.split("/")[0],
            action=self.action,
            object=held,
            frames=[encode_frame(paths[number]) for number in numbers],
            frame_numbers=np.array(numbers, np.int64),
            joints_3d=joints,
            hand_annotated=annotated,
            intrinsics=intrinsics,
            camera_poses=places,
            object_boxes=boxes,
        )
        return video, notes + camera_notes


def find(root: RawPath) -> RawDataset:
    """The segments in the raw folder `root`, whichever variant of the layout it has.

    Raises:
        InputError: a folder or list is missing, or a list has a bad row.
    """
    if not root.is_dir():
        raise InputError(f"no directory {root}; --raw must be the folder that holds subject1, ...")
    root = folders.dataset_root(root, _LABELS)
    label_folders = folders.directories(root, _LABELS)
    notes, read_folders = [], []
    splits: dict[str, list[H2oSegment]] = {}
    for split in _SPLITS:
        name = f"action_{split}.txt"
        paths = [folders.text_file(folder, name) for folder in label_folders]
        path = next((path for path in paths if path.is_file()), paths[0])
        if not path.is_file():
            notes.append(Note("missing", str(path), f"no split {split!r} is made"))
            continue
        read_folders.append(path.parent)
        splits[split], split_notes = _usable(read_labels(path, root))
        notes += split_notes
        if splits[split] and all(segment.action < 0 for segment in splits[split]):
            notes.append(Note("hidden", str(path), "no action labels: actions and objects are -1"))
    if not splits:
        raise InputError(
            f"{label_folders[0]} has none of action_train.txt, action_val.txt, action_test.txt"
        )
    frames = {segment.color.name for segments in splits.values() for segment in segments}
    notes += [Note("choice", f"{CAMERA}/{name}", "frames") for name in sorted(frames)]
    choices = [Note("choice", str(f), "action labels") for f in dict.fromkeys(read_folders)]
    notes += classes.notes(splits, ACTIONS)
    made = RawDataset(as_found(H2O, root), root, ACTIONS, OBJECTS, splits, choices + notes)
    return h2o_objects.where_there_are_some(camera_poses.where_there_are_some(made))


def add_depth(raw: RawDataset) -> RawDataset:
    """What `find` found, with depth maps, without the segments whose recordings have none.

    Raises:
        InputError: no recording has a map.
    """

    @functools.cache
    def folder(recording: str) -> RawPath:
        maps = [camera / "depth" for camera in h2o_places.cameras(raw.root, recording)]
        return folders.fullest(maps, *_DEPTH[:2])[0]

    def place(segment: H2oSegment) -> tuple[RawPath, range]:
        return folder(segment.path), range(segment.start, segment.end + 1)

    return with_depth(raw, DEPTH_CAMERA, _DEPTH, place)


def read_labels(path: RawPath, root: RawPath) -> list[H2oSegment]:
    """The segments of a label file, in its order; its columns are found by their header.

    A segment labelled as background has action -2.

    Raises:
        InputError: a column is missing, a row has another number of columns or an unknown action.
    """
    lines = read_lines(path)
    header = lines[0][1] if lines else []
    absent = [name for name in _COLUMNS if name not in header]
    if absent:
        raise InputError(
            f"{path}, line 1: no column {', '.join(absent)} in {' '.join(header)!r}, expected "
            "`id path action_label start_act end_act start_frame end_frame`"
        )
    segments: dict[str, H2oSegment] = {}
    color_folder = functools.cache(lambda recording: h2o_places.color_folder(root, recording))
    for line, words in lines[1:]:
        if len(words) != len(header):
            raise InputError(
                f"{path}, line {line}: {len(words)} columns, expected {len(header)}: "
                f"{' '.join(header)}"
            )
        row = dict(zip(header, words, strict=True))
        start, end, number = (
            integer(row[name], path, line, name) for name in ("start_act", "end_act", "id")
        )
        if not 0 <= start <= end:
            raise InputError(f"{path}, line {line}: frames {start} to {end}, expected start <= end")
        action = _class(row["action_label"], path, line) if "action_label" in row else -1
        recording = row["path"].strip("/")
        color = color_folder(recording)
        segment = H2oSegment(number, recording, start, end, action, color)
        if segment.video_id in segments:
            raise InputError(
                f"{path}, line {line}: {segment.video_id} again; expected each segment once"
            )
        segments[segment.video_id] = segment
    return list(segments.values())


def _class(word: str, path: RawPath, line: int) -> int:
    """Class from 0 of a label (1 to 36) or an action's name; -2 for the background (0)."""
    name = word.lower().replace("_", " ").replace("capuccino", "cappuccino")
    if name in ACTIONS:
        return ACTIONS.index(name)
    if name == "background" or word == "0":
        return _BACKGROUND
    if not word.isdigit() or int(word) > len(ACTIONS):
        raise InputError(
            f"{path}, line {line}: unknown action {word!r}, expected a label from 0 to "
            f"{len(ACTIONS)}"
        )
    return int(word) - 1


_BACKGROUND = -2


def _usable(segments: Sequence[H2oSegment]) -> tuple[list[H2oSegment], list[Note]]:
    """The segments that can be read, as far as can be told without doing so, and why others not."""
    notes, usable = [], []
    present: Mapping[RawPath, bool] = {
        folder: bool(numbered_files(folder, *IMAGES)[0])
        for folder in {segment.color for segment in segments}
    }
    for segment in segments:
        if segment.action == _BACKGROUND:
            notes.append(Note("ignored", segment.video_id, "labelled as background"))
        elif not present[segment.color]:
            what = f"no image in {' or '.join(FRAMES)}: {segment.video_id} left out"
            notes.append(Note("missing", str(segment.color.parent), what))
        else:
            usable.append(segment)
    return usable, notes


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = command.parser("h2o", "H2O", "/data/h2o")
    command.run(parser.parse_args(argv), find, add_depth, _encoder)


def _encoder(options: argparse.Namespace) -> FrameEncoder:
    return FrameEncoder(
        NATIVE_SIZE, images.resize_bilinear, quality=options.quality, lossless=options.lossless
    )


if __name__ == "__main__":
    from data_prep import h2o  # its classes by a name that other processes find them under

    cli.run(h2o.main, host_memory.keep_freed)
