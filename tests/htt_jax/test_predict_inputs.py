"""What the prediction command is given: videos of all kinds, lenses, cameras; what it refuses."""

import dataclasses
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
from htt_jax.devices import sharding
from htt_jax.prediction.drawn import scenes
from htt_jax.prediction.sources import open_frames
from htt_jax.runs.opening import open_run
from htt_jax.support.errors import InputError
from htt_jax.visual.video import VideoWriter
from tests import online_runs, predict_runs, videos
from tests.network_camera import NetworkCamera
from tests.predict_runs import STORED, frames_as_arrays, run_command


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_program):
    return predict_runs.make(tmp_path_factory.mktemp("predict"))


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
    assert found["notes"][1].startswith("nothing says how many frames a second these are: 30 are")
    assert [frame["name"] for frame in found["frames"]] == [f"left_{n}.png" for n in (1, 2, 4)]
    assert [frame["seconds"] for frame in found["frames"]] == [0, 0.033333, 0.1]
    with pytest.warns(UserWarning, match=note):
        htt_jax.load(folder / "run").predict(tmp_path, pattern="left_*", rate=30)


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
        again = model.predict(folder / "frames", camera_file, rate=30)
    np.testing.assert_allclose(again.joints_2d, expected.joints_2d, rtol=1e-4, atol=1e-3)


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
