import numpy as np
import pytest

from htt_jax.prediction.decision import decided_frame


@pytest.mark.parametrize(
    ("answers", "decided"),
    [
        ([1] * 10, 3),  # known when the first group has been seen, not before
        ([0, 1, 1, 1, 1, 1, 1, 1, 1, 1], 3),  # what the first group thinks of its first frame
        ([0, 0, 0, 0, 1, 1, 1, 1, 1, 1], 7),
        ([1, 1, 1, 1, 0, 0, 0, 0, 1, 1], 9),
        ([1, 1, 1], 2),
        ([0], 0),
    ],
)
def test_an_action_is_decided_with_the_last_frame_of_the_group_that_first_says_it(answers, decided):
    assert decided_frame(np.eye(2)[answers], group=4) == decided
