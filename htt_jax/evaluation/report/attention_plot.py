"""Where the queries of joints and object look, in a few frames."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from htt_jax import camera
from htt_jax.data.pictures import picture_of
from htt_jax.data.records import RecordSource
from htt_jax.evaluation.estimates import Estimates
from htt_jax.evaluation.looks import Look
from htt_jax.evaluation.report.plotting import Panel, Plot
from htt_jax.models.htt import cells
from htt_jax.visual import joint_attention
from htt_jax.visual.drawing import Canvas

NAME = "attention_of_joints"


def attention_plot(looks: Sequence[Look], estimates: Estimates, source: RecordSource) -> Plot:
    """The tiles of each frame, below each other.

    Raises:
        InputError: a frame cannot be decoded.
    """
    frames = [
        (f"{source.video_ids[look.video]}, frame {look.frame}", _tiles(look, estimates, source))
        for look in looks
    ]
    picture = joint_attention.stacked(frames)
    height, width, _ = picture.shape
    description = f"Attention of each joint's query over the frame: {', '.join(dict(frames))}."
    title = "Where the joints' queries look"
    panel = Panel(title, description, partial(_draw, picture), (width, height))
    return Plot(NAME, title, [panel], joint_attention.NOTE.replace("\n", " "))


def _tiles(look: Look, estimates: Estimates, source: RecordSource) -> Canvas:
    video = source[look.video]
    image = picture_of(source, video, look.frame)
    place = estimates.frames_of(look.video).start + look.frame
    joints = estimates.joints_3d[place].astype(np.float64)
    pixels, depth = camera.project(joints, video.intrinsics)
    pixels[depth <= 0] = np.nan
    height, width, _ = image.shape
    seen = estimates.image_size
    pitch = (cells.PIXELS * width / seen[0], cells.PIXELS * height / seen[1])
    spec = source.spec
    return joint_attention.draw(image, look.maps, pixels, spec.skeleton, spec.hands, pitch)


def _draw(picture: Canvas, axes: Axes) -> None:
    axes.imshow(picture, interpolation="none")
    axes.set_axis_off()
