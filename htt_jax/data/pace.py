"""Frames at an even pace, whatever a video was recorded at: index arithmetic, no pixels."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
from jaxtyping import Int

from htt_jax.data.clips import ClipSpec

_FINEST = 12
"""Paces are fractions of so many parts at most: 29.97 frames a second are 30, 23.98 are 24.

So none is off by more than 4.4 % from half the wanted rate on, or 7.6 % from a tenth on.
"""


@dataclasses.dataclass(frozen=True)
class Pace:
    """Every place of an even row shows a raw frame: of place n the one that is `advance` * n on.

    >>> Pace(Fraction(2)).shown(5).tolist(), Pace(Fraction(5, 6)).shown(5).tolist()
    ([0, 2, 4], [0, 0, 1, 2, 3, 4])

    Attributes:
        advance: raw frames from one place to the next; above 1 some are left out, below 1 some are
            shown again.
    """

    advance: Fraction = Fraction(1)

    def places(self, frames: int) -> int:
        """How many there are of a video of so many raw frames."""
        return math.ceil(frames / self.advance)

    def shown(self, frames: int) -> Int[np.ndarray, " places"]:
        """The raw frame of each place of a video of so many raw frames."""
        return self.frames(np.arange(self.places(frames)))

    def frames(self, places: Int[np.ndarray, "*places"]) -> Int[np.ndarray, "*places"]:
        """The raw frames of places."""
        return np.asarray(places * self.advance.numerator // self.advance.denominator)

    def first_places(self, frames: Int[np.ndarray, "*frames"]) -> Int[np.ndarray, "*frames"]:
        """The first place that shows each raw frame; of one that is left out, the next."""
        return np.asarray(-(frames * -self.advance.denominator // self.advance.numerator))

    def times(self, frame: int) -> int:
        """At how many places a raw frame is shown."""
        return self.places(frame + 1) - self.places(frame)


def pace(rate: float | Fraction, wanted: float | Fraction) -> Pace:
    """At which a video of `rate` frames a second is seen at the rate wanted."""
    return Pace(_snapped(Fraction(rate) / Fraction(wanted)))


def clips_at(
    clips: ClipSpec, rate: float | Fraction, wanted: float | Fraction
) -> tuple[ClipSpec, Pace]:
    """How a video is cut whose every frame is to be met, and the pace its clips are cut at.

    Of 60 frames a second a clip that takes every second one of 30 takes every fourth, and four
    clips together meet them all. Of 25 it takes one or two on in turn, of frames shown at 30, some
    of them again. Clips of one frame are cut from what there is.

    Args:
        clips: how videos are cut of the rate wanted.
        rate: frames a second of the video.
        wanted: frames a second that `clips` is meant for.
    """
    if clips.frames == 1:
        return clips, Pace()
    raw = _snapped(Fraction(rate) * clips.spacing / Fraction(wanted))
    spacing = math.ceil(raw)
    return dataclasses.replace(clips, spacing=spacing), Pace(raw / spacing)


def _snapped(ratio: Fraction) -> Fraction:
    return max(ratio.limit_denominator(_FINEST), Fraction(1, _FINEST))
