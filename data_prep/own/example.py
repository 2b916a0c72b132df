"""A small example of a folder of recordings, to try the way and to start from; simulated."""

import csv
import pathlib
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from jaxtyping import Float

from data_prep.folders import is_left_by_system
from data_prep.own import description, labels
from data_prep.simulation import layouts, render, take
from data_prep.simulation.actions import ACTIONS
from data_prep.simulation.take import FRAME_RATE, Script, Segment
from htt_jax.datasets.skeleton import HAND
from htt_jax.support import progress
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write, explained_writes
from htt_jax.visual.video import VideoWriter

SUBJECTS = ("anna", "ben")
SIZE = (320, 180)

_HANDS = ("left", "right")
_ACTIONS = ("pour milk", "open lotion")
_FRAMES = 15  # of an action
_GAP = 3  # frames before, between and after actions
_DESCRIPTION = """\
# What the files do not say themselves; docs/own_layout.md has every key.
name = "example"
title = "Example"
times = "seconds"             # what start and end in labels.csv are: seconds or frames
hands = ["left", "right"]
skeleton = "ours"             # or mediapipe, coco, openpose
units = "m"                   # of the joints: m, cm or mm
simulated = true              # leave this line away, these recordings are drawn by a program

[camera]                      # of all recordings; camera.txt in a folder is for that one alone
fx = {fx:.4f}                 # pixels, in images of this width and height
fy = {fy:.4f}
cx = {cx:.4f}
cy = {cy:.4f}
width = {width}
height = {height}
"""


def write(folder: pathlib.Path) -> None:
    """Writes labels.csv, dataset.toml, and a folder of video.mp4 and joints.csv a recording.

    Raises:
        InputError: the folder holds something.
    """
    if folder.exists() and not (
        folder.is_dir() and all(is_left_by_system(path.name) for path in folder.iterdir())
    ):
        raise InputError(f"--new {folder}: it is there already; name a new folder")
    matrix = layouts.intrinsics("h2o", SIZE)
    scripts = {f"{name}_kitchen": _script(i) for i, name in enumerate(SUBJECTS, 1)}
    with explained_writes(folder, continues=False):
        for name in scripts:
            (folder / name).mkdir(parents=True)
        with progress.bar(
            total=sum(script.frames for script in scripts.values()), unit="frame", label="drawing"
        ) as bar:
            for name, script in scripts.items():
                scene = take.direct(script)
                with VideoWriter(folder / name / "video.mp4", SIZE, Fraction(FRAME_RATE)) as video:
                    for image in render.frames(scene, SIZE, matrix):
                        video.write(image)
                        bar.update(1)
                _write_rows(folder / name / "joints.csv", _joint_rows(scene.joints()))
        _write_rows(folder / labels.FILE, _label_rows(scripts))
        text = _DESCRIPTION.format(
            fx=matrix[0, 0], fy=matrix[1, 1], cx=matrix[0, 2], cy=matrix[1, 2],
            width=SIZE[0], height=SIZE[1],
        )  # fmt: skip
        with atomic_write(folder / description.FILE, "w") as file:
            file.write(text)


def _script(subject: int) -> Script:
    known = {action.name: action for action in ACTIONS["h2o"]}
    segments = []
    frame = _GAP
    for name in _ACTIONS:
        segments.append(Segment(known[name], frame, frame + _FRAMES))
        frame += _FRAMES + _GAP
    return Script((0, subject), subject, _HANDS, tuple(segments), frame, hidden=0.0)


def _joint_rows(joints: Float[np.ndarray, "frames joints 3"]) -> Iterator[list[str]]:
    yield ["frame", "hand", *(f"{joint}_{c}" for joint in HAND.joints for c in "xyz")]
    for frame, hands in enumerate(joints.reshape(len(joints), len(_HANDS), -1)):
        for hand, values in zip(_HANDS, hands, strict=True):
            yield [str(frame), hand, *(f"{value:.5f}" for value in values)]


def _label_rows(scripts: dict[str, Script]) -> Iterator[list[str]]:
    yield ["video", "start", "end", "action", "object", "subject"]
    for name, script in scripts.items():
        for segment in script.segments:
            start, end = (f"{frame / FRAME_RATE:g}" for frame in (segment.start, segment.end))
            action = segment.action
            yield [name, start, end, action.name, action.noun, name.split("_")[0]]


def _write_rows(path: pathlib.Path, rows: Iterator[list[str]]) -> None:
    with atomic_write(path, "w") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
