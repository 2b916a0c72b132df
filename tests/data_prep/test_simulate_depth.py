"""Simulated depth maps: where the hands are in them, and what a real camera would miss."""

import hashlib
import json
import pathlib
import shutil

import cv2
import numpy as np
import pytest

from data_prep import fpha, h2o, simulate
from data_prep.simulation import layouts, sensor, take
from data_prep.simulation.actions import ACTIONS
from htt_jax import camera
from htt_jax.data import image_decoding
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import H2O
from htt_jax.support.errors import InputError

FLAT = np.array([[400.0, 0, 100], [0, 400.0, 60], [0, 0, 1]])
SIZE = (120, 200)  # rows, columns
OPTIONS = ["--subjects", "1", "--repeats", "2", "--frames", "2,2", "--actions", "squeeze_paper"]


@pytest.fixture(scope="module")
def fpha_root(tmp_path_factory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("raw") / "fpha"
    arguments = [*OPTIONS, "--depth", "--workers", "1", "--preview", str(root.parent / "sheet.png")]
    simulate.main(["--layout", "fpha", "--out", str(root), *arguments])
    return root


def plan(layout: str, name: str, depth: bool) -> layouts.Plan:
    """That of the options, for FPHA."""
    actions = tuple(action for action in ACTIONS[layout] if action.name == name)
    return layouts.Plan(layout, actions, 1, 2, (2, 2), layouts.SMALL_SIZE, 0, depth)


@pytest.fixture(scope="module")
def h2o_root(tmp_path_factory) -> pathlib.Path:
    """One recording of four frames."""
    root = tmp_path_factory.mktemp("raw") / "h2o"
    whole = plan("h2o", "spray spray", depth=True)
    segment = take.Segment(whole.actions[0], 1, 3)
    script = take.Script((0, 1), 1, H2O.hands, (segment,), 4)
    job = layouts.Job("subject1/h1/0", "train", script)
    simulate.render_video(root, whole, job)
    layouts.write_index(root, whole, [job])
    return root


@pytest.fixture(scope="module")
def sources(fpha_root, h2o_root, tmp_path_factory) -> dict[str, RecordSource]:
    found = {}
    for name, program, root in (("fpha", fpha, fpha_root), ("h2o", h2o, h2o_root)):
        out = tmp_path_factory.mktemp("prepared") / name
        program.main(["--raw", str(root), "--out", str(out), "--workers", "1", "--depth"])
        notes = json.loads((out / "report.json").read_text())["notes"]
        assert {note["kind"] for note in notes} <= {"choice", "hidden", "empty split", "one video"}
        program.main(["--verify", str(out), "--workers", "1"])
        found[name] = RecordSource(out, "train")
    return found


def digests(root: pathlib.Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def errors_at_joints(video, from_color) -> np.ndarray:
    """Depth read at the annotated joints less their own, metres, where there is a reading."""
    found = []
    for data, joints, hands in zip(
        video.depth.frames, video.joints_3d, video.hand_annotated, strict=True
    ):
        joints = joints[hands.repeat(21)] @ from_color[:3, :3].T + from_color[:3, 3]
        pixels, z = camera.project(joints, video.depth.intrinsics)
        values = image_decoding.decode_depth_map(data)
        inside = (pixels >= 0).all(-1) & (pixels < np.array(values.shape[::-1]) - 1).all(-1)
        u, v = np.round(pixels[inside]).astype(int).T
        read = values[v, u]
        found.append((read / 1000 - z[inside])[read > 0])
    return np.concatenate(found)


@pytest.mark.parametrize(("layout", "camera_moved"), [("fpha", True), ("h2o", False)])
def test_maps_have_the_hands_where_the_labels_say_before_the_depth_camera(
    sources, layout, camera_moved
):
    video = sources[layout][0]
    away = errors_at_joints(video, video.depth.from_color)
    visible = away[away > -0.03]  # nothing else before them
    assert len(visible) > 30
    assert np.mean(np.abs(visible) < 0.02) > 0.75
    assert np.mean(away > 0.005) < 0.03  # skin lies before its joint
    if camera_moved:
        for wrong in (np.eye(4), np.linalg.inv(video.depth.from_color)):
            assert np.mean(errors_at_joints(video, wrong) > 0.005) > 0.2


@pytest.mark.parametrize("layout", ["fpha", "h2o"])
def test_about_a_third_of_a_map_is_unknown_and_the_rest_within_reach(sources, layout):
    for record in range(len(sources[layout])):
        frames = sources[layout][record].depth.frames
        values = np.stack([image_decoding.decode_depth_map(data) for data in frames])
        assert 0.2 < np.mean(values == 0) < 0.45
        assert values[values > 0].min() > 150
        assert 800 < values.max() < 1205
    assert sources["fpha"].depth_size == (640, 480)
    assert sources["h2o"].depth_size == (480, 270)


def measured(depth, reflectance=0.5, faintest=0.2):
    depth = depth.astype(np.float32)
    reflectance = np.broadcast_to(np.float32(reflectance), depth.shape)
    return sensor.measured(depth, reflectance, FLAT, faintest, np.random.default_rng(0))


def test_a_wall_is_read_in_steps_that_grow_with_its_distance():
    steps = []
    for metres in (0.3, 0.7, 1.0):
        values = measured(np.full(SIZE, metres), faintest=0.05)
        assert (values > 0).all()
        assert abs(values.mean() / 1000 - metres) < 0.003
        steps.append(np.diff(np.unique(values)).max())
    assert steps == sorted(set(steps))


def test_what_is_too_near_too_far_too_dark_or_too_slanted_is_not_read():
    assert (measured(np.full(SIZE, 0.1)) == 0).all()
    assert (measured(np.full(SIZE, 1.25), faintest=0.0) == 0).all()
    assert (measured(np.full(SIZE, 0.5), reflectance=0.001) == 0).all()
    slanted = 0.5 + np.zeros(SIZE) + 0.02 * np.arange(SIZE[0])[:, None]
    assert (measured(slanted)[:25] == 0).mean() > 0.9


def test_something_near_has_a_shadow_on_its_right_and_edges_without_reading():
    depth = np.full(SIZE, 0.9)
    depth[30:90, 60:100] = 0.4
    unknown = measured(depth) == 0
    middle = unknown[60]
    shadow = 400 * 0.03 * (1 / 0.4 - 1 / 0.9)  # pixels
    assert abs(middle[100:].sum() - shadow) < 3
    assert 1 <= middle[:60].sum() <= 2
    assert not middle[62:98].any()
    assert unknown[28:32, 70].sum() == unknown[88:92, 70].sum() == 2


def test_the_same_seed_gives_the_same_maps_and_a_lost_folder_is_made_again(fpha_root, tmp_path):
    root = shutil.copytree(fpha_root, tmp_path / "raw")
    lost = root / "Video_files_480/Subject_1/squeeze_paper/1/depth"
    lost.rename(lost.with_name(".depth.unfinished"))
    arguments = ["--layout", "fpha", "--out", str(root), *OPTIONS]
    simulate.main([*arguments, "--depth", "--workers", "1"])
    assert digests(root) == digests(fpha_root)
    with pytest.raises(InputError, match="holds a dataset simulated with other options"):
        simulate.main(arguments)


def test_depth_leaves_every_other_file_as_it_is(fpha_root, tmp_path):
    flat = plan("fpha", "squeeze_paper", depth=False)
    assert "depth" not in flat.recipe()
    simulate.render_video(tmp_path, flat, layouts.jobs(flat)[0])
    files, deep = digests(tmp_path), digests(fpha_root)
    assert len(files) == 2 + 1
    assert {name: deep[name] for name in files} == files
    simulated_of_first = {name for name in deep if "squeeze_paper/1/" in name}
    assert {name.split("/")[-2] for name in simulated_of_first - files.keys()} == {"depth"}


def test_contact_sheet_shows_depth_in_colours_beside_each_image(fpha_root):
    sheet = cv2.imread(str(fpha_root.parent / "sheet.png"))
    image, depth = sheet[30:255, 20:420].astype(int), sheet[30:255, 426:726].astype(int)
    unknown = (depth == 0).all(-1)
    assert 0.2 < unknown.mean() < 0.45
    assert np.ptp(depth, axis=-1)[~unknown].mean() > 100 > np.ptp(image, axis=-1).mean()
