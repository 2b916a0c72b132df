"""A contact sheet of a simulated dataset: images with the joints that its label files hold."""

import pathlib
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from data_prep import fpha, h2o_files
from data_prep.simulation import layouts
from htt_jax import camera
from htt_jax.datasets.skeleton import HAND
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write

_ROWS, _COLUMNS = 8, 5
_CELL = (400, 225)
_GAP, _MARGIN, _TITLE = 6, 20, 30
_PAPER, _INK = (255, 255, 255), (50, 42, 38)  # BGR
_FINGERS = ((60, 76, 231), (34, 157, 243), (113, 204, 46), (219, 152, 52), (182, 89, 155))


def draw(
    root: pathlib.Path, plan: layouts.Plan, all_jobs: Sequence[layouts.Job], path: pathlib.Path
) -> None:
    """Writes the sheet: one action in each row, five moments of it from left to right.

    Raises:
        InputError: an image cannot be read.
    """
    chosen = _one_of_each(all_jobs)
    rows = [_row(root, plan, job, segment) for job, segment in chosen]
    rows.append(np.full((_MARGIN, rows[0].shape[1], 3), _PAPER, np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(cv2.imencode(".png", np.concatenate(rows))[1].tobytes())


def _one_of_each(all_jobs: Sequence[layouts.Job]) -> list[tuple]:
    """Up to eight (job, segment), no action twice, from as many subjects as there are."""
    chosen: dict[str, tuple] = {}
    subjects = sorted({job.script.subject for job in all_jobs})
    names = list(dict.fromkeys(s.action.name for job in all_jobs for s in job.script.segments))
    for i, name in enumerate(names[:_ROWS]):
        shown = [(j, s) for j in all_jobs for s in j.script.segments if s.action.name == name]
        subject = subjects[i % len(subjects)]
        chosen[name] = next((p for p in shown if p[0].script.subject == subject), shown[0])
    return list(chosen.values())


def _row(root: pathlib.Path, plan: layouts.Plan, job: layouts.Job, segment) -> np.ndarray:
    width = 2 * _MARGIN + _COLUMNS * _CELL[0] + (_COLUMNS - 1) * _GAP
    row = np.full((_TITLE + _CELL[1] + 10, width, 3), _PAPER, np.uint8)
    title = segment.action.name.replace("_", " ")
    cv2.putText(row, title, (_MARGIN, _TITLE - 9), cv2.FONT_HERSHEY_DUPLEX, 0.62, _INK, 1,
                cv2.LINE_AA)  # fmt: skip
    (across, _), _ = cv2.getTextSize(title, cv2.FONT_HERSHEY_DUPLEX, 0.62, 1)
    cv2.putText(row, job.path, (_MARGIN + across + 16, _TITLE - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.45,
                (150, 146, 140), 1, cv2.LINE_AA)  # fmt: skip
    moments = np.linspace(0.04, 0.96, _COLUMNS) * (segment.end - 1 - segment.start)
    for column, frame in enumerate(segment.start + np.round(moments).astype(int)):
        left = _MARGIN + column * (_CELL[0] + _GAP)
        row[_TITLE : _TITLE + _CELL[1], left : left + _CELL[0]] = _cell(root, plan, job, int(frame))
    return row


def _cell(root: pathlib.Path, plan: layouts.Plan, job: layouts.Job, frame: int) -> np.ndarray:
    path = layouts.image_path(root, plan, job) / layouts.image_name(plan.layout, frame)
    image = cv2.imread(str(path)) if path.exists() else None
    if image is None:
        raise InputError(f"{path}: cannot be read; delete its folder and run the same command")
    height, width = image.shape[:2]
    cell = cv2.resize(image, _CELL, interpolation=cv2.INTER_AREA)
    hands = _hands(layouts.labels_path(root, plan.layout, job), frame)
    camera_matrix = layouts.intrinsics(plan.layout, (width, height))
    factors = np.array([_CELL[0] / width, _CELL[1] / height])
    for joints in hands:
        pixels, _ = camera.project(joints, camera_matrix)
        _skeleton(cell, (pixels + 0.5) * factors - 0.5)
    return cell


def _hands(path: pathlib.Path, frame: int) -> list[Float[np.ndarray, "21 3"]]:
    """The annotated hands of a frame, camera space, m, as data preparation reads them."""
    if path.is_file():
        return [fpha.to_camera_space(fpha.read_skeleton(path)[frame])]
    pose = h2o_files.read_pose(path / f"{frame:06d}.txt")
    assert pose is not None  # the simulator writes no empty file
    return [hand for hand, shown in zip(pose[0].reshape(2, 21, 3), pose[1], strict=True) if shown]


def _skeleton(image: UInt8[np.ndarray, "height width 3"], joints: Float[np.ndarray, "21 2"]):
    """Draws bones and joints, one colour a finger, over `image`."""
    fine = np.clip(np.round(joints * 16), -(2**20), 2**20).astype(int)
    points = [(int(x), int(y)) for x, y in fine]
    for i, (parent, child) in enumerate(HAND.bones):
        cv2.line(image, points[parent], points[child], _FINGERS[i // 4], 1, cv2.LINE_AA, 4)
    for joint, point in enumerate(points):
        colour = _FINGERS[(joint - 1) // 4] if joint else (255, 255, 255)
        cv2.circle(image, point, 2 * 16, colour, -1, cv2.LINE_AA, 4)
