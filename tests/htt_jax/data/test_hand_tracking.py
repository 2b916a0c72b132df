"""Where the hand is in depth maps alone."""

import numpy as np
import pytest

from htt_jax.data.hand_tracking import START, HandTracker
from tests import arms

NEAR, PALM = 0.055, 0.06  # metres from the arm's end to the middle of the hand


def off(found, hand, shoulder=arms.SHOULDER):
    """Metres from the middle of a hand whose end is known."""
    along = np.asarray(hand) - shoulder
    return np.linalg.norm(found - (hand - PALM * along / np.linalg.norm(along)))


@pytest.mark.parametrize("hand", [(0.0, 0.0, 0.4), (-0.1, 0.06, 0.45), (0.12, -0.05, 0.35)])
@pytest.mark.parametrize("scale", [1, 4])  # of a map's size: it makes no difference
def test_the_hand_is_the_far_end_of_the_arm(hand, scale):
    intrinsics = arms.INTRINSICS * np.array([[scale], [scale], [1]])
    size = (scale * arms.SIZE[0], scale * arms.SIZE[1])
    found = HandTracker(intrinsics)(arms.depth_map(hand, size, intrinsics))
    assert off(found, hand) < NEAR


def test_what_stands_on_the_table_is_no_hand():
    depth = arms.depth_map((0.0, 0.0, 0.4))
    alone = HandTracker(arms.INTRINSICS)(depth)
    depth[70:110, 10:40] = 330  # as near as the arm, larger than a hand
    depth[40:60, 110:125] = 450
    np.testing.assert_allclose(HandTracker(arms.INTRINSICS)(depth), alone, atol=0.01)


def test_it_follows_the_hand_and_waits_where_it_was_last_seen():
    track = HandTracker(arms.INTRINSICS)
    nothing = np.zeros(arms.SIZE[::-1], np.uint16)
    assert track(nothing).tolist() == list(START)
    assert not track.is_seen
    for x in np.linspace(-0.1, 0.1, 5):
        hand = (x, 0.0, 0.4)
        assert off(track(arms.depth_map(hand)), hand) < NEAR
        assert track.is_seen
    before = track.centre
    for depth in (nothing, arms.depth_map(None)):
        assert track(depth) is before
        assert not track.is_seen


def test_of_two_arms_as_near_it_stays_with_the_one_it_has():
    right, left = (0.07, 0.0, 0.42), (-0.12, 0.0, 0.42)
    other = arms.SHOULDER * (-1, 1, 1)
    both = np.minimum(arms.depth_map(right), arms.depth_map(left, shoulder=other))
    for hand, shoulder in ((right, arms.SHOULDER), (left, other)):
        track = HandTracker(arms.INTRINSICS)
        track(arms.depth_map(hand, shoulder=shoulder))
        assert off(track(both), hand, shoulder) < NEAR


def test_without_a_table_there_is_a_hand_too():
    depth = arms.depth_map((0.0, 0.0, 0.4))
    hand = HandTracker(arms.INTRINSICS)(depth)
    depth[depth > 450] = 0
    np.testing.assert_allclose(HandTracker(arms.INTRINSICS)(depth), hand, atol=0.01)
