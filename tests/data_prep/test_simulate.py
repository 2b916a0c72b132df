"""The simulator end to end: the files it writes, as the rest of the project reads them."""

import collections
import dataclasses
import hashlib
import pathlib
import shutil

import cv2
import numpy as np
import pytest

from data_prep import camera_poses, fpha, fpha_files, h2o, h2o_files, simulate
from data_prep.simulation import layouts, take
from data_prep.simulation.actions import ACTIONS
from htt_jax import camera
from htt_jax.datasets.spec import H2O
from htt_jax.support.errors import InputError
from tests.small_shared_memory import run_python

_SMALL = [
    "--subjects",
    "2",
    "--repeats",
    "2",
    "--frames",
    "2,3",
    "--actions",
    "open_milk,high_five",
]


@pytest.fixture(scope="module")
def fpha_root(tmp_path_factory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("raw") / "fpha"
    arguments = [*_SMALL, "--workers", "1", "--preview", str(root.with_name("sheet.png"))]
    simulate.main(["--layout", "fpha", "--out", str(root), *arguments])
    return root


@pytest.fixture(scope="module")
def h2o_root(tmp_path_factory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("raw") / "h2o"
    arguments = ["--repeats", "1", "--frames", "3,4", "--actions", "open milk", "--workers", "1"]
    simulate.main(["--layout", "h2o", "--out", str(root), *arguments])
    return root


def _plan(layout: str, names: list[str], repeats: int) -> layouts.Plan:
    actions = tuple(action for action in ACTIONS[layout] if action.name in names)
    subjects = layouts.SUBJECTS[layout]
    return layouts.Plan(layout, actions, subjects, repeats, (2, 3), layouts.SMALL_SIZE, 0)


def _digests(root: pathlib.Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_same_seed_gives_the_same_bytes_for_any_number_of_workers(fpha_root, tmp_path):
    simulate.main(["--layout", "fpha", "--out", str(tmp_path / "again"), *_SMALL, "--workers", "2"])
    assert _digests(tmp_path / "again") == _digests(fpha_root)


def test_another_seed_gives_other_videos():
    plan = _plan("fpha", ["open_milk"], 2)
    other = layouts.Plan(**{**plan.__dict__, "seed": 1})
    first, second = layouts.jobs(plan)[0], layouts.jobs(other)[0]
    shown = take.direct(first.script).joints(), take.direct(second.script).joints()
    assert np.abs(shown[0][0] - shown[1][0]).max() > 0.005


def test_interrupted_run_is_continued_to_the_same_bytes(fpha_root, tmp_path):
    shutil.copytree(fpha_root, tmp_path / "raw")
    lost = tmp_path / "raw/Video_files_480/Subject_1/open_milk/1/color"
    lost.rename(lost.with_name(".color.unfinished"))
    (lost.with_name(".color.unfinished") / "color_0000.jpeg").write_bytes(b"half")
    simulate.main(["--layout", "fpha", "--out", str(tmp_path / "raw"), *_SMALL, "--workers", "1"])
    assert _digests(tmp_path / "raw") == _digests(fpha_root)


def test_fpha_folder_is_read_without_a_complaint(fpha_root):
    found = fpha.find(fpha_root)
    videos = [video for split in found.splits.values() for video in split]
    assert {split: len(chosen) for split, chosen in found.splits.items()} == {"train": 4, "test": 4}
    assert found.action_names == ["open_milk", "high_five"]
    assert found.object_names == ["milk", "hand"]
    for video in videos:
        record, notes = video.read(lambda path: path.read_bytes())
        assert notes == []
        assert len(record.frames) == video.expected_frames


def test_fpha_labels_are_the_rendered_joints(fpha_root):
    jobs = layouts.jobs(_plan("fpha", ["open_milk", "high_five"], 2))
    for job in jobs[:4]:
        path = layouts.labels_path(fpha_root, "fpha", job)
        read = [fpha.to_camera_space(pose) for pose in fpha_files.read_skeleton(path).values()]
        np.testing.assert_allclose(read, take.direct(job.script).joints(), atol=2e-7)


def test_fpha_joints_lie_on_skin(fpha_root):
    near, joints_seen = 0, 0
    for job in layouts.jobs(_plan("fpha", ["open_milk", "high_five"], 2)):
        scene = take.direct(job.script)
        if job.script.subject > 2 or scene.covers or "high_five" not in job.path:
            continue
        folder = fpha_root / "Video_files_480" / job.path / "color"
        skeleton = fpha_files.read_skeleton(layouts.labels_path(fpha_root, "fpha", job))
        skin = scene.fleshes[0].colours[0] * scene.room.ambience
        for frame, pose in skeleton.items():
            image = cv2.imread(str(folder / f"color_{frame:04d}.jpeg"))[..., ::-1].astype(float)
            matrix = layouts.intrinsics("fpha", (480, 270))
            pixels, _ = camera.project(fpha.to_camera_space(pose), matrix)
            for u, v in np.round(pixels).astype(int):
                if 2 <= u < 478 and 2 <= v < 268:
                    patch = image[v - 2 : v + 3, u - 2 : u + 3].mean((0, 1))
                    difference = patch / patch.sum() - skin / skin.sum()
                    near += np.abs(difference).max() < 0.05
                    joints_seen += 1
    assert joints_seen >= 100
    assert near / joints_seen > 0.9


def test_contact_sheet_has_a_row_for_each_action(fpha_root):
    sheet = cv2.imread(str(fpha_root.with_name("sheet.png")))
    assert sheet.shape[1] > 2000
    assert 2 * 225 < sheet.shape[0] < 3 * 270
    saturated = np.ptp(sheet.astype(int), axis=-1) > 100
    assert saturated.mean() > 0.001  # bones are drawn in bright colours


def test_h2o_folder_is_read_without_a_complaint(h2o_root):
    found = h2o.find(h2o_root)
    counts = {split: len(chosen) for split, chosen in found.splits.items()}
    assert counts == {"train": 2, "val": 1, "test": 1}
    for segment in found.splits["train"]:
        record, notes = segment.read(lambda path: path.read_bytes())
        assert notes == []
        assert record.joints_3d.shape == (len(record.frames), 42, 3)
        assert record.action == h2o.ACTIONS.index("open milk")


def test_h2o_marks_hands_out_of_view_as_not_annotated(h2o_root):
    folder = h2o_root / "subject1/h1/0/cam4/hand_pose"
    poses = [h2o_files.read_pose(path) for path in sorted(folder.glob("*.txt"))]
    assert not poses[0][1].any()  # the sequence begins with background
    assert (poses[0][0] == 0.0).all()
    seen = [joints for joints, annotated in poses if annotated.all()]
    assert len(seen) >= 3
    assert np.mean([joints[0, 0] < joints[21, 0] for joints in seen]) == 1.0  # left is left


def test_h2o_camera_poses_take_joints_to_where_they_were_put_in_the_world(h2o_root):
    plan = dataclasses.replace(_plan("h2o", ["open milk"], 1), frames=(3, 4))
    job = layouts.jobs(plan)[0]
    scene = take.direct(job.script)
    folder = h2o_root / job.path / "cam4/cam_pose"
    numbers = range(job.script.frames)
    poses, notes = camera_poses.read(folder, numbers)
    assert (notes, len(list(folder.iterdir()))) == ([], job.script.frames)
    assert np.abs(np.diff(poses, axis=0)).max() > 1e-4  # the head moves
    seen = scene.joints()
    world = np.einsum("nij,nkj->nki", poses[:, :3, :3], seen) + poses[:, None, :3, 3]
    middle = take.SUBFRAMES // 2
    true = np.concatenate([track.joints for track in scene.tracks], axis=1)
    np.testing.assert_allclose(world, true[middle :: take.SUBFRAMES], atol=1e-6)


def test_objects_lie_where_the_hand_is_in_both_layouts(fpha_root, h2o_root):
    named = {video.video_id.split("/")[1]: video for video in fpha.find(fpha_root).splits["train"]}
    segment = h2o.find(h2o_root).splits["train"][0]
    milk, none, of_h2o = (
        video.read(lambda path: path.read_bytes())[0]
        for video in (named["open_milk"], named["high_five"], segment)
    )
    for video in (milk, of_h2o):
        boxes = video.object_boxes
        np.testing.assert_allclose(boxes[:, 0], boxes[:, 1:].mean(axis=1), atol=1e-5)
        # Milk is 6.8 cm wide and 16.4 high; an opening hand holds its cap.
        sides = np.linalg.norm(boxes[:, [2, 3, 5]] - boxes[:, [1]], axis=-1)
        np.testing.assert_allclose(sides, [[0.164, 0.068, 0.068]] * len(sides), atol=1e-4)
        off = video.joints_3d[:, [-17, -13]].mean(axis=1) - boxes[:, 2::2].mean(axis=1)
        assert np.linalg.norm(off, axis=-1).min() < 0.08
    assert np.isnan(none.object_boxes).all()


def test_h2o_sequence_is_background_and_segments_in_turn():
    plan = _plan("h2o", ["open milk", "close milk", "pour milk"], 2)
    for job in layouts.jobs(plan):
        edges = [0, *(e for s in job.script.segments for e in (s.start, s.end)), job.script.frames]
        assert edges == sorted(set(edges))


@pytest.mark.parametrize("layout", ["fpha", "h2o"])
def test_every_split_has_each_action_equally_often(layout):
    names = [action.name for action in ACTIONS[layout][:8]]
    plan = _plan(layout, names, 4)
    counts: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    subjects: dict[str, set] = collections.defaultdict(set)
    for job in layouts.jobs(plan):
        counts[job.split].update(segment.action.name for segment in job.script.segments)
        subjects[job.split].add(job.script.subject)
    for counter in counts.values():
        assert set(counter) == set(names)
        assert len(set(counter.values())) == 1
    if layout == "fpha":
        assert subjects["train"] == subjects["test"] == set(range(1, 7))
    else:
        assert subjects == {"train": {1, 2, 3}, "val": {3}, "test": {4}}


def test_videos_known_to_be_wrong_in_fpha_are_not_simulated():
    jobs = layouts.jobs(_plan("fpha", ["close_milk", "flip_sponge"], 4))
    paths = {job.path for job in jobs}
    assert paths.isdisjoint(fpha.IGNORED)
    assert len(paths) == len(jobs) == 6 * 2 * 4


@pytest.mark.proof
def test_original_size_has_its_own_folder_and_shows_the_same(fpha_root, tmp_path):
    plan = _plan("fpha", ["high_five"], 2)
    large = layouts.Plan(**{**plan.__dict__, "size": (1920, 1080), "frames": (1, 1)})
    small = layouts.Plan(**{**plan.__dict__, "frames": (1, 1)})
    job = layouts.jobs(small)[0]
    simulate.render_video(tmp_path, small, job)
    simulate.render_video(tmp_path, large, job)
    images = [
        cv2.imread(str(tmp_path / top / job.path / "color/color_0000.jpeg")).astype(float)
        for top in ("Video_files_480", "Video_files")
    ]
    assert images[1].shape == (1080, 1920, 3)
    shrunk = cv2.resize(images[1], (480, 270), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk - images[0]).mean() < 8.0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--layout", "fpha", "--repeats", "1"], "--repeats 1: fpha needs at least 2"),
        (["--layout", "fpha", "--subjects", "7"], "--subjects 7: fpha takes 1 to 6"),
        (["--layout", "h2o", "--subjects", "3"], "--subjects 3: h2o takes 4 to 4"),
        (["--layout", "fpha", "--actions", "juggle"], "unknown fpha action 'juggle'"),
        (["--layout", "fpha", "--frames", "9"], "--frames 9: give two whole numbers"),
        (["--layout", "fpha", "--frames", "9,3"], "--frames 9,3: expected 1 <= fewest <= most"),
        (["--layout", "h2o", "--size", "1920x1080"], "h2o takes 480x270 or 1280x720"),
        (["--layout", "h2o", "--workers", "0"], "--workers 0: give at least 1"),
        (["--layout", "h2o", "--seed", "-1"], "--seed -1"),
        (["--layout", "h2o", "--hidden", "1.5"], "--hidden 1.5: give a share from 0 to 1"),
        (["--layout", "h2o", "--hidden", "nan"], "--hidden nan: give a share from 0 to 1"),
        (["--layout", "h2o", "--preview", "sheet.gif"], "ends in .png"),
    ],
)
def test_bad_option_is_named(arguments, complaint, tmp_path):
    with pytest.raises(InputError) as error:
        simulate.main([*arguments, "--out", str(tmp_path / "raw")])
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "raw").exists()


def test_hands_are_out_of_sight_in_the_share_asked_for():
    plan = _plan("fpha", [action.name for action in ACTIONS["fpha"]], 2)
    assert "hidden" not in plan.recipe()  # so that folders of earlier versions are gone on with
    covered = []
    for share in (0.0, 1.0):
        chosen = layouts.Plan(**{**plan.__dict__, "hidden": share})
        assert chosen.recipe()["hidden"] == share
        scenes = [take.direct(job.script) for job in layouts.jobs(chosen)[::36]]
        covered.append(np.mean([bool(scene.covers) for scene in scenes]))
    assert covered[0] == 0.0
    assert 0.1 < covered[1] < 0.9  # in the others hands are moved away


def test_folder_with_something_else_is_refused(fpha_root, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        simulate.main(["--layout", "fpha", "--out", str(tmp_path), *_SMALL])
    with pytest.raises(InputError, match="simulated with other options"):
        simulate.main(["--layout", "fpha", "--out", str(fpha_root), *_SMALL, "--seed", "1"])


def test_what_is_prepared_from_it_is_called_simulated(fpha_root, h2o_root, tmp_path):
    assert fpha.find(fpha_root).spec.title == "simulated FPHA"
    found = h2o.find(h2o_root).spec
    assert (found.name, found.title, found.simulated) == ("h2o", "simulated H2O", True)
    real = tmp_path / "real"
    shutil.copytree(h2o_root, real, ignore=shutil.ignore_patterns(".simulation.json"))
    assert h2o.find(real).spec == dataclasses.replace(H2O, camera_poses=True, object_boxes=True)


def test_too_little_shared_memory_for_processes_is_one_line(tmp_path):
    simulate = ("-m", "data_prep.simulate", "--layout=fpha", f"--out={tmp_path}", "--workers=2")
    ended = run_python(64 << 10, *simulate)
    assert ended.returncode == 2
    error = ended.stderr.splitlines()[-1]  # after the progress bar
    assert error.startswith("error: worker processes cannot share data through /dev/shm: No space")
    assert "with 1, no other process is started" in error
