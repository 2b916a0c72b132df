"""How wide the cameras of a split see, whose videos may be of several."""

import numpy as np

from htt_jax import camera
from htt_jax.data.records import RecordSource

_MOST = 16  # videos that are opened


def views(source: RecordSource) -> dict[str, tuple[float, float]]:
    """See `camera.view`, by video: of all, or of some that are spread evenly over the split."""
    chosen = np.linspace(0, len(source) - 1, min(len(source), _MOST)).round().astype(int)
    return {
        source.video_ids[number]: camera.view(source[int(number)].intrinsics, source.image_size)
        for number in chosen
    }
