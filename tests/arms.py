"""Depth maps of an arm that reaches over a table, for what looks for the hand at its end."""

import cv2
import numpy as np

from htt_jax import camera
from htt_jax.data import records
from tests import prepared

SIZE = (160, 120)
INTRINSICS = np.array([[150.0, 0, 80], [0, 150, 60], [0, 0, 1]])
SHOULDER = np.array([0.12, 0.3, 0.28])
RADIUS = 0.03


def depth_map(hand, size=SIZE, intrinsics=INTRINSICS, table=0.6, shoulder=SHOULDER):
    """Millimetres; the arm ends at `hand`, metres; None: there is none."""
    width, height = size
    rows = (np.arange(height) - intrinsics[1, 2]) / intrinsics[1, 1]
    depth = np.repeat((1000 * table / (1 + 0.5 * rows))[:, None], width, axis=1)
    if hand is not None:
        shares = np.linspace(1, 0, 60)[:, None]  # what is nearer comes last
        middles = shoulder + shares * (np.asarray(hand) - shoulder)
        for (x, y), z in zip(*camera.project(middles, intrinsics), strict=True):
            place = round(float(x)), round(float(y))
            cv2.circle(depth, place, round(RADIUS * intrinsics[0, 0] / z), 1000 * z, -1)
    return depth.astype(np.uint16)


def png(depth):
    return cv2.imencode(".png", depth)[1].tobytes()


def make_depth(joints):
    """In the place of `prepared.make_depth`: arms that end where the joints are, straight ahead."""
    intrinsics = prepared.DEPTH_INTRINSICS.astype(float)
    maps = [depth_map(hand, prepared.DEPTH_SIZE, intrinsics) for hand in joints.mean(axis=1)]
    return records.Depth(
        list(map(png, maps)), prepared.DEPTH_INTRINSICS, np.eye(4, dtype=np.float32)
    )
