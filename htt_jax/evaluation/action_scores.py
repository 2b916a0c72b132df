"""The action of a video as it stands at each of its frames, out of what its clips say."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int


def over_frames(
    clip_start: Int[np.ndarray, " clips"],
    over_time: Sequence[Float[np.ndarray, "_ actions"]]
    | Float[np.ndarray, "clips windows actions"],
    *,
    frames: int,
    window_span: int,
) -> Float[np.ndarray, "frames actions"]:
    """Class probabilities at each raw frame: the mean over the clips begun so far (Sec. 3.4).

    Each clip counts as it stands after its window that holds the frame, or after its last one. So
    the last row is what the whole video is judged by.

    Args:
        clip_start: first raw frame of each clip; one at least begins at frame 0.
        over_time: each clip's probabilities after each of its windows.
        frames: of the video.
        window_span: raw frames from one window of a clip to the next.
    """
    total = np.zeros((frames, np.shape(over_time[0])[1]))
    for start, scores in zip(clip_start, over_time, strict=True):
        # The sum over the clips changes where a window begins; the changes are added up below.
        begins = start + window_span * np.arange(len(scores))
        is_real = begins < frames
        total[begins[is_real]] += np.diff(scores.astype(np.float64), axis=0, prepend=0)[is_real]
    begun = np.bincount(clip_start, minlength=frames)
    return np.cumsum(total, axis=0) / np.cumsum(begun)[:, None]
