"""Writes small raw folders in the exact formats of FPHA and H2O."""

import functools
import pathlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from data_prep.plausibility.records import KINDS

DOUBTS = (*KINDS, "one video")
"""Kinds of notes on what is made here: few videos, of hands that are no people's."""

FPHA_ACTIONS = ["open_juice_bottle", "close_juice_bottle", "put_salt", "close_milk"]
FPHA_ACTION_FILE = """id name object object_pose scenario
1 open_juice_bottle juice_bottle 1 kitchen
2 close_juice_bottle juice_bottle 1 kitchen
3 put_salt salt 1 kitchen
4 close_milk milk 1 kitchen
"""


def picture(number: int, size: tuple[int, int]) -> np.ndarray:
    """A picture of `size` (width, height) that differs from number to number."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 / width, y * 255 / height, x * 0 + 20 * number], -1).astype(np.uint8)


@functools.cache
def encoded(number: int, size: tuple[int, int], suffix: str) -> bytes:
    return cv2.imencode(suffix.lower(), picture(number, size))[1].tobytes()


def write_pictures(folder: pathlib.Path, names: Sequence[str], size: tuple[int, int]) -> None:
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(encoded(number, size, pathlib.Path(name).suffix))


def skeleton_text(poses: int, first: float = 0.0) -> str:
    """Rows as in skeleton.txt: coordinate c of joint j of frame t is first + t + 3 j + c + 400."""
    rows = []
    for t in range(poses):
        values = first + t + np.arange(63) + 400
        rows.append(f"{t} " + " ".join(f"{value:.4f}" for value in values) + " \n")
    return "".join(rows)


def write_fpha(
    root: pathlib.Path,
    videos: Mapping[str, Sequence[str]],
    *,
    frames: int = 3,
    color: str = "Video_files",
    poses: str = "Hand_pose_annotation_v1",
    size: tuple[int, int] = (1920, 1080),
) -> pathlib.Path:
    """An FPHA folder with the given videos in 'train' and 'test'."""
    lengths: dict[str, list[str]] = {}
    lines = []
    for title, split in (("Training", "train"), ("Test", "test")):
        lines.append(f"{title} {len(videos[split])}")
        for video in videos[split]:
            subject, action, instance = video.split("/")
            lines.append(f"{video} {FPHA_ACTIONS.index(action)}")
            lengths.setdefault(subject, []).append(f"{action} {instance}  {frames}")
            names = [f"color_{t:04d}.jpeg" for t in range(frames)]
            write_pictures(root / color / video / "color", names, size)
            folder = root / poses / video
            folder.mkdir(parents=True)
            (folder / "skeleton.txt").write_text(skeleton_text(frames))
    (root / "data_split_action_recognition.txt").write_text("\n".join(lines) + "\n")
    (root / "action_object_info.txt").write_text(FPHA_ACTION_FILE)
    (root / "Subjects_info").mkdir()
    for subject, rows in lengths.items():
        header = [
            f"Number of videos: {len(rows)}",
            f"Number of frames: {frames * len(rows)}",
            "name_action num_instance num_frames",
        ]
        (root / "Subjects_info" / f"{subject}_info.txt").write_text("\n".join([*header, *rows]))
    return root


def hand_pose_text(number: int, left: int = 1, right: int = 1) -> str:
    """A line as in hand_pose/: coordinate c of joint j is (number + 3 j + c) / 500 + 0.3 m."""
    values = (number + np.arange(126)) / 500 + 0.3
    hands = [[left, *values[:63]], [right, *values[63:]]]
    return " ".join(f"{value:.5f}" for hand in hands for value in hand)


def write_h2o(
    root: pathlib.Path,
    recordings: Mapping[str, int],
    labels: Mapping[str, str],
    *,
    color: str = "rgb",
    size: tuple[int, int] = (1280, 720),
    label_folder: str = "action_labels",
) -> pathlib.Path:
    """An H2O folder: frames of each recording, and the text of each split's label file."""
    for path, frames in recordings.items():
        folder = root / path / "cam4"
        write_pictures(folder / color, [f"{n:06d}.png" for n in range(frames)], size)
        (folder / "hand_pose").mkdir()
        for number in range(frames):
            (folder / "hand_pose" / f"{number:06d}.txt").write_text(hand_pose_text(number))
        intrinsics = "640.0 642.0 630.0 366.0 1280 720\n"
        (folder / "cam_intrinsics.txt").write_text(intrinsics)
    (root / label_folder).mkdir()
    for split, text in labels.items():
        (root / label_folder / f"action_{split}.txt").write_text(text)
    return root


H2O_HEADER = "id path action_label start_act end_act start_frame end_frame\n"
H2O_LABELS = {
    "train": H2O_HEADER + "1 subject1/h1/0 16 0 1 0 5\n2 subject1/h1/0 33 2 4 0 5\n",
    "val": H2O_HEADER + "1 subject2/k1/0 36 1 2 0 5\n",
    "test": "id path start_act end_act start_frame end_frame\n1 subject2/k1/0 0 3 0 5\n",
}
H2O_RECORDINGS = {"subject1/h1/0": 5, "subject2/k1/0": 4}
