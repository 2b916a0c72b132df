"""What the action is so far, and since when, while clips come and go."""

import numpy as np

from htt_jax.prediction.running_action import RunningAction


def test_the_answer_so_far_and_the_present_one_each_stand_since_they_became_so():
    action = RunningAction(2)
    assert not action.is_known
    assert (action.answer.since, action.present_answer.since) == (None, None)
    first, second = np.array([[0.9, 0.1]], np.float32), np.array([[0.2, 0.8]], np.float32)
    stood = []
    for last, of_clips, begins in (
        (3, first, True),
        (7, first, False),
        (11, second, True),  # alone the second, with the clip before still the first: 1.1 to 0.9
        (15, second, True),  # now 1.3 to 1.7
        (19, second, False),
    ):
        action.note(of_clips, begins=begins, last=last)
        stood.append((action.answer.since, action.present_answer.since))
    assert stood == [(3, 3), (3, 3), (3, 11), (15, 11), (15, 11)]
    np.testing.assert_allclose(action.probabilities, [1.3 / 3, 1.7 / 3], rtol=1e-6)
    np.testing.assert_allclose(action.present, [0.2, 0.8], rtol=1e-6)


def test_clips_that_have_no_window_in_a_last_group_stand_as_before():
    action = RunningAction(2)
    action.note(np.array([[0.9, 0.1], [0.5, 0.5]], np.float32), begins=True, last=3)
    action.note(np.array([[0.1, 0.9]], np.float32), begins=False, last=4)
    np.testing.assert_allclose(action.present, [0.3, 0.7], rtol=1e-6)
