"""What HTT's program takes, and how it is used: frames of a camera, and the camera's matrix."""

import dataclasses

import numpy as np

from htt_jax import camera
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.models.outputs import OUTPUTS
from htt_jax.models.signature import VALID, Input, Signature

_EXAMPLE = """\
# Your frames in place of this noise: {kind}, {width}x{height} pixels, whole windows of {window}.
pixels = np.random.default_rng(0).{drawn}
image = {made}
valid = np.ones(image.shape[:2], bool)
camera = np.array([[{width}, 0, {width} / 2], [0, {width}, {height} / 2], [0, 0, 1]], np.float32)
intrinsics = np.broadcast_to(camera, (*valid.shape, 3, 3))"""


def inputs(dataset: DatasetFacts, channels: int = 3) -> tuple[Input, ...]:
    """Images of so many channels, which frames are real, and intrinsics."""
    width, height = dataset.image_size
    spec = dataset.spec
    matrix = camera.scale_intrinsics(spec.intrinsics, spec.native_size, dataset.image_size)
    return (
        Input(
            "image",
            ("clips", "frames", "height", "width", "red green blue"),
            (height, width, channels),
            "pixel / 255 - 0.5",
            "frames of each clip; see preprocessing",
            lambda random, shape: random.random(shape, np.float32) - 0.5,
        ),
        VALID,
        Input(
            "intrinsics",
            ("clips", "frames", "row", "column"),
            (3, 3),
            "pixels",
            "camera matrix of each frame, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]",
            lambda random, shape: np.broadcast_to(matrix.astype(np.float32), shape),
        ),
    )


def signature(dataset: DatasetFacts, window: int) -> Signature:
    """Of HTT for the colour frames of a dataset, in windows of `window`."""
    width, height = dataset.image_size
    return Signature(
        name="HTT",
        full_name="Hierarchical Temporal Transformer (CVPR 2023)",
        window=window,
        inputs=inputs(dataset),
        outputs=OUTPUTS,
        source="egocentric RGB",
        frames=f"RGB frames of {width}x{height}, `pixel / 255 - 0.5`",
        besides="the camera's matrix in pixels",
        statistics="the backbone's frozen means and variances",
        preprocessing=(
            f"resize each frame to {width}x{height} pixels (width x height), RGB",
            "image = pixel / 255 - 0.5, where pixel is 0 to 255",
            f"intrinsics are of the resized frame: multiply fx and cx by {width} / its width "
            f"before, fy and cy by {height} / its height before",
            f"pad a clip to whole windows of {window} frames by repeating its last frame and "
            "intrinsics, with valid false; what comes out for padding means nothing",
        ),
        postprocessing=(
            "object probabilities of a frame = softmax(object_logits, axis=-1)",
            "action probabilities of a clip = softmax(action_logits, axis=-1); of a video: their "
            "mean over its clips",
        ),
        example=_example(
            dataset,
            window,
            kind="RGB",
            drawn=f"integers(0, 256, (1, {window}, {height}, {width}, 3), np.uint8)",
            made="pixels.astype(np.float32) / 255 - 0.5",
        ),
    )


def of_depth_maps(dataset: DatasetFacts, window: int, farthest: int) -> Signature:
    """The same for depth maps, where `farthest` millimetres and more are all one."""
    width, height = dataset.image_size
    of_colour = signature(dataset, window)
    image, *others = inputs(dataset, channels=1)
    made = f"minimum(millimetres, {farthest}) / {farthest} - 0.5"
    axes = (*image.axes[:-1], "depth")
    return dataclasses.replace(
        of_colour,
        inputs=(dataclasses.replace(image, axes=axes, unit=made), *others),
        source="egocentric depth maps",
        frames=f"Depth maps of {width}x{height}, `{made}`",
        preprocessing=(
            f"resize each map to {width}x{height} pixels (width x height), by the nearest pixel",
            f"image = {made}; 0.5 where there is no reading",
            *of_colour.preprocessing[2:],
        ),
        example=_example(
            dataset,
            window,
            kind="depth maps",
            drawn=f"integers(200, {farthest}, (1, {window}, {height}, {width}, 1), np.uint16)",
            made=f"np.minimum(pixels, {farthest}).astype(np.float32) / {farthest} - 0.5",
        ),
    )


def _example(dataset: DatasetFacts, window: int, **parts: str) -> tuple[str, ...]:
    width, height = dataset.image_size
    text = _EXAMPLE.format(width=width, height=height, window=window, **parts)
    return tuple(text.splitlines())
