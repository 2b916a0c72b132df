"""Reads a camera in a thread, so that a slow reader gets fresh frames instead of old ones."""

import collections
import contextlib
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from htt_jax.prediction.frames import DEFAULT_RATE, FASTEST, Pixels, Size
from htt_jax.support.closing import Closing
from htt_jax.support.errors import InputError

_MEASURED = 0.5  # seconds at least
_FEWEST = 6  # frames of which a rate is measured
_USUAL_RATES = (10, 15, 20, 24, 25, 30, 50, 60, 90, 100, 120, 200, 240)
_NEAR = 0.06  # of a usual rate, which is then meant
_WANTED_SIZE = (1280, 720)  # of the shape of FPHA's and H2O's frames


class Captured(NamedTuple):
    """A frame, RGB, and the `time.monotonic()` at which it was read."""

    image: Pixels
    seconds: float


class Camera(Closing):
    """The frames of a camera; iterate over it, once.

        with Camera(0, queued=4) as camera:
            for captured in camera:
                ...

    Attributes:
        size: (width, height) of its frames.
        dropped: how many frames were lost, since the iteration began, because nobody took them in
            time.
    """

    def __init__(self, source: int | str, queued: int):
        """Opens it and waits for its first frame.

        Args:
            source: a camera's number, from 0; or whatever else OpenCV can open, such as the
                address of a network camera.
            queued: frames kept for a busy reader; of more, the oldest are dropped.

        Raises:
            InputError: there is no such camera, or it gives no frame.
        """
        self._capture = _open(source)
        found, image = self._capture.read()
        if not found:
            self._capture.release()
            raise InputError(
                f"camera {source} gives no frame; close what else uses it, or plug it in anew"
            )
        self.size: Size = (image.shape[1], image.shape[0])
        self.dropped = 0
        self._queue: collections.deque[tuple[np.ndarray, float]] = collections.deque(maxlen=queued)
        self._queue.append((image, time.monotonic()))
        self._changed = threading.Condition()
        self._in_use = self._ended = False
        self._times = [time.monotonic()]  # of the first frames
        # Begins at once: cameras would give frames of long ago to whom is late.
        self._thread = threading.Thread(target=self._read, name="camera", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Captured]:
        """Frames as they come, until the camera stops or is closed."""
        while True:
            with self._changed:
                self._in_use = True
                self._changed.wait_for(lambda: self._queue or self._ended)
                if not self._queue:
                    return
                image, seconds = self._queue.popleft()
            yield Captured(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), seconds)

    def keep(self, queued: int) -> None:
        """Keeps so many frames for a busy reader from now on."""
        with self._changed:
            self._queue = collections.deque(self._queue, maxlen=queued)

    def rate(self) -> float:
        """Frames a second, measured in the first half second; waits for that. See `usual`."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._is_measured)
            steps = np.diff(self._times)
        step = float(np.median(steps)) if len(steps) else 0.0
        # What ended at once is not known, and what comes faster is a file.
        return float(DEFAULT_RATE) if step < 1 / FASTEST else usual(1 / step)

    @property
    def _is_measured(self) -> bool:
        return len(self._times) > _FEWEST and self._times[-1] - self._times[0] >= _MEASURED

    def close(self) -> None:
        """Ends the iteration, in whatever thread it runs, and releases the camera."""
        with self._changed:
            self._ended = True
            self._queue.clear()
            self._changed.notify_all()
        self._thread.join()  # Releasing a camera that is being read crashes some drivers.
        self._capture.release()

    def _read(self) -> None:
        while True:
            found, image = self._capture.read()
            now = time.monotonic()
            with self._changed:
                if not found or self._ended:
                    self._ended = True
                    self._changed.notify_all()
                    return
                if not self._is_measured:
                    self._times.append(now)
                self.dropped += self._in_use and len(self._queue) == self._queue.maxlen
                self._queue.append((image, now))
                self._changed.notify_all()


def usual(rate: float) -> float:
    """The rate of cameras that a measured one is near to, or as it is.

    >>> usual(28.9), usual(33.0)
    (30.0, 33.0)
    """
    nearest = min(_USUAL_RATES, key=lambda known: abs(known / rate - 1))
    return float(nearest) if abs(nearest / rate - 1) <= _NEAR else rate


def _open(source: int | str) -> cv2.VideoCapture:
    with _quiet_opencv():
        capture = cv2.VideoCapture(source)
    if not capture.isOpened():
        hint = "the first camera has number 0" if isinstance(source, int) else "check the address"
        raise InputError(f"no camera {source} can be opened: it is not there or in use; {hint}")
    if isinstance(source, int):
        # Uncompressed, most cameras are too slow at this size; where they are not, or know no
        # other size, these change nothing.
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, _WANTED_SIZE[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, _WANTED_SIZE[1])
    return capture


@contextlib.contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Without OpenCV's warnings: what is wrong is said in one line."""
    logging = cv2.utils.logging
    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)
