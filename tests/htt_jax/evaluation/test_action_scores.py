"""Small enough to be done by hand."""

import numpy as np

from htt_jax.evaluation import action_scores

# Two clips of two windows of two frames, every second raw frame; then one of a single window.
STARTS = np.array([0, 1, 8])
SCORES = [
    np.array([[1.0, 0.0], [0.5, 0.5]]),
    np.array([[0.0, 1.0], [0.2, 0.8]]),
    np.array([[0.6, 0.4], [0.0, 0.0]]),  # the second window is padding
]


def test_clips_count_from_their_first_frame_as_after_the_window_that_holds_it():
    found = action_scores.over_frames(STARTS, SCORES, frames=10, window_span=4)
    # Clip 0 has frames 0 2 | 4 6, clip 1 1 3 | 5 7, clip 2 8; windows change at 4 and 5.
    first = [1, 0.5, 0.5, 0.5, (0.5 + 0) / 2, 0.35, 0.35, 0.35, 1.3 / 3, 1.3 / 3]
    np.testing.assert_allclose(found, np.stack([first, 1 - np.array(first)], axis=1))


def test_the_last_frame_has_what_the_clips_say_in_the_end():
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(5), (6, 3)).astype(np.float32)
    starts = np.array([0, 1, 12, 13, 24, 25])
    found = action_scores.over_frames(starts, scores, frames=36, window_span=4)
    np.testing.assert_allclose(found[-1], scores[:, -1].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)


def test_a_model_that_only_tells_whole_clips_says_the_same_throughout():
    scores = np.array([[[0.7, 0.3]], [[0.1, 0.9]]])
    found = action_scores.over_frames(np.array([0, 1]), scores, frames=8, window_span=4)
    np.testing.assert_allclose(found[:, 0], [0.7, *[0.4] * 7])
