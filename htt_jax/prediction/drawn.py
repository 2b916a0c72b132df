"""Draws predictions: a video of a video, a picture of a single image."""

import contextlib
import pathlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, Int

from htt_jax.camera import project_ahead
from htt_jax.data import depth_maps
from htt_jax.prediction.files import Origin
from htt_jax.prediction.found_hands import shown
from htt_jax.prediction.frames import DepthMap, Frame, Pixels
from htt_jax.prediction.predictions import Predictions
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
    spec, count = origin.dataset.spec, len(predictions.frame_names)
    is_video = count > 1
    actions = _shown_actions(predictions, origin)
    history = History(predictions.seconds, *actions) if actions and is_video else None
    for frame, image in _of_same_number(count, images):
        place = int(predictions.frame_place[frame])
        length = int(predictions.clip_frames[predictions.frame_clip[frame]])
        in_window = place % origin.window
        left = min(origin.window - in_window, length - place)
        seen = None if predictions.hand_seen is None else predictions.hand_seen[frame]
        joints_2d, joints_3d = shown(
            spec, seen, predictions.joints_2d[frame], predictions.joints_3d[frame]
        )
        name, probability = _object(predictions, origin, frame)
        boxes = predictions.object_box_3d
        yield FrameScene(
            image=_in_colours(image.image),
            frame=frame,
            frames=count,
            seconds=float(predictions.seconds[frame]),
            joints_2d=joints_2d,
            depth=predictions.depth[frame],
            joints_3d=joints_3d,
            object_name=name,
            object_probability=probability,
            object_box=boxes if boxes is None else project_ahead(boxes[frame], origin.intrinsics),
            action_names=actions.names if actions else (),
            action_probabilities=actions.over_time[frame] if actions else (),
            history=history,
            clip=(place, length) if is_video and actions else None,
            window=(in_window, in_window + left) if is_video and origin.window > 1 else None,
            paths=(
                predictions.ahead.palm_paths(frame, joints_2d, spec, origin.intrinsics)
                if predictions.ahead
                else ()
            ),
            note="smoothed" if predictions.smoothing else "",
        )


class _Actions(NamedTuple):
    """Those that are shown."""

    names: tuple[str, ...]
    over_time: Float[np.ndarray, "frames names"]


def _shown_actions(predictions: Predictions, origin: Origin) -> _Actions | None:
    if predictions.action_over_time is None:
        return None
    shown = leading_actions(predictions.action_over_time)
    names = tuple(origin.dataset.action_names[i] for i in shown)
    return _Actions(names, predictions.action_over_time[:, shown])


def _object(predictions: Predictions, origin: Origin, frame: int) -> tuple[str, float]:
    """The most probable one, if something is said of objects."""
    if predictions.object_probabilities is None:
        return "", np.nan
    objects = predictions.object_probabilities[frame]
    return origin.dataset.object_names[int(objects.argmax())], float(objects.max())


def _in_colours(image: Pixels | DepthMap) -> Pixels:
    return image if image.ndim == 3 else depth_maps.picture(image)


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
