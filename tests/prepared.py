"""Small prepared datasets: real shards, made of random frames and joints."""

import cv2
import numpy as np

from htt_jax.data import records

ACTIONS = ["open_milk", "close_milk", "put_salt"]
OBJECTS = ["milk", "salt"]


def make_video(spec, rng, number, frames, size, action):
    width, height = size
    encoded = [
        cv2.imencode(".jpg", rng.integers(0, 255, (height, width, 3), np.uint8))[1].tobytes()
        for _ in range(frames)
    ]
    joints = rng.normal(0.0, 0.05, (frames, spec.num_joints, 3)) + np.array([0.0, 0.0, 0.4])
    focal = 0.9 * width
    return records.Video(
        video_id=f"Subject_1/{ACTIONS[action]}/{number}",
        segment_id=-1,
        subject="Subject_1",
        action=action,
        object=0 if action < 2 else 1,
        frames=encoded,
        frame_numbers=np.arange(frames),
        joints_3d=joints.astype(np.float32),
        hand_annotated=np.ones((frames, len(spec.hands)), bool),
        intrinsics=np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]], np.float32),
    )


def write_dataset(directory, spec, splits, size=(64, 36), seed=0):
    """Writes a dataset; `splits` gives each split's videos by their numbers of frames."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    schema = records.features(spec, ACTIONS, OBJECTS)
    indexes = {}
    for split, lengths in splits.items():
        path = records.shard_path(directory, spec, split, 0, 1)
        with records.ShardWriter(path) as shard:
            for number, frames in enumerate(lengths):
                video = make_video(spec, rng, number, frames, size, number % len(ACTIONS))
                shard.write(records.encode(video, schema), frames, video.video_id)
        indexes[split] = [shard.index]
    records.write_metadata(directory, spec, ACTIONS, OBJECTS, indexes)
    return directory
