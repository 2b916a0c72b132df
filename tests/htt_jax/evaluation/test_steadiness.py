"""Accelerations of estimated and true joints, within videos and where hands are annotated."""

import dataclasses

import numpy as np
import pytest

from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.evaluation import steadiness
from htt_jax.evaluation.estimates import Estimates


def estimates(found, true, annotated, first_frame):
    """Of joints in metres; what else is kept is of no matter here."""
    nothing = np.zeros(len(found), int)
    return Estimates(
        found, true, annotated, nothing, np.ones(len(found)), nothing, nothing,
        np.array(first_frame), np.zeros((len(first_frame) - 1, 3, 3)), (64, 36),
        np.zeros(1, int), np.zeros(1, int), np.ones(1, int), np.ones((1, 1, 1)), 2, 1,
    )  # fmt: skip


def measured(of_all, spec, numbers=None, masked=True):
    """Of frames in a row, if no numbers are given."""
    numbers = np.arange(7, 7 + len(of_all.joints_3d)) if numbers is None else numbers
    return steadiness.measured(of_all, numbers, spec, mask_unannotated=masked)


def moving(positions, joints=21):
    """Every joint along x, in metres."""
    joints_3d = np.zeros((len(positions), joints, 3))
    joints_3d[..., 0] = np.array(positions)[:, None]
    return joints_3d


def test_a_steady_motion_has_no_acceleration_and_trembling_has():
    true = moving([0.0, 0.1, 0.2, 0.3])
    found = moving([0.0, 0.101, 0.199, 0.3])  # 1 mm to one side, then to the other
    known = np.ones((4, 1), bool)
    (of_hand,) = measured(estimates(found, true, known, [0, 4]), FPHA).values()
    assert of_hand["frames"] == 2
    assert of_hand["true_acceleration"] == pytest.approx(0, abs=1e-9)
    assert of_hand["acceleration"] == pytest.approx(3)
    assert of_hand["acceleration_error"] == pytest.approx(3)


def test_the_error_is_that_of_the_difference():
    true, found = moving([0.0, 0.01, 0.0]), moving([0.0, -0.01, 0.0])
    (of_hand,) = measured(estimates(found, true, np.ones((3, 1), bool), [0, 3]), FPHA).values()
    shown = [of_hand[name] for name in ("acceleration", "true_acceleration", steadiness.ERROR)]
    assert shown == pytest.approx([20, 20, 40])


def test_nothing_is_taken_across_videos_or_frames_without_annotation():
    rng = np.random.default_rng(0)
    found, true = (rng.normal(size=(9, 42, 3)) for _ in range(2))
    annotated = np.ones((9, 2), bool)
    annotated[1, 0] = False  # of three frames, then there is no one between two others
    of_all = estimates(found, true, annotated, [0, 3, 5, 9])
    results = measured(of_all, H2O)
    assert {hand: one["frames"] for hand, one in results.items()} == {"left": 2, "right": 3}
    expected = np.diff(found[5:, :21] * 1000, 2, axis=0)
    acceleration = np.linalg.norm(expected, axis=-1).mean()
    assert results["left"]["acceleration"] == pytest.approx(acceleration)
    everywhere = measured(of_all, H2O, masked=False)
    assert everywhere["left"]["frames"] == 3


def test_a_hand_without_three_frames_in_a_row_is_left_out():
    joints = moving([0.0, 0.1, 0.2, 0.3], 42)
    annotated = np.array([[1, 1], [1, 1], [0, 1], [1, 1]], bool)
    of_all = estimates(joints, joints, annotated, [0, 4])
    assert list(measured(of_all, H2O)) == ["right"]
    short = dataclasses.replace(of_all, first_frame=np.array([0, 2, 4]))
    assert measured(short, H2O) == {}


def test_frames_between_which_others_are_missing_are_no_neighbours():
    joints = moving([0.0, 0.1, 0.2, 0.4, 0.5, 0.6])
    of_all = estimates(joints, joints, np.ones((6, 1), bool), [0, 6])
    numbers = np.array([3, 4, 5, 7, 8, 9])  # at the same speed
    (of_hand,) = measured(of_all, FPHA, numbers).values()
    assert of_hand["frames"] == 2
    assert of_hand["true_acceleration"] == pytest.approx(0, abs=1e-9)
    (of_hand,) = measured(of_all, FPHA, 2 * numbers).values()
    assert of_hand["frames"] == 2
