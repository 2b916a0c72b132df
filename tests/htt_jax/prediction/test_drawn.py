import numpy as np

from htt_jax.prediction.drawn import leading_actions


def test_actions_shown_are_the_last_best_and_those_that_led_before():
    over_time = np.zeros((10, 8))
    over_time[2, 7] = 0.9  # led for a moment
    over_time[4, 6] = 0.8
    over_time[5, 5] = 0.7
    over_time[6, 4] = 0.6
    over_time[7, 3] = 0.5  # one too many
    over_time[-1] = [0.3, 0.2, 0.1, 0, 0.05, 0, 0.25, 0]
    assert leading_actions(over_time).tolist() == [
        0,
        6,
        4,
        7,
        5,
    ]  # by how they end, then by their peaks


def test_fewer_classes_are_all_shown():
    over_time = np.array([[0.2, 0.8], [0.9, 0.1]])
    assert leading_actions(over_time).tolist() == [0, 1]
