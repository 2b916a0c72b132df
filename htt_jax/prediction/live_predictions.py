"""Predicts what a camera sees in a thread of its own, and hands it over when it is to be shown."""

import collections
import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from htt_jax.camera import project_ahead
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.prediction.frame_result import FrameResult
from htt_jax.prediction.lens import Lens
from htt_jax.prediction.online import OnlinePredictor
from htt_jax.prediction.webcam import Camera, Captured
from htt_jax.support.closing import Closing
from htt_jax.visual.timeline import History

_ACTIONS = 5  # shown as bars
_GROUPS = 30  # of frames in the timeline; half a minute at the paper's window and 30 frames/s
_TICK = 0.01  # seconds between two looks at the window's buttons


class Scores(NamedTuple):
    """Of the actions most probable now, best first, and how they came to it."""

    names: tuple[str, ...]
    probabilities: Float[np.ndarray, " names"]
    history: History
    since: float  # second at which the first of them became the first


class Shown(NamedTuple):
    """A frame with all that is to be shown of it."""

    captured: Captured
    seconds: float  # since the first frame
    result: FrameResult
    object_box: Float[np.ndarray, "box_points 2"] | None  # pixels; None: the model tells none
    paths: tuple[Float[np.ndarray, "points 2"], ...]  # ahead of each palm; see `Ahead.palm_paths`
    scores: Scores | None  # None before the first group is complete
    due: float  # time.monotonic() at which it is to be shown
    rate: float | None  # frames predicted a second, lately; None: too few were
    place: int  # in its clip, counted on from clip to clip


class LivePredictions(Closing):
    """Predicts a camera's frames in a thread, in which nothing has to wait for the screen.

    Iterate over it, once: frames when they are to be shown, at the pace they were taken at, and
    None every hundredth of a second in between. Of a predictor that tells the newest pose each
    frame is shown with that, as soon as it is known; what its group says later is not shown.
    """

    def __init__(
        self,
        camera: Camera,
        predictor: OnlinePredictor,
        dataset: DatasetFacts,
        lens: Lens | None = None,
    ):
        """Begins when entered.

        Args:
            camera: fresh.
            predictor: fresh, for the camera's size.
            dataset: that its run was trained on.
            lens: that bends the lines of the camera's frames, which are undistorted first, so that
                the predictor need not; None: they are straight.
        """
        self._lens = lens
        self._camera = camera
        self._predictor = predictor
        self._dataset = dataset
        # Groups come whole: one may arrive while the one before is on show, but no further one.
        room = 1 if predictor.tells_newest else 2 * (predictor.delay + 1)
        self._ready: queue.Queue[Shown | None] = queue.Queue(room)
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="predictions")
        self._past: collections.deque[tuple[float, np.ndarray]] = collections.deque(
            maxlen=2 * _GROUPS
        )
        self._decided: tuple[int | None, float] = (None, 0.0)  # frame and second
        self._first: float | None = None
        self._last_group: tuple[float, int] | None = None  # its start, and its frames
        self._lately: collections.deque[float] = collections.deque(maxlen=predictor.delay + 1)
        self._shown_scores: Scores | None = None

    def __enter__(self) -> "LivePredictions":
        """Starts the thread."""
        self._work = self._pool.submit(self._predict)
        return self

    def close(self) -> None:
        """Ends the thread, and closes the camera for it."""
        self._stopped.set()
        self._camera.close()
        self._pool.shutdown()

    def __iter__(self) -> Iterator[Shown | None]:
        """See above; ends with the camera.

        Raises:
            Exception: whatever went wrong in the thread.
        """
        while True:
            try:
                shown = self._ready.get(timeout=_TICK)
            except queue.Empty:
                yield None
                continue
            if shown is None:
                self._work.result()
                return
            while (wait := shown.due - time.monotonic()) > 0:
                time.sleep(min(wait, _TICK))
                yield None
            yield shown

    def _predict(self) -> None:
        waiting: collections.deque[Captured] = collections.deque()
        try:
            for captured in self._camera:
                if self._lens is not None:
                    captured = captured._replace(image=self._lens.undistorted(captured.image))
                waiting.append(captured)
                results = self._predictor.push(captured.image, captured.seconds)
                if self._predictor.tells_newest:
                    self._hand_over_newest(results, waiting)
                else:
                    self._hand_over(results, waiting)
            if not self._stopped.is_set() and not self._predictor.tells_newest:
                self._hand_over(self._predictor.finish(), waiting)
        finally:
            self._put(None)

    def _hand_over(self, results: list[FrameResult], waiting: collections.deque[Captured]) -> None:
        if not results:
            return
        group = [waiting.popleft() for _ in results]
        start, end = group[0].seconds, group[-1].seconds
        self._first = start if self._first is None else self._first
        arrived = time.monotonic()
        scores = self._scores(start - self._first, end - self._first)
        rate = self._rate(start, end, len(group))
        for captured, result in zip(group, results, strict=True):
            seconds, due = captured.seconds - self._first, arrived + captured.seconds - start
            place = self._predictor.place_of(result.frame)
            places = self._places(result)
            self._put(Shown(captured, seconds, result, *places, scores, due, rate, place))

    def _hand_over_newest(
        self, results: list[FrameResult], waiting: collections.deque[Captured]
    ) -> None:
        """The frame pushed last; of its group only what it says of the action."""
        captured, newest = waiting[-1], self._predictor.newest
        assert newest is not None
        self._first = captured.seconds if self._first is None else self._first
        if results:
            start = waiting[0].seconds - self._first
            self._shown_scores = self._scores(start, captured.seconds - self._first)
            waiting.clear()
        self._lately.append(captured.seconds)
        passed = self._lately[-1] - self._lately[0]
        rate = (len(self._lately) - 1) / passed if passed > 0 else None
        seconds, places = captured.seconds - self._first, self._places(newest)
        now, place = time.monotonic(), self._predictor.place_of(newest.frame)
        self._put(Shown(captured, seconds, newest, *places, self._shown_scores, now, rate, place))

    def _put(self, shown: Shown | None) -> None:
        """Waits for room, unless all is over."""
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                return self._ready.put(shown, timeout=_TICK)

    def _places(
        self, result: FrameResult
    ) -> tuple[Float[np.ndarray, "box_points 2"] | None, tuple[np.ndarray, ...]]:
        """Of the object's box and ahead of each palm, in the frame."""
        spec, intrinsics = self._dataset.spec, self._predictor.intrinsics
        box, expected = result.object_box_3d, None
        in_frame = None if box is None else project_ahead(box, intrinsics)
        if self._predictor.forecasts:
            expected = self._predictor.ahead
        if expected is None:
            return in_frame, ()
        return in_frame, expected.palm_paths(result.frame, result.joints_2d, spec, intrinsics)

    def _scores(self, start: float, end: float) -> Scores:
        now = self._predictor.present_action_probabilities
        assert now is not None
        if self._decided[0] != self._predictor.present_decided_frame:
            self._decided = self._predictor.present_decided_frame, end
        self._past.extend([(start, now), (end, now)])
        best = np.argsort(-now, kind="stable")[:_ACTIONS]
        names = tuple(self._dataset.action_names[i] for i in best)
        seconds, probabilities = zip(*self._past, strict=True)
        history = History(np.array(seconds), names, np.stack(probabilities)[:, best])
        return Scores(names, now[best], history, self._decided[1])

    def _rate(self, start: float, end: float, frames: int) -> float | None:
        """Since the last group began, so that a wait between groups counts."""
        last, self._last_group = self._last_group, (start, frames)
        if last is not None:
            return last[1] / (start - last[0])
        return (frames - 1) / (end - start) if end > start else None
