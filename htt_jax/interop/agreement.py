"""Whether two programs of one model compute the same: noise goes in, the outputs are compared."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from htt_jax.models.htt import DEPTH_OFFSET

Arrays: TypeAlias = Mapping[str, np.ndarray]

LARGEST = 1e-4
"""Of an output's own size; float32 programs of this depth stay ten times below."""

UNITS = {
    "joints_2d": "pixels",
    "depth": "m",
    "joints_3d": "m",
    "object_logits": "",
    "action_logits": "",
}
"""The outputs of `models.htt.HTT` and their units."""

_SEED = 1
_CLIPS, _WINDOWS = 2, 2


def noise(
    window: int, image_size: tuple[int, int], intrinsics: Float[np.ndarray, "3 3"]
) -> dict[str, np.ndarray]:
    """Inputs as the parity cases have them: uniform pixels, a whole clip and one with padding.

    Args:
        window: frames of a window.
        image_size: (width, height).
        intrinsics: of a camera with that image size, pixels.
    """
    width, height = image_size
    size = (_CLIPS, _WINDOWS * window)
    random = np.random.Generator(np.random.PCG64(_SEED))
    valid = np.ones(size, bool)
    valid[1, window // 2 :] = False  # one window in part, another whole
    return {
        "image": random.random((*size, height, width, 3), np.float32) - 0.5,
        "valid": valid,
        "intrinsics": np.broadcast_to(intrinsics.astype(np.float32), (*size, 3, 3)),
    }


def differences(expected: Arrays, found: Arrays, valid: np.ndarray) -> dict[str, float]:
    """The largest difference of each output over real frames, in its own unit."""
    return {
        name: float(np.abs(_real(found, name, valid) - _real(expected, name, valid)).max())
        for name in UNITS
    }


def too_large(expected: Arrays, found: dict[str, float], valid: np.ndarray) -> list[str]:
    """The outputs whose difference is not small beside their size."""
    scale = {name: float(np.abs(_real(expected, name, valid)).max()) for name in UNITS}
    scale["depth"] = max(scale["depth"], DEPTH_OFFSET)
    # A comparison that NaN fails as well.
    return [name for name in UNITS if not found[name] <= LARGEST * scale[name]]


def _real(outputs: Arrays, name: str, valid: np.ndarray) -> np.ndarray:
    x = np.asarray(outputs[name], np.float64)
    return x if name == "action_logits" else x[valid]
