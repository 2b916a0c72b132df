"""Whether two programs of one model compute the same: noise goes in, the outputs are compared."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from htt_jax.models.htt import DEPTH_OFFSET
from htt_jax.models.outputs import OUTPUTS, Output

Arrays: TypeAlias = Mapping[str, np.ndarray]

LARGEST = 1e-4
"""Of an output's own size; float32 programs of this depth stay ten times below."""

_SEED = 1
_CLIPS, _WINDOWS = 2, 2


def noise(
    window: int,
    image_size: tuple[int, int],
    intrinsics: Float[np.ndarray, "3 3"],
    channels: int = 3,
) -> dict[str, np.ndarray]:
    """Inputs as the parity cases have them: uniform pixels, a whole clip and one with padding.

    Args:
        window: frames of a window.
        image_size: (width, height).
        intrinsics: of a camera with that image size, pixels.
        channels: of an image.
    """
    width, height = image_size
    size = (_CLIPS, _WINDOWS * window)
    random = np.random.Generator(np.random.PCG64(_SEED))
    valid = np.ones(size, bool)
    valid[1, window // 2 :] = False  # one window in part, another whole
    return {
        "image": random.random((*size, height, width, channels), np.float32) - 0.5,
        "valid": valid,
        "intrinsics": np.broadcast_to(intrinsics.astype(np.float32), (*size, 3, 3)),
    }


def differences(
    expected: Arrays, found: Arrays, valid: np.ndarray, outputs: Sequence[Output] = OUTPUTS
) -> dict[str, float]:
    """The largest difference of each output over real frames, in its own unit."""
    return {
        one.name: float(np.abs(_real(found, one, valid) - _real(expected, one, valid)).max())
        for one in outputs
    }


def too_large(
    expected: Arrays,
    found: dict[str, float],
    valid: np.ndarray,
    outputs: Sequence[Output] = OUTPUTS,
) -> list[str]:
    """The outputs whose difference is not small beside their size."""
    scale = {one.name: float(np.abs(_real(expected, one, valid)).max()) for one in outputs}
    if "depth" in scale:
        scale["depth"] = max(scale["depth"], DEPTH_OFFSET)
    # A comparison that NaN fails as well.
    return [name for name in scale if not found[name] <= LARGEST * scale[name]]


def _real(arrays: Arrays, output: Output, valid: np.ndarray) -> np.ndarray:
    x = np.asarray(arrays[output.name], np.float64)
    return x[valid] if output.is_of_frames else x
