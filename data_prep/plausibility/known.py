"""What is known of joints, hand by hand and joint by joint."""

import numpy as np
from jaxtyping import Bool

from htt_jax.data.records import Video
from htt_jax.datasets.spec import DatasetSpec


def in_space(video: Video, spec: DatasetSpec) -> Bool[np.ndarray, "frames hands joints"]:
    """Which joints are known in three dimensions."""
    return _of_hands(video, spec, 1)


def in_images(video: Video, spec: DatasetSpec) -> Bool[np.ndarray, "frames hands joints"]:
    """Which joints have a known place in the image."""
    return _of_hands(video, spec, 0)


def _of_hands(
    video: Video, spec: DatasetSpec, which: int
) -> Bool[np.ndarray, "frames hands joints"]:
    count = len(spec.skeleton.joints)
    if video.joints_known is None:
        return video.hand_annotated[..., None].repeat(count, axis=2)
    return video.joints_known[..., which].reshape(len(video.frames), len(spec.hands), count)
