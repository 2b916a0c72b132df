"""What the records of a split say of its joints, where its dataset says it of each joint."""

import numpy as np
from jaxtyping import Bool

from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import IN_IMAGES, NO_JOINTS


def known_joints(source: RecordSource) -> str:
    """What is known of the joints of a split; a part of what `DatasetSpec.joints` says of all."""
    if not source.spec.joint_by_joint:
        return source.spec.joints
    in_image, in_images_at_most = False, source.spec.joints == IN_IMAGES
    for video in range(len(source)):
        known = _of_video(source, video)
        if known[..., 1].any():
            return source.spec.joints
        in_image |= bool(known.any())
        if in_image and in_images_at_most:
            break
    return IN_IMAGES if in_image else NO_JOINTS


def root_is_known(source: RecordSource) -> bool:
    """Whether the root of a hand and another of its joints are known in space in any frame."""
    spec = source.spec
    if not spec.joint_by_joint:
        return spec.joints != NO_JOINTS
    for video in range(len(source)):
        in_space = _of_video(source, video)[..., 1]
        hands = [in_space[:, spec.joints_of(hand)] for hand in spec.hands]
        if any((x[:, spec.skeleton.root] & (x.sum(axis=1) > 1)).any() for x in hands):
            return True
    return False


def _of_video(source: RecordSource, video: int) -> Bool[np.ndarray, "frames joints 2"]:
    known = source[video].joints_known
    assert known is not None, "it is of each joint"
    return known
