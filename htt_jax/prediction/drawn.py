"""Draws predictions: a video of a video, a picture of a single image."""

import contextlib
import pathlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, Int

from htt_jax.prediction.files import Origin
from htt_jax.prediction.frames import Frame, Pixels
from htt_jax.prediction.video import Predictions
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.visual import colours, view3d
from htt_jax.visual.layout import layout_for
from htt_jax.visual.scene import FrameScene, Renderer
from htt_jax.visual.timeline import History
from htt_jax.visual.video import VideoWriter

VIDEO_FILE = "prediction.mp4"
PICTURE_FILE = "prediction.png"

Sink: TypeAlias = Callable[[FrameScene], None]

_SHOWN = 5  # actions


def scenes(
    predictions: Predictions, origin: Origin, images: Iterable[Frame]
) -> Iterator[FrameScene]:
    """What is shown of each frame; `images` are all of the video's, at their own size.

    Raises:
        InputError: there are more or fewer of them than were predicted.
    """
    dataset = origin.dataset
    shown = leading_actions(predictions.action_over_time)
    names = tuple(dataset.action_names[i] for i in shown)
    over_time = predictions.action_over_time[:, shown]
    count = len(predictions.frame_names)
    is_video = count > 1
    history = History(predictions.seconds, names, over_time) if is_video else None
    for frame, image in _of_same_number(count, images):
        objects = predictions.object_probabilities[frame]
        place = int(predictions.frame_place[frame])
        length = int(predictions.clip_frames[predictions.frame_clip[frame]])
        in_window = place % origin.window
        left = min(origin.window - in_window, length - place)
        yield FrameScene(
            image=image.image,
            frame=frame,
            frames=count,
            seconds=float(predictions.seconds[frame]),
            joints_2d=predictions.joints_2d[frame],
            depth=predictions.depth[frame],
            joints_3d=predictions.joints_3d[frame],
            object_name=dataset.object_names[int(objects.argmax())],
            object_probability=float(objects.max()),
            action_names=names,
            action_probabilities=over_time[frame],
            history=history,
            clip=(place, length) if is_video else None,
            window=(in_window, in_window + left) if is_video and origin.window > 1 else None,
        )


def _of_same_number(count: int, images: Iterable[Frame]) -> Iterator[tuple[int, Frame]]:
    try:
        yield from zip(range(count), images, strict=True)
    except ValueError as error:  # what zip raises
        raise InputError(
            f"the video changed while it was read: it had {count} frames; predict it again"
        ) from error


def leading_actions(
    over_time: Float[np.ndarray, "frames actions"], count: int = _SHOWN
) -> Int[np.ndarray, " shown"]:
    """The actions worth showing: the video's, and those that were most probable at some moment.

    Ordered by how they end.
    """
    end = over_time[-1]
    peak = over_time.max(axis=0)
    peak[end.argmax()] = np.inf  # never left out
    leading = np.argsort(-peak, kind="stable")[:count]
    return leading[np.argsort(-end[leading], kind="stable")]


@contextlib.contextmanager
def drawn(
    out: pathlib.Path, predictions: Predictions, origin: Origin, rate: Fraction
) -> Iterator[tuple[str, Sink]]:
    """The name of the file in the folder `out` and what takes its scenes.

    It is there when the block ends.
    """
    spec = origin.dataset.spec
    renderer = Renderer(
        origin.image_size,
        spec.hands,
        spec.skeleton,
        depth_limits=colours.depth_limits(predictions.depth),
        radius=view3d.radius_of(predictions.joints_3d, spec.skeleton),
    )
    if len(predictions.frame_names) > 1:
        with VideoWriter(out / VIDEO_FILE, renderer.size, rate) as video:
            yield VIDEO_FILE, lambda scene: video.write(renderer.render(scene), scene.seconds)
    else:
        # A single frame needs neither what is below the panels nor what tells the time.
        layout = layout_for(origin.image_size)
        below = max(layout.frame[3], layout.actions[3])

        def write(scene: FrameScene) -> None:
            _write_png(out / PICTURE_FILE, renderer.render(scene)[:below])

        yield PICTURE_FILE, write


def _write_png(path: pathlib.Path, picture: Pixels) -> None:
    with atomic_write(path) as file:
        file.write(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
