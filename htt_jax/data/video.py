"""One record of a prepared dataset: a video, its labels, and its form as bytes."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Bool, Float, Int
from tensorflow_datasets.proto import tf_example_pb2

from htt_jax.datasets.spec import BOX_POINTS, DatasetSpec
from htt_jax.support.errors import InputError


@dataclasses.dataclass
class Depth:
    """What the depth camera saw of a video.

    A point X of the colour camera's space is `from_color` X, homogeneous, in the depth camera's.
    """

    frames: list[bytes]  # one-channel 16-bit PNG, millimetres along z, 0 = unknown; b"" = no map
    intrinsics: Float[np.ndarray, "3 3"]  # pixels, for the size of `frames`
    from_color: Float[np.ndarray, "4 4"]  # metres


@dataclasses.dataclass
class Video:
    """One record: an FPHA sequence or an H2O action segment."""

    video_id: str  # 'Subject_1/open_juice_bottle/2', 'subject1/h1/0/0000-0061'; unique
    segment_id: int  # H2O: id in the label file; FPHA: -1
    subject: str
    action: int  # class from 0; -1 = hidden
    object: int  # class from 0; -1 = unknown
    frames: list[bytes]  # encoded JPEG or PNG, all of one size
    frame_numbers: Int[np.ndarray, " frames"]  # as in the raw file names
    joints_3d: Float[np.ndarray, "frames joints 3"]  # metres, camera space
    hand_annotated: Bool[np.ndarray, "frames hands"]  # all joints of it are known, in space
    intrinsics: Float[np.ndarray, "3 3"]  # pixels, for the size of `frames`
    depth: Depth | None = None  # as many maps as frames; None where the dataset's spec has none
    # Camera to world, metres; NaN where it is not known. None where the dataset's spec has none.
    camera_poses: Float[np.ndarray, "frames 4 4"] | None = None
    # Centre and corners of the object's box, metres, camera space; NaN and None likewise.
    object_boxes: Float[np.ndarray, "frames points 3"] | None = None
    # Of each joint, whether its place in the image is known, and its depth. Where the place alone
    # is, it lies there, 1 m ahead of the camera. None where no hand is known in part.
    joints_known: Bool[np.ndarray, "frames joints 2"] | None = None
    frame_rate: float | None = None  # a second, the mean, in thousandths; None: the spec has none

    @property
    def of_frames(self) -> dict[str, np.ndarray]:
        """The arrays there are whose first axis is the frames, but for depth maps."""
        names = ("frame_numbers", "joints_3d", "hand_annotated", *_MAY_LACK)
        arrays = {name: getattr(self, name) for name in names}
        return {name: array for name, array in arrays.items() if array is not None}


_MAY_LACK = {
    "camera_poses": "camera poses",
    "object_boxes": "object boxes",
    "joints_known": "flags of joints",
}
"""Arrays of frames that not every dataset has, and what they are called."""
_OF_SPEC = {"joints_known": "joints", "frame_rate": "frame_rates"}
"""What of a spec says whether records have them, where it has another name."""


def features(
    spec: DatasetSpec, action_names: Sequence[str], object_names: Sequence[str]
) -> tfds.features.FeaturesDict:
    """The schema of a record of `spec`."""
    feature = tfds.features
    depth = {
        "depth_frames": feature.Tensor(shape=(None,), dtype=np.object_),
        "depth_intrinsics": feature.Tensor(shape=(3, 3), dtype=np.float32),
        "depth_from_color": feature.Tensor(shape=(4, 4), dtype=np.float32),
    }
    poses = {"camera_poses": feature.Tensor(shape=(None, 4, 4), dtype=np.float32)}
    boxes = {"object_boxes": feature.Tensor(shape=(None, BOX_POINTS, 3), dtype=np.float32)}
    known = {"joints_known": feature.Tensor(shape=(None, spec.num_joints, 2), dtype=np.bool_)}
    rate = {"frame_rate": feature.Scalar(np.float32)}
    return feature.FeaturesDict(
        {
            "video_id": feature.Text(),
            "segment_id": feature.Scalar(np.int64),
            "subject": feature.Text(),
            "action": feature.ClassLabel(names=action_names),
            "object": feature.ClassLabel(names=object_names),
            # Encoded images as byte strings: the image feature of TFDS needs TensorFlow.
            "frames": feature.Tensor(shape=(None,), dtype=np.object_),
            "frame_numbers": feature.Tensor(shape=(None,), dtype=np.int64),
            "joints_3d": feature.Tensor(shape=(None, spec.num_joints, 3), dtype=np.float32),
            "hand_annotated": feature.Tensor(shape=(None, len(spec.hands)), dtype=np.bool_),
            "intrinsics": feature.Tensor(shape=(3, 3), dtype=np.float32),
        }
        | (depth if spec.depth else {})
        | (poses if spec.camera_poses else {})
        | (boxes if spec.object_boxes else {})
        | (known if spec.joint_by_joint else {})
        | (rate if spec.frame_rates else {})
    )


def encode(video: Video, features: tfds.features.FeaturesDict) -> bytes:
    """The record of `video`; the same video gives the same bytes in every process.

    Raises:
        InputError: it has depth maps, camera poses, object boxes, flags of joints or a frame rate
            and the schema has none, or the other way round.
    """
    values = {field.name: getattr(video, field.name) for field in dataclasses.fields(Video)}
    values["frames"] = np.array(video.frames, np.object_)
    depth = values.pop("depth")
    for field, name, what in (
        ("depth", "depth_frames", "depth maps"),
        *((name, name, what) for name, what in _MAY_LACK.items()),
        ("frame_rate", "frame_rate", "frame rate"),
    ):
        absent = getattr(video, field) is None
        if absent == (name in features):
            said = _OF_SPEC.get(field, field)
            raise InputError(
                f"video {video.video_id!r} has {'no ' * absent}{what}, unlike its dataset's spec; "
                f"`{said}` of the DatasetSpec must say whether records have them"
            )
    for name in (*_MAY_LACK, "frame_rate"):
        if values[name] is None:
            del values[name]
    if depth is not None:
        values["depth_frames"] = np.array(depth.frames, np.object_)
        values["depth_intrinsics"] = depth.intrinsics
        values["depth_from_color"] = depth.from_color
    example = tf_example_pb2.Example.FromString(features.serialize_example(values))
    # An example is a protobuf map, whose order would otherwise differ from process to process.
    return example.SerializeToString(deterministic=True)


def decode(data: bytes, features: tfds.features.FeaturesDict) -> Video:
    """The video of a record.

    Raises:
        InputError: `data` does not follow the schema.
    """
    try:
        values = features.deserialize_example_np(data)
        values["video_id"] = values["video_id"].decode()
        values["subject"] = values["subject"].decode()
        values["frames"] = values["frames"].tolist()
        if "frame_rate" in values:
            # Records hold it in single precision.
            values["frame_rate"] = round(float(values["frame_rate"]), 3)
        if "depth_frames" in values:
            values["depth"] = Depth(
                frames=values.pop("depth_frames").tolist(),
                intrinsics=values.pop("depth_intrinsics"),
                from_color=values.pop("depth_from_color"),
            )
        video = Video(**values)
    except Exception as error:  # TFDS and protobuf raise many kinds, all meaning the same
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(f"not a record of this dataset's schema: {reason}") from error
    counts = {
        len(video.frames),
        len(video.frame_numbers),
        len(video.joints_3d),
        len(video.hand_annotated),
    }
    if len(counts) != 1 or not video.frames:
        raise InputError(
            f"video {video.video_id!r} has {len(video.frames)} frames, "
            f"{len(video.frame_numbers)} frame numbers, {len(video.joints_3d)} poses and "
            f"{len(video.hand_annotated)} hand flags; expected as many of each, at least one"
        )
    if video.depth is not None and len(video.depth.frames) != len(video.frames):
        raise InputError(
            f"video {video.video_id!r} has {len(video.frames)} frames and "
            f"{len(video.depth.frames)} depth maps; expected as many of each"
        )
    if video.frame_rate is not None and not 0 < video.frame_rate < math.inf:
        raise InputError(
            f"video {video.video_id!r} has {video.frame_rate:g} frames a second; expected a number "
            "above 0"
        )
    for name, what in _MAY_LACK.items():
        array = getattr(video, name)
        if array is not None and len(array) != len(video.frames):
            raise InputError(
                f"video {video.video_id!r} has {len(video.frames)} frames and {len(array)} {what}; "
                "expected as many of each"
            )
    return video
