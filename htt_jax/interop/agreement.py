"""Whether two programs of one model compute the same: noise goes in, the outputs are compared."""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

from htt_jax.models.htt import DEPTH_OFFSET
from htt_jax.models.outputs import OF_NAME

Arrays: TypeAlias = Mapping[str, np.ndarray]

LARGEST = 1e-4
"""Of an output's own size; float32 programs of this depth stay ten times below."""

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
        for name in OF_NAME
    }


def too_large(expected: Arrays, found: dict[str, float], valid: np.ndarray) -> list[str]:
    """The outputs whose difference is not small beside their size."""
    scale = {name: float(np.abs(_real(expected, name, valid)).max()) for name in OF_NAME}
    scale["depth"] = max(scale["depth"], DEPTH_OFFSET)
    # A comparison that NaN fails as well.
    return [name for name in OF_NAME if not found[name] <= LARGEST * scale[name]]


def _real(outputs: Arrays, name: str, valid: np.ndarray) -> np.ndarray:
    x = np.asarray(outputs[name], np.float64)
    return x[valid] if OF_NAME[name].is_of_frames else x
