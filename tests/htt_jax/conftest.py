"""Small prepared datasets for the tests of everything that reads them."""

import cv2
import numpy as np
import pytest

from htt_jax.data import records
from htt_jax.datasets.spec import H2O

SIZE = (48, 32)
ACTIONS = ["open", "close", "pour"]
OBJECTS = ["book", "milk"]


def colour(video, frame):
    """RGB of every pixel of a frame, by which it can be recognised after JPEG."""
    return np.array([40 + 30 * video, 30 + 8 * frame, 128])


def make_video(number, frames):
    """Video `number`: labels, poses and pixels all follow from it."""
    encoded = []
    for frame in range(frames):
        image = np.full((SIZE[1], SIZE[0], 3), colour(number, frame)[::-1], np.uint8)
        encoded.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
    joints = np.zeros((frames, 42, 3), np.float32)
    joints[..., 0] = number
    joints[..., 1] = np.arange(frames)[:, None]
    joints[..., 2] = 1 + np.arange(42) / 100
    annotated = np.ones((frames, 2), bool)
    annotated[::3, 0] = False
    return records.Video(
        video_id=f"subject1/h1/{number}/0-{frames - 1}",
        segment_id=number,
        subject="subject1",
        action=number % len(ACTIONS),
        object=number % len(OBJECTS),
        frames=encoded,
        frame_numbers=100 + np.arange(frames, dtype=np.int64),
        joints_3d=joints,
        hand_annotated=annotated,
        intrinsics=np.array([[60, 0, 24], [0, 62, 16], [0, 0, 1]], np.float32),
    )


def write_dataset(directory, videos, shards=2):
    """Writes `videos` as the split 'train' of a prepared H2O dataset."""
    schema = records.features(H2O, ACTIONS, OBJECTS)
    indexes = []
    for shard in range(shards):
        path = records.shard_path(directory, H2O, "train", shard, shards)
        with records.ShardWriter(path) as writer:
            for video in np.array_split(np.array(videos, object), shards)[shard]:
                data = records.encode(video, schema)
                writer.write(data, len(video.frames), video.video_id)
        indexes.append(writer.index)
    records.write_metadata(directory, H2O, ACTIONS, OBJECTS, {"train": indexes})
    return records.RecordSource(directory, "train")


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """Videos of 1, 9, 5 and 12 frames."""
    videos = [make_video(number, frames) for number, frames in enumerate((1, 9, 5, 12))]
    return write_dataset(tmp_path_factory.mktemp("prepared"), videos)


@pytest.fixture
def dataset_of(tmp_path):
    """Writes given videos and opens them."""
    return lambda videos: write_dataset(tmp_path, videos, shards=1)


@pytest.fixture
def video_of():
    """Makes the video of a number with so many frames."""
    return make_video


@pytest.fixture
def colour_of():
    """RGB of all pixels of a frame of a video of `video_of`."""
    return colour
