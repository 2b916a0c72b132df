"""What the JSON file of a StableHLO export tells people and programs about it."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
from jax import export

from htt_jax.models.outputs import OUTPUTS, Output

FORMAT = "HTT as StableHLO"
VERSION = 1

_INPUTS = {
    # name: (axes, unit, meaning)
    "image": (
        ("clips", "frames", "height", "width", "red green blue"),
        "pixel / 255 - 0.5",
        "frames of each clip; see preprocessing",
    ),
    "valid": (("clips", "frames"), None, "true where a frame is real, false where it is padding"),
    "intrinsics": (
        ("clips", "frames", "row", "column"),
        "pixels",
        "camera matrix of each frame, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]",
    ),
}
_OLDEST_JAX = "0.8.2"  # of those tried with a program written by 0.10.2
_COMPATIBILITY = (
    "JAX promises that a program runs with releases up to 3 weeks older and 6 months newer than "
    "the one that wrote it; keep the checkpoint, to export it anew later"
)
_HOW_TO_RUN = """\
# Needs no more than: pip install jax flatbuffers safetensors
import pathlib

import jax
import numpy as np
from jax import export
from safetensors.numpy import load_file

program = export.deserialize(bytearray(pathlib.Path("{program}").read_bytes()))
weights = jax.device_put(load_file("{weights}"))
# Your frames in place of this noise: RGB, {width}x{height} pixels, whole windows of {window}.
pixels = np.random.default_rng(0).integers(0, 256, (1, {window}, {height}, {width}, 3), np.uint8)
image = pixels.astype(np.float32) / 255 - 0.5
valid = np.ones(image.shape[:2], bool)
camera = np.array([[{width}, 0, {width} / 2], [0, {width}, {height} / 2], [0, 0, 1]], np.float32)
intrinsics = np.broadcast_to(camera, (*valid.shape, 3, 3))
outputs = jax.jit(program.call)(weights, image, valid, intrinsics)
print({{name: x.shape for name, x in outputs.items()}})
"""


def describe(
    program: export.Exported,
    files: Mapping[str, Mapping[str, Any]],
    window: int,
    image_size: tuple[int, int],
    outputs: Sequence[Output] = OUTPUTS,
) -> dict[str, Any]:
    """The content of the JSON file but for the facts that its user adds.

    Args:
        program: of (weights, image, valid, intrinsics).
        files: name, size and checksum of each of "program" and "weights".
        window: frames of one window of the model.
        image_size: (width, height) of the frames.
        outputs: of the model; what is told of images and logits is that of HTT's.
    """
    (weights, *arrays), _ = jax.tree.unflatten(program.in_tree, program.in_avals)
    inputs = dict(zip(("image", "valid", "intrinsics"), arrays, strict=True))
    found = jax.tree.unflatten(program.out_tree, program.out_avals)
    meanings = _INPUTS | {x.name: (x.axes, x.unit, x.meaning) for x in outputs}
    return {
        "format": FORMAT,
        "version": VERSION,
        "program": {
            **files["program"],
            "written_by": f"jax.export of jax {jax.__version__}",
            "calling_convention_version": program.calling_convention_version,
            "oldest_jax": _OLDEST_JAX,
            "compatibility": _COMPATIBILITY,
            "platforms": list(program.platforms),
            "arguments": ["weights", *inputs],
            "returns": "the outputs, a dictionary",
        },
        "weights": {
            **files["weights"],
            "tensors": len(weights),
            "numbers": sum(x.size for x in weights.values()),
        },
        "symbols": {
            "clips": "any number from 1; they are independent of each other",
            "windows": f"any number from 1; a clip is whole windows of {window} frames",
        },
        "inputs": {
            "weights": {
                "meaning": "a dictionary of the weight file's tensors by their names; params/... "
                "were trained, batch_stats/... are the backbone's frozen means and variances"
            },
            **{name: _array(meanings[name], x) for name, x in inputs.items()},
        },
        "outputs": {name: _array(meanings[name], x) for name, x in found.items()},
        **(_use_of_htt(files, window, image_size) if outputs is OUTPUTS else {}),
    }


def _use_of_htt(
    files: Mapping[str, Mapping[str, Any]], window: int, image_size: tuple[int, int]
) -> dict[str, Any]:
    """How HTT's inputs are made, its outputs read, and a program to do so."""
    width, height = image_size
    return {
        "preprocessing": [
            f"resize each frame to {width}x{height} pixels (width x height), RGB",
            "image = pixel / 255 - 0.5, where pixel is 0 to 255",
            f"intrinsics are of the resized frame: multiply fx and cx by {width} / its width "
            f"before, fy and cy by {height} / its height before",
            f"pad a clip to whole windows of {window} frames by repeating its last frame and "
            "intrinsics, with valid false; what comes out for padding means nothing",
        ],
        "postprocessing": [
            "object probabilities of a frame = softmax(object_logits, axis=-1)",
            "action probabilities of a clip = softmax(action_logits, axis=-1); of a video: their "
            "mean over its clips",
        ],
        "how_to_run": how_to_run(
            files["program"]["file"], files["weights"]["file"], window, image_size
        ).splitlines(),
    }


def how_to_run(program: str, weights: str, window: int, image_size: tuple[int, int]) -> str:
    """A Python script that runs an export, given its files' names, without this package."""
    width, height = image_size
    return _HOW_TO_RUN.format(
        program=program, weights=weights, window=window, width=width, height=height
    )


def _array(told: tuple[Sequence[str], str | None, str], x: Any) -> dict[str, Any]:
    axes, unit, meaning = told
    return {
        "dtype": str(x.dtype),
        "shape": [size if isinstance(size, int) else str(size) for size in x.shape],
        "axes": list(axes),
        "unit": unit,
        "meaning": meaning,
    }
