"""Shows what a model sees through a webcam, as it sees it.

One thread reads the camera, one predicts, and this one draws. A frame is shown with its own pose,
so that the picture is behind by a group of windows (`OnlinePredictor.delay` frames) and by what the
model takes for it. Where that is longer than the camera takes, frames are dropped: between groups,
so that windows keep their rhythm, and so that no more than one group waits.
"""

import collections
import contextlib
import pathlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from htt_jax.prediction.drawn import VIDEO_FILE
from htt_jax.prediction.frames import DEFAULT_RATE, Size
from htt_jax.prediction.input_camera import InputCamera
from htt_jax.prediction.online import FrameResult, OnlinePredictor
from htt_jax.prediction.sight import check_camera
from htt_jax.prediction.webcam import Camera, Captured
from htt_jax.runs.config import clip_spec
from htt_jax.runs.opening import TrainedRun
from htt_jax.support import progress
from htt_jax.support.closing import Closing
from htt_jax.support.errors import InputError
from htt_jax.support.files import make_folder
from htt_jax.training.preemption import StopRequest
from htt_jax.visual.scene import FrameScene, Renderer
from htt_jax.visual.timeline import History
from htt_jax.visual.video import VideoWriter
from htt_jax.visual.window import Window

_ACTIONS = 5  # shown as bars
_GROUPS = 30  # of frames in the timeline; half a minute at the paper's window and 30 frames/s
_TICK = 0.01  # seconds between two looks at the window's buttons


def run(
    trained: TrainedRun,
    camera: int | str,
    intrinsics: Callable[[Size], InputCamera],
    out: pathlib.Path | None,
) -> None:
    """Predicts what a webcam sees, draws it into a window, and records it if it is to.

    Ends when the window is closed, at Ctrl-C, or when the camera stops; returns normally in each
    case. Prints how the camera is assumed to be, and at the end what was shown and written.

    Args:
        trained: the model, opened for `sharding.single_device_mesh()`.
        camera: its number, 0 for the first; or the address of a network camera.
        intrinsics: the camera's, given the (width, height) of its frames, which are only known
            once it is open.
        out: folder to record `prediction.mp4` in; None to record nothing.

    Raises:
        InputError: the model takes depth maps, or is an exported program, which only takes whole
            clips; there is no such camera; there is no display and nothing is to be recorded; the
            video cannot be written.
    """
    check_camera(trained, "color")
    path = None if out is None else out / VIDEO_FILE
    with contextlib.ExitStack() as stack:
        window = _open_window(f"camera {camera}", path)
        if window:
            stack.callback(window.close)
        source = stack.enter_context(Camera(camera, clip_spec(trained.config).window_span))
        assumed = intrinsics(source.size)
        print(_camera_line(camera, source.size, assumed))
        predictor = OnlinePredictor(trained, source.size, assumed.matrix)
        stop = stack.enter_context(StopRequest())
        names = trained.dataset.action_names
        predictions = stack.enter_context(LivePredictions(source, predictor, names))
        print(f"{'Esc in the window' if window else 'Ctrl-C'} ends", flush=True)
        shown = _show(predictions, source, trained, window, path, stop)
        print(f"frames shown: {shown}, dropped: {source.dropped}")
    if path is not None:
        print(f"written: {path}" if shown else "nothing written: it ended before the first result")


class Scores(NamedTuple):
    """Of the actions most probable now, best first, and how they came to it."""

    names: tuple[str, ...]
    probabilities: Float[np.ndarray, " names"]
    history: History


class Shown(NamedTuple):
    """A frame with all that is to be shown of it."""

    captured: Captured
    seconds: float  # since the first frame
    result: FrameResult
    scores: Scores
    due: float  # time.monotonic() at which it is to be shown
    rate: float  # frames predicted a second, lately


class LivePredictions(Closing):
    """Predicts a camera's frames in a thread, in which nothing has to wait for the screen.

    Iterate over it, once: frames when they are to be shown, at the pace they were taken at, and
    None every hundredth of a second in between.
    """

    def __init__(self, camera: Camera, predictor: OnlinePredictor, action_names: Sequence[str]):
        """Begins when entered.

        Args:
            camera: fresh.
            predictor: fresh, for the camera's size.
            action_names: by class.
        """
        self._camera = camera
        self._predictor = predictor
        self._action_names = action_names
        # Groups come whole: one may arrive while the one before is on show, but no further one.
        self._ready: queue.Queue[Shown | None] = queue.Queue(2 * predictor.delay)
        self._stopped = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="predictions")
        self._past: collections.deque[tuple[float, np.ndarray]] = collections.deque(
            maxlen=2 * _GROUPS
        )
        self._first: float | None = None
        self._last_start: float | None = None

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
                waiting.append(captured)
                self._hand_over(self._predictor.push(captured.image), waiting)
            if not self._stopped.is_set():
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
            self._put(Shown(captured, seconds, result, scores, due, rate))

    def _put(self, shown: Shown | None) -> None:
        """Waits for room, unless all is over."""
        while not self._stopped.is_set():
            with contextlib.suppress(queue.Full):
                return self._ready.put(shown, timeout=_TICK)

    def _scores(self, start: float, end: float) -> Scores:
        now = self._predictor.present_action_probabilities
        assert now is not None
        self._past.extend([(start, now), (end, now)])
        best = np.argsort(-now, kind="stable")[:_ACTIONS]
        names = tuple(self._action_names[i] for i in best)
        seconds, probabilities = zip(*self._past, strict=True)
        history = History(np.array(seconds), names, np.stack(probabilities)[:, best])
        return Scores(names, now[best], history)

    def _rate(self, start: float, end: float, frames: int) -> float:
        """Since the last group began, so that a wait between groups counts."""
        last, self._last_start = self._last_start, start
        if last is not None:
            return self._predictor.delay / (start - last)
        return (frames - 1) / (end - start) if end > start else float(DEFAULT_RATE)


def _open_window(title: str, path: pathlib.Path | None) -> Window | None:
    try:
        return Window(title)
    except InputError as error:
        if path is None:
            raise InputError(f"{error}; --out=FOLDER records {VIDEO_FILE} instead") from None
        print(f"{error}: recording only", file=sys.stderr)
        return None


def _camera_line(camera: int | str, size: Size, assumed: InputCamera) -> str:
    matrix = assumed.matrix
    return (
        f"camera {camera}: {size[0]}x{size[1]}, fx {matrix[0, 0]:.2f}, fy {matrix[1, 1]:.2f}, "
        f"cx {matrix[0, 2]:.2f}, cy {matrix[1, 2]:.2f} ({assumed.source})"
    )


def _show(
    predictions: LivePredictions,
    camera: Camera,
    trained: TrainedRun,
    window: Window | None,
    path: pathlib.Path | None,
    stop: StopRequest,
) -> int:
    """Draws until somebody ends it; returns the number of frames drawn."""
    spec = trained.dataset.spec
    renderer = Renderer(camera.size, spec.hands, spec.skeleton)
    video: VideoWriter | None = None
    count = 0
    with (
        contextlib.ExitStack() as stack,
        progress.bar(total=0, unit="frame", label="camera") as bar,
    ):
        for shown in predictions:
            if stop.at(count) or (window and not window.is_open):
                break
            if window:
                window.update()
            if shown is None:
                continue
            picture = renderer.render(_scene(shown, trained, camera))
            if window:
                window.show(picture)
            if path is not None:
                if video is None:
                    make_folder(path.parent)
                    rate = Fraction(shown.rate).limit_denominator(1000)
                    video = stack.enter_context(VideoWriter(path, renderer.size, rate))
                video.write(picture, shown.seconds)
            count += 1
            bar.update()
    return count


def _scene(shown: Shown, trained: TrainedRun, camera: Camera) -> FrameScene:
    result, scores = shown.result, shown.scores
    clips = clip_spec(trained.config)
    place = result.frame // clips.spacing
    objects = result.object_probabilities
    assert objects is not None, "what sees colours knows objects"
    best = int(objects.argmax())
    note = f"{shown.rate:.1f} frames/s    {time.monotonic() - shown.captured.seconds:.1f} s behind"
    return FrameScene(
        image=shown.captured.image,
        frame=result.frame,
        seconds=shown.seconds,
        joints_2d=result.joints_2d,
        depth=result.depth,
        joints_3d=result.joints_3d,
        object_name=trained.dataset.object_names[best],
        object_probability=float(objects[best]),
        action_names=scores.names,
        action_probabilities=scores.probabilities,
        history=scores.history,
        clip=(place % clips.frames, clips.frames),
        window=(place % clips.window, clips.window),
        note=f"{note}    {camera.dropped} dropped" if camera.dropped else note,
    )
