"""Recordings of one's own that a lens has bent."""

import json

import cv2
import numpy as np
import pytest

from htt_jax import camera
from htt_jax.support.errors import InputError
from tests import videos
from tests.data_prep import own_folders
from tests.data_prep.own_folders import TOML, notes, prepare

SIZE = (64, 48)
MATRIX = np.array([[40.0, 0, 33], [0, 41, 23], [0, 0, 1]])
BENT, FISHEYE = (-0.3, 0.1, 0.001, -0.0005, -0.01), (0.02, -0.01, 0.003, -0.001)
LENS_TOML = TOML.replace(
    "hfov = 70",
    f"fx = 40\nfy = 41\ncx = 33\ncy = 23\nwidth = 64\nheight = 48\ndistortion = {[*BENT]}",
)
KNOWN = {"width": 64, "height": 48, "camera_matrix": MATRIX.tolist()}
PIXELS = 480 / 64, 270 / 48  # of a stored frame in one of the recordings'


def through(points, coefficients, project=cv2.projectPoints):
    """Pixels at which a lens shows points in camera space."""
    nowhere = np.zeros(3)
    flat = points.reshape(-1, 1, 3)
    found = project(flat, nowhere, nowhere, MATRIX, np.array(coefficients))[0]
    return found.reshape(*points.shape[:-1], 2)


def test_frames_are_undistorted_and_joints_in_space_stay_where_they_are(tmp_path):
    raw = own_folders.write(tmp_path / "raw", toml=LENS_TOML)
    fisheye = KNOWN | {"distortion_model": "fisheye", "distortion_coefficients": FISHEYE}
    (raw / "b/camera.json").write_text(json.dumps(fisheye))
    made = prepare(raw, tmp_path / "out")
    # The same from recordings undistorted before, by OpenCV.
    straight = own_folders.write(tmp_path / "straight", toml=LENS_TOML.split("distortion")[0])
    for i, frame in enumerate(videos.moving(6, SIZE)):
        first = cv2.undistort(frame, MATRIX, np.array(BENT), None, MATRIX)
        second = cv2.fisheye.undistortImage(frame, MATRIX, np.array(FISHEYE), None, MATRIX)
        cv2.imwrite(str(straight / f"a/{i:03d}.png"), first)
        cv2.imwrite(str(straight / f"b/{i:03d}.png"), second)
    expected = prepare(straight, tmp_path / "expected")
    for split in ("train", "test"):
        (found,), (known,) = made[split], expected[split]
        np.testing.assert_array_equal(found.joints_3d, known.joints_3d)
        np.testing.assert_array_equal(found.intrinsics, known.intrinsics)
        assert found.frames == known.frames
    cameras = notes(tmp_path / "out", "camera")
    assert cameras[0].startswith(
        f"{raw}/a: fx 40.00, fy 41.00, cx 33.00, cy 23.00 (from {raw}/dataset.toml, "
        "radial-tangential distortion, undistorted to a pinhole camera that sees "
    )
    assert f"{raw}/b/camera.json, fisheye distortion, undistorted" in cameras[1]


def test_a_calibration_serves_all_recordings(tmp_path):
    raw = own_folders.write(tmp_path / "raw", toml=TOML.replace("hfov = 70", 'file = "head.yml"'))
    storage = cv2.FileStorage(str(raw / "head.yml"), cv2.FILE_STORAGE_WRITE)
    storage.write("image_width", 128)
    storage.write("image_height", 96)
    storage.write("camera_matrix", np.diag([2, 2, 1]) @ MATRIX)
    storage.write("distortion_coefficients", np.array(BENT))
    storage.release()
    made = prepare(raw, tmp_path / "out")
    own = prepare(own_folders.write(tmp_path / "own", toml=LENS_TOML), tmp_path / "expected")
    for split in ("train", "test"):
        assert made[split][0].frames == own[split][0].frames
        np.testing.assert_array_equal(made[split][0].intrinsics, own[split][0].intrinsics)
    assert (
        f"(from {raw}/head.yml, scaled from 128x96, radial-tangential distortion, "
        in (notes(tmp_path / "out", "camera")[0])
    )


def test_places_in_images_are_undistorted_with_them(tmp_path):
    raw = own_folders.write(tmp_path / "raw", toml=LENS_TOML)
    points = [own_folders.joints(6, seed) for seed in (0, 1)]
    for name, joints in zip("ab", points, strict=True):
        np.savez(raw / name / "joints.npz", joints=through(joints, BENT))
    made = prepare(raw, tmp_path / "out")
    (video,) = made["test"]
    seen, _ = camera.project(video.joints_3d, video.intrinsics)
    expected, _ = camera.project(points[1][2:5], MATRIX)
    assert np.abs(through(points[1][2:5], BENT) - expected).max() > 0.2
    np.testing.assert_allclose(seen, expected * PIXELS, atol=0.01)  # stored pixels
    assert video.joints_known[..., 0].all()
    np.testing.assert_array_equal(video.joints_known[..., 1], False)


def test_places_that_no_pinhole_camera_sees_are_not_known(tmp_path):
    raw = own_folders.write(tmp_path / "raw", toml=LENS_TOML)
    wide = KNOWN | {"camera_matrix": [[12, 0, 32], [0, 12, 24], [0, 0, 1]], "D": [0.0] * 4}
    (raw / "b/camera.json").write_text(json.dumps(wide | {"distortion_model": "equidistant"}))
    places = np.random.default_rng(0).uniform(20, 32, (6, 21, 2))
    places[3, 5] = (1, 24)  # 148 degrees to the side
    for name in "ab":
        np.savez(raw / name / "joints.npz", joints=places)
    (video,) = prepare(raw, tmp_path / "out")["test"]
    assert np.argwhere(~video.joints_known[..., 0]).tolist() == [[1, 5]]
    assert notes(tmp_path / "out", "not annotated") == [
        f"{raw}/b/joints.npz: 1 of 63 joints of the right hand, in 3 of 3 frames of b/0002-0004"
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("distortion = [", "distortion = [0.1, "), "6 coefficients of distortion; a radial-tang"),
        (("distortion =", 'distortion_model = "FTheta"\ndistortion ='), "model is 'FTheta'"),
        (("distortion = [", 'distortion = ["k1", '), "expected a list of numbers"),
        (("[-0.3", "[-3"), "its distortion folds the image over"),
        (("width = 64", "width = 48"), "camera is for images of 48x48, but {raw}/a is 64x48"),
    ],
)
def test_a_lens_that_cannot_be_is_refused(tmp_path, change, message):
    raw = own_folders.write(tmp_path / "raw", toml=LENS_TOML.replace(*change))
    with pytest.raises(InputError, match=message.format(raw=raw)) as raised:
        prepare(raw, tmp_path / "out")
    assert str(raised.value).startswith(f"{raw}/dataset.toml, camera")
    assert "\n" not in str(raised.value)
