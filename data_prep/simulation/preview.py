"""A contact sheet of a simulated dataset: images with the joints that its label files hold.

Where there are depth maps, they stand beside the images: red is near, blue far, black unknown.
"""

import pathlib
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from data_prep import fpha, fpha_files, h2o_files
from data_prep.simulation import layouts
from htt_jax import camera
from htt_jax.datasets.skeleton import HAND
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write

_ROWS, _COLUMNS = 8, 5
_CELL = (400, 225)
_NEAR, _FAR = 0.2, 1.0  # metres: the ends of the colour map
_GAP, _MARGIN, _TITLE = 6, 20, 30
_PAPER, _INK = (255, 255, 255), (50, 42, 38)  # BGR
_FINGERS = ((60, 76, 231), (34, 157, 243), (113, 204, 46), (219, 152, 52), (182, 89, 155))


def draw(
    root: pathlib.Path, plan: layouts.Plan, all_jobs: Sequence[layouts.Job], path: pathlib.Path
) -> None:
    """Writes the sheet: one action in each row, moments of it from left to right.

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
    moments = np.linspace(0.04, 0.96, _COLUMNS // 2 + 1 if plan.depth else _COLUMNS)
    frames = segment.start + np.round(moments * (segment.end - 1 - segment.start)).astype(int)
    cells = []
    for frame in frames.tolist():
        hands = _hands(layouts.labels_path(root, plan.layout, job), frame)
        cells.append(_image_cell(root, plan, job, frame, hands))
        if plan.depth:
            cells.append(_depth_cell(root, plan, job, frame, hands))
    width = 2 * _MARGIN + sum(cell.shape[1] for cell in cells) + (len(cells) - 1) * _GAP
    row = np.full((_TITLE + _CELL[1] + 10, width, 3), _PAPER, np.uint8)
    title = segment.action.name.replace("_", " ")
    cv2.putText(row, title, (_MARGIN, _TITLE - 9), cv2.FONT_HERSHEY_DUPLEX, 0.62, _INK, 1,
                cv2.LINE_AA)  # fmt: skip
    (across, _), _ = cv2.getTextSize(title, cv2.FONT_HERSHEY_DUPLEX, 0.62, 1)
    cv2.putText(row, job.path, (_MARGIN + across + 16, _TITLE - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.45,
                (150, 146, 140), 1, cv2.LINE_AA)  # fmt: skip
    left = _MARGIN
    for cell in cells:
        row[_TITLE : _TITLE + _CELL[1], left : left + cell.shape[1]] = cell
        left += cell.shape[1] + _GAP
    return row


def _image_cell(root, plan: layouts.Plan, job: layouts.Job, frame: int, hands) -> np.ndarray:
    folder, name = layouts.image_path(root, plan, job), layouts.image_name(plan.layout, frame)
    image = _read(folder / name, cv2.IMREAD_COLOR)
    size = image.shape[1], image.shape[0]
    cell = cv2.resize(image, _CELL, interpolation=cv2.INTER_AREA)
    _draw_hands(cell, hands, layouts.intrinsics(plan.layout, size), size)
    return cell


def _depth_cell(root, plan: layouts.Plan, job: layouts.Job, frame: int, hands) -> np.ndarray:
    folder, name = layouts.depth_path(root, plan, job), layouts.depth_name(plan.layout, frame)
    depth = _read(folder / name, cv2.IMREAD_UNCHANGED)
    view = layouts.depth_view(plan)
    nearness = (_FAR - depth / 1000) / (_FAR - _NEAR)
    colours = cv2.applyColorMap((255 * nearness.clip(0, 1)).astype(np.uint8), cv2.COLORMAP_TURBO)
    colours[depth == 0] = 0
    width = round(_CELL[1] * view.size[0] / view.size[1])
    cell = cv2.resize(colours, (width, _CELL[1]), interpolation=cv2.INTER_NEAREST)
    turn, shift = view.from_color[:3, :3], view.from_color[:3, 3]
    _draw_hands(cell, [hand @ turn.T + shift for hand in hands], view.intrinsics, view.size)
    return cell


def _read(path: pathlib.Path, flag: int) -> np.ndarray:
    image = cv2.imread(str(path), flag) if path.exists() else None
    if image is None:
        raise InputError(f"{path}: cannot be read; delete its folder and run the same command")
    return image


def _draw_hands(cell: np.ndarray, hands, intrinsics: np.ndarray, size: tuple[int, int]) -> None:
    """Draws hands of a camera's space over its image, shrunk from `size` to that of `cell`."""
    factors = np.array([cell.shape[1] / size[0], cell.shape[0] / size[1]])
    for joints in hands:
        pixels, _ = camera.project(joints, intrinsics)
        _skeleton(cell, (pixels + 0.5) * factors - 0.5)


def _hands(path: pathlib.Path, frame: int) -> list[Float[np.ndarray, "21 3"]]:
    """The annotated hands of a frame, camera space, m, as data preparation reads them."""
    if path.is_file():
        return [fpha.to_camera_space(fpha_files.read_skeleton(path)[frame])]
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
