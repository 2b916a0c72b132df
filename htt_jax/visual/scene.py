"""Composes one picture of a video: the frame with its skeletons, the hand in 3D, the scores.

    renderer = Renderer((1920, 1080), ("right",), HAND, depth_limits=(0.3, 0.6))
    with VideoWriter(path, renderer.size, rate) as video:
        for scene in scenes:
            video.write(renderer.render(scene))

Landscape frames stand at the left, scaled into 960x540, with the panels to their right and the
timeline below; a 16:9 frame gives 1280x720. Portrait frames take the whole height of 720.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8

from htt_jax.datasets.skeleton import Skeleton
from htt_jax.visual import colours, object_box, panels, paths, skeleton, text
from htt_jax.visual.drawing import Canvas, Resized, at_size, disc, resize
from htt_jax.visual.layout import Box, layout_for
from htt_jax.visual.panels import MARGIN
from htt_jax.visual.timeline import History, Timeline
from htt_jax.visual.view3d import View3D, smallest_radius

_LETTERS = 12
_TITLE = 32  # height of a panel's title
_ROW = 34  # height of a line of the status


@dataclasses.dataclass(frozen=True)
class FrameScene:
    """What is shown of one frame. Where something is unknown, leave it out.

    Attributes:
        image: RGB, of the size given to the renderer.
        frame: its number, from 0.
        seconds: of the frame since the video began.
        frames: how many the video has; None: unknown, as of a camera.
        joints_2d: pixels of `image`; not finite for hands that are not there.
        depth: metres.
        joints_3d: metres, camera space.
        object_name: of the most probable object.
        object_probability: 0 to 1.
        object_box: centre and corners of its box, pixels of `image`.
        action_names: the actions shown as bars, at most five, from top to bottom. The same ones in
            the same order for a whole video read best; their colours follow them if they move.
        action_probabilities: now, 0 to 1.
        history: of the same actions, for the timeline. Give the same object for every frame as
            long as nothing in it changes: it is then drawn only once.
        clip: (place from 0, length) of the frame in its clip.
        window: (place from 0, length) of the frame in its window.
        decided: second at which the most probable action became what it is.
        paths: of each hand, from where it is to where it is expected to go; pixels of `image`.
        note: whatever else is to be told, such as '29.8 frames/s' of a camera.
    """

    image: UInt8[np.ndarray, "height width 3"]
    frame: int
    seconds: float
    frames: int | None = None
    joints_2d: Float[np.ndarray, "joints 2"] | None = None
    depth: Float[np.ndarray, " joints"] | None = None
    joints_3d: Float[np.ndarray, "joints 3"] | None = None
    object_name: str = ""
    object_probability: float = np.nan
    object_box: Float[np.ndarray, "box_points 2"] | None = None
    action_names: Sequence[str] = ()
    action_probabilities: Sequence[float] | Float[np.ndarray, " actions"] = ()
    history: History | None = None
    clip: tuple[int, int] | None = None
    window: tuple[int, int] | None = None
    decided: float | None = None
    paths: Sequence[Float[np.ndarray, "points 2"]] = ()
    note: str = ""


class Renderer:
    """Renders the scenes of one video; all pictures are of one size, `size`.

    Attributes:
        size: (width, height) of the pictures, both even.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        hands: Sequence[str],
        hand: Skeleton,
        *,
        depth_limits: tuple[float, float] = colours.DEFAULT_DEPTH_LIMITS,
        radius: float | None = None,
    ):
        """For one video.

        Args:
            image_size: (width, height) of its frames.
            hands: in the order of their joints, as `DatasetSpec.hands`.
            hand: the joints of each, as `DatasetSpec.skeleton`.
            depth_limits: (near, far) between which colours tell the depth, metres; of a whole
                video: `colours.depth_limits`.
            radius: shown in the 3D view around the hands, metres; of a whole video:
                `view3d.radius_of`. None: what suits most hands.
        """
        self._hands = tuple(hands)
        self._depth_limits = depth_limits
        self._hand = hand
        self._joints = len(hand.joints) * len(hands)
        self._view = View3D(smallest_radius(len(hands)) if radius is None else radius, hand)
        self._boxes = layout_for(image_size)
        self.size = self._boxes.size
        left, top, right, bottom = self._boxes.timeline
        self._timeline = Timeline(right - left, bottom - top)
        self._action_colours: dict[str, colours.RGB] = {}
        self._template = self._draw_template()

    def render(self, scene: FrameScene) -> Canvas:
        """The picture of one frame, RGB."""
        names = list(dict.fromkeys((*scene.action_names, *_names(scene.history))))
        self._action_colours = colours.assign(self._action_colours, names)
        canvas = self._template.copy()
        self._draw_frame(_cut(canvas, self._boxes.frame), scene)
        self._draw_view(_cut(canvas, self._boxes.view), scene)
        self._draw_object(_cut(canvas, self._boxes.object), scene)
        self._draw_actions(_cut(canvas, self._boxes.actions), scene)
        self._draw_status(_cut(canvas, self._boxes.status), scene)
        if scene.history is not None:
            panel = _cut(canvas, self._boxes.timeline)
            self._timeline.draw(panel, scene.history, self._action_colours, scene.seconds)
        return canvas

    def _draw_template(self) -> Canvas:
        """What stays the same from frame to frame."""
        width, height = self.size
        canvas = np.full((height, width, 3), colours.BACKGROUND, np.uint8)
        view = _cut(canvas, self._boxes.view)
        title = "Hand in 3D" if len(self._hands) == 1 else "Hands in 3D"
        panels.draw_title(view, title, f"grid {_length(self._view.grid)}")
        _draw_finger_legend(view, self._hand)
        panels.draw_title(_cut(canvas, self._boxes.object), "Object")
        panels.draw_title(_cut(canvas, self._boxes.actions), "Action")
        for box in (self._boxes.object, self._boxes.actions, self._boxes.status):
            canvas[box[1], box[0] : box[2]] = colours.GRID
        return canvas

    def _draw_frame(self, canvas: Canvas, scene: FrameScene) -> None:
        size = (canvas.shape[1], canvas.shape[0])
        canvas[:] = resize(scene.image, size)
        own_size = (scene.image.shape[1], scene.image.shape[0])
        if scene.object_box is not None:
            object_box.draw(canvas, at_size(scene.object_box, own_size, size))
        if scene.joints_2d is None:
            return
        pixels = at_size(scene.joints_2d, own_size, size)
        depth = np.full(len(pixels), np.nan) if scene.depth is None else scene.depth
        tints = colours.depth_colours(depth, self._depth_limits)
        for path in scene.paths:
            paths.draw(canvas, at_size(path, own_size, size))
        skeleton.draw(canvas, pixels, tints, self._hand, depth=depth)
        if len(self._hands) > 1:
            skeleton.draw_hand_letters(canvas, pixels, self._hands, self._hand)
        if scene.depth is not None:
            skeleton.draw_depth_legend(canvas, self._depth_limits, corner=(12, 12))

    def _draw_view(self, canvas: Canvas, scene: FrameScene) -> None:
        missing = np.full((self._joints, 3), np.nan)
        joints = missing if scene.joints_3d is None else scene.joints_3d
        pixels = self._view.draw(canvas, joints, scene.seconds)
        if not np.isfinite(pixels).any():
            panels.draw_hint(canvas[_TITLE:], "no hand")
        if len(self._hands) > 1:
            skeleton.draw_hand_letters(canvas, pixels, self._hands, self._hand)

    def _draw_object(self, canvas: Canvas, scene: FrameScene) -> None:
        if scene.object_name:
            names, values = [scene.object_name], [scene.object_probability]
            panels.draw_bars(canvas[_TITLE:], names, values, {scene.object_name: colours.FAINT})
        else:
            panels.draw_hint(canvas[_TITLE:], "not known")

    def _draw_actions(self, canvas: Canvas, scene: FrameScene) -> None:
        if scene.decided is not None:
            panels.draw_note(canvas, f"since {scene.decided:.1f} s")
        names, values = scene.action_names, scene.action_probabilities
        if len(names):
            panels.draw_bars(canvas[_TITLE:], names, values, self._action_colours)
        else:
            panels.draw_hint(canvas[_TITLE:], "not known")

    def _draw_status(self, canvas: Canvas, scene: FrameScene) -> None:
        of = "" if scene.frames is None else f" of {scene.frames}"
        words = f"frame {scene.frame}{of}    {scene.seconds:.2f} s    {scene.note}".rstrip()
        row = canvas[:_ROW]
        text.draw(row, words, (MARGIN, _ROW // 2 + 4), size=_LETTERS, colour=colours.TEXT)
        row = canvas[-_ROW:]
        right = canvas.shape[1] - MARGIN
        for label, progress in (("clip", scene.clip), ("window", scene.window)):
            if progress is not None:
                right = panels.draw_meter(row, label, *progress, right=right) - 24


def _draw_finger_legend(canvas: Canvas, hand: Skeleton) -> None:
    baseline = canvas.shape[0] - 12
    widths = [18 + text.width(finger, _LETTERS - 1) for finger in hand.fingers]
    gap = (canvas.shape[1] - 2 * MARGIN - sum(widths)) / max(len(widths) - 1, 1)
    x = float(MARGIN)
    for (finger, colour), width in zip(colours.of_fingers(hand).items(), widths, strict=True):
        disc(canvas, (x + 5, baseline - 4), colour, 5)
        text.draw(canvas, finger, (x + 16, baseline), size=_LETTERS - 1, colour=colours.MUTED)
        x += width + gap


def _length(metres: float) -> str:
    return f"{metres:g} m" if metres >= 1 else f"{100 * metres:.0f} cm"


def _cut(canvas: Canvas, box: Box) -> Resized:
    left, top, right, bottom = box
    return canvas[top:bottom, left:right]


def _names(history: History | None) -> tuple[str, ...]:
    return () if history is None else history.names
