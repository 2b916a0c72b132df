"""What needs no network, on motions whose continuation is known."""

import numpy as np

from htt_jax.evaluation.forecasting import extrapolation
from htt_jax.evaluation.forecasting.extrapolation import EXTRAPOLATIONS

SEEN, JOINTS = 16, 4
SPEED = np.array([0.01, -0.02, 0.03])
TIME = np.arange(1.0 - SEEN, 1.0)  # the last seen frame is at 0
START = np.random.default_rng(0).normal(size=(2, 1, JOINTS, 3))


def places(time):
    """Of two hands that go on as they went."""
    return START + np.reshape(time, (1, -1, 1, 1)) * SPEED


def test_steady_hands_are_where_their_speed_takes_them():
    past, true = places(TIME), places(2.5)[:, 0]
    for name in ("constant velocity", "velocity of 5 frames", "constant root velocity"):
        found = EXTRAPOLATIONS[name](past, 2.5)
        np.testing.assert_allclose(found, true, atol=1e-12, err_msg=name)
    behind = np.linalg.norm(extrapolation.zero_velocity(past, 2.5) - true, axis=-1)
    np.testing.assert_allclose(behind, 2.5 * np.linalg.norm(SPEED))


def test_fingers_that_open_keep_still_where_the_root_alone_goes_on():
    opening = np.zeros((JOINTS, 3))
    opening[1:] = [0, 0.001, 0]
    past = places(TIME) + TIME[:, None, None] * opening
    found = extrapolation.constant_root_velocity(past, 3.0)
    np.testing.assert_allclose(found, places(3.0)[:, 0], atol=1e-12)
    found = extrapolation.constant_velocity(past, 3.0)
    np.testing.assert_allclose(found, places(3.0)[:, 0] + 3 * opening, atol=1e-12)


def test_least_squares_fit_the_last_five_frames_and_weigh_one_that_is_off():
    past = places(TIME)
    past[:, : SEEN - 5] = 1e3  # what was before is not looked at
    off = np.array([0.0, 0.0, 0.1])
    past[:, -1] += off
    # A line through 0 0 0 0 1 at -4 .. 0 has the slope 0.2 and is 0.6 at its end.
    expected = places(2.0)[:, 0] + (0.6 + 2 * 0.2) * off
    found = extrapolation.fitted_velocity(past, 2.0)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    found = extrapolation.constant_velocity(past, 2.0)
    np.testing.assert_allclose(found, places(2.0)[:, 0] + 3 * off, atol=1e-12)


def test_of_one_frame_alone_nothing_moves():
    past = places([0.0])
    for name, extrapolate in EXTRAPOLATIONS.items():
        np.testing.assert_allclose(extrapolate(past, 4.0), past[:, 0], err_msg=name)
