"""What FPHA and H2O keep about the object in hand, as files of a take."""

import pathlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from data_prep import fpha_objects, h2o, h2o_objects, object_boxes
from data_prep.fpha_places import WORLD_TO_CAMERA
from data_prep.poses import DEPTHS
from data_prep.simulation import layouts
from data_prep.simulation.layouts import Job, Plan
from data_prep.simulation.objects import ITEMS
from data_prep.simulation.take import Take
from data_prep.simulation.writing import write_lines, write_whole
from htt_jax import camera


def path(root: pathlib.Path, layout: str, job: Job) -> pathlib.Path | None:
    """FPHA: the file that says where a video's object is, if it has one; H2O: the folder."""
    if layout == "h2o":
        return _h2o_folder(root, job)
    noun = job.script.segments[0].action.noun
    found = root / fpha_objects.POSES[0] / job.path / fpha_objects.FILE
    return found if noun in layouts.WITH_POSE else None


def write(root: pathlib.Path, plan: Plan, job: Job, scene: Take) -> None:
    """Writes where a video's object is, where the layout has it."""
    if plan.layout == "h2o":
        write_whole(_h2o_folder(root, job), _h2o_texts(scene))
    elif (file := path(root, plan.layout, job)) is not None:
        write_lines(file, _fpha_lines(scene))


def write_models(root: pathlib.Path, plan: Plan) -> None:
    """Writes FPHA's models of its objects with poses: the corners of their boxes alone."""
    if plan.layout == "fpha":
        for noun in {action.noun for action in plan.actions} & layouts.WITH_POSE:
            model = fpha_objects.model_path(root, noun)
            assert isinstance(model, pathlib.Path)
            write_lines(model, _ply_lines(box(noun)[1:]))


def box(noun: str) -> Float[np.ndarray, "points 3"]:
    """Of an object, in its own axes, m; of what has no solids (a hand) there is none."""
    return object_boxes.around(*ITEMS[noun].bounds)


def _h2o_folder(root: pathlib.Path, job: Job) -> pathlib.Path:
    return layouts.labels_path(root, "h2o", job).with_name("obj_pose")


def _h2o_texts(scene: Take) -> Iterator[tuple[str, bytes]]:
    """H2O's files, one for each frame: name and content. An object out of sight is none."""
    intrinsics = layouts.intrinsics("h2o", h2o.NATIVE_SIZE)
    nouns, poses = scene.object_poses()
    for frame, (noun, pose) in enumerate(zip(nouns, poses, strict=True)):
        points = _with_edges(object_boxes.placed(box(noun), pose))
        pixels, depth = camera.project(points, intrinsics)
        inside = (pixels >= 0).all(-1) & (pixels < h2o.NATIVE_SIZE).all(-1)
        seen = bool((depth > DEPTHS[0]).all() and inside.any())
        label = 1 + h2o.OBJECTS.index(noun) if seen else 0
        words = [str(label), *(f"{value:.6f}" for value in (seen * points).ravel())]
        yield f"{frame:06d}.txt", (" ".join(words) + "\n").encode()


def _fpha_lines(scene: Take) -> list[str]:
    """FPHA's object_pose.txt: object to world, millimetres, column after column."""
    turn, shift = WORLD_TO_CAMERA[:, :3], WORLD_TO_CAMERA[:, 3]
    _, poses = scene.object_poses()
    poses = poses.copy()
    poses[:, :3, :3] = np.linalg.inv(turn) @ poses[:, :3, :3]
    poses[:, :3, 3] = (1000.0 * poses[:, :3, 3] - shift) @ np.linalg.inv(turn).T
    flat = poses.transpose(0, 2, 1).reshape(-1, 16)
    return [f"{t} " + " ".join(f"{value:.6f}" for value in row) for t, row in enumerate(flat)]


def _ply_lines(vertices: Float[np.ndarray, "vertices 3"]) -> list[str]:
    header = [
        "ply", "format ascii 1.0", f"element vertex {len(vertices)}",
        *(f"property float {axis}" for axis in "xyz"), "end_header",
    ]  # fmt: skip
    return header + [" ".join(f"{value:.6f}" for value in vertex) for vertex in vertices]


def _with_edges(points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "all_points 3"]:
    corners = points[1:]
    middles = [(corners[a] + corners[b]) / 2 for a, b in object_boxes.EDGES]
    assert len(points) + len(middles) == h2o_objects.POINTS
    return np.concatenate([points, middles])
