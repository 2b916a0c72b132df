"""Small prepared datasets: real shards, made of random frames and joints.

A dataset of a spec with depth has maps on which each joint is a small square at its depth.
"""

import cv2
import numpy as np

from data_prep import object_boxes
from htt_jax import camera
from htt_jax.data import records

ACTIONS = ["open_milk", "close_milk", "put_salt"]
OBJECTS = ["milk", "salt"]
DEPTH_SIZE = (64, 48)
DEPTH_INTRINSICS = np.array([[60, 0, 32], [0, 60, 24], [0, 0, 1]], np.float32)
FROM_COLOR = np.array(
    [[1, 0, 0, 0.02], [0, 0.8, -0.6, 0.03], [0, 0.6, 0.8, 0.01], [0, 0, 0, 1]], np.float32
)
WALL = 900  # millimetres


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
        depth=make_depth(joints) if spec.depth else None,
        camera_poses=make_camera_poses(frames) if spec.camera_poses else None,
        object_boxes=make_object_boxes(frames) if spec.object_boxes else None,
    )


def make_object_boxes(frames):
    """A box 6 by 8 by 10 cm that goes to the right; in the last of several frames not known."""
    half = np.array([0.03, 0.04, 0.05])
    boxes = np.tile(object_boxes.around(-half, half), (frames, 1, 1))
    boxes += np.array([0.01, 0.0, 0.5])
    boxes[..., 0] += 0.01 * np.arange(frames)[:, None]
    boxes[1:][-1:] = np.nan
    return boxes.astype(np.float32)


def make_camera_poses(frames):
    """A camera that turns about its own axis and goes forward, by the same in every frame."""
    angle = 0.02 * np.arange(frames)
    poses = np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1))
    poses[:, 0, 0] = poses[:, 1, 1] = np.cos(angle)
    poses[:, 1, 0] = np.sin(angle)
    poses[:, 0, 1] = -poses[:, 1, 0]
    poses[:, 2, 3] = 0.01 * np.arange(frames)
    return poses


def make_depth(joints):
    """Maps of joints in the colour camera's space, by a depth camera beside it."""
    width, height = DEPTH_SIZE
    frames = []
    for of_frame in joints @ FROM_COLOR[:3, :3].T + FROM_COLOR[:3, 3]:
        depth = np.full((height, width), WALL, np.uint16)
        pixels, metres = camera.project(of_frame, DEPTH_INTRINSICS)
        for (u, v), z in zip(pixels.astype(int), metres, strict=True):
            depth[max(v - 2, 0) : v + 3, max(u - 2, 0) : u + 3] = 1000 * z
        frames.append(cv2.imencode(".png", depth)[1].tobytes())
    return records.Depth(frames, DEPTH_INTRINSICS, FROM_COLOR)


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
