"""What of joints a run has learned, whatever the labels of its training split know."""

import dataclasses

import pytest

from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import COMPLETE, FPHA, IN_IMAGES, NO_JOINTS
from htt_jax.runs.learned import facts_to_learn, learned_joints
from htt_jax.runs.options import get_config
from tests import prepared


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


def test_a_run_knows_that_a_teacher_told_it_poses(tmp_path):
    spec = dataclasses.replace(FPHA, joints=NO_JOINTS)
    source = RecordSource(prepared.write_dataset(tmp_path, spec, {"train": [2]}), "train")
    for options, joints in (
        ({}, NO_JOINTS),
        ({"init.checkpoint": "runs/h2o"}, NO_JOINTS),
        ({"distill.teacher": "runs/teacher"}, COMPLETE),
    ):
        config = get_config()
        config.update_from_flattened_dict(options)
        assert facts_to_learn(config, source).spec.joints == joints
