"""Depth maps decoded, and as pictures."""

import cv2
import numpy as np
import pytest

from htt_jax.data import depth_maps
from htt_jax.data.depth_maps import decode_map

SIZE = (6, 4)


def png(array):
    return cv2.imencode(".png", array)[1].tobytes()


def test_a_map_comes_back_in_millimetres():
    depth = np.arange(24, dtype=np.uint16).reshape(4, 6) * 40
    np.testing.assert_array_equal(decode_map(png(depth), SIZE), depth)


def test_a_map_that_is_not_there_has_no_reading():
    found = decode_map(b"", SIZE)
    assert found.shape == (4, 6)
    assert not found.any()


@pytest.mark.parametrize(
    ("encoded", "said"),
    [
        (b"no image", "not a readable image"),
        (png(np.zeros((4, 6), np.uint8)), "one channel of 16 bits"),
        (png(np.zeros((4, 6, 3), np.uint16)), "one channel of 16 bits"),
        (png(np.zeros((3, 6), np.uint16)), "6x3 pixels instead of 6x4"),
    ],
    ids=["no image", "8 bits", "colour", "another size"],
)
def test_what_is_no_depth_map_is_said(encoded, said):
    with pytest.raises(ValueError, match=said):
        decode_map(encoded, SIZE)


def test_in_a_picture_near_is_bright_and_no_reading_black():
    depth = np.full((4, 6), 800, np.uint16)
    depth[:, :2], depth[:, 4:] = 0, 400
    brightness = depth_maps.picture(depth).sum(axis=-1, dtype=int)
    assert (brightness[:, :2] == 0).all()
    assert (brightness[:, 4:] > brightness[:, 2:4]).all()
    assert not depth_maps.picture(np.zeros((4, 6), np.uint16)).any()
