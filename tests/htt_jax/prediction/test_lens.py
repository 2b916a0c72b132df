"""Lenses that bend lines, held against OpenCV's projection of a known scene."""

import cv2
import numpy as np
import pytest

from htt_jax import camera
from htt_jax.datasets.spec import FPHA
from htt_jax.prediction.frames import Resizer
from htt_jax.prediction.lens import FISHEYE, RADIAL_TANGENTIAL, Distortion, Lens, distortion
from htt_jax.prediction.sources import open_frames
from htt_jax.prediction.undistorted import UndistortedFrames, as_pinhole
from tests import videos

SIZE = (640, 360)
MATRIX = np.array([[330.0, 0, 322], [0, 333, 176], [0, 0, 1]])
DISTORTIONS = [
    Distortion(RADIAL_TANGENTIAL, (-0.28, 0.07, 0.002, -0.001)),
    Distortion(RADIAL_TANGENTIAL, (-0.3, 0.1, 0.001, -0.0005, -0.01)),
    Distortion(RADIAL_TANGENTIAL, (0.1, -0.05, 0.0005, -0.0003, 0.01, 0.4, -0.1, 0.02)),
    Distortion(FISHEYE, (0.02, -0.01, 0.003, -0.001)),
    Distortion(FISHEYE, (0.0, 0.0, 0.0, 0.0)),
]


def scene():
    """Points in camera space, metres, all over what the pinhole camera sees, not too close."""
    x, y = np.meshgrid(np.linspace(-0.7, 0.7, 6), np.linspace(-0.4, 0.4, 4))
    depth = np.linspace(0.3, 0.9, x.size)
    return np.stack([x.ravel() * depth, y.ravel() * depth, depth], axis=-1)


def through_opencv(points, bent):
    nowhere, coefficients = np.zeros(3), np.array(bent.coefficients)
    if bent.model == FISHEYE:
        found = cv2.fisheye.projectPoints(points[:, None], nowhere, nowhere, MATRIX, coefficients)
    else:
        found = cv2.projectPoints(points, nowhere, nowhere, MATRIX, coefficients)
    return found[0].reshape(-1, 2)


@pytest.mark.parametrize("bent", DISTORTIONS)
def test_points_seen_through_a_lens_are_where_the_pinhole_camera_sees_them(bent):
    lens = Lens(bent, MATRIX, SIZE)
    seen, straight = through_opencv(scene(), bent), camera.project(scene(), MATRIX)[0]
    assert np.abs(seen - straight).max() > 10
    np.testing.assert_allclose(lens.undistorted_points(seen), straight, atol=1e-4)  # pixels
    np.testing.assert_allclose(lens.distorted_points(straight), seen, atol=1e-9)


@pytest.mark.parametrize("bent", DISTORTIONS)
def test_a_scene_seen_through_a_lens_is_shown_as_the_pinhole_camera_shows_it(bent):
    lens = Lens(bent, MATRIX, SIZE)
    seen, straight = through_opencv(scene(), bent), camera.project(scene(), MATRIX)[0]
    across, down = (
        np.exp(-((np.arange(length) - seen[:, [axis]]) ** 2) / 2 / 4**2)
        for axis, length in enumerate(SIZE)
    )
    spots = 255 * np.einsum("sy,sx->yx", down, across).clip(max=1)
    frame = np.repeat(np.round(spots).astype(np.uint8)[..., None], 3, axis=2)
    shown = lens.undistorted(frame)
    for x, y in straight:
        left, top = round(x) - 14, round(y) - 14
        spot = shown[top : top + 29, left : left + 29, 1].astype(float)
        down, across = np.mgrid[top : top + 29, left : left + 29]
        centre = [(spot * places).sum() / spot.sum() for places in (across, down)]
        np.testing.assert_allclose(centre, (x, y), atol=0.35)  # a spot is stretched to one side
    module = cv2.fisheye if bent.model == FISHEYE else cv2
    undistort = module.undistortImage if bent.model == FISHEYE else module.undistort
    coefficients = np.array(bent.coefficients)
    np.testing.assert_array_equal(shown, undistort(frame, MATRIX, coefficients, None, MATRIX))


def test_depths_are_not_mixed_and_unknown_where_the_lens_sees_nothing():
    pincushion = Lens(Distortion(RADIAL_TANGENTIAL, (0.2, 0, 0, 0)), MATRIX, SIZE)
    depths = np.where(np.indices(SIZE[::-1]).sum(axis=0) % 2, 500, 900).astype(np.uint16)
    shown = pincushion.undistorted(depths)
    assert shown.dtype == np.uint16
    assert np.unique(shown).tolist() == [0, 500, 900]
    assert shown[0, 0] == 0
    assert pincushion.share == 1


def test_what_the_pinhole_camera_does_not_see_of_a_fisheye_is_not_known():
    lens = Lens(DISTORTIONS[-1], np.array([[120.0, 0, 320], [0, 120, 180], [0, 0, 1]]), SIZE)
    beside = np.array([[320.0 + 120 * np.radians(angle), 180] for angle in (60, 89, 91)])
    found = lens.undistorted_points(np.concatenate([beside, [[np.nan, 5]]]))
    expected = 320 + 120 * np.tan(np.radians((60, 89)))
    np.testing.assert_allclose(found[:2, 0], expected, rtol=1e-6)
    assert np.isnan(found[2:]).all()
    seen = lens.distorted_points(np.array([[0.0, 180], [640, 180]]))[:, 0]
    x, y = np.meshgrid(np.arange(640) - 319.5, np.arange(360) - 179.5)
    angle = np.minimum(np.hypot(x, y) / 120, np.pi / 2)
    stretch = np.tan(angle) / angle
    inside = (np.abs(x * stretch) <= 320) & (np.abs(y * stretch) <= 180)
    assert lens.share == pytest.approx(inside.mean(), abs=0.01)
    np.testing.assert_allclose(seen, 320 + 120 * np.arctan([-320 / 120, 320 / 120]))


@pytest.mark.parametrize(
    ("bent", "where"),
    [
        (Distortion(RADIAL_TANGENTIAL, (-0.9, 0.0, 0, 0)), "x = .*, y = .* of 640x360; are"),
        (Distortion(RADIAL_TANGENTIAL, (0.001, 0.0005, -0.3, 0.1)), "are the coefficients in"),
        (Distortion(FISHEYE, (-0.9, 0.0, 0, 0)), "calibrate again, with the board in every corner"),
    ],
)
def test_a_lens_that_folds_the_image_over_is_refused(bent, where):
    with pytest.raises(ValueError, match=f"its distortion folds the image over, at .*{where}"):
        Lens(bent, MATRIX, SIZE)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ((None, [0, 0]), None),
        (("plumb_bob", [0.0] * 5), None),
        (("Equidistant", [0.0] * 4), DISTORTIONS[-1]),
        (("Kannala-Brandt", [0.1, 0, 0, 0]), Distortion(FISHEYE, (0.1, 0, 0, 0))),
        ((None, [0.1, 0, 0, 0, 0]), Distortion(RADIAL_TANGENTIAL, (0.1, 0, 0, 0, 0))),
        (("rational_polynomial", [*range(1, 9), 0, 0, 0, 0, 0, 0]),
         Distortion(RADIAL_TANGENTIAL, tuple(map(float, range(1, 9))))),
    ],
)  # fmt: skip
def test_models_have_the_names_that_people_call_them(said, found):
    assert distortion(*said) == found


@pytest.mark.parametrize("kind", ["array", "files", "video"])
def test_frames_are_undistorted_at_their_own_size_and_then_brought_to_the_models(kind, tmp_path):
    pictures = np.stack(list(videos.moving(3, SIZE)))
    lens = Lens(DISTORTIONS[0], MATRIX, SIZE)
    source = pictures
    if kind == "files":
        source = tmp_path
        for number, picture in enumerate(pictures):
            cv2.imwrite(str(tmp_path / f"{number}.png"), picture[..., ::-1])
    elif kind == "video":
        source = videos.write_lossless(tmp_path / "video.mkv", pictures)
    frames = open_frames(source)
    seen = as_pinhole(frames, lens)
    assert isinstance(seen, UndistortedFrames)
    assert (seen.size, seen.count, seen.rate) == (frames.size, frames.count, frames.rate)
    straight = [lens.undistorted(picture) for picture in pictures]
    np.testing.assert_array_equal([frame.image for frame in seen.read()], straight)
    resizer = Resizer(FPHA, SIZE, (48, 27))
    found = [frame.image for frame in seen.read(resizer, lambda number, _: number < 1)]
    np.testing.assert_array_equal(found, [resizer(picture) for picture in straight[1:]])
    assert as_pinhole(frames, None) is frames
    assert seen.notes is frames.notes
