"""Frames of a video as a pinhole camera would have taken them."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from htt_jax.prediction.frames import Frame, Frames, IsBefore, Resize, Size
from htt_jax.prediction.lens import Lens


class UndistortedFrames:
    """Frames that a lens bent, undistorted at their own size; see `Frames`."""

    def __init__(self, frames: Frames, lens: Lens):
        """Of `frames`, taken through `lens`."""
        self._frames = frames
        self._lens = lens
        self.camera: str = frames.camera
        self.size: Size = frames.size
        self.count: int = frames.count
        self.rate: Fraction = frames.rate
        self.says_rate: bool = frames.says_rate

    @property
    def notes(self) -> list[str]:
        """See `Frames`."""
        return self._frames.notes

    def read(
        self, resizer: Resize | None = None, is_before: IsBefore | None = None
    ) -> Iterator[Frame]:
        """See `Frames.read`."""

        def seen(image: np.ndarray) -> np.ndarray:
            undistorted = self._lens.undistorted(image)
            return resizer(undistorted) if resizer else undistorted

        return self._frames.read(seen, is_before)


def as_pinhole(frames: Frames, lens: Lens | None) -> Frames:
    """The frames, undistorted where their camera has a lens that bends lines."""
    return frames if lens is None else UndistortedFrames(frames, lens)
