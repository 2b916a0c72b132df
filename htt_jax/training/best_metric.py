"""Whether the measure by which a checkpoint is the best can be measured on a split at all."""

from htt_jax import measures
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import IN_IMAGES, NO_JOINTS, PARTIAL
from htt_jax.support.errors import InputError


def check_measured(metric: str, source: RecordSource) -> None:
    """Checks that a split has the labels that a measure needs.

    Args:
        metric: of `measures.headline`.
        source: the split that is evaluated in training.

    Raises:
        InputError: it has not.
    """
    measure, joints = measures.headline()[metric], source.spec.joints
    if metric == "action_accuracy" and all(
        source[video].action < 0 for video in range(len(source))
    ):
        raise InputError(
            f"the actions of split {source.split!r} are hidden, so no checkpoint is the best by "
            "action_accuracy; take --config.checkpoint.best_metric=mepe or another "
            "--config.eval.split"
        )
    lacks_depth = measure.is_of_poses and (
        joints in (IN_IMAGES, NO_JOINTS) or (joints == PARTIAL and not _has_depths(source))
    )
    lacks_places = measure.place[0] == measures.IMAGE and not source.spec.joint_by_joint
    if lacks_depth or lacks_places:
        raise InputError(
            f"config.checkpoint.best_metric={metric!r} is not measured on split {source.split!r} "
            f"of {source.directory}, whose joints are known so: {joints}; take another, such as "
            "action_accuracy"
        )


def _has_depths(source: RecordSource) -> bool:
    """Whether a joint of a split is known in space, where records say it of each joint."""
    return any(
        known is not None and known[..., 1].any()
        for known in (source[video].joints_known for video in range(len(source)))
    )
