import itertools

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


def assert_edges(found, units):
    """Twelve of a cube whose corners are these, in their order."""
    assert found.min() == 1  # never the centre
    joined = units[found - 1]
    assert (np.abs(joined[:, 0] - joined[:, 1]).sum(axis=1) == 1).all()
    assert len({frozenset(pair) for pair in found.tolist()}) == 12


def test_its_edges_are_found_whatever_the_order_of_its_corners():
    rng = np.random.default_rng(0)
    units = np.array(list(itertools.product((0, 1), repeat=3)))
    for _ in range(10):
        turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        corners = units * rng.uniform(0.03, 0.3, 3) @ turned
        corners += rng.normal(0, 0.001, corners.shape)  # an estimate is only nearly a box
        order = rng.permutation(8)
        points = np.concatenate([corners.mean(axis=0, keepdims=True), corners[order]])
        found = object_box.edges(points)
        assert_edges(found, units[order])


@pytest.mark.parametrize("angles", [np.linspace(0, 2 * np.pi, 100), np.repeat([0, np.pi], 50)])
def test_edges_of_what_turns_are_those_of_most_frames(angles):
    """The mean of its boxes is a line."""
    rng = np.random.default_rng(0)
    units = np.array(list(itertools.product((0, 1), repeat=3)))
    about = np.zeros((100, 3, 3))
    about[:, 1, 1] = 1
    about[:, 0, 0] = about[:, 2, 2] = np.cos(angles)
    about[:, 0, 2], about[:, 2, 0] = np.sin(angles), -np.sin(angles)
    for _ in range(5):
        order = rng.permutation(8)
        centred = np.concatenate([[[0] * 3], units[order] - 0.5]) * [0.06, 0.2, 0.1]
        boxes = centred @ about + rng.normal(0, 0.003, (100, 9, 3))
        assert_edges(object_box.lasting_edges(boxes), units[order])


def test_a_box_partly_behind_the_camera_is_left_out():
    assert not drawn([(100, 50), *CORNERS[:-1], (np.nan, np.nan)]).any()
