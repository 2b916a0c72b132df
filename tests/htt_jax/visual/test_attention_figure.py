import cv2
import numpy as np
import pytest

from htt_jax.visual import attention_figure, colours

MARK = np.array(colours.CATEGORIES[1])


def decode(png):
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def images_of(frames, size=(160, 90)):
    """Each frame in a grey of its own."""
    return {int(f): np.full((size[1], size[0], 3), 20 + 2 * int(f), np.uint8) for f in frames}


def test_a_clip_shows_the_weightiest_frame_of_each_stretch():
    weights = np.full(128, 0.005)
    weights[[3, 60, 127]] = 0.1
    shown = attention_figure.strip(weights)
    assert len(shown) == 8
    assert (shown // 16).tolist() == list(range(8))
    assert {3, 60, 127} <= set(shown.tolist())
    assert attention_figure.strip(np.array([0.5, 0.1, 0.2])).tolist() == [0, 1, 2]


def test_a_windows_edges_show_frames_evenly():
    assert attention_figure.along_edge(16).tolist() == [2, 6, 10, 14]
    assert attention_figure.along_edge(3).tolist() == [0, 1, 2]
    assert attention_figure.along_edge(1).tolist() == [0]


@pytest.mark.parametrize("size", [(160, 90), (90, 160)])
def test_the_frames_that_matter_are_marked(size):
    frames = np.arange(1, 41, 2)
    weights = np.full(20, 0.02)
    weights[[5, 6, 18]] = (0.3, 0.2, 0.25)
    images = images_of(frames, size)
    picture = decode(attention_figure.draw_action(frames, weights, images, "open milk", "why\nso"))
    marked = (np.abs(picture.astype(int) - MARK) < 3).all(axis=2)
    bars = marked[-60]  # low in the plot
    assert (np.diff(bars.astype(int)) == 1).sum() == 2  # frames 11 and 37; 13 is not shown
    heights = marked[-222:].sum(axis=0)
    assert 0.7 < heights[heights > 20].min() / heights.max() < 0.95  # 0.25 to 0.3
    for place in attention_figure.strip(weights):
        grey = images[int(frames[place])][0, 0]
        assert (picture == grey).all(axis=2).sum() > 0.85 * 168 * 168 * 90 / 160


def test_attention_that_is_even_marks_none():
    frames, weights = np.arange(8), np.full(8, 0.125)
    picture = decode(attention_figure.draw_action(frames, weights, images_of(frames), "a", "b"))
    assert not (np.abs(picture.astype(int) - MARK) < 3).all(axis=2).any()


def test_windows_stand_side_by_side_with_their_frames_along_two_sides():
    windows = [
        attention_figure.Window(np.arange(4), np.eye(4)),
        attention_figure.Window(np.arange(4, 8), np.full((4, 4), 0.25)),
    ]
    images = images_of(range(8))
    one = decode(attention_figure.draw_windows(windows[:1], images, "a", "b"))
    two = decode(attention_figure.draw_windows(windows, images, "a", "b"))
    assert two.shape[0] == one.shape[0]
    assert two.shape[1] > one.shape[1] + 400
    darkest = (8, 29, 88)  # of the colour map: all of a row
    assert (one == darkest).all(axis=2).sum() == pytest.approx(4 * 100 * 100, rel=0.15)
    for frame, image in images.items():
        count = (two == image[0, 0]).all(axis=2).sum()
        assert count == pytest.approx(2 * 92 * 52, rel=0.1), frame
