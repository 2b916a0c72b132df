"""Made-up hands, for the tests of drawing."""

import numpy as np

from htt_jax.datasets.skeleton import HAND


def open_hand(wrist=(0.0, 0.06, 0.4), finger_length=0.06):
    """A flat hand, fingers up, the thumb at the left; metres, camera space."""
    joints = np.zeros((len(HAND.joints), 3))
    for finger in range(len(HAND.fingers)):
        for i in range(4):
            reach = 0.08 + finger_length * i / 3
            joints[1 + 4 * finger + i] = (0.02 * (finger - 2), -reach, 0.0)
    return joints + np.array(wrist)


def in_pixels(joints_3d, size=(192, 108)):
    """As a camera sees them that is as wide as its focal length."""
    width, height = size
    return joints_3d[:, :2] / joints_3d[:, 2:] * width + np.array([width / 2, height / 2])
