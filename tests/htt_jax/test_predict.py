"""The prediction command on a small run: equal to evaluation, its files, and what it refuses."""

import contextlib
import dataclasses
import io
import json
import sys
from fractions import Fraction

import av
import cv2
import jax
import numpy as np
import pytest

import htt_jax
from htt_jax import camera, evaluate, predict
from htt_jax.data import records
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.prediction import rerun_log
from htt_jax.prediction.drawn import scenes
from htt_jax.prediction.smoothing import OneEuro, Smoothing, smooth_video
from htt_jax.prediction.sources import open_frames
from htt_jax.runs.opening import open_run
from htt_jax.support.errors import InputError
from htt_jax.visual.video import VideoWriter
from tests import online_runs, prepared, recordings, runs, videos
from tests.full_disk import full_disk
from tests.network_camera import NetworkCamera

FRAMES = 19  # two blocks of four frames twice, and three frames more
STORED = (64, 36)
MODEL = (48, 27)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_program):
    """A dataset with one test video, its frames as files in `frames`, and a run in `run`."""
    root = tmp_path_factory.mktemp("predict")
    data = prepared.write_dataset(root / "data", FPHA, {"train": [2], "test": [FRAMES]}, STORED)
    runs.initialise_run(root / "run", data, MODEL)
    (root / "frames").mkdir()
    for number, encoded in enumerate(records.RecordSource(data, "test")[0].frames):
        (root / f"frames/color_{number}.jpeg").write_bytes(encoded)  # 10 after 9, not after 1
    return root


@pytest.fixture(scope="module")
def printed(folder):
    """What the command prints, given the video's own camera; its files are in `out`."""
    matrix = records.RecordSource(folder / "data", "test")[0].intrinsics
    numbers = ",".join(str(matrix[place]) for place in ((0, 0), (1, 1), (0, 2), (1, 2)))
    options = (f"--intrinsics={numbers}", "--fps=30000/1001", "--rerun")
    (root := folder / "out").mkdir()
    for name in ("prediction.png", "notes.png"):
        (root / name).write_text("of an earlier day")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        run_command(folder / "frames", folder, *options)
    return output.getvalue()


@pytest.fixture(scope="module")
def predicted(folder, printed):
    """The arrays of the command."""
    with np.load(folder / "out/predictions.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def run_command(path, folder, *options):
    predict.main(
        [str(path), "--workdir", str(folder / "run"), "--out", str(folder / "out"), *options]
    )


def frames_as_arrays(folder, count=FRAMES):
    return [cv2.imread(str(folder / f"color_{i}.jpeg"))[..., ::-1].copy() for i in range(count)]


def test_predictions_are_those_that_evaluation_scores(folder, predicted):
    results = evaluate.evaluate(str(folder / "run"), split="test").report["results"]
    video = records.RecordSource(folder / "data", "test")[0]
    off = 1000 * (predicted["joints_3d"].astype(np.float64) - video.joints_3d)
    aligned = off[:, 1:] - off[:, :1]
    pose = results["pose"]["right"]
    for space, errors in (("camera_space", off), ("root_aligned", aligned)):
        expected = np.linalg.norm(errors, axis=-1).mean(axis=0)
        np.testing.assert_allclose(pose[space]["mepe_per_joint"], expected, rtol=1e-5)
    right = predicted["object_probabilities"].argmax(axis=1) == video.object
    assert results["object"]["accuracy"] == right.mean()
    scored = results["action"]["per_video"][0]
    np.testing.assert_allclose(
        predicted["action_probabilities"], scored["probabilities"], rtol=1e-5
    )
    assert scored["predicted"] == predicted["action_probabilities"].argmax()


def test_arrays_fit_each_other(predicted):
    assert predicted["frame"].tolist() == list(range(FRAMES))
    assert predicted["frame_name"].tolist() == [f"color_{i}.jpeg" for i in range(FRAMES)]
    assert predicted["clip_start"].tolist() == [0, 1, 8, 9, 16, 17]
    assert predicted["clip_frames"].tolist() == [4, 4, 4, 4, 2, 1]
    assert predicted["joint_names"].tolist()[:2] == ["right_wrist", "right_thumb_1"]
    assert predicted["action_names"].tolist() == prepared.ACTIONS
    assert predicted["step"] == 7
    intrinsics = np.broadcast_to(predicted["intrinsics"], (FRAMES, 3, 3))
    joints_2d, depth = camera.project(predicted["joints_3d"].astype(np.float64), intrinsics)
    np.testing.assert_allclose(predicted["joints_2d"], joints_2d, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(predicted["depth"], depth)
    np.testing.assert_allclose(predicted["object_probabilities"].sum(axis=1), 1, rtol=1e-5)
    clips = predicted["clip_action_probabilities"]
    np.testing.assert_allclose(predicted["action_probabilities"], clips.sum(axis=0) / 6, rtol=1e-6)


def test_readable_file_says_the_same(folder, predicted):
    found = json.loads((folder / "out/predictions.json").read_text())
    probabilities = predicted["action_probabilities"]
    order = np.argsort(-probabilities)
    assert [entry["name"] for entry in found["actions"]] == [prepared.ACTIONS[i] for i in order]
    assert found["actions"][0]["probability"] == pytest.approx(probabilities.max(), abs=1e-4)
    assert [clip["first_frame"] for clip in found["clips"]] == [0, 1, 8, 9, 16, 17]
    assert found["intrinsics"]["source"] == "given"
    assert found["decided"]["frame"] == predicted["decided_frame"]
    assert predicted["decided_frame"] in (3, 7, 11, 15, FRAMES - 1)  # the ends of windows
    now = found["frames"][12]["actions_so_far"]
    assert list(now) == [
        prepared.ACTIONS[i] for i in np.argsort(-predicted["action_over_time"][12])
    ]
    assert now["put_salt"] == pytest.approx(predicted["action_over_time"][12, 2], abs=1e-4)
    assert found["run"]["step"] == 7
    assert len(found["frames"]) == FRAMES
    frame = found["frames"][12]
    assert frame["name"] == "color_12.jpeg"
    best = predicted["object_probabilities"][12].argmax()
    assert frame["object"] == prepared.OBJECTS[best]
    hand = frame["hands"]["right"]
    np.testing.assert_allclose(hand["joints_2d"], predicted["joints_2d"][12], atol=0.006)
    np.testing.assert_allclose(hand["joints_3d"], predicted["joints_3d"][12], atol=0.00001)


def test_video_file_gives_what_its_frames_give(folder, predicted, tmp_path):
    path = videos.write_lossless(tmp_path / "video.mkv", frames_as_arrays(folder / "frames"))
    found = htt_jax.load(folder / "run").predict(path, intrinsics=predicted["intrinsics"])
    assert found.frame_names[-1] == f"frame {FRAMES - 1}"
    for name in ("joints_3d", "clip_action_probabilities", "action_over_time"):
        np.testing.assert_allclose(getattr(found, name), predicted[name], atol=1e-5)


def test_what_to_know_of_the_frames_is_printed_written_and_a_warning(folder, tmp_path, capsys):
    pictures = frames_as_arrays(folder / "frames", 3)
    for number, picture in zip((1, 2, 4), pictures, strict=True):
        cv2.imwrite(str(tmp_path / f"left_{number}.png"), picture[..., ::-1])
        cv2.imwrite(str(tmp_path / f"right_{number}.png"), picture[..., ::-1])
    with pytest.raises(InputError, match=r"several series of frames: left_\*\.png \(3\), right_"):
        run_command(tmp_path, folder, f"--out={tmp_path / 'out'}")
    run_command(tmp_path, folder, f"--out={tmp_path / 'out'}", "--frames=left_*")
    note = "1 frame missing by the numbers in the names, the first after left_2.png; the model "
    assert f"note: {note}" in capsys.readouterr().out
    found = json.loads((tmp_path / "out/predictions.json").read_text())
    assert found["notes"][0].startswith(note)
    assert [frame["name"] for frame in found["frames"]] == [f"left_{n}.png" for n in (1, 2, 4)]
    assert [frame["seconds"] for frame in found["frames"]] == [0, 0.033333, 0.1]
    with pytest.warns(UserWarning, match=note):
        htt_jax.load(folder / "run").predict(tmp_path, pattern="left_*")


def test_action_at_a_windows_end_is_that_of_the_video_cut_there(folder, predicted):
    over_time = predicted["action_over_time"]
    assert over_time.shape == (FRAMES, len(prepared.ACTIONS))
    np.testing.assert_allclose(over_time[-1], predicted["action_probabilities"], rtol=1e-5)
    frames = np.stack(frames_as_arrays(folder / "frames"))
    model = htt_jax.load(folder / "run")
    for end in (4, 8, 12, 16):  # of the windows of both clips of a pair
        cut = model.predict(frames[:end], predicted["intrinsics"])
        np.testing.assert_allclose(over_time[end - 1], cut.action_probabilities, atol=1e-5)
    assert np.abs(over_time[3] - over_time[7]).max() > 1e-3
    # A clip counts from its first frame on, as it stands after the window that holds the frame.
    np.testing.assert_allclose(over_time[2], over_time[3], rtol=1e-6)
    alone = model.predict(frames[:3:2].repeat(2, axis=0)[:3], predicted["intrinsics"])
    np.testing.assert_allclose(over_time[0], alone.clip_action_probabilities[0], atol=1e-5)


def test_each_frame_knows_its_place_in_its_clip(predicted):
    start = predicted["clip_start"][predicted["frame_clip"]]
    np.testing.assert_array_equal(start + 2 * predicted["frame_place"], np.arange(FRAMES))


def test_attention_is_written_for_every_clip_and_window(folder, predicted):
    with np.load(folder / "out/attention.npz") as found:
        action, pose, windows = (found[name] for name in ("action", "pose", "window_frames"))
        np.testing.assert_array_equal(found["clip_start"], predicted["clip_start"])
    assert (action > 0).sum(axis=1).tolist() == [4, 4, 4, 4, 2, 1]
    assert ((action.sum(axis=1) < 1) & (action.sum(axis=1) > 0.1)).all()
    assert windows.tolist() == [
        [0, 2], [4, 6], [1, 3], [5, 7], [8, 10], [12, 14], [9, 11], [13, 15], [16, 18], [17, -1]
    ]  # fmt: skip
    np.testing.assert_allclose(pose.sum(axis=2), windows >= 0, rtol=1e-5)
    for name in ("attention_action.png", "attention_pose.png"):
        picture = cv2.imread(str(folder / "out" / name))
        assert picture.shape[0] > 300
        assert picture.std() > 20


def test_video_has_a_picture_for_each_frame_at_the_rate_given(folder, printed):
    rate, pictures = videos.read(folder / "out/prediction.mp4")
    assert rate == Fraction(30000, 1001)
    assert len(pictures) == FRAMES
    for number in (0, 12, 18):
        shown = pictures[number][:540, :960].astype(float)
        means = shown.reshape(-1, 20, 960, 3).mean(axis=(1, 3))  # of strips, whatever is drawn
        names = [f"color_{i}.jpeg" for i in range(FRAMES)]
        off = [np.abs(strips(folder / "frames" / name) - means).mean() for name in names]
        assert int(np.argmin(off)) == number


def strips(path):
    image = cv2.resize(cv2.imread(str(path)), (960, 540), interpolation=cv2.INTER_CUBIC)
    return image.astype(float).reshape(-1, 20, 960, 3).mean(axis=(1, 3))


def test_recording_holds_the_camera_the_poses_and_the_scores(folder, predicted):
    columns = recordings.read(folder / "out/prediction.rrd")
    camera_matrix = np.array(columns["/camera", "image_from_camera"][0]).reshape(3, 3).T
    np.testing.assert_allclose(camera_matrix, predicted["intrinsics"], rtol=1e-6)
    for path, name in (("/hands/right", "joints_3d"), ("/camera/image/right", "joints_2d")):
        rows = [row for row in columns[f"{path}/joints", "positions"] if row is not None]
        np.testing.assert_allclose(rows, predicted[name], rtol=1e-6)
        bones = np.array([row for row in columns[f"{path}/bones", "strips"] if row is not None])
        assert bones.shape[:3] == (FRAMES, 20, 2)
        np.testing.assert_allclose(bones[:, 0, 0], predicted[name][:, 0], rtol=1e-6)
    scores = [x for x in columns["/action/put_salt", "scalars"] if x]
    np.testing.assert_allclose(np.ravel(scores), predicted["action_over_time"][:, 2], rtol=1e-6)
    images = [row for row in columns["/camera/image", "blob"] if row]
    decoded = cv2.imdecode(np.array(images[12][0], np.uint8), cv2.IMREAD_COLOR)
    own = cv2.imread(str(folder / "frames/color_12.jpeg"))
    assert np.abs(decoded.astype(int) - own).mean() < 12  # of noise, which JPEG cannot keep
    assert columns["/camera/image", "frame"] == list(range(FRAMES))
    seconds = np.array(columns["/camera/image", "time"]) / 1e9
    np.testing.assert_allclose(seconds, np.arange(FRAMES) * 1001 / 30000, atol=1e-6)


def record(out, frames, found, origin):
    with rerun_log.recorded(out, found, origin) as (_, take):
        for scene in scenes(found, origin, frames.read()):
            take(scene)


def test_a_recording_that_finds_no_room_is_said(folder, predicted, tmp_path):
    frames = open_frames(folder / "frames")
    found, origin = predict.predict(frames, name="frames", workdir=str(folder / "run"))
    (tmp_path / "room").mkdir()
    message = r"prediction\.rrd: File too large; choose a folder"
    with full_disk(4096), pytest.raises(InputError, match=message):
        record(tmp_path / "room", frames, found, origin)
    assert not list((tmp_path / "room").iterdir())


def test_smoothed_poses_are_written_and_said(folder, predicted, tmp_path, capsys):
    options = ("--fps=30000/1001", "--smooth", "--smooth_depth=0.5,10", f"--out={tmp_path}")
    matrix = predicted["intrinsics"]
    numbers = ",".join(str(matrix[place]) for place in ((0, 0), (1, 1), (0, 2), (1, 2)))
    run_command(folder / "frames", folder, f"--intrinsics={numbers}", *options)
    how = Smoothing(depth=OneEuro(0.5, 10.0))
    assert f"note: the poses are smoothed: {how}" in capsys.readouterr().out
    names = ("seconds", "joints_2d", "depth")
    expected = smooth_video(how, FPHA, matrix, *(predicted[name] for name in names), None)
    with np.load(tmp_path / "predictions.npz") as found:
        for name, x in expected._asdict().items():
            np.testing.assert_allclose(found[name], x, rtol=1e-4, atol=1e-4)
        assert found["smoothing_depth"].tolist() == [0.5, 10]
        assert "smoothing_depth" not in predicted
    readable = json.loads((tmp_path / "predictions.json").read_text())
    assert readable["smoothing"]["depth"] == {"cutoff": 0.5, "slope": 10}
    np.testing.assert_allclose(
        readable["frames"][9]["hands"]["right"]["depth"], expected.depth[9], atol=1e-4
    )


def test_through_a_lens_is_found_what_is_found_in_the_undistorted_frames(folder, tmp_path, capsys):
    matrix, coefficients = np.array([[58.0, 0, 31], [0, 58, 19], [0, 0, 1]]), [-0.3, 0.1, 0, 0, 0]
    camera_file = tmp_path / "camera.json"
    storage = {"camera_matrix": matrix.tolist(), "dist_coeffs": coefficients}
    camera_file.write_text(json.dumps(storage | {"width": STORED[0], "height": STORED[1]}))
    run_command(folder / "frames", folder, f"--intrinsics={camera_file}", f"--out={tmp_path}")
    said = capsys.readouterr().out
    assert "cx 31.00, cy 19.00 (from " in said
    assert "radial-tangential distortion, undistorted to a pinhole camera that sees" in said
    assert "note: pictures, joints_2d and intrinsics are of your frames undistorted\n" in said
    pictures = [
        cv2.undistort(frame, matrix, np.array(coefficients), None, matrix)
        for frame in frames_as_arrays(folder / "frames")
    ]
    model = htt_jax.load(folder / "run")
    expected = model.predict(np.stack(pictures), matrix)
    with np.load(tmp_path / "predictions.npz") as found:
        np.testing.assert_allclose(found["joints_3d"], expected.joints_3d, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found["joints_2d"], expected.joints_2d, rtol=1e-4, atol=1e-3)
        np.testing.assert_array_equal(found["distortion_coefficients"], coefficients)
        rays = np.linalg.inv(matrix) @ np.insert(found["joints_2d"][9], 2, 1, axis=1).T
        none = np.zeros(3)
        own = cv2.projectPoints(rays.T, none, none, matrix, np.array(coefficients))[0][:, 0]
        np.testing.assert_allclose(found["joints_2d_input"][9], own, atol=1e-3)
        assert np.abs(own - found["joints_2d"][9]).max() > 0.05
    readable = json.loads((tmp_path / "predictions.json").read_text())
    assert readable["distortion"] == {"model": "radial-tangential", "coefficients": coefficients}
    assert readable["units"]["joints_2d_input"] == "pixels of the input as it is"
    now = readable["frames"][9]["joints_2d_input"]["right"]
    np.testing.assert_allclose(now, own, atol=0.006)
    assert readable["notes"][1].startswith("joints_2d_input has the same joints in pixels of your")
    with pytest.warns(UserWarning, match="of your frames undistorted"):
        again = model.predict(folder / "frames", camera_file)
    np.testing.assert_allclose(again.joints_2d, expected.joints_2d, rtol=1e-4, atol=1e-3)


def test_files_of_an_earlier_run_are_removed_and_no_others(folder, printed):
    assert not (folder / "out/prediction.png").exists()
    assert (folder / "out/notes.png").exists()


def test_an_input_that_would_be_written_over_is_refused(folder, tmp_path):
    video = videos.write_lossless(tmp_path / "prediction.mp4", [np.zeros((36, 64, 3), np.uint8)])
    with pytest.raises(InputError, match=r"--out=.* would write over or into the input .*mp4"):
        run_command(video, folder, f"--out={tmp_path}")
    with pytest.raises(InputError, match=r"--out=.* would write over or into the input .*frames"):
        run_command(folder / "frames", folder, f"--out={folder / 'frames'}")


def test_frames_keep_the_times_of_an_uneven_video(folder, tmp_path):
    times = [0.0, 0.1, 0.15, 0.3, 1.0]
    with VideoWriter(tmp_path / "uneven.mp4", STORED, Fraction(10)) as writer:
        for image, seconds in zip(frames_as_arrays(folder / "frames"), times, strict=False):
            writer.write(image, seconds)
    run_command(tmp_path / "uneven.mp4", folder, f"--out={tmp_path}")
    with np.load(tmp_path / "predictions.npz") as found:
        np.testing.assert_allclose(found["seconds"], times, atol=1e-5)
    with av.open(str(tmp_path / "prediction.mp4")) as drawn:
        np.testing.assert_allclose([x.time for x in drawn.decode(video=0)], times, atol=1e-5)
        stream = drawn.streams.video[0]
        assert stream.duration * stream.time_base >= 1
    found = json.loads((tmp_path / "predictions.json").read_text())
    assert [frame["seconds"] for frame in found["frames"]] == pytest.approx(times, abs=1e-5)


def test_a_checkpoint_that_has_gone_astray_is_refused_and_nothing_written(folder, tmp_path):
    run = open_run(folder / "run", None, sharding.single_device_mesh())
    astray = jax.tree.map(lambda x: np.full(x.shape, np.nan, x.dtype), run.variables)
    online_runs.save_run(tmp_path / "run", dataclasses.replace(run, variables=astray))
    message = "checkpoint of step 7 in .*run gives values that are not finite; choose another --ste"
    with pytest.raises(InputError, match=message):
        run_command(folder / "frames", folder, f"--workdir={tmp_path}/run", f"--out={tmp_path}/out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=message):
        evaluate.main([f"--workdir={tmp_path}/run"])
    assert not (tmp_path / "run/evaluation").exists()


def test_a_video_that_changes_while_it_is_read_is_said(folder, tmp_path):
    frames = open_frames(np.zeros((3, 36, 64, 3), np.uint8))
    found, origin = predict.predict(frames, name="frames", workdir=str(folder / "run"))
    for other in (2, 4):
        changed = open_frames(np.zeros((other, 36, 64, 3), np.uint8))
        with pytest.raises(InputError, match="the video changed while it was read: it had 3 fram"):
            list(scenes(found, origin, changed.read()))


def test_it_says_what_it_has_written(printed, predicted):
    assert "fx 57.60, fy 57.60, cx 32.00, cy 18.00 (given)" in printed
    assert f"  the first since frame {predicted['decided_frame']} (" in printed
    assert printed.splitlines()[-1].startswith(
        "written: predictions.npz, predictions.json, attention.npz, prediction.mp4, "
        "prediction.rrd, attention_action.png, attention_pose.png in "
    )


def test_video_of_one_frame_works_by_default_with_the_datasets_camera_at_its_size(
    folder, tmp_path, capsys
):
    path = videos.write_lossless(tmp_path / "one.mkv", [np.full((540, 960, 3), 99, np.uint8)])
    run_command(path, folder, f"--out={tmp_path}")
    printed = capsys.readouterr().out
    assert "1 frame of 960x540" in printed
    assert "cx 467.87, cy 270.34 (the FPHA camera at this size" in printed
    with np.load(tmp_path / "predictions.npz") as found:
        assert found["joints_3d"].shape == (1, 21, 3)
        assert found["clip_frames"].tolist() == [1]
        expected = np.array([[697.8745115, 0, 467.866272], [0, 697.874634, 270.340515], [0, 0, 1]])
        np.testing.assert_allclose(found["intrinsics"], expected, rtol=1e-6)
        # A point keeps its place in space: pixels are those of the input.
        joints_2d, _ = camera.project(found["joints_3d"], found["intrinsics"][None])
        np.testing.assert_allclose(found["joints_2d"], joints_2d, rtol=1e-4)
        small = htt_jax.load(folder / "run").predict(np.full((1, 36, 64, 3), 99, np.uint8))
        np.testing.assert_allclose(found["joints_2d"], 15 * small.joints_2d, rtol=1e-3, atol=0.1)
        np.testing.assert_allclose(found["joints_3d"], small.joints_3d, rtol=1e-3, atol=1e-3)
    # Of a single frame there is a picture instead of a video, without what tells the time.
    picture = cv2.imread(str(tmp_path / "prediction.png"))
    assert picture.shape == (540, 1280, 3)
    assert (picture[-40:-8, 8:40] == 99).all()
    assert not (tmp_path / "prediction.mp4").exists()


@pytest.mark.parametrize("fps", ["0", "-5", "1001", "x", "1/0", "nan", "inf"])
def test_wrong_rates_are_refused(folder, fps):
    with pytest.raises(InputError, match=f"--fps={fps} is no number of frames a second"):
        run_command(folder / "frames", folder, f"--fps={fps}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "neither INPUT nor --camera given"),
        (["video.mp4", "--camera=0", "--out=out"], "both INPUT and --camera given"),
        (["video.mp4"], "no --out given; name the folder"),
        (["--camera=0", "--rerun"], "--rerun is for videos and frames"),
        (["video.mp4", "--out=out", "--newest"], "--newest is for --camera; what a video shows is"),
        (["--camera=0", "--smooth_2d=1,20"], "--smooth_2d=1,20 is given without --smooth"),
        (["--camera=0", "--fps=10"], "--fps is for videos and frames"),
        (["--camera=0", "--frames=*"], "--frames is for videos and frames"),
        ([f"--camera={__file__}"], "is no camera; give what it is without --camera"),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        predict.main([*arguments, "--workdir=run"])


def test_a_camera_is_predicted_live(folder, tmp_path, capsys):
    frames = [cv2.resize(frame, (128, 72)) for frame in frames_as_arrays(folder / "frames")]
    with NetworkCamera(frames, rate=100, once=True) as camera:
        arguments = [f"--camera={camera.address}", f"--workdir={folder / 'run'}"]
        predict.main([*arguments, f"--out={tmp_path}", "--hfov=90"])
    printed = capsys.readouterr().out
    assert "fx 64.00, fy 64.00, cx 64.00, cy 36.00 (of a horizontal field of view" in printed
    assert len(videos.read(tmp_path / "prediction.mp4")[1]) > 0


def test_wrong_cameras_are_refused_before_there_is_a_model(folder, tmp_path):
    for option in ("--hfov=176", "--intrinsics=60,60,65,18"):
        with pytest.raises(InputError, match=r"175 degrees|is outside the 64x36 image"):
            predict.main([str(folder / "frames"), "--workdir=none", f"--out={tmp_path}", option])


def test_rerun_without_its_package_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(InputError, match=r"not installed: pip install -e '.\[rerun\]'"):
        run_command(folder / "frames", folder, "--rerun")


def test_missing_run_and_checkpoint_are_refused(folder, tmp_path):
    frames = str(folder / "frames")
    with pytest.raises(InputError, match="no run in"):
        predict.predict(open_frames(frames), name=frames, workdir=str(tmp_path))
    with pytest.raises(InputError, match=r"no checkpoint of step 3 in .*; there are: 7"):
        run_command(frames, folder, "--step=3", f"--out={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="cannot make the folder"):
        run_command(frames, folder, f"--out={frames}/color_0.jpeg")
