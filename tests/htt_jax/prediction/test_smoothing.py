"""The One-Euro filter of poses: what it steadies, what it follows, and where it begins anew."""

import dataclasses

import numpy as np
import pytest

from htt_jax import camera
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.prediction import smoothing
from htt_jax.prediction.smoothing import OneEuro, Smoother, Smoothing, smooth_video
from htt_jax.support.errors import InputError

CAMERA = np.array([[500.0, 0, 240], [0, 500, 135], [0, 0, 1]])
SECOND = 30  # frames
PLAIN = Smoothing(OneEuro(1.0, 0.0), OneEuro(1.0, 0.0))  # low-passes whose cutoff stays


def hand(x, depth=0.4, joints=21):
    """Pixels and depth of hands all of whose joints are at `x` metres to the right, by frame."""
    points = np.zeros((len(x), joints, 3))
    points[..., 0] = np.asarray(x)[:, None]
    points[..., 2] = depth
    return camera.project(points, CAMERA)


def smoothed(how, pixels, depth, rate=SECOND, spec=FPHA, seen=None, matrix=CAMERA):
    seconds = np.arange(len(pixels)) / rate
    found = smooth_video(how, spec, matrix, seconds, pixels, depth, seen)
    assert {x.dtype for x in found} == {np.dtype(np.float32)}
    return found._asdict()


def test_a_step_is_followed_as_the_cutoff_in_hertz_says():
    x = np.zeros(SECOND + 1)
    x[1:] = 0.1
    found = smoothed(PLAIN, *hand(x))["joints_3d"][:, 0, 0]
    weight = 1 / (1 + SECOND / (2 * np.pi))
    np.testing.assert_allclose(found, 0.1 * (1 - (1 - weight) ** np.arange(SECOND + 1)), rtol=1e-4)


def test_parameters_mean_the_same_at_every_frame_rate():
    ends = []
    for rate in (30, 120):
        x = np.minimum(np.arange(rate + 1) / rate, 0.5)  # half a metre in half a second, then rest
        ends.append(smoothed(Smoothing(), *hand(x), rate=rate)["joints_3d"][:: rate // 30, 0, 0])
    assert np.abs(ends[0] - ends[1]).max() < 0.02
    assert np.ptp(ends[0]) > 0.4


def test_a_trembling_hand_gets_steadier_and_stays_where_it_is():
    noise = np.random.default_rng(0).normal(0, 0.01, (10 * SECOND, 21))
    pixels, depth = hand(np.full(10 * SECOND, 0.1))
    pixels[..., 0] += 500 / 0.4 * noise
    depth = depth + noise[::-1]
    found = smoothed(Smoothing(), pixels, depth)
    for name, array in (("joints_2d", pixels[..., 0]), ("depth", depth)):
        steady = found[name] if name == "depth" else found[name][..., 0]
        before, after = (np.abs(np.diff(x, 2, axis=0)).mean() for x in (array, steady))
        assert after < 0.4 * before
        np.testing.assert_allclose(steady.mean(), array.mean(), rtol=0.01)


def test_the_slope_keeps_a_moving_hand_from_lagging():
    x = np.arange(SECOND) / SECOND  # a metre a second
    lags = {}
    for slope in (0.0, 20.0):
        how = Smoothing(OneEuro(1.0, slope), OneEuro(1.0, slope))
        lags[slope] = (x - smoothed(how, *hand(x))["joints_3d"][:, 0, 0])[-1]
    assert lags[0.0] > 0.12
    assert 0 < lags[20.0] < 0.01


def test_pixels_depth_and_position_say_the_same_of_every_camera():
    rng = np.random.default_rng(1)
    pixels, depth = rng.uniform(100, 400, (9, 21, 2)), rng.uniform(0.3, 0.5, (9, 21))
    found = smoothed(Smoothing(), pixels, depth)
    again = camera.unproject(found["joints_2d"], found["depth"], CAMERA)
    np.testing.assert_allclose(found["joints_3d"], again, rtol=1e-5, atol=1e-6)
    assert np.abs(found["joints_2d"] - pixels)[1:].min() > 0
    larger = np.diag([2, 3, 1]) @ CAMERA
    other = smoothed(Smoothing(), pixels * [2, 3], depth, matrix=larger)
    # Of rows of other heights: the speed is that in space.
    np.testing.assert_allclose(other["joints_3d"], found["joints_3d"], rtol=1e-4, atol=1e-6)


def test_a_hand_that_is_not_seen_stays_a_guess_and_begins_anew():
    rng = np.random.default_rng(2)
    pixels, depth = rng.uniform(100, 400, (8, 42, 2)), rng.uniform(0.3, 0.5, (8, 42))
    seen = np.ones((8, 2), bool)
    seen[3:5, 0] = False
    found = smoothed(Smoothing(), pixels, depth, spec=H2O, seen=seen)
    whole = smoothed(Smoothing(), pixels, depth, spec=H2O)
    left, right = H2O.joints_of("left"), H2O.joints_of("right")
    for name, array in (("joints_2d", pixels), ("depth", depth)):
        np.testing.assert_array_equal(found[name][:, right], whole[name][:, right])
        np.testing.assert_allclose(found[name][3:6, left], array[3:6, left], rtol=1e-6)
        fresh = smoothed(Smoothing(), pixels[5:], depth[5:], spec=H2O)[name]
        np.testing.assert_allclose(found[name][5:, left], fresh[:, left], rtol=1e-6)


def test_after_a_gap_in_time_little_is_left_of_what_was_before():
    smooth = Smoother(Smoothing(), FPHA, CAMERA)
    pixels, depth = hand([0.0, 0.1])
    smooth(0.0, pixels[0], depth[0], None)
    found = smooth(10.0, pixels[1], depth[1], None).joints_3d
    np.testing.assert_allclose(found[:, 0], 0.1, rtol=0.02)
    # Times that were rounded may be the same.
    assert np.isfinite(smooth(10.0, pixels[0], depth[0], None).joints_3d).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((False, "1,2", None), r"--smooth_2d=1,2 is given without --smooth, which smooths; add it"),
        ((True, "1", None), r"--smooth_2d=1 is no cutoff and slope; give two numbers, such as"),
        ((True, None, "1,x"), r"--smooth_depth=1,x is no cutoff and slope"),
        ((True, None, "0,1"), r"--smooth_depth=0,1: a cutoff of 0 Hz smooths nothing sensible"),
        ((True, "nan,1", None), r"--smooth_2d=nan,1: a cutoff of nan Hz"),
        ((True, "1001,1", None), r"a cutoff of 1001 Hz .* at most 1000"),
        ((True, "1,-1", None), r"a slope of -1 Hz per metre a second .* give 0 to 10000"),
        ((True, "1,inf", None), r"a slope of inf Hz"),
    ],
)
def test_parameters_out_of_bounds_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        smoothing.from_options(*arguments)


def test_options_leave_what_they_do_not_name():
    assert smoothing.from_options(False, None, None) is None
    assert smoothing.from_options(True, None, None) == Smoothing()
    given = smoothing.from_options(True, None, "0.5,10")
    assert given == dataclasses.replace(Smoothing(), depth=OneEuro(0.5, 10))
