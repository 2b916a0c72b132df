"""The moment at which the action of a video was decided."""

import numpy as np
from jaxtyping import Float

from htt_jax.evaluation.early import settled


def decided_frame(action_over_time: Float[np.ndarray, "frames actions"], group: int) -> int:
    """The last frame that was seen when the most probable action first was what it stays.

    Args:
        action_over_time: see `predictions.Predictions`.
        group: frames that are seen together, one window of every clip under way. An answer within
            it knows the others too, so that there is none before its last.
    """
    frames = len(action_over_time)
    seen = np.minimum(np.arange(group, frames + group, group), frames) - 1
    answers = action_over_time[seen].argmax(axis=1)
    return int(seen[settled(answers[:, None])[0]])
