"""Which expected path belongs to a frame."""

import numpy as np

from htt_jax.data.clips import ClipSpec
from htt_jax.prediction import ahead

CLIPS = ClipSpec(window=2, frames=4, spacing=2)


def outputs(first):
    """Of a clip's two windows: step k of the first is at `first` + k + 1, of the second 10 on."""
    places = first + np.array([[1, 2, 3], [11, 12, 13]], np.float32)
    return {"forecast_joints_3d": np.broadcast_to(places[..., None, None], (2, 3, 21, 3))}


def test_a_frame_has_what_the_newest_full_window_expects_after_it():
    frames = [np.array([0, 2, 4, 6]), np.array([1, 3, 5])]  # the second has one full window
    found = ahead.collect(frames, [outputs(0), outputs(100)], CLIPS)
    assert found.last.tolist() == [2, 3, 6]
    expected = {
        0: [],
        2: [1, 2, 3],
        3: [101, 102, 103],
        5: [102, 103],
        6: [11, 12, 13],
        9: [12, 13],
    }
    for frame, places in expected.items():
        assert found.after(frame)[:, 0, 0].tolist() == places, frame
    assert len(found.after(20)) == 0
    assert found.after(0).shape == (0, 21, 3)


def test_a_model_that_expects_nothing_has_no_paths():
    assert ahead.collect([np.arange(4)], [{}], CLIPS) is None
