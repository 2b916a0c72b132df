"""A training split and, behind its videos, those of another dataset, whose labels are not told."""

import dataclasses
import hashlib

import numpy as np
from jaxtyping import Bool

from htt_jax import camera
from htt_jax.data.records import RecordSource, Video
from htt_jax.data.views_of_cameras import views
from htt_jax.support.errors import InputError

_PREFIX = "unlabelled/"
_UNKNOWN = -1


class WithUnlabelled(RecordSource):
    """The videos of a split, and after them others without labels.

    All that is not said of single videos is as the labelled split has it, but for the fingerprint,
    which is of both. The others may have been prepared with labels, of any hands and classes: no
    hand of them is annotated here, action and object are not known.

    Attributes:
        unlabelled: those others.
    """

    def __init__(self, labelled: RecordSource, unlabelled: RecordSource) -> None:
        """Puts the two together.

        Raises:
            InputError: their frames are of two sizes, or of cameras that they stretch otherwise, or
                they hold the same videos.
        """
        if unlabelled.image_size != labelled.image_size:
            found, wanted = ("{}x{}".format(*x.image_size) for x in (unlabelled, labelled))
            raise InputError(
                f"config.distill.data={unlabelled.directory} has frames of {found} pixels, "
                f"{labelled.directory} of {wanted}; prepare it with frames of that size"
            )
        ours = list(views(labelled).values())
        shape = f"{ours[0][0] / ours[0][1]:.2f}"
        for video, seen in views(unlabelled).items():
            if not any(camera.same_shape(own, seen) for own in ours):
                raise InputError(
                    f"config.distill.data={unlabelled.directory} has frames, of video {video!r}, "
                    f"that show {seen[0] / seen[1]:.2f} times as much across as upwards, those of "
                    f"{labelled.directory} show {shape} times: one of them was "
                    "stretched when it was prepared; name videos of that shape"
                )
        if unlabelled.fingerprint == labelled.fingerprint:
            raise InputError(
                f"config.distill.data={unlabelled.directory} holds the videos that are trained on "
                "with their labels; name others, or leave it out"
            )
        self.directory, self.split, self.spec = labelled.directory, labelled.split, labelled.spec
        self.action_names, self.object_names = labelled.action_names, labelled.object_names
        self.image_size = labelled.image_size
        self.frame_rates = []  # of either split alone
        self.video_ids = [*labelled.video_ids, *(_PREFIX + x for x in unlabelled.video_ids)]
        self.frame_counts = np.concatenate([labelled.frame_counts, unlabelled.frame_counts])
        both = f"{labelled.fingerprint} {unlabelled.fingerprint}"
        self.fingerprint = hashlib.sha256(both.encode()).hexdigest()
        self._labelled, self.unlabelled = labelled, unlabelled

    def __len__(self) -> int:
        return len(self._labelled) + len(self.unlabelled)

    @property
    def camera(self) -> str:
        """As the labelled split's."""
        return self._labelled.camera

    @property
    def shown_at(self) -> float | None:
        """As the labelled split's."""
        return self._labelled.shown_at

    def __getitem__(self, record_key: int) -> Video:
        """See `RecordSource`."""
        count = len(self._labelled)
        if record_key < count:
            return self._labelled[record_key]
        return self._without_labels(self.unlabelled[record_key - count])

    def _without_labels(self, video: Video) -> Video:
        frames = len(video.frames)
        return dataclasses.replace(
            video,
            video_id=_PREFIX + video.video_id,
            action=_UNKNOWN,
            object=_UNKNOWN,
            joints_3d=np.zeros((frames, self.spec.num_joints, 3), np.float32),
            hand_annotated=np.zeros((frames, len(self.spec.hands)), bool),
            depth=None,
            camera_poses=None,
            object_boxes=None,
            joints_known=self._nothing_known(frames),
            frame_rate=None,
        )

    def _nothing_known(self, frames: int) -> Bool[np.ndarray, "frames joints 2"] | None:
        shape = (frames, self.spec.num_joints, 2)
        return np.zeros(shape, bool) if self.spec.joint_by_joint else None
