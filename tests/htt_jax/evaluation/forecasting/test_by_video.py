"""What videos add to the errors of forecasts, and pasts of a model that makes none."""

import dataclasses

import numpy as np
import pytest

from htt_jax.datasets.spec import H2O
from htt_jax.evaluation.forecasting import RUN, measured, none_of, of_videos
from tests.htt_jax.evaluation.forecasting.test_measured import (
    FRAMES,
    STEPS,
    STILL,
    collected,
    estimates,
    recorded,
)


def test_the_mean_over_videos_is_that_over_pasts_and_hands():
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.1, (FRAMES, 42, 3))
    annotated = rng.random((FRAMES, 2)) < 0.8
    annotated[:4] = annotated[12:16] = True
    poses = np.tile(np.eye(4, dtype=np.float32), (FRAMES, 1, 1))
    poses[3] = np.nan
    made = (
        collected(joints, lambda at, step: joints[at] + 0.01 * step),
        estimates(joints, joints + rng.normal(0, 0.01, joints.shape), annotated),
        recorded(poses),
        H2O,
        STILL,
    )
    whole = measured(*made, mask_unannotated=True)["spaces"]["world"]
    found = of_videos(*made, space="world", mask_unannotated=True)
    assert set(found) == set(whole["left"]["methods"])
    for name, errors in found.items():
        for key, (nearest, *farther) in errors.items():
            assert nearest.shape == (2,)
            of_hands = [whole[hand]["methods"][name][key][0] for hand in H2O.hands]
            assert nearest.mean() == pytest.approx(np.mean(of_hands), rel=1e-9)
            assert farther[1:] == [None, None]  # no video is so long
    assert found[RUN]["error"][1] is None  # the model does not look so far


def test_a_model_without_forecasts_has_the_same_pasts_and_what_needs_no_network():
    joints = np.random.default_rng(1).normal(0, 0.1, (FRAMES, 42, 3))
    with_head = collected(joints, lambda at, step: joints[at])
    position = np.zeros(FRAMES, np.int32)
    position[with_head.last] = 1
    known = dataclasses.replace(estimates(joints, joints), window_position=position)
    without = none_of(known)
    np.testing.assert_array_equal(without.last, with_head.last)
    assert (with_head.joints_3d.shape[1], without.joints_3d.shape[1]) == (STEPS, 0)
    found, expected = (
        measured(x, known, recorded(), H2O, STILL, mask_unannotated=True)["spaces"]["own_camera"]
        for x in (without, with_head)
    )
    of_run = found["left"]["methods"].pop(RUN)
    assert set(of_run["error"]) == {None}
    expected["left"]["methods"].pop(RUN)
    assert found["left"] == expected["left"]
