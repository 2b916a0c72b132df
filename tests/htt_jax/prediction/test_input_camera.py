"""What a user may say of a camera, and what becomes of it."""

import json
import math

import cv2
import numpy as np
import pytest

from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.prediction.input_camera import from_options, resolve
from htt_jax.support.errors import InputError

SIZE = (640, 360)
MATRIX = np.array([[600.0, 0, 320], [0, 610, 170], [0, 0, 1]])


def values_of(matrix):
    return [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]]


def given(intrinsics=None, intrinsics_size=None, hfov=None, size=SIZE):
    return resolve(from_options(intrinsics, intrinsics_size, hfov), FPHA, size)


def test_numbers_are_in_pixels_of_the_input():
    found = given("600,610,320.5,170")
    np.testing.assert_array_equal(found.matrix, [[600, 0, 320.5], [0, 610, 170], [0, 0, 1]])
    assert found.source == "given"


def test_intrinsics_of_another_image_are_scaled_to_the_input():
    found = given("1800,1830,960,510", "1920x1080")
    np.testing.assert_allclose(found.matrix, MATRIX, rtol=1e-6)
    assert found.source == "given, scaled from 1920x1080"
    other_shape = given("600,600,320,240", "640x480")
    np.testing.assert_allclose(values_of(other_shape.matrix), [600, 450, 320, 180])
    assert other_shape.source.endswith("of another shape than 640x360: as if it were stretched")


def test_field_of_view_is_that_of_the_width():
    found = given(hfov="90")
    np.testing.assert_allclose(values_of(found.matrix), [320, 320, 320, 180])
    assert found.source == "of a horizontal field of view of 90 degrees"
    narrow = given(hfov="53.13010235").matrix
    assert 2 * math.degrees(math.atan(320 / narrow[0, 0])) == pytest.approx(53.13010235)


def test_the_datasets_camera_is_assumed_and_said():
    found = given()
    np.testing.assert_allclose(values_of(found.matrix)[:2], [465.249674, 465.249756], rtol=1e-6)
    assert found.source.startswith("the FPHA camera at this size; give your own with --intrinsics")
    own = resolve(None, H2O, H2O.native_size).matrix
    np.testing.assert_allclose(own, H2O.intrinsics, rtol=1e-6)


@pytest.mark.parametrize("text", ["600 610 320 170", "600, 610,\n320, 170\n"])
def test_text_files_hold_four_numbers(tmp_path, text):
    (tmp_path / "camera.txt").write_text(text)
    found = given(str(tmp_path / "camera.txt"))
    np.testing.assert_array_equal(found.matrix, MATRIX)
    assert found.source == f"from {tmp_path / 'camera.txt'}"
    at_half = given(str(tmp_path / "camera.txt"), "1280x720")
    np.testing.assert_allclose(values_of(at_half.matrix), [300, 305, 160, 85])


def test_text_files_as_h2os_hold_their_images_size_too(tmp_path):
    path = tmp_path / "cam_intrinsics.txt"
    path.write_text("1200 1220 640 340 1280 720")
    found = given(str(path))
    np.testing.assert_allclose(found.matrix, MATRIX, rtol=1e-6)
    assert found.source == f"from {path}, scaled from 1280x720"
    with pytest.raises(InputError, match=r"itself that it is for 1280x720 images; leave"):
        given(str(path), "1280x720")


@pytest.mark.parametrize(
    "content",
    [
        {"fx": 1200, "fy": 1220, "cx": 640, "cy": 340, "width": 1280, "height": 720},
        {"camera_matrix": (2 * MATRIX - np.diag([0, 0, 1])).tolist(), "image_width": 1280,
         "image_height": 720, "distortion_coefficients": [0, 0]},
    ],
)  # fmt: skip
def test_json_files_hold_named_values_or_a_matrix(tmp_path, content):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(content))
    np.testing.assert_allclose(given(str(path)).matrix, MATRIX, rtol=1e-6)


def test_json_files_of_opencv_are_read(tmp_path):
    path = str(tmp_path / "calibration.json")
    storage = cv2.FileStorage(path, cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_FORMAT_JSON)
    storage.write("image_width", SIZE[0])
    storage.write("image_height", SIZE[1])
    storage.write("camera_matrix", MATRIX)
    storage.write("distortion_coefficients", np.zeros(5))
    storage.release()
    np.testing.assert_array_equal(given(path).matrix, MATRIX)


def test_python_takes_values_and_matrices():
    np.testing.assert_array_equal(resolve((600, 610, 320, 170), FPHA, SIZE).matrix, MATRIX)
    np.testing.assert_array_equal(resolve(MATRIX, FPHA, SIZE).matrix, MATRIX)
    for wrong in ((600, 610, 320), (1, 2, 3, "x"), np.eye(2), MATRIX.T, 5, np.full(4, np.nan)):
        with pytest.raises(InputError, match="intrinsics"):
            resolve(wrong, FPHA, SIZE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"intrinsics": "1,2,3"}, "=1,2,3 is neither fx,fy,cx,cy nor a file; give four numbers"),
        ({"intrinsics": "gone.json"}, r"=gone\.json is neither fx,fy,cx,cy nor a file"),
        ({"intrinsics": "1,2,nan,3"}, "not every number of fx, fy, cx, cy is finite"),
        ({"intrinsics": "inf,2,3,4"}, "not every number of fx, fy, cx, cy is finite"),
        ({"intrinsics": "0,60,32,18"}, "focal lengths, 0 and 60, must be positive"),
        ({"intrinsics": "60,-60,32,18"}, "=60,-60,32,18: the focal lengths, 60 and -60, must"),
        ({"intrinsics": "60,60,641,18"}, r"centre \(641, 18\) is outside the 640x360 image"),
        ({"intrinsics": "60,60,32,-1"}, r"centre \(32, -1\) is outside the 640x360 image"),
        (
            {"intrinsics": "60,60,500,18", "intrinsics_size": "480x270"},
            r"centre \(500, 18\) is outside the 480x270 image",
        ),
        ({"intrinsics": "6,6,3,1", "intrinsics_size": "480"}, "=480 is not WIDTHxHEIGHT"),
        ({"intrinsics": "6,6,3,1", "intrinsics_size": "0x270"}, "=0x270 is not WIDTHxHEIGHT"),
        ({"intrinsics_size": "480x270"}, "--intrinsics_size=480x270 is given without"),
        ({"intrinsics": "6,6,3,1", "hfov": "90"}, "both --intrinsics and --hfov are given"),
        ({"hfov": "0"}, "--hfov=0: .* field of view lies between 0 and 175"),
        ({"hfov": "175.1"}, "--hfov=175.1: .* field of view lies between 0 and 175"),
        ({"hfov": "nan"}, "--hfov=nan: .* field of view lies between 0 and 175"),
        (
            {"intrinsics": "0.001,60,32,18"},
            "fx = 0.001 in a 640x360 image is a field of view above",
        ),
        ({"intrinsics": "60,0.7,32,18"}, "fy = 0.7 in .*, expected 7.86 or more; give focal"),
        ({"hfov": "wide"}, "--hfov=wide is not a number; give degrees"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(InputError, match=message) as raised:
        given(**options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it holds 0 numbers"),
        (b"600 610 320", "it holds 3 numbers"),
        (b"600 610 320 cy", "could not convert string to float: 'cy'"),
        (b"600 610 320 170 0 360", "an image of 0x360 pixels cannot be"),
        (b"\xff\xfe\x00\x81", "it is no text"),
        (b'{"fx": 600,\n', "line 2 is no JSON"),
        (b'{"fx": 600, "fy": 610, "cx": 320}', "it has no 'cy'"),
        (b'{"fx": null, "fy": 610, "cx": 320, "cy": 2}', "float"),
        (b'{"camera_matrix": [[600, 0], [0, 610]]}', "is not 3x3"),
        (b'{"camera_matrix": [[600, 2, 9], [0, 610, 9], [0, 0, 1]]}', r"is not \[fx 0 cx; "),
        (b'{"camera_matrix": {"rows": 3}}', "no 'data' of nine numbers"),
    ],
)
def test_files_without_intrinsics_are_refused(tmp_path, content, message):
    path = tmp_path / "camera"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        given(str(path))
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="Is a directory"):
        given(str(tmp_path))
