"""Which videos make a dataset, and the files that FPHA and H2O keep about them."""

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from data_prep import fpha, fpha_places, h2o, h2o_files, images
from data_prep.simulation.actions import ACTIONS, Action
from data_prep.simulation.depth import View
from data_prep.simulation.take import HIDDEN, Script, Segment
from data_prep.simulation.writing import write_lines
from htt_jax import camera
from htt_jax.datasets.spec import spec

ORIGINAL_SIZE = {"fpha": fpha.NATIVE_SIZE, "h2o": h2o.NATIVE_SIZE}
SMALL_SIZE = images.SIZE
SUBJECTS = {"fpha": 6, "h2o": 4}

_FPHA_FILE_ORDER = np.argsort(fpha.JOINT_ORDER)
_FPHA_SUBJECT_ORDER = (1, 2, 3, 6, 4, 5)
_SOCIAL = {"coin", "card", "wine_bottle", "wine_glass", "hand"}
_OFFICE = {"pen", "paper", "letter", "book", "calculator", "match", "cell_charger", "glasses",
           "wallet"}  # fmt: skip
WITH_POSE = {"juice_bottle", "liquid_soap", "milk", "salt"}
"""The objects whose poses FPHA has."""

_H2O_PLACES = ("h1", "h2", "k1", "k2", "o1", "o2")
_H2O_SEGMENTS = 4  # in one sequence
_H2O_GAP = 12  # background frames before, between and after segments


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the user asked for.

    frames: fewest and most frames of an action. size: (width, height). depth: with depth maps.
    hidden: share of the actions in which the hands are out of sight for a while.
    """

    layout: str
    actions: tuple[Action, ...]
    subjects: int
    repeats: int
    frames: tuple[int, int]
    size: tuple[int, int]
    seed: int
    depth: bool = False
    hidden: float = HIDDEN

    def recipe(self) -> dict[str, Any]:
        """What the dataset follows from; without what came later and is not asked for."""
        fields = dataclasses.asdict(self)
        if not self.depth:
            del fields["depth"]
        if self.hidden == HIDDEN:
            del fields["hidden"]
        return fields


@dataclasses.dataclass(frozen=True)
class Job:
    """One video: its folder below the split of the layout, its script, and its split."""

    path: str  # 'Subject_1/open_milk/2' or 'subject1/h1/0'
    split: str  # 'train', 'val' or 'test'
    script: Script


def intrinsics(layout: str, size: tuple[int, int]) -> Float[np.ndarray, "3 3"]:
    """The colour camera's for images of `size` (width, height), pixels."""
    matrix = fpha.INTRINSICS
    if layout == "h2o":
        fx, fy, cx, cy = h2o_files.DEFAULT_INTRINSICS[:4]
        matrix = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    return camera.scale_intrinsics(matrix, ORIGINAL_SIZE[layout], size)


def depth_view(plan: Plan) -> View:
    """The depth camera: FPHA's has a size of its own, H2O's maps lie on the colour frames."""
    if plan.layout == "fpha":
        known = fpha.DEPTH_CAMERA
        return View(known.sizes[0], fpha.DEPTH_INTRINSICS, known.from_color)
    return View(plan.size, intrinsics("h2o", plan.size), h2o.DEPTH_CAMERA.from_color)


def image_path(root: pathlib.Path, plan: Plan, job: Job) -> pathlib.Path:
    """The folder of a video's images."""
    if plan.layout == "fpha":
        top = "Video_files" if plan.size == ORIGINAL_SIZE["fpha"] else "Video_files_480"
        return root / top / job.path / "color"
    folder = "rgb" if plan.size == ORIGINAL_SIZE["h2o"] else "rgb480_270"
    return root / job.path / "cam4" / folder


def image_name(layout: str, frame: int) -> str:
    """The file name of an image."""
    return f"color_{frame:04d}.jpeg" if layout == "fpha" else f"{frame:06d}.png"


def depth_path(root: pathlib.Path, plan: Plan, job: Job) -> pathlib.Path:
    """The folder of a video's depth maps."""
    return image_path(root, plan, job).with_name("depth")


def depth_name(layout: str, frame: int) -> str:
    """The file name of a depth map."""
    return f"depth_{frame:04d}.png" if layout == "fpha" else f"{frame:06d}.png"


def jobs(plan: Plan) -> list[Job]:
    """All videos of the dataset, in a fixed order."""
    return _fpha_jobs(plan) if plan.layout == "fpha" else _h2o_jobs(plan)


def _length(plan: Plan, *key: int) -> int:
    rng = np.random.default_rng((plan.seed, 1 << 21, *key))
    return int(rng.integers(plan.frames[0], plan.frames[1] + 1))


def _fpha_jobs(plan: Plan) -> list[Job]:
    result = []
    tests = max(1, plan.repeats // 4)
    for subject in range(1, plan.subjects + 1):
        for action in plan.actions:
            number = ACTIONS["fpha"].index(action)
            for repeat, instance in enumerate(_instances(subject, action, plan.repeats), 1):
                length = _length(plan, subject, number, repeat)
                result.append(
                    Job(
                        f"Subject_{subject}/{action.name}/{instance}",
                        "test" if repeat > plan.repeats - tests else "train",
                        Script(
                            (plan.seed, subject, number, repeat), subject, spec("fpha").hands,
                            (Segment(action, 0, length),), length, plan.hidden,
                        ),
                    )
                )  # fmt: skip
    return result


def _instances(subject: int, action: Action, count: int) -> list[int]:
    """The numbers of `count` videos; not those that are known to be wrong in the real dataset."""
    names = {n: f"Subject_{subject}/{action.name}/{n}" for n in range(1, count + 2)}
    return [n for n, name in names.items() if name not in fpha.IGNORED][:count]


def _h2o_split(subject: int, repeat: int, repeats: int) -> str:
    """Subjects 1 and 2 train, 3 trains and validates, 4 tests: as in the real dataset."""
    if subject == 3:
        return "val" if repeat >= repeats // 2 else "train"
    return "test" if subject == 4 else "train"


def _h2o_jobs(plan: Plan) -> list[Job]:
    result = []
    for subject in range(1, plan.subjects + 1):
        by_split: dict[str, list[Action]] = {}
        for repeat in range(plan.repeats):
            split = _h2o_split(subject, repeat, plan.repeats)
            by_split.setdefault(split, []).extend(plan.actions)
        number = 0
        for split, actions in by_split.items():
            rng = np.random.default_rng((plan.seed, 1 << 22, subject, len(split)))
            shuffled = [actions[i] for i in rng.permutation(len(actions))]
            for first in range(0, len(shuffled), _H2O_SEGMENTS):
                chosen = shuffled[first : first + _H2O_SEGMENTS]
                place, take = _H2O_PLACES[number % 6], number // 6
                script = _h2o_script(plan, subject, number, chosen)
                result.append(Job(f"subject{subject}/{place}/{take}", split, script))
                number += 1
    return result


def _h2o_script(plan: Plan, subject: int, number: int, actions: Sequence[Action]) -> Script:
    segments, frame = [], _H2O_GAP
    for i, action in enumerate(actions):
        end = frame + _length(plan, subject, number, i)
        segments.append(Segment(action, frame, end))
        frame = end + _H2O_GAP
    seed = (plan.seed, subject, number)
    return Script(seed, subject, spec("h2o").hands, tuple(segments), frame, plan.hidden)


def labels_path(root: pathlib.Path, layout: str, job: Job) -> pathlib.Path:
    """FPHA: the file with a video's hand poses; H2O: the folder with one file for each frame."""
    if layout == "fpha":
        return root / "Hand_pose_annotation_v1" / job.path / "skeleton.txt"
    return root / job.path / "cam4" / "hand_pose"


def write_labels(
    root: pathlib.Path, plan: Plan, job: Job, joints: Float[np.ndarray, "frames joints 3"]
) -> None:
    """Writes a video's hand poses (given in camera space, m) where the layout has them."""
    if plan.layout == "fpha":
        write_lines(labels_path(root, "fpha", job), skeleton_lines(joints))
        return
    folder = labels_path(root, "h2o", job)
    numbers = " ".join(f"{value:.7g}" for value in h2o_files.DEFAULT_INTRINSICS)
    write_lines(folder.with_name("cam_intrinsics.txt"), [numbers])
    pixels, depth = camera.project(joints, intrinsics("h2o", h2o.NATIVE_SIZE))
    inside = (depth > 0) & (pixels >= 0).all(-1) & (pixels < h2o.NATIVE_SIZE).all(-1)
    seen = np.any(inside.reshape(len(joints), 2, 21), axis=-1)
    folder.mkdir(exist_ok=True)
    for frame, hands in enumerate(joints.reshape(-1, 2, 63)):
        words = []
        for values, flag in zip(hands, seen[frame].tolist(), strict=True):
            words += [str(int(flag)), *(f"{v:.6f}" for v in (values if flag else 0.0 * values))]
        (folder / f"{frame:06d}.txt").write_text(" ".join(words) + "\n")


def camera_poses_path(root: pathlib.Path, job: Job) -> pathlib.Path:
    """The folder that says where the camera of an H2O recording was."""
    return labels_path(root, "h2o", job).with_name("cam_pose")


def camera_pose_files(poses: Float[np.ndarray, "frames 4 4"]) -> Iterator[tuple[str, bytes]]:
    """Its files, one for each frame: name and content."""
    for frame, pose in enumerate(poses.reshape(-1, 16)):
        yield f"{frame:06d}.txt", (" ".join(f"{v:.8f}" for v in pose) + "\n").encode()


def skeleton_lines(joints: Float[np.ndarray, "frames 21 3"]) -> list[str]:
    """FPHA's skeleton.txt: its joint order, world space, millimetres."""
    turn, shift = fpha_places.WORLD_TO_CAMERA[:, :3], fpha_places.WORLD_TO_CAMERA[:, 3]
    world = (1000.0 * joints - shift) @ np.linalg.inv(turn).T
    flat = world[:, _FPHA_FILE_ORDER].reshape(len(joints), 63)
    return [f"{t} " + " ".join(f"{v:.4f}" for v in row) + " " for t, row in enumerate(flat)]


def write_index(root: pathlib.Path, plan: Plan, all_jobs: Sequence[Job]) -> None:
    """Writes the files about the dataset as a whole."""
    if plan.layout == "fpha":
        _write_fpha_index(root, plan, all_jobs)
        return
    for split in ("train", "val", "test"):
        rows = _h2o_rows([job for job in all_jobs if job.split == split], hidden=split == "test")
        write_lines(root / "action_labels" / f"action_{split}.txt", rows)


def _h2o_rows(chosen: Iterable[Job], hidden: bool) -> list[str]:
    label = "" if hidden else "action_label "
    rows = [f"id path {label}start_act end_act start_frame end_frame"]
    for job in chosen:
        for segment in job.script.segments:
            action = "" if hidden else f"{ACTIONS['h2o'].index(segment.action) + 1} "
            span = f"{segment.start} {segment.end - 1} 0 {job.script.frames - 1}"
            rows.append(f"{len(rows)} {job.path} {action}{span}")
    return rows


def _write_fpha_index(root: pathlib.Path, plan: Plan, all_jobs: Sequence[Job]) -> None:
    rows = ["id name object object_pose scenario"]
    for number, action in enumerate(plan.actions, 1):
        noun = action.noun
        place = "social" if noun in _SOCIAL else "office" if noun in _OFFICE else "kitchen"
        rows.append(f"{number} {action.name} {noun} {int(noun in WITH_POSE)} {place}")
    write_lines(root / "action_object_info.txt", rows)
    labels = {action.name: number for number, action in enumerate(plan.actions)}
    order = sorted(all_jobs, key=lambda job: _FPHA_SUBJECT_ORDER.index(job.script.subject))
    rows = []
    for title, split in (("Training", "train"), ("Test", "test")):
        chosen = [job.path for job in order if job.split == split]
        rows.append(f"{title} {len(chosen)}")
        rows += [f"{path} {labels[path.split('/')[1]]}" for path in chosen]
    write_lines(root / "data_split_action_recognition.txt", rows)
    for subject in range(1, plan.subjects + 1):
        mine = sorted(
            (job for job in all_jobs if job.script.subject == subject),
            key=lambda job: job.path,
        )
        rows = [
            f"Number of videos: {len(mine)}",
            f"Number of frames: {sum(job.script.frames for job in mine)}",
            "name_action num_instance num_frames",
        ]
        for job in mine:
            _, name, repeat = job.path.split("/")
            rows.append(f"{name} {repeat}  {job.script.frames}")
        write_lines(root / "Subjects_info" / f"Subject_{subject}_info.txt", rows)
