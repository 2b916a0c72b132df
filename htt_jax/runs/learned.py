"""What of joints a run has learned: from labels, from a teacher, or with the weights it began."""

import dataclasses

from ml_collections import ConfigDict

from htt_jax.data.records import RecordSource
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import COMPLETE, DatasetSpec
from htt_jax.runs.directory import dataset_facts
from htt_jax.support import trees


def facts_to_learn(config: ConfigDict, source: RecordSource) -> DatasetFacts:
    """Facts of a run's training split, whose joints are those that its labels know.

    Where it begins with weights that may know others, they are those of the whole dataset; where a
    teacher tells it poses, all.
    """
    facts = dataset_facts(source, config.data.image_size)
    if _from_labels_alone(config):
        return facts
    joints = COMPLETE if _is_taught_poses(config) else source.spec.joints
    return dataclasses.replace(facts, spec=dataclasses.replace(source.spec, joints=joints))


def _from_labels_alone(config: ConfigDict) -> bool:
    """Whether nothing but the labels of the training split can have told a run of poses."""
    options = trees.flatten(config.to_dict(), ".")  # which not all systems have
    return not (_is_taught_poses(config) or options.get("init.checkpoint"))


def _is_taught_poses(config: ConfigDict) -> bool:
    options = trees.flatten(config.to_dict(), ".")
    return bool(options.get("distill.teacher") and options.get("distill.pose"))


def learned_joints(config: ConfigDict, spec: DatasetSpec) -> str:
    """What a run has learned, as `DatasetSpec.joints` says; COMPLETE where that is not known.

    Args:
        config: of the run.
        spec: what it knows of its dataset, whose joints are those of the training split.
    """
    return spec.joints if _from_labels_alone(config) else COMPLETE
