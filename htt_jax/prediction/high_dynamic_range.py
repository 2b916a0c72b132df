"""Brings the colours of HDR video, PQ and HLG (ITU-R BT.2100), to those of ordinary video.

A model has seen ordinary video only. The white of paper, 203 cd/m² (BT.2408), becomes white; what
is brighter does, too.
"""

import dataclasses

import cv2
import numpy as np
from jaxtyping import Float, UInt8

_WHITE = 203.0  # cd/m²
_PEAK = {"PQ": 10_000.0, "HLG": 1_000.0}  # cd/m², of the largest value
_SCREEN = 2.4  # gamma of the screens that ordinary video is made for (BT.1886)
_HLG_SCREEN = 1.2  # gamma from the scene's light to the screen's, at 1000 cd/m²

_TO_BT709 = np.array(
    [
        [1.660491, -0.587641, -0.072850],
        [-0.124550, 1.132900, -0.008349],
        [-0.018151, -0.100579, 1.118730],
    ],
    np.float32,
)
"""From the primaries of BT.2020 to those of BT.709, linear light."""

Pixels = UInt8[np.ndarray, "height width 3"]


@dataclasses.dataclass(frozen=True, eq=False)
class Transfer:
    """How a video's values stand for light.

    Attributes:
        title: what people call it.
        light: of each value from 0 to 255, white being 1.
    """

    title: str
    light: Float[np.ndarray, "256"]


def to_ordinary(image: Pixels, transfer: Transfer) -> Pixels:
    """An RGB frame in the primaries of BT.2020 as one of BT.709."""
    light = cv2.transform(cv2.LUT(image, transfer.light), _TO_BT709)
    np.clip(light, 0.0, 1.0, out=light)
    return cv2.convertScaleAbs(cv2.pow(light, 1 / _SCREEN), alpha=255.0)


def _pq_light() -> Float[np.ndarray, "256"]:
    """BT.2100, table 4."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    power = np.linspace(0, 1, 256) ** (1 / m2)
    light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return (light * _PEAK["PQ"] / _WHITE).astype(np.float32)


def _hlg_light() -> Float[np.ndarray, "256"]:
    """BT.2100, table 5."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    value = np.linspace(0, 1, 256)
    scene = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    return (scene**_HLG_SCREEN * _PEAK["HLG"] / _WHITE).astype(np.float32)


TRANSFERS = {16: Transfer("PQ", _pq_light()), 18: Transfer("HLG", _hlg_light())}
"""By FFmpeg's numbers for them (AVCOL_TRC_SMPTE2084 and AVCOL_TRC_ARIB_STD_B67)."""
