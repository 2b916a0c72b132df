"""When the frames of a video file were taken, as it says, and what is odd about that."""

import pathlib
import statistics
from fractions import Fraction

from htt_jax.support.words import counted

_JITTER = 0.002  # seconds, by which container formats round the times of even steps
_GAP = 1.75  # usual steps: old films in ordinary video take one and a half in turn


class VideoTimes:
    """Call it with each frame's time in turn."""

    def __init__(self, rate: Fraction):
        """Takes frames a second, where the file does not give times."""
        self._step = 1 / float(rate)
        self._seconds: list[float] = []
        self._start = 0.0
        self._back: int | None = None  # number of the first frame whose time is before another's

    def __call__(self, time: float | None) -> float:
        """Seconds since the first frame of the next one, which the file says was at `time`."""
        number = len(self._seconds)
        last = self._seconds[-1] if number else 0.0
        seconds = even = number * self._step
        if time is not None:
            self._start = self._start if number else time
            away = time - self._start - even
            seconds += away if abs(away) > _JITTER else 0.0
            if self._back is None and seconds < last:
                self._back = number
        if self._back is not None or seconds < last:
            seconds = last + self._step
        self._seconds.append(seconds)
        return seconds

    def notes(self, path: pathlib.Path) -> list[str]:
        """What to know of them, a line each, once all frames of the file were there."""
        notes = []
        if self._back is not None:
            notes.append(
                f"the times in {path} go back at frame {self._back}, as where videos were put "
                f"together; from there on frames are taken for {self._step:.4g} s apart"
            )
        steps = [after - x for x, after in zip(self._seconds, self._seconds[1:], strict=False)]
        longest = max(steps, default=0.0)
        least = _GAP * statistics.median(steps) + _JITTER if steps else 0.0
        if longest > least:
            gaps = sum(step > least for step in steps)
            notes.append(
                f"{counted(gaps, 'gap')} in the times of {path}, of {longest:.3g} s at most, "
                f"after frame {steps.index(longest)}: frames are lost or were not taken; the "
                "model takes what is on both sides for neighbours"
            )
        return notes
