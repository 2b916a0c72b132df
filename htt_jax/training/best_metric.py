"""Whether the measure by which a checkpoint is the best can be measured on a split at all."""

from htt_jax import measures
from htt_jax.data.known_joints import known_joints, root_is_known
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import COMPLETE, IN_IMAGES, NO_JOINTS
from htt_jax.support.errors import InputError


def check_measured(metric: str, source: RecordSource, learned: str = COMPLETE) -> None:
    """Checks that a split has the labels that a measure needs, and that a run learns them.

    Args:
        metric: of `measures.headline`.
        source: the split that is evaluated in training.
        learned: what of joints the training split knows, as `DatasetSpec.joints`.

    Raises:
        InputError: it has not, or does not.
    """
    measure = measures.headline()[metric]
    if metric == "action_accuracy" and all(
        source[video].action < 0 for video in range(len(source))
    ):
        raise InputError(
            f"the actions of split {source.split!r} are hidden, so no checkpoint is the best by "
            "action_accuracy; take --config.checkpoint.best_metric=mepe or another "
            "--config.eval.split"
        )
    if measure.is_of_poses and learned in (IN_IMAGES, NO_JOINTS):
        raise _not_measured(metric, source, f"as joints of split 'train' are known so: {learned}")
    known = known_joints(source) if measure.is_of_poses else source.spec.joints
    lacks_depth = measure.is_of_poses and known in (IN_IMAGES, NO_JOINTS)
    lacks_places = measure.place[0] == measures.IMAGE and not source.spec.joint_by_joint
    if lacks_depth or lacks_places:
        raise _not_measured(metric, source, f"whose joints are known so: {known}")
    if measure.place[0] == "root_aligned" and not root_is_known(source):
        root = source.spec.skeleton.root_name
        reason = f"where in no frame a hand's {root} and another of its joints are known in space"
        raise _not_measured(metric, source, reason, "mepe")


def _not_measured(
    metric: str, source: RecordSource, reason: str, other: str = "action_accuracy"
) -> InputError:
    return InputError(
        f"config.checkpoint.best_metric={metric!r} is not measured on split {source.split!r} of "
        f"{source.directory}, {reason}; take another, such as {other}"
    )
