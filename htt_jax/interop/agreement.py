"""Whether two programs of one model compute the same: noise goes in, the outputs are compared."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from htt_jax.models.htt.heads import DEPTH_OFFSET
from htt_jax.models.outputs import OUTPUTS, Output
from htt_jax.models.signature import Signature

Arrays: TypeAlias = Mapping[str, np.ndarray]

LARGEST = 1e-4
"""Of an output's own size; float32 programs of this depth stay ten times below."""

_SEED = 1
_CLIPS, _WINDOWS, _FRAMES = 2, 2, 4  # at least so many windows, and so many frames


def noise(signature: Signature) -> dict[str, np.ndarray]:
    """Inputs of a program, in its order: a whole clip and one with padding."""
    window = signature.window
    frames = window * max(_WINDOWS, -(-_FRAMES // window))
    random = np.random.Generator(np.random.PCG64(_SEED))
    found = {x.name: x.drawn(random, (_CLIPS, frames, *x.sizes)) for x in signature.inputs}
    found["valid"][1, frames // 4 :] = False  # of two windows one in part, another whole
    return found


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
