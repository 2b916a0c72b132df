import dataclasses

import numpy as np
import pytest

from htt_jax.datasets.skeleton import HAND
from htt_jax.visual import colours
from htt_jax.visual.scene import FrameScene, Renderer
from htt_jax.visual.timeline import History
from tests.htt_jax.visual.hands import in_pixels, open_hand

SIZE = (192, 108)
ACTIONS = ("take_letter_from_enveloppe", "open_milk")


def scene(size=SIZE, hands=1, decided=None):
    joints = np.concatenate([open_hand((0.1 * hand, 0.06, 0.4)) for hand in range(hands)])
    return FrameScene(
        image=np.full((size[1], size[0], 3), 90, np.uint8),
        frame=3,
        frames=10,
        seconds=0.1,
        joints_2d=in_pixels(joints, size),
        depth=joints[:, 2],
        joints_3d=joints,
        object_name="milk",
        object_probability=0.8,
        action_names=ACTIONS,
        action_probabilities=(0.7, 0.2),
        history=History(np.arange(10) / 30, ACTIONS, np.full((10, 2), 0.5)),
        clip=(3, 128),
        window=(3, 16),
        decided=decided,
        note="30 frames/s",
    )


@pytest.mark.parametrize(
    ("size", "picture"),
    [
        ((1920, 1080), (1280, 720)),
        ((120, 68), (1272, 720)),
        ((640, 480), (1040, 720)),
        ((1080, 1920), (844, 720)),
        ((2560, 720), (1280, 720)),
        ((101, 1001), (512, 720)),
    ],
)
def test_every_shape_of_frame_gets_a_picture_of_even_sides(size, picture):
    renderer = Renderer(size, ("right",), HAND)
    assert renderer.size == picture
    assert not any(side % 2 for side in picture)
    assert renderer.render(scene(size)).shape == (picture[1], picture[0], 3)


def test_joints_stand_where_the_frame_shows_them():
    renderer = Renderer(SIZE, ("right",), HAND, depth_limits=(0.3, 0.5))
    shown = scene()
    picture = renderer.render(shown).astype(int)
    expected = colours.depth_colours(shown.depth, (0.3, 0.5))[0]
    for joint in shown.joints_2d:
        column, row = np.round((joint + 0.5) * 5 - 0.5).astype(int)
        assert abs(picture[row, column] - expected).max() <= 2
    assert (picture[300:540, 10:100] == 90).all()


def test_the_objects_box_stands_where_the_frame_shows_it_beneath_the_hand():
    renderer = Renderer(SIZE, ("right",), HAND)
    plain = renderer.render(scene())
    corners = [(x, y) for x in (150, 180) for y in (80, 95)]
    box = np.array([(165, 87), *corners, *corners], float)
    without_joints = dataclasses.replace(scene(), joints_2d=None, object_box=box)
    for shown in (dataclasses.replace(scene(), object_box=box), without_joints):
        picture = renderer.render(shown)
        for point in box:
            column, row = np.round((point + 0.5) * 5 - 0.5).astype(int)
            assert tuple(picture[row, column]) == colours.ESTIMATE
        assert (picture[:390, 760:960] == plain[:390, 760:960]).all()


def test_a_picture_does_not_depend_on_those_before():
    renderer = Renderer(SIZE, ("left", "right"), HAND)
    first = renderer.render(scene(hands=2))
    renderer.render(FrameScene(image=np.zeros((108, 192, 3), np.uint8), frame=4, seconds=0.2))
    np.testing.assert_array_equal(renderer.render(scene(hands=2)), first)


def test_what_is_unknown_is_left_out():
    full = scene(hands=2)
    nothing = np.full((42, 3), np.nan)
    unknown = dataclasses.replace(
        full,
        joints_2d=nothing[:, :2],
        depth=nothing[:, 0],
        joints_3d=nothing,
        action_probabilities=(np.nan, np.nan),
        object_probability=np.nan,
    )
    picture = Renderer(SIZE, ("left", "right"), HAND).render(unknown)
    assert (picture[60:540, :960] == 90).all()
    bare = FrameScene(image=full.image, frame=0, seconds=0.0)
    assert (Renderer(SIZE, ("left", "right"), HAND).render(bare)[:540, :960] == 90).all()


def test_since_when_the_action_is_the_first_stands_beside_the_panels_title():
    renderer = Renderer(SIZE, ("right",), HAND)
    before, after = (renderer.render(scene(decided=second)) for second in (None, 2.5))
    left, top, right, _ = renderer._boxes.actions
    rows, columns = np.nonzero((before != after).any(axis=2))
    assert len(rows)
    assert top < rows.min()
    assert rows.max() < top + 32  # above the bars
    assert (left + right) / 2 < columns.min()
    assert columns.max() < right


def test_the_image_given_stays_as_it_is():
    shown = scene()
    Renderer(SIZE, ("right",), HAND).render(shown)
    assert (shown.image == 90).all()
