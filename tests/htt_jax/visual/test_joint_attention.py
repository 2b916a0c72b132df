"""Tiles that show where each joint's query looks."""

import numpy as np

from htt_jax.datasets.skeleton import HAND, hand_of
from htt_jax.visual import joint_attention

IMAGE = np.full((90, 160, 3), 120, np.uint8)


def test_a_map_is_smooth_and_lies_where_its_cells_do():
    weights = np.zeros((3, 5))
    weights[1, 2] = 1
    found = joint_attention.smooth(weights, (160, 90), (32, 32))
    assert np.unravel_index(found.argmax(), found.shape) == (32, 64)
    assert found.max() == 1
    assert found.min() >= 0
    assert np.abs(np.diff(found, axis=1)).max() < 0.1  # of a cell's step over 32 pixels


def test_each_joint_has_a_tile_and_the_object_one():
    tokens = 2 * 21 + 1
    maps = np.full((tokens, 3, 5), 0.01)
    maps[21 + 6, 1, 2] = 1  # the second joint of the right index finger
    nowhere = np.full((42, 2), np.nan)
    found = joint_attention.draw(IMAGE, maps, nowhere, HAND, ("left", "right"), (32, 32))
    height, width = 84 + 17 + 6, 150 + 6
    assert found.shape == (4 * height, 12 * width - 6, 3)
    bright = found.astype(int)[..., 0] - found[..., 2] > 60  # only heat is so red
    rows, columns = np.nonzero(bright)
    assert set(columns // width) == {6 + 2}
    assert set(rows // height) == {1}


def test_estimates_are_ringed_and_other_hands_fit():
    claw = hand_of(("one", "two"), 2)
    maps = np.random.default_rng(0).random((6, 3, 5))
    joints = np.full((5, 2), 40.0)
    plain = joint_attention.draw(IMAGE, maps, np.full((5, 2), np.nan), claw, ("claw",), (32, 32))
    found = joint_attention.draw(IMAGE, maps, joints, claw, ("claw",), (32, 32))
    changed = (found != plain).any(axis=-1)
    assert changed[17:, :150].any()
    assert not changed[107:, :150].any()  # the object's, below the wrist's
    page = joint_attention.page("title", [("frame 3", found), ("frame 9", found)])
    assert page.shape[0] > 2 * found.shape[0]
    assert page.shape[1] == found.shape[1] + 32
