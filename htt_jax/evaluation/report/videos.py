"""A video at a glance: frames with the true and the estimated hands, action scores over time."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import cv2
import matplotlib
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from htt_jax import camera
from htt_jax.data.pictures import picture_of
from htt_jax.data.records import RecordSource, Video
from htt_jax.evaluation import analysis
from htt_jax.evaluation.analysis import JointErrors, Row, VideoScore
from htt_jax.evaluation.estimates import Estimates
from htt_jax.evaluation.report import plotting
from htt_jax.evaluation.report.plotting import Panel
from htt_jax.visual import truth_and_estimate
from htt_jax.visual.drawing import Canvas
from htt_jax.visual.panels import readable

TILE_SIZE = (288, 216)
_TILES = 6
_CLASSES = 4  # whose scores are shown
_LEAST_SHOWN = 0.02  # probability that a class must reach at a time to be shown
_PNG_NOTE = (
    "White: ground truth; blue: estimate; mm: mean error of the frame's joints in camera space."
)
_QUALITY = 82  # of JPEG


@dataclasses.dataclass(frozen=True)
class Tile:
    """A frame with its hands.

    Attributes:
        frame: its number in the video, from 0.
        error: of its joints, mean in millimetres; None where no hand counts.
        picture: RGB.
    """

    frame: int
    error: float | None
    picture: Canvas

    def jpeg(self) -> bytes:
        """The picture, encoded."""
        bgr = cv2.cvtColor(self.picture, cv2.COLOR_RGB2BGR)
        return cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _QUALITY))[1].tobytes()


@dataclasses.dataclass(frozen=True)
class VideoView:
    """What is shown of a video.

    Attributes:
        score: how it went.
        action: name of the true action; None where it is hidden.
        predicted: name of the predicted action.
        probability: of the predicted action.
        tiles: evenly spaced frames, the first and the last among them.
        scores: the probabilities of actions over the video.
    """

    score: VideoScore
    action: str | None
    predicted: str
    probability: float
    tiles: Sequence[Tile]
    scores: Panel


def view(
    score: VideoScore,
    entry: Row,
    *,
    estimates: Estimates,
    errors: Mapping[str, JointErrors],
    source: RecordSource,
) -> VideoView:
    """Looks at a video; hands of which nothing is known are not drawn.

    Args:
        score: of the video.
        entry: of the video, in `per_video` of the results.
        estimates: of the split.
        errors: of the split.
        source: the split.

    Raises:
        InputError: a frame cannot be decoded.
    """
    video = source[score.video]
    first = estimates.frames_of(score.video).start
    frames = np.unique(np.linspace(0, score.frames - 1, _TILES).round().astype(int)).tolist()
    probabilities = analysis.action_over_time(estimates, score.video)
    return VideoView(
        score,
        None if score.action < 0 else readable(source.action_names[score.action]),
        readable(source.action_names[score.predicted]),
        entry["probabilities"][score.predicted],
        [_tile(video, frame, first, estimates, errors, source) for frame in frames],
        _scores_panel(score, frames, probabilities, source.action_names),
    )


def _scores_panel(
    score: VideoScore,
    frames: Sequence[int],
    probabilities: Float[np.ndarray, "frames actions"],
    names: Sequence[str],
) -> Panel:
    """Over a video, with `frames` marked on the axis of time."""
    classes = _classes(score, probabilities)
    last = ", ".join(f"{readable(names[i])} {100 * probabilities[-1, i]:.0f} %" for i in classes)
    return Panel(
        "Action scores",
        f"Probability of actions over the frames of the video; at its end: {last}.",
        partial(
            _draw_scores,
            probabilities=probabilities[:, classes],
            names=[readable(names[i]) for i in classes],
            styles=[_style(i, score, place) for place, i in enumerate(classes.tolist())],
            frames=frames,
        ),
        (500, 270),
    )


def write_png(view: VideoView, path: str | os.PathLike[str], subtitle: str) -> None:
    """Writes the frames in a row and the scores below them."""
    width, tile_height = 180 * _TILES, 158
    height = tile_height + view.scores.size[1] + plotting.TITLE_HEIGHT + plotting.NOTE_HEIGHT
    with matplotlib.rc_context(plotting.STYLE):
        figure = plotting.new_figure(width, height)
        title = f"{view.score.video_id}: {verdict(view)}"
        plotting.draw_frame(figure, title, subtitle, _PNG_NOTE)
        above, below = figure.subplots(2, 1, height_ratios=[tile_height, view.scores.size[1]])
        _draw_strip(above, view.tiles)
        view.scores.draw(below)
        plotting.save_png(figure, path)


def verdict(view: VideoView) -> str:
    """What the model says of the action, and whether that is right."""
    said = f"{view.predicted} {100 * view.probability:.0f} %"
    if view.action is None:
        return f"predicted {said}; the true action is hidden"
    if view.score.correct:
        return f"{said}, recognised"
    truth = 100 * (view.score.probability_of_the_true_action or 0.0)
    return f"{view.action} {truth:.0f} %, taken for {said}"


def caption(tile: Tile) -> str:
    """Which frame it is, and the error in it."""
    error = "" if tile.error is None else f" · {tile.error:.0f} mm"
    return f"frame {tile.frame}{error}"


def _tile(
    video: Video,
    frame: int,
    first: int,
    estimates: Estimates,
    errors: Mapping[str, JointErrors],
    source: RecordSource,
) -> Tile:
    image = picture_of(source, video, frame)
    joints = np.stack([estimates.target_3d[first + frame], estimates.joints_3d[first + frame]])
    # What is not annotated is zero, and has no pixel.
    joints = np.where(joints[..., 2:] > 0, joints, np.nan).astype(np.float64)
    pixels, _ = camera.project(joints, video.intrinsics)
    in_image = estimates.joints_known
    for hand in source.spec.hands:
        of_hand = source.spec.joints_of(hand)
        if in_image is not None:
            known = in_image[first + frame, of_hand, 0]
            pixels[0, of_hand][~known] = np.nan
            pixels[1, of_hand][:] = np.nan if not known.any() else pixels[1, of_hand]
        elif hand not in errors or not errors[hand].counted[first + frame]:
            pixels[:, of_hand] = np.nan
    of_frame = np.stack([of.camera_space[first + frame] for of in errors.values()] or [[np.nan]])
    known = of_frame[~np.isnan(of_frame)]
    picture = truth_and_estimate.compare(
        image, pixels[0], pixels[1], source.spec.skeleton, TILE_SIZE
    )
    return Tile(frame, float(known.mean()) if known.size else None, picture)


def _classes(
    score: VideoScore, probabilities: Float[np.ndarray, "frames actions"]
) -> Int[np.ndarray, " classes"]:
    """The true and the predicted action, and those that were likely at some time."""
    highest = probabilities.max(axis=0)
    likely = [i for i in np.argsort(-highest, kind="stable") if highest[i] >= _LEAST_SHOWN]
    wanted = [i for i in (score.action, score.predicted) if i >= 0]
    return np.array(list(dict.fromkeys([*wanted, *likely]))[:_CLASSES])


def _style(action: int, score: VideoScore, place: int) -> dict[str, Any]:
    if action == score.action or (score.action < 0 and action == score.predicted):
        return {"color": plotting.ACCENT, "lw": 2}
    if action == score.predicted:
        return {"color": plotting.WRONG, "lw": 2}
    return {
        "color": plotting.MUTED,
        "lw": 1.1,
        "dashes": [(None, None), (4, 1.5), (1, 1.2)][place - 1],
    }


def _draw_strip(axes: Axes, tiles: Sequence[Tile]) -> None:
    """The frames side by side, with room for as many as there can be."""
    width, height = TILE_SIZE
    step = width + width // 20
    strip = np.full((height, step * _TILES - (step - width), 3), 255, np.uint8)
    for left, tile in zip(range(0, strip.shape[1], step), tiles, strict=False):
        strip[:, left : left + width] = tile.picture
        axes.text(left, -12, caption(tile), va="bottom")
    axes.imshow(strip, interpolation="lanczos")
    axes.set_anchor("W")
    axes.set_axis_off()


def _draw_scores(
    axes: Axes,
    *,
    probabilities: Float[np.ndarray, "frames classes"],
    names: Sequence[str],
    styles: Sequence[Mapping[str, Any]],
    frames: Sequence[int],
) -> None:
    # A score stands from its frame until the next one.
    times = np.arange(len(probabilities) + 1)
    held = np.concatenate([probabilities, probabilities[-1:]])
    for name, style, curve in list(zip(names, styles, held.T, strict=True))[::-1]:
        axes.plot(times, curve, drawstyle="steps-post", label=name, clip_on=False, **style)
    axes.set_xlim(0, times[-1])
    axes.set_ylim(0, 1)
    axes.set_xticks(frames)
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.set_xlabel("frame")
    axes.set_ylabel("probability")
    axes.grid()
    plotting.legend_above(axes, columns=2, reverse=True)
