"""Prepares FPHA: raw folders to TFRecord shards.

The First-Person Hand Action benchmark: 1175 videos of 45 actions with 26 objects, one hand.
"""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from data_prep import command, folders, fpha_objects, fpha_places, images
from data_prep.depth import DepthCamera, Names, with_depth
from data_prep.folders import numbered_files
from data_prep.fpha_files import read_skeleton
from data_prep.fpha_lists import (
    ACTION_FILE,
    SPLIT_FILE,
    read_actions,
    read_lengths,
    read_split,
)
from data_prep.fpha_objects import ObjectPoses
from data_prep.fpha_places import WORLD_TO_CAMERA
from data_prep.images import FrameEncoder
from data_prep.plausibility import classes
from data_prep.raw import EncodeFrame, Note, RawDataset, RawPath, as_found
from htt_jax import camera
from htt_jax.data.records import Video
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import host_memory
from htt_jax.support import cli, files

NATIVE_SIZE = FPHA.native_size

INTRINSICS = FPHA.intrinsics
"""Of the colour camera, pixels at 1920x1080."""

DEPTH_INTRINSICS = np.array(
    [[475.065948, 0, 315.944855], [0, 475.065857, 245.287079], [0, 0, 1]],
)
"""Of the depth camera, pixels at 640x480."""

DEPTH_CAMERA = DepthCamera(
    sizes=((640, 480),),
    intrinsics=DEPTH_INTRINSICS,
    from_color=np.linalg.inv(
        np.vstack([WORLD_TO_CAMERA * [1, 1, 1, 0.001], [0, 0, 0, 1]])  # its shift in metres
    ),
)
"""The annotations' space is this camera's."""

JOINT_ORDER = (0, 1, 6, 7, 8, 2, 9, 10, 11, 3, 12, 13, 14, 4, 15, 16, 17, 5, 18, 19, 20)
"""Where in a row of skeleton.txt each of our joints stands."""

IGNORED = frozenset(
    {"Subject_2/close_milk/4", "Subject_2/put_tea_bag/2", "Subject_4/flip_sponge/2"}
)
"""Videos whose annotation is known to be wrong."""

_FRAMES = ("Video_files", "Video_files_480")
_POSES = ("Hand_pose_annotation_v1_1", "Hand_pose_annotation_v1")
_IMAGES = ("color_", (".jpeg", ".jpg", ".png"))  # how images are called, the original kind first
_DEPTH = Names("depth_", (".png",), "depth_0000.png")


@dataclasses.dataclass(frozen=True)
class FphaVideo:
    """One sequence, not read yet."""

    video_id: str
    action: int
    object: int
    color: RawPath  # folder of its images
    skeleton: RawPath
    listed_frames: int | None  # in Subjects_info
    # What else the dataset has; not in what identifies the video, as `schema` is.
    objects: ObjectPoses | None = dataclasses.field(default=None, repr=False)
    with_object_boxes: bool = dataclasses.field(default=False, repr=False)

    @property
    def expected_frames(self) -> int:
        """As Subjects_info says, else as many as there are files."""
        if self.listed_frames is not None:
            return self.listed_frames
        return len(numbered_files(self.color, *_IMAGES)[0])

    @property
    def poses(self) -> RawPath:
        """The file with its hand poses."""
        return self.skeleton

    def read(self, encode_frame: EncodeFrame) -> tuple[Video | None, list[Note]]:
        """Reads poses and images; a frame needs both.

        Raises:
            InputError: a bad row in skeleton.txt or object_pose.txt, or a bad image or model.
        """
        poses = read_skeleton(self.skeleton)
        paths, notes = numbered_files(self.color, *_IMAGES)
        notes += self._mismatches(paths, poses)
        numbers = sorted(paths.keys() & poses.keys())
        if self.listed_frames is not None:
            numbers = numbers[: self.listed_frames]
        if not numbers:
            notes.append(Note("left out", str(self.color), "no frame has an image and a pose"))
            return None, notes
        boxes = None
        if self.with_object_boxes:
            boxes, more = fpha_objects.read(self.objects, numbers)
            notes += more
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
            object_boxes=boxes,
        )
        return video, notes

    def _mismatches(
        self, paths: Mapping[int, RawPath], poses: Mapping[int, np.ndarray]
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


def find(root: RawPath) -> RawDataset:
    """The videos in the raw folder `root`, whichever variant of the layout it has.

    Raises:
        InputError: a folder or list is missing, or a list has a bad row.
    """
    root = folders.dataset_root(root, _FRAMES)
    colors, poses = folders.directories(root, _FRAMES), folders.directories(root, _POSES)
    objects, object_names, notes = read_actions(folders.text_file(root, ACTION_FILE))
    actions = list(objects)
    splits, split_notes = read_split(folders.text_file(root, SPLIT_FILE), actions)
    subjects = sorted({row.split("/")[0] for rows in splits.values() for row in rows})
    lengths, length_notes = read_lengths(root / "Subjects_info", subjects)
    notes += [*split_notes, *length_notes]
    color_places, pose_places = (fpha_places.by_subject(tops, subjects) for tops in (colors, poses))
    poses_of_objects, object_notes = fpha_objects.find(root, subjects, object_names)
    videos: dict[str, list[FphaVideo]] = {}
    for split, rows in splits.items():
        videos[split] = []
        for video_id, action in rows.items():
            color, images_there = fpha_places.fullest(color_places, video_id, "color", *_IMAGES)
            video = FphaVideo(
                video_id=video_id,
                action=action,
                object=object_names.index(objects[actions[action]]),
                color=color,
                skeleton=fpha_places.filled(pose_places, video_id, "skeleton.txt"),
                listed_frames=lengths.get(video_id),
                objects=poses_of_objects(video_id, objects[actions[action]]),
            )
            reason = _unusable(video, images_there)
            if reason:
                notes.append(reason)
            else:
                videos[split].append(video)
    notes = [*_choices(videos), *classes.notes(videos, actions), *notes, *object_notes]
    made = RawDataset(as_found(FPHA, root), root, actions, object_names, videos, notes)
    return fpha_objects.where_there_are_some(made)


def add_depth(raw: RawDataset) -> RawDataset:
    """What `find` found, with depth maps, without the videos that have none.

    Raises:
        InputError: no video has a map.
    """
    subjects = {video.video_id.split("/")[0] for found in raw.splits.values() for video in found}
    places = fpha_places.by_subject(folders.directories(raw.root, _FRAMES), sorted(subjects))

    def place(video: FphaVideo) -> tuple[RawPath, None]:
        return fpha_places.fullest(places, video.video_id, "depth", *_DEPTH[:2])[0], None

    return with_depth(raw, DEPTH_CAMERA, _DEPTH, place)


def to_camera_space(pose: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "21 3"]:
    """A pose of skeleton.txt in metres, camera space and our joint order, float32."""
    with np.errstate(invalid="ignore", over="ignore"):  # lost poses may be infinite
        in_camera = pose[list(JOINT_ORDER)] @ WORLD_TO_CAMERA[:, :3].T + WORLD_TO_CAMERA[:, 3]
        return (in_camera / 1000).astype(np.float32)


def _choices(videos: Mapping[str, Sequence[FphaVideo]]) -> list[Note]:
    """The folders that are read: of the two sizes of frames, of the versions of the poses."""
    every = [video for of_split in videos.values() for video in of_split]
    frames = [Note("choice", str(video.color.parents[3]), "frames") for video in every]
    poses = [Note("choice", str(video.skeleton.parents[3]), "hand poses") for video in every]
    return list(dict.fromkeys([*frames, *poses]))


def _unusable(video: FphaVideo, images_there: int) -> Note | None:
    """Why a video is left out, as far as can be told without reading it."""
    if video.video_id in IGNORED:
        return Note("ignored", video.video_id, "its annotation is known to be wrong")
    if not video.color.is_dir():
        return Note("missing", str(video.color), "video left out")
    if not images_there:
        stem, suffixes = _IMAGES
        what = f"no {stem}0000{' or '.join(suffixes)} or the like in it: video left out"
        return Note("empty", str(video.color), what)
    if not video.skeleton.is_file():
        return Note("missing", str(video.skeleton), "video left out")
    if not files.size(video.skeleton):
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
    command.run(parser.parse_args(argv), find, add_depth, _encoder)


def _encoder(options: argparse.Namespace) -> FrameEncoder:
    return FrameEncoder(
        NATIVE_SIZE,
        images.resize_antialiased,
        quality=options.quality,
        lossless=options.lossless,
        quarter_decode=options.fast_decode,
    )


if __name__ == "__main__":
    from data_prep import fpha  # its classes by a name that other processes find them under

    cli.run(fpha.main, host_memory.keep_freed)
