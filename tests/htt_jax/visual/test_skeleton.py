import numpy as np
import pytest

from htt_jax.datasets.skeleton import HAND
from htt_jax.visual import colours, skeleton
from htt_jax.visual.truth_and_estimate import compare
from tests.htt_jax.visual.hands import in_pixels, open_hand

GREY = 128


def canvas(size=(192, 108)):
    return np.full((size[1], size[0], 3), GREY, np.uint8)


def pixel(picture, place):
    column, row = np.round(place).astype(int)
    return picture[row, column].astype(int)


def test_joints_and_bones_have_the_colours_of_their_fingers():
    picture = canvas((960, 540))
    joints = in_pixels(open_hand(), (960, 540))
    tints = colours.finger_colours(HAND, 1)
    skeleton.draw(picture, joints, tints, HAND)
    for joint, tint in zip(joints, tints, strict=True):
        assert abs(pixel(picture, joint) - tint).max() <= 2
    for parent, child in HAND.bones:
        if parent:
            middle = pixel(picture, (joints[parent] + joints[child]) / 2)
            assert abs(middle - tints[child]).max() <= 2
    assert (picture[:, :200] == GREY).all()


def test_nearer_bones_cover_farther_ones():
    joints = np.full((42, 2), np.nan)
    joints[[1, 2]] = [(20, 54), (170, 54)]
    joints[[22, 23]] = [(96, 10), (96, 100)]
    red, blue = (200, 0, 0), (0, 0, 200)
    tints = np.array([red] * 21 + [blue] * 21, np.uint8)
    for depths, seen in (((0.3, 0.5), red), ((0.5, 0.3), blue)):
        picture = canvas()
        skeleton.draw(picture, joints, tints, HAND, depth=np.repeat(depths, 21), thickness=3)
        assert abs(pixel(picture, (96, 54)) - seen).max() <= 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e30, 1e6])
def test_what_cannot_be_drawn_is_left_out(bad):
    joints = in_pixels(open_hand())
    tints = colours.finger_colours(HAND, 1)
    joints[8] = bad  # the tip of the index finger
    picture, without = canvas(), canvas()
    depth = np.where(np.arange(21) == 8, bad, 0.4)
    skeleton.draw(picture, joints, tints, HAND, depth=depth)
    joints[8] = np.nan
    skeleton.draw(without, joints, tints, HAND)
    np.testing.assert_array_equal(picture, without)
    assert (without != GREY).any()
    everything = canvas()
    skeleton.draw(everything, np.full((21, 2), bad), tints, HAND)
    assert (everything == GREY).all()


def test_joints_outside_draw_what_of_their_bones_is_inside():
    joints = np.full((21, 2), np.nan)
    joints[[1, 2]] = [(100, 50), (900, 50)]
    picture = canvas()
    skeleton.draw(picture, joints, np.full((21, 3), 255, np.uint8), HAND, thickness=3)
    assert (pixel(picture, (191, 50)) == 255).all()
    assert (picture[:, :90] == GREY).all()


def test_hands_get_letters_inside_the_picture():
    joints = in_pixels(np.concatenate([open_hand((-0.1, 0, 0.4)), open_hand((0.1, 0.2, 0.4))]))
    joints[:21] = np.nan
    picture = canvas()
    skeleton.draw_hand_letters(picture, joints, ("left", "right"), HAND)
    assert (picture[:, :100] == GREY).all()
    assert (picture[-12:, 120:] != GREY).any()  # the wrist lies below the picture


def test_depth_legend_shows_the_colours_of_its_limits():
    picture = canvas((480, 270))
    skeleton.draw_depth_legend(picture, (0.3, 0.6), (12, 12))
    bar = picture[24, 22:190]
    ends = colours.depth_colours(np.array([0.3, 0.6]), (0.3, 0.6))
    np.testing.assert_array_equal(bar[[0, -1]], ends)


def test_comparison_looks_at_the_hands():
    joints = np.full((21, 2), np.nan)
    joints[:2] = [(30, 20), (50, 30)]
    estimate = joints + np.array([0, 8])
    picture = compare(canvas((192, 108)), joints, estimate, HAND, (320, 180))
    assert picture.shape == (180, 320, 3)
    # Two fifths of the picture are shown, 76 x 43 pixels around (40, 29).
    scale, corner = 320 / 76, np.array([1, 7])
    for places, colour in ((joints, colours.GROUND_TRUTH), (estimate, colours.ESTIMATE)):
        for place in places[:2]:
            assert abs(pixel(picture, (place - corner + 0.5) * scale - 0.5) - colour).max() < 40


def test_comparison_without_hands_shows_the_whole_frame():
    frame = canvas((192, 108))
    frame[:, 96:] = 255
    nothing = np.full((42, 2), np.nan)
    picture = compare(frame, nothing, nothing, HAND, (96, 54))
    np.testing.assert_array_equal(picture, frame[::2, ::2])
