"""How hands of the training split move within a time, on the mean."""

from collections.abc import Collection, Mapping
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from htt_jax.data.records import RecordSource, Video
from htt_jax.evaluation.forecasting.pasts import least_step
from htt_jax.evaluation.forecasting.spaces import WAYS

Motions: TypeAlias = Mapping[tuple[str, int], Float[np.ndarray, "joints 3"]]
"""Metres, by the space and the recorded frames ahead; zeros where no training frame tells."""


def fit(source: RecordSource, spaces: Collection[str], ahead: Collection[int]) -> Motions:
    """Reads the labels of a training split; no image is decoded."""
    hands = len(source.spec.hands)
    shape = (hands, len(source.spec.skeleton.joints), 3)
    sums = {(space, step): np.zeros(shape) for space in spaces for step in ahead}
    counts = {key: np.zeros(hands, np.int64) for key in sums}
    for index in range(len(source)):
        video = source[index]
        for space, step in sums:
            if len(video.frames) > step:
                moves, counted = _moves(video, space, step, hands)
                sums[space, step] += moves.sum(axis=0, where=counted[..., None, None])
                counts[space, step] += counted.sum(axis=0)
    return {
        key: (total / np.maximum(counts[key], 1)[:, None, None]).reshape(-1, 3)
        for key, total in sums.items()
    }


def _moves(video: Video, space: str, step: int, hands: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each hand from every frame to the one `step` later, and whether it is known."""
    poses = video.camera_poses
    if poses is None:
        poses = np.full((len(video.frames), 4, 4), np.nan, np.float32)
    joints = video.joints_3d.astype(np.float64)
    way = WAYS[space]
    before, after = joints[:-step], joints[step:]
    moves = way(after, poses[step:], poses[:-step]) - way(before, poses[:-step], poses[:-step])
    annotated, numbers = video.hand_annotated, np.asarray(video.frame_numbers)
    one = least_step(numbers, np.zeros(len(numbers), np.int64))
    whole = numbers[step:] - numbers[:-step] == step * one  # no frame is missing between
    known = (np.isfinite(moves).all(axis=(1, 2)) & whole)[:, None]
    known = known & annotated[:-step] & annotated[step:]
    return np.nan_to_num(moves).reshape(len(moves), hands, -1, 3), known
