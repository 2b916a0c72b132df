"""What of joints a run has learned, whatever the labels of its training split know."""

import dataclasses

import pytest

from htt_jax.datasets.spec import COMPLETE, FPHA, IN_IMAGES, NO_JOINTS
from htt_jax.runs.learned import learned_joints
from htt_jax.runs.options import get_config


@pytest.mark.parametrize("joints", [IN_IMAGES, NO_JOINTS])
@pytest.mark.parametrize(
    ("options", "is_from_labels"),
    [
        ({}, True),
        ({"distill.teacher": "runs/teacher", "distill.pose": 0.0}, True),
        ({"distill.teacher": "runs/teacher"}, False),
        ({"init.checkpoint": "runs/h2o"}, False),
    ],
)
def test_poses_may_come_from_a_teacher_or_with_the_weights(joints, options, is_from_labels):
    config = get_config()
    config.update_from_flattened_dict(options)
    spec = dataclasses.replace(FPHA, joints=joints)
    assert learned_joints(config, spec) == (joints if is_from_labels else COMPLETE)
