import numpy as np

from htt_jax.visual import paths


def drawn(points):
    canvas = np.full((100, 200, 3), 90, np.uint8)
    paths.draw(canvas, np.array(points, float))
    return np.abs(canvas.astype(int) - 90).max(axis=-1)


def test_a_path_fades_the_farther_ahead_it_is():
    change = drawn([(x, 50) for x in range(20, 181, 20)])
    along = change[48:53].max(axis=0)[30:180:20]
    assert (np.diff(along) < 0).all()
    assert along[0] > 100 > 40 > along[-1] > 0


def test_it_ends_before_what_cannot_be_drawn_and_starts_at_the_hand():
    change = drawn([(20, 50), (60, 50), (np.nan, np.nan), (140, 50)])
    assert change[:, 25:55].any()
    assert not change[:, 70:].any()
    for nothing in ([(20, 50)], [(np.nan, 50), (60, 50)]):
        assert not drawn(nothing).any()
