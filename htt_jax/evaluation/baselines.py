"""What is reached without looking: the mean training pose, the most frequent classes.

They stand beside a model's figures, so that a reader sees what those are worth.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax import camera
from htt_jax.data.records import RecordSource, Video
from htt_jax.evaluation.results import Results, in_images
from htt_jax.metrics import ActionMetrics, ImageMetrics, ObjectMetrics, PoseMetrics


@dataclasses.dataclass(frozen=True)
class Baselines:
    """Constant predictions.

    Root-aligned, the mean pose is the mean root-aligned pose, so one pose serves both spaces; or
    near to it, where joints are known in some frames each.
    """

    pose: Float[np.ndarray, "joints 3"]  # metres, camera space; NaN where none is known
    places: Float[np.ndarray, "joints 2"]  # pixels of stored frames; likewise
    action: int  # most frequent over videos; -1 when all are hidden
    object: int  # most frequent over frames; -1 when all are unknown

    def poses(self, frames: int) -> Float[np.ndarray, "frames joints 3"]:
        """The prediction for so many frames, as `PoseMetrics` takes it."""
        return np.broadcast_to(self.pose, (frames, *self.pose.shape))


def fit_baselines(source: RecordSource) -> Baselines:
    """Reads the labels of a training split; no image is decoded."""
    joints = source.spec.num_joints
    pose_sum, place_sum = np.zeros((joints, 3)), np.zeros((joints, 2))
    pose_count, place_count = np.zeros(joints, np.int64), np.zeros(joints, np.int64)
    videos_of_action = np.zeros(len(source.action_names), np.int64)
    frames_of_object = np.zeros(len(source.object_names), np.int64)
    for index in range(len(source)):
        video = source[index]
        known = known_joints(video)
        in_image, in_space = known[..., 0], known[..., 1]
        pose_sum += video.joints_3d.sum(axis=0, where=in_space[..., None], dtype=np.float64)
        pose_count += in_space.sum(axis=0)
        place_sum += _places(video, in_image).sum(axis=0, where=in_image[..., None])
        place_count += in_image.sum(axis=0)
        if video.action >= 0:
            videos_of_action[video.action] += 1
        if video.object >= 0:
            frames_of_object[video.object] += len(video.frames)
    return Baselines(
        pose=_mean(pose_sum, pose_count),
        places=_mean(place_sum, place_count),
        action=_most_frequent(videos_of_action),
        object=_most_frequent(frames_of_object),
    )


def known_joints(video: Video) -> Bool[np.ndarray, "frames joints 2"]:
    """Of which joints the place in the image is known, and of which the depth."""
    if video.joints_known is not None:
        return video.joints_known
    joints = video.joints_3d.shape[1] // video.hand_annotated.shape[1]
    return np.repeat(video.hand_annotated, joints, axis=1)[..., None].repeat(2, axis=2)


def evaluate_baselines(
    baselines: Baselines,
    source: RecordSource,
    image_size: tuple[int, int],
    *,
    mask_unannotated: bool = True,
) -> Results:
    """What `htt_jax.evaluation.results.evaluate` would return if a model predicted `baselines`.

    A class that is not known (-1) is predicted as class 0; what no training frame tells of poses is
    not measured.

    Args:
        baselines: of the training split.
        source: the split.
        image_size: (width, height) of what the model sees.
        mask_unannotated: see `PoseMetrics`.
    """
    pose = PoseMetrics(source.spec, mask_unannotated=mask_unannotated)
    image = ImageMetrics(source.spec)
    objects = ObjectMetrics(len(source.object_names))
    actions = ActionMetrics(len(source.action_names))
    certain = np.eye(len(source.action_names))[None, max(baselines.action, 0)]
    factor = np.divide(image_size, source.image_size)
    for index in range(len(source)):
        video = source[index]
        frames, known = len(video.frames), video.joints_known
        pose.update(
            baselines.poses(frames),
            video.joints_3d,
            video.hand_annotated,
            None if known is None else known[..., 1],
        )
        if known is not None:
            told = known[..., 0] & np.isfinite(baselines.places).all(axis=-1)
            off = (_places(video, told) - baselines.places) * factor
            image.update(np.linalg.norm(off, axis=-1), told)
        objects.update(np.full(frames, max(baselines.object, 0)), np.full(frames, video.object))
        actions.update(np.array([index]), certain, np.array([video.action]))
    return {
        "pose": pose.result(),
        **in_images(image),
        "object": objects.result(),
        "action": actions.result(),
    }


def _places(
    video: Video, known: Bool[np.ndarray, "frames joints"]
) -> Float[np.ndarray, "frames joints 2"]:
    """Pixels of the stored frames, of joints whose place there is known."""
    joints = np.where(known[..., None], video.joints_3d, np.array([0.0, 0.0, 1.0]))
    return camera.project(joints, video.intrinsics.astype(np.float64))[0]


def _mean(
    total: Float[np.ndarray, "joints axes"], count: Int[np.ndarray, " joints"]
) -> Float[np.ndarray, "joints axes"]:
    return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan)


def _most_frequent(counts: Int[np.ndarray, " classes"]) -> int:
    return int(np.argmax(counts)) if counts.any() else -1
