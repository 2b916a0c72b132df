"""What the program of a depth system takes, and how it is used: crops, or poses, and centres."""

import numpy as np

from htt_jax.data.depth_crops import CUBE_MM, MARGIN_MM, MARGIN_PIXELS, Cropper
from htt_jax.models.signature import VALID, Input, Signature
from htt_jax.systems.depth.model import outputs_of

_CENTRE = (0.0, 0.0, 0.4)  # metres, of the examples
_NO_READING = 1 / 3  # of the pixels
_EXAMPLE_FRAMES = 8

_FULL_NAMES = {
    "pose": "Hand pose network on depth crops (2019)",
    "action": "Action network on hand poses (2019)",
    "chain": "Pose network, then action network (2019)",
    "feedback": "Pose network that is told the action so far (2019)",
    "ensemble": "Two pose networks, the second told the action (2019)",
}
_PROTOCOLS = {
    "published": (
        "centre: the middle finger's knuckle by the true pose (protocol 'published')",
        f"box: around the true joints' pixels with {MARGIN_PIXELS} more on each side; on each axis "
        "the side that is nearer to the centre's pixel moves out until that is the middle; whole "
        "pixels, towards zero, the last exclusive",
        f"readings more than {MARGIN_MM} mm behind the farthest joint count as none",
    ),
    "honest": (
        "centre: the middle of the hand as it is tracked in the maps alone (protocol 'honest')",
        f"box: the pixels of a square of {CUBE_MM} mm about the centre, at its distance",
        f"readings more than {CUBE_MM / 2:g} mm before or behind the centre count as none",
    ),
}


def signature(form: str, cropper: Cropper, told_at_test: str) -> Signature:
    """Of the networks of a form.

    Args:
        form: see the options.
        cropper: makes what they see.
        told_at_test: see the option `told.at_test`.
    """
    seen = _joints(cropper) if form == "action" else _crops(cropper)
    outputs = outputs_of(form)
    return Signature(
        name="Depth system",
        full_name=_FULL_NAMES[form],
        window=1,
        inputs=(seen, VALID, _centre(cropper)),
        outputs=outputs,
        source="3D hand poses" if form == "action" else "egocentric depth maps",
        frames="Hand poses in metres"
        if form == "action"
        else f"Crops of depth maps, {cropper.size}x{cropper.size} pixels, millimetres, by the "
        f"{cropper.protocol} protocol",
        besides=f"each hand's `centre` in metres{_told(form, told_at_test)}",
        statistics="the means and variances of batch norms",
        preprocessing=_preprocessing(form, cropper),
        postprocessing=(
            ("action probabilities of a clip = softmax(action_logits, axis=-1)",)
            if len(outputs) > 1
            else ()
        ),
        example=_example(seen, len(cropper.hands)),
    )


def _crops(cropper: Cropper) -> Input:
    def drawn(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        readings = random.integers(300, 500, shape)
        return np.where(random.random(shape) < _NO_READING, 0, readings).astype(np.float32)

    return Input(
        "image",
        ("clips", "frames", "height", "width", " ".join(cropper.hands)),
        (cropper.size, cropper.size, len(cropper.hands)),
        "millimetres",
        "depth in a crop around each hand, 0 where there is no reading; see preprocessing",
        drawn,
    )


def _joints(cropper: Cropper) -> Input:
    return Input(
        "joints_3d",
        ("clips", "frames", "joints", "x y z"),
        (len(cropper.hands) * cropper.joints, 3),
        "metres",
        "each joint in the depth camera's space; x right, y down, z forward",
        lambda random, shape: random.normal(_CENTRE, 0.05, shape).astype(np.float32),
    )


def _centre(cropper: Cropper) -> Input:
    return Input(
        "centre",
        ("clips", "frames", "hands", "x y z"),
        (len(cropper.hands), 3),
        "metres",
        "what each hand's pose is relative to, in the depth camera's space; zeros for no hand",
        lambda random, shape: random.normal(_CENTRE, 0.02, shape).astype(np.float32),
    )


def _told(form: str, at_test: str) -> str:
    """What the pose network is told, where the figures of an evaluation are of something else."""
    if form not in ("feedback", "ensemble") or at_test != "drawn":
        return ""
    return (
        ". The pose network is always told the action that is recognised, but in the results below "
        "it is told equal probabilities at random, as in training (`told.at_test`)"
    )


def _preprocessing(form: str, cropper: Cropper) -> tuple[str, ...]:
    pad = "pad a clip after its end with anything, with valid false"
    if form == "action":
        return ("centre: the middle finger's knuckle", pad)
    centre, box, limits = _PROTOCOLS[cropper.protocol]
    return (
        centre,
        box,
        f"{limits}; so do pixels outside the image",
        f"resize the box to {cropper.size}x{cropper.size} pixels by the nearest pixel; no reading "
        "is 0",
        "mirror the crops of left hands, left to right; centres and results are not mirrored",
        pad,
    )


def _example(seen: Input, hands: int) -> tuple[str, ...]:
    shape = (1, _EXAMPLE_FRAMES, *seen.sizes)
    start = "random = np.random.default_rng(0)"
    if seen.name == "joints_3d":
        noise = f"joints_3d = random.normal({_CENTRE}, 0.05, {shape}).astype(np.float32)"
    else:
        noise = f"image = random.integers(300, 500, {shape}).astype(np.float32)"
    return (
        "# Your frames in place of this noise; see preprocessing.",
        start,
        noise,
        f"valid = np.ones({shape[:2]}, bool)",
        f"centre = np.full({(*shape[:2], hands, 3)}, {_CENTRE}, np.float32)",
    )
