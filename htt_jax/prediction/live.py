"""Shows what a model sees through a webcam, as it sees it.

One thread reads the camera, one predicts, and this one draws. A frame is shown with its own pose,
so that the picture is behind by a group of windows (`OnlinePredictor.delay` frames) and by what the
model takes for it. Where that is longer than the camera takes, frames are dropped: between groups,
so that windows keep their rhythm, and so that no more than one group waits.

Or a frame is shown at once, with the pose that is known by then; frames are then dropped one by
one, so that none waits.
"""

import contextlib
import math
import pathlib
import sys
import time
from collections.abc import Callable
from fractions import Fraction

from htt_jax.prediction import compiled_step, found_hands, written
from htt_jax.prediction.drawn import VIDEO_FILE
from htt_jax.prediction.frames import DEFAULT_RATE, Size
from htt_jax.prediction.input_camera import InputCamera
from htt_jax.prediction.live_predictions import LivePredictions, Shown
from htt_jax.prediction.online import OnlinePredictor
from htt_jax.prediction.sight import check_camera
from htt_jax.prediction.smoothing import Smoothing
from htt_jax.prediction.webcam import Camera
from htt_jax.runs.config import clip_spec
from htt_jax.runs.opening import TrainedRun
from htt_jax.support import progress
from htt_jax.support.errors import InputError
from htt_jax.training.preemption import StopRequest
from htt_jax.visual.scene import FrameScene, Renderer
from htt_jax.visual.video import VideoWriter
from htt_jax.visual.window import Window

_NEWEST_QUEUED = 2  # frames that may wait where the newest is wanted: one while one is taken


def run(
    trained: TrainedRun,
    camera: int | str,
    intrinsics: Callable[[Size], InputCamera],
    out: pathlib.Path | None,
    *,
    newest: bool = False,
    smoothing: Smoothing | None = None,
) -> None:
    """Predicts what a webcam sees, draws it into a window, and records it if it is to.

    Ends when the window is closed, at Ctrl-C, or when the camera stops; returns normally in each
    case. Prints how the camera is assumed to be, and at the end what was shown and written.

    Args:
        trained: the model, opened for `sharding.single_device_mesh()`.
        camera: its number, 0 for the first; or the address of a network camera.
        intrinsics: the camera's, given the (width, height) of its frames, which are only known
            once it is open.
        out: folder to record `prediction.mp4` in, in the place of what is there of another video;
            None to record nothing.
        newest: show each frame at once, with the pose that is known by then.
        smoothing: of the poses; None: they are what the model says.

    Raises:
        InputError: the model takes depth maps, or is an exported program that takes whole clips
            only, such as a `.stablehlo`, or has no use for `newest`; there is no such camera; there
            is no display and nothing is to be recorded; the video cannot be written.
    """
    check_camera(trained, "color")
    compiled_step.stepwise(trained, newest=newest)  # refused before anything opens
    path = None if out is None else out / VIDEO_FILE
    with contextlib.ExitStack() as stack:
        window = _open_window(f"camera {camera}", path)
        if window:
            stack.callback(window.close)
        source = stack.enter_context(Camera(camera, _NEWEST_QUEUED))
        assumed = intrinsics(source.size)
        rate = source.rate()
        print(_camera_line(camera, source.size, rate, assumed))
        for note in assumed.notes:
            print(f"note: {note}")
        predictor = OnlinePredictor(
            trained, source.size, assumed.matrix, newest=newest, smoothing=smoothing, rate=rate
        )
        if not newest:
            source.keep(predictor.delay)
        stop = stack.enter_context(StopRequest())
        live = LivePredictions(source, predictor, trained.dataset, assumed.lens)
        predictions = stack.enter_context(live)
        print(f"{'Esc in the window' if window else 'Ctrl-C'} ends", flush=True)
        shown = _show(
            predictions, source, trained, window, path, stop, smoothed=smoothing is not None
        )
        print(f"frames shown: {shown}, dropped: {source.dropped}")
    if path is not None:
        print(f"written: {path}" if shown else "nothing written: it ended before the first result")


def _open_window(title: str, path: pathlib.Path | None) -> Window | None:
    try:
        return Window(title)
    except InputError as error:
        if path is None:
            raise InputError(f"{error}; --out=FOLDER records {VIDEO_FILE} instead") from None
        print(f"{error}: recording only", file=sys.stderr)
        return None


def _camera_line(camera: int | str, size: Size, rate: float, assumed: InputCamera) -> str:
    return f"camera {camera}: {size[0]}x{size[1]}, {rate:.3g} frames/s, {assumed}"


def _show(
    predictions: LivePredictions,
    camera: Camera,
    trained: TrainedRun,
    window: Window | None,
    path: pathlib.Path | None,
    stop: StopRequest,
    *,
    smoothed: bool,
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
            picture = renderer.render(_scene(shown, trained, camera, smoothed=smoothed))
            if window:
                window.show(picture)
            if path is not None:
                if video is None:
                    written.make_room(path.parent)
                    # Each frame has its own time; this is but what the file says of their mean.
                    rate = Fraction(shown.rate or DEFAULT_RATE).limit_denominator(1000)
                    video = stack.enter_context(VideoWriter(path, renderer.size, rate))
                video.write(picture, shown.seconds)
            count += 1
            bar.update()
    return count


def _scene(shown: Shown, trained: TrainedRun, camera: Camera, *, smoothed: bool) -> FrameScene:
    result, scores = shown.result, shown.scores
    clips = clip_spec(trained.config)
    place = shown.place
    objects, names = result.object_probabilities, trained.dataset.object_names
    name, probability = "", math.nan
    if objects is not None:
        name, probability = names[int(objects.argmax())], float(objects.max())
    behind = time.monotonic() - shown.captured.seconds
    notes = [
        shown.rate and f"{shown.rate:.1f} frames/s",
        f"{behind:.2f} s behind" if behind < 1 else f"{behind:.1f} s behind",
        not result.is_final and "newest",
        smoothed and "smoothed",
        camera.dropped and f"{camera.dropped} dropped",
    ]
    joints_2d, joints_3d = found_hands.shown(
        trained.dataset.spec, result.hand_seen, result.joints_2d, result.joints_3d
    )
    return FrameScene(
        image=shown.captured.image,
        frame=result.frame,
        seconds=shown.seconds,
        joints_2d=joints_2d,
        depth=result.depth,
        joints_3d=joints_3d,
        object_name=name,
        object_probability=probability,
        action_names=scores.names if scores else (),
        action_probabilities=scores.probabilities if scores else (),
        history=scores.history if scores else None,
        clip=(place % clips.frames, clips.frames),
        window=(place % clips.window, clips.window),
        object_box=shown.object_box,
        paths=shown.paths,
        decided=scores.since if scores else None,
        note="    ".join(note for note in notes if note),
    )
