"""What is reached without looking: the mean training pose, the most frequent classes.

They stand beside a model's figures, so that a reader sees what those are worth.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from htt_jax.data.records import RecordSource
from htt_jax.evaluation.results import Results
from htt_jax.metrics import ActionMetrics, ObjectMetrics, PoseMetrics
from htt_jax.support.errors import InputError


@dataclasses.dataclass(frozen=True)
class Baselines:
    """Constant predictions.

    Root-aligned, the mean pose is the mean root-aligned pose, so one pose serves both spaces.
    """

    pose: Float[np.ndarray, "joints 3"]  # metres, camera space
    action: int  # most frequent over videos; -1 when all are hidden
    object: int  # most frequent over frames; -1 when all are unknown

    def poses(self, frames: int) -> Float[np.ndarray, "frames joints 3"]:
        """The prediction for so many frames, as `PoseMetrics` takes it."""
        return np.broadcast_to(self.pose, (frames, *self.pose.shape))


def fit_baselines(source: RecordSource) -> Baselines:
    """Reads the labels of a training split; no image is decoded.

    Raises:
        InputError: a hand is annotated in no frame.
    """
    hands = len(source.spec.hands)
    pose_sum = np.zeros((hands, len(source.spec.skeleton.joints), 3))
    pose_count = np.zeros(hands, np.int64)
    videos_of_action = np.zeros(len(source.action_names), np.int64)
    frames_of_object = np.zeros(len(source.object_names), np.int64)
    for index in range(len(source)):
        video = source[index]
        joints = video.joints_3d.reshape(-1, *pose_sum.shape)
        pose_sum += joints.sum(
            axis=0, where=video.hand_annotated[..., None, None], dtype=np.float64
        )
        pose_count += video.hand_annotated.sum(axis=0)
        if video.action >= 0:
            videos_of_action[video.action] += 1
        if video.object >= 0:
            frames_of_object[video.object] += len(video.frames)
    for hand, count in zip(source.spec.hands, pose_count, strict=True):
        if not count:
            raise InputError(
                f"the {hand} hand is annotated in no frame of split {source.split}; "
                "there is no mean pose to compare with"
            )
    pose = (pose_sum / pose_count[:, None, None]).reshape(-1, 3)
    return Baselines(
        pose=pose, action=_most_frequent(videos_of_action), object=_most_frequent(frames_of_object)
    )


def evaluate_baselines(
    baselines: Baselines, source: RecordSource, *, mask_unannotated: bool = True
) -> Results:
    """What `htt_jax.evaluation.results.evaluate` would return if a model predicted `baselines`.

    A class that is not known (-1) is predicted as class 0.
    """
    pose = PoseMetrics(source.spec, mask_unannotated=mask_unannotated)
    objects = ObjectMetrics(len(source.object_names))
    actions = ActionMetrics(len(source.action_names))
    certain = np.eye(len(source.action_names))[None, max(baselines.action, 0)]
    for index in range(len(source)):
        video = source[index]
        frames = len(video.frames)
        pose.update(baselines.poses(frames), video.joints_3d, video.hand_annotated)
        objects.update(np.full(frames, max(baselines.object, 0)), np.full(frames, video.object))
        actions.update(np.array([index]), certain, np.array([video.action]))
    return {"pose": pose.result(), "object": objects.result(), "action": actions.result()}


def _most_frequent(counts: Int[np.ndarray, " classes"]) -> int:
    return int(np.argmax(counts)) if counts.any() else -1
