import numpy as np
import pytest

from htt_jax.datasets.skeleton import HAND
from htt_jax.visual import colours, view3d
from htt_jax.visual.view3d import View3D
from tests.htt_jax.visual.hands import open_hand


def panel():
    return np.full((270, 320, 3), colours.BACKGROUND, np.uint8)


def draw(joints, seconds=0.0, radius=0.15):
    canvas = panel()
    return canvas, View3D(radius, HAND).draw(canvas, joints, seconds)


def test_the_view_stays_the_same_wherever_the_hand_is():
    here, pixels = draw(open_hand())
    there, moved = draw(open_hand((0.2, -0.1, 0.8)))
    np.testing.assert_allclose(pixels, moved)
    np.testing.assert_array_equal(here, there)


def test_the_scale_does_not_depend_on_the_pose():
    _, straight = draw(open_hand())
    _, bent = draw(open_hand(finger_length=0.02))
    np.testing.assert_allclose(straight[[0, 1, 5, 9, 13, 17]], bent[[0, 1, 5, 9, 13, 17]])


def test_joints_are_drawn_in_their_fingers_colours_darker_when_farther():
    near, far = open_hand(), open_hand()
    near[5:9, 2] -= 0.1
    far[5:9, 2] += 0.1
    brightness = []
    for joints in (near, far):
        canvas, pixels = draw(joints)
        column, row = np.round(pixels[8]).astype(int)
        brightness.append(int(canvas[row, column].sum()))
    assert sum(colours.FINGER["index"]) >= brightness[0] > brightness[1] + 60


def test_the_view_sways_with_time_and_comes_back():
    _, start = draw(open_hand(), seconds=0)
    _, turned = draw(open_hand(), seconds=2)
    _, back = draw(open_hand(), seconds=8)
    assert np.abs(turned - start).max() > 4
    np.testing.assert_allclose(back, start, atol=1e-9)


def test_missing_hands_and_joints_leave_the_rest():
    floor, _ = draw(np.full((21, 3), np.nan))
    assert (floor != panel()).any()
    pair = np.concatenate([np.full((21, 3), np.inf), open_hand()])
    np.testing.assert_array_equal(draw(pair)[0], draw(open_hand())[0])
    fingerless = open_hand()
    fingerless[5:9] = np.nan
    canvas, pixels = draw(fingerless)
    assert np.isfinite(pixels).sum() == 2 * 17
    assert (canvas != floor).any()


def test_radius_holds_the_hands_of_a_video():
    one = open_hand()[None]
    assert view3d.radius_of(one, HAND) == view3d.ONE_HAND_RADIUS
    pair = np.concatenate([open_hand((-0.3, 0, 0.4)), open_hand((0.3, 0, 0.4))])[None]
    radius = view3d.radius_of(np.concatenate([pair, np.full_like(pair, np.nan)]), HAND)
    centre = view3d.centre_of(pair, HAND)[0]
    farthest = np.linalg.norm(pair[0] - centre, axis=-1).max()
    assert farthest <= radius < farthest + 0.025
    assert view3d.radius_of(np.full((2, 42, 3), np.nan), HAND) == view3d.TWO_HANDS_RADIUS


def test_the_grid_has_few_round_squares_at_every_radius():
    for radius, square in ((0.125, 0.05), (0.2, 0.1), (0.6, 0.2), (1.2, 0.5), (10_000, 5_000)):
        assert View3D(radius, HAND).grid == pytest.approx(square)
    for radius in np.geomspace(1e-3, 1e6, 50):
        assert 1 <= radius / View3D(radius, HAND).grid <= 4
    canvas, _ = draw(1e5 * open_hand(), radius=1e4)
    assert (canvas != panel()).any()


def test_radius_has_an_end():
    joints = np.float32(1e30) * open_hand()[None].astype(np.float32)
    assert view3d.radius_of(joints, HAND) == view3d.LARGEST_RADIUS
    joints[:, ::2] = np.inf
    assert view3d.radius_of(joints, HAND) <= view3d.LARGEST_RADIUS


def test_far_off_joints_do_not_break_the_drawing():
    joints = open_hand()
    joints[8] = (5.0, -3.0, -40.0)
    canvas, _ = draw(joints)
    assert (canvas != panel()).any()
