"""Files that tell of a camera with a lens, as people have them."""

import json

import cv2
import numpy as np
import pytest

from htt_jax.datasets.spec import FPHA
from htt_jax.prediction.input_camera import from_options, resolve
from htt_jax.prediction.lens import FISHEYE, RADIAL_TANGENTIAL, Distortion
from htt_jax.support.errors import InputError

SIZE = (640, 360)
MATRIX = np.array([[600.0, 0, 320], [0, 610, 170], [0, 0, 1]])
LENS = (-0.28, 0.07, 0.002, -0.001, 0.01)
ROS = """\
image_width: 640
image_height: 360
camera_name: head
camera_matrix:
  rows: 3
  cols: 3
  data: [600., 0., 320., 0., 610., 170., 0., 0., 1.]
distortion_model: {model}
distortion_coefficients:
  rows: 1
  cols: 5
  data: {data}
projection_matrix: {{rows: 3, cols: 4, data: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]}}
"""
TOPIC = """\
header:
  stamp: {{secs: 1, nsecs: 2}}
  frame_id: "head"
height: 360
width: 640
distortion_model: "{model}"
D: {data}
K: [600.0, 0.0, 320.0, 0.0, 610.0, 170.0, 0.0, 0.0, 1.0]
---
"""
OWN = {"fx": 600, "fy": 610, "cx": 320, "cy": 170, "width": 640, "height": 360}


CHAIN = """\
cam0:
  cam_overlaps: []
  camera_model: {model}
  distortion_coeffs: [-0.28, 0.07, 0.002, -0.001]
  distortion_model: {distortion}
  intrinsics: [600.0, 610.0, 320.0, 170.0]
  resolution: [640, 360]
  rostopic: /head/image_raw
"""
KALIBR = CHAIN.format(model="pinhole", distortion="radtan")


def given(path, size=SIZE, images=None):
    return resolve(from_options(str(path), images, None), FPHA, size)


@pytest.mark.parametrize("form", [ROS, TOPIC])
@pytest.mark.parametrize(
    ("model", "data", "expected"),
    [
        ("plumb_bob", [*LENS], Distortion(RADIAL_TANGENTIAL, LENS)),
        ("rational_polynomial", [*LENS, 0.1, 0.02, 0.003],
         Distortion(RADIAL_TANGENTIAL, (*LENS, 0.1, 0.02, 0.003))),
        ("equidistant", [*LENS[:4]], Distortion(FISHEYE, LENS[:4])),
    ],
)  # fmt: skip
def test_camera_info_of_ros_is_read(tmp_path, form, model, data, expected):
    path = tmp_path / "head.yaml"
    path.write_text(form.format(model=model, data=data))
    found = given(path)
    np.testing.assert_array_equal(found.matrix, MATRIX)
    assert found.lens.distortion == expected
    kind = expected.model
    share = f"{100 * found.lens.share:.0f} % of each frame"
    how = f"{kind} distortion, undistorted to a pinhole camera that sees {share}"
    assert str(found) == f"fx 600.00, fy 610.00, cx 320.00, cy 170.00 (from {path}, {how})"
    assert found.notes == ["pictures, joints_2d and intrinsics are of your frames undistorted"]


@pytest.mark.parametrize("suffix", ["yml", "json"])
@pytest.mark.parametrize("model", [RADIAL_TANGENTIAL, FISHEYE])
def test_calibrations_of_opencv_are_read(tmp_path, suffix, model):
    path = tmp_path / f"calibration.{suffix}"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("calibration_time", "Mon Nov 30 15:13:00 2026")
    storage.write("image_width", SIZE[0])
    storage.write("image_height", SIZE[1])
    storage.write("fisheye_model", int(model == FISHEYE))
    storage.write("camera_matrix", MATRIX)
    count = 4 if model == FISHEYE else 5
    storage.write("distortion_coefficients", np.array(LENS[:count])[:, None])
    storage.release()
    assert given(path).lens.distortion == Distortion(model, LENS[:count])
    np.testing.assert_array_equal(given(path).matrix, MATRIX)
    path.write_text(path.read_text().replace("%YAML 1.2", "%YAML:1.0"))  # as OpenCV 4 has it
    assert given(path).lens.distortion == Distortion(model, LENS[:count])


def test_a_lens_bends_images_of_every_size_alike(tmp_path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(OWN | {"dist_coeffs": [[*LENS]]}))
    point = np.array([[40.0, 30]])
    at_half, whole = given(path, (320, 180)).lens, given(path).lens
    moved = whole.undistorted_points(2 * point)
    assert np.abs(moved - 2 * point).max() > 5
    np.testing.assert_allclose(2 * at_half.undistorted_points(point), moved, atol=1e-4)
    assert given(path).lens is whole  # made once


def test_a_file_without_distortion_is_a_pinhole_camera(tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text(ROS.format(model="plumb_bob", data=[0.0] * 5))
    assert given(path)[1:] == (f"from {path}", None)
    assert given(path).notes == []
    path.write_text("\n".join(f"{name}: {value}" for name, value in OWN.items()))
    np.testing.assert_array_equal(given(path).matrix, MATRIX)
    np.testing.assert_array_equal(resolve(path, FPHA, SIZE).matrix, MATRIX)  # in Python


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OWN | {"D": [0.1, 0, 0]}, "3 coefficients of distortion; a radial-tangential lens has 4"),
        (OWN | {"D": [0.1] * 12}, "12 coefficients of distortion; .* has 4, 5 or 8: k1 k2 p1 p2"),
        (OWN | {"D": [0.1] * 4}, "k1 k2 p1 p2, or a fisheye's k1 k2 k3 k4; say so by 'distortion_"),
        (OWN | {"D": [0.1] * 5, "distortion_model": "fisheye"}, "a fisheye lens has 4: k1 k2 k3"),
        (OWN | {"D": [0.1] * 4, "distortion_model": "FTheta"}, "model is 'FTheta', expected one of "
         "radial-tangential, plumb_bob, rational_polynomial, fisheye, equidistant, kannala-brandt"),
        (OWN | {"D": [float("nan")] * 5}, "not every coefficient of its distortion is finite"),
        (OWN | {"k1": -0.3, "k2": 0.1}, "its 'k1' is not known; the coefficients of a lens are a "),
        (OWN | {"dist_coefs": [0.1]}, "its 'dist_coefs' is not known; .* called 'distortion_coeff"),
        (OWN | {"D": "k1"}, "'D' is no list of numbers"),
        (OWN | {"D": ["k1", 0, 0, 0, 0]}, "could not convert string to float"),
        (OWN | {"D": [0.1] * 5, "dist_coeffs": [0] * 5}, "has both 'dist_coeffs' and 'D'"),
        (OWN | {"distortion_model": "fisheye"}, "a distortion model, and no 'distortion_coeff"),
        (OWN | {"D": [-2, 0, 0, 0, 0]}, r"camera\.json: its distortion folds the image over, at x"),
        ("camera: [1,\n fx: 2", "line 2 is no YAML; give a text file"),
        ("- fx: 1", "it holds no names with values; give"),
        ("fx: !!python/object/apply:os.getcwd []", "line 1 is no YAML"),
        ("<?xml version='1.0'?><opencv_storage/>", "it is XML; save it as .yml; give"),
    ],
)  # fmt: skip
def test_files_that_tell_of_no_lens_are_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "camera.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=message) as raised:
        given(path)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_lens_is_for_images_of_one_shape_and_a_size_that_is_said(tmp_path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(OWN | {"D": LENS}))
    with pytest.raises(InputError, match="distortion in images of 640x360, and these are 640x480"):
        given(path, (640, 480))
    path.write_text(
        json.dumps({name: OWN[name] for name in ("fx", "fy", "cx", "cy")} | {"D": LENS})
    )
    with pytest.raises(InputError, match="images of what size; add width and height to the file"):
        given(path)
    assert given(path, (320, 180), "640x360").lens.distortion.coefficients == LENS


@pytest.mark.parametrize(
    ("distortion", "expected"),
    [
        ("radtan", Distortion(RADIAL_TANGENTIAL, LENS[:4])),
        ("equidistant", Distortion(FISHEYE, LENS[:4])),
        ("none", None),
    ],
)
def test_a_camera_of_kalibr_is_read(tmp_path, distortion, expected):
    path = tmp_path / "camchain.yaml"
    content = CHAIN.format(model="pinhole", distortion=distortion)
    path.write_text(content if expected else content.replace(str([*LENS[:4]]), "[]"))
    camera = given(path)
    np.testing.assert_array_equal(camera.matrix, MATRIX)
    assert (camera.lens.distortion if camera.lens else None) == expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CHAIN.format(model="omni", distortion="radtan"), "camera_model is 'omni'; calibrate with"),
        (CHAIN.format(model="pinhole", distortion="fov"), "distortion_model is 'fov', expected"),
        (
            KALIBR + "cam1: {camera_model: pinhole}\n",
            "2 cameras, cam0 and cam1; leave that one in it which filmed",
        ),
        ("cam0: {camera_model: pinhole, intrinsics: [1, 1, 1, 1]}", "cam0 has no 'resolution'"),
        ("cam0:\n", "its 'cam0' is empty"),
        (KALIBR.replace("-0.28, 0.07, 0.002, -0.001", ""), "'distortion_coeffs' are not 4 numbers"),
        (
            KALIBR.replace("  distortion_model: radtan\n", ""),
            "it has 'distortion_coeffs', and its distortion_model is None",
        ),
        (KALIBR.replace("170.0]", "]"), "its 'intrinsics' are not 4 numbers"),
    ],
)
def test_a_chain_of_kalibr_that_cannot_be_taken_is_one_line(tmp_path, content, said):
    path = tmp_path / "camchain.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        given(path)
