import numpy as np
import pytest

from htt_jax.visual import object_box

CORNERS = [(x, y) for x in (40, 60, 140, 160) for y in (20, 80)]


def drawn(points):
    canvas = np.full((100, 200, 3), 90, np.uint8)
    object_box.draw(canvas, np.array(points, float))
    return np.abs(canvas.astype(int) - 90).max(axis=-1)


@pytest.mark.parametrize("corners", [CORNERS, CORNERS[::-1], CORNERS[1::2] + CORNERS[::2]])
def test_the_outline_is_the_same_in_every_order_of_corners(corners):
    change = drawn([(100, 50), *corners])
    assert change[48:53, 98:103].any()  # the centre
    assert change[20, 40:161].all()
    assert change[80, 40:161].all()
    assert change[20:81, 40].all()
    assert not change[30:70, 50:90].any()  # nothing within
    assert not change[:, :30].any()


def test_a_box_partly_behind_the_camera_is_left_out():
    assert not drawn([(100, 50), *CORNERS[:-1], (np.nan, np.nan)]).any()
