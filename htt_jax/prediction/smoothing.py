"""Steadier poses: the One-Euro filter (Casiez, Roussel and Vogel, CHI 2012) of pixels and depth.

A low-pass whose cutoff rises with speed: a hand at rest does not tremble, and one that moves is
hardly late. What it gives at a frame follows from the frames up to there.

Pixels and depth are filtered, and positions in space are made of both, so that the three still say
the same. Speeds are taken in metres per second, of pixels across the line of sight at the joint's
depth: so the same parameters suit every camera, image size and frame rate.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from htt_jax import camera
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.support.errors import InputError

MOST_CUTOFF = 1000.0
"""Hz; far above what any camera tells."""
MOST_SLOPE = 10_000.0
_SPEED_CUTOFF = 1.0  # Hz, of the speed that the cutoff follows; as its authors keep it
_LEAST_STEP = 1e-3  # seconds: times that are rounded may be the same


@dataclasses.dataclass(frozen=True)
class OneEuro:
    """Parameters of a filter.

    Attributes:
        cutoff: at rest, Hz; less is steadier.
        slope: how much higher for each metre per second, Hz; more is less late.

    Raises:
        InputError: the cutoff is not from 0 to `MOST_CUTOFF`, or the slope not from 0 to
            `MOST_SLOPE`.
    """

    cutoff: float
    slope: float

    def __post_init__(self) -> None:
        if not 0 < self.cutoff <= MOST_CUTOFF:
            raise InputError(
                f"a cutoff of {self.cutoff:g} Hz smooths nothing sensible; give more than 0 and "
                f"at most {MOST_CUTOFF:g}"
            )
        if not 0 <= self.slope <= MOST_SLOPE:
            raise InputError(
                f"a slope of {self.slope:g} Hz per metre a second smooths nothing sensible; give "
                f"0 to {MOST_SLOPE:g}"
            )


@dataclasses.dataclass(frozen=True)
class Smoothing:
    """How poses are smoothed.

    Attributes:
        joints_2d: of pixels.
        depth: of metres.
    """

    joints_2d: OneEuro = OneEuro(1.0, 20.0)
    depth: OneEuro = OneEuro(1.0, 20.0)

    def __str__(self) -> str:
        """For people."""
        pixels, depth = (f"{x.cutoff:g} Hz + {x.slope:g}" for x in (self.joints_2d, self.depth))
        return f"One-Euro filter, pixels {pixels}, depth {depth} Hz per metre a second"


def from_options(smooth: bool, joints_2d: str | None, depth: str | None) -> Smoothing | None:
    """What the options --smooth, --smooth_2d and --smooth_depth say; None: nothing is smoothed.

    Raises:
        InputError: one of the latter is given without the first, or is not two numbers in bounds.
    """
    given = {"joints_2d": ("--smooth_2d", joints_2d), "depth": ("--smooth_depth", depth)}
    filters = {}
    for name, (option, text) in given.items():
        if text is None:
            continue
        if not smooth:
            raise InputError(f"{option}={text} is given without --smooth, which smooths; add it")
        filters[name] = _filter(option, text)
    return Smoothing(**filters) if smooth else None


def _filter(option: str, text: str) -> OneEuro:
    try:
        cutoff, slope = map(float, text.split(","))
        return OneEuro(cutoff, slope)
    except InputError as error:
        raise InputError(f"{option}={text}: {error}") from None
    except ValueError:
        raise InputError(
            f"{option}={text} is no cutoff and slope; give two numbers, such as {option}=1,20"
        ) from None


class Poses(NamedTuple):
    """Of a frame, or with an axis of frames in front; float32.

    Attributes:
        joints_2d: pixels.
        depth: metres.
        joints_3d: metres, camera space.
    """

    joints_2d: Float[np.ndarray, "*frames joints 2"]
    depth: Float[np.ndarray, "*frames joints"]
    joints_3d: Float[np.ndarray, "*frames joints 3"]


class Smoother:
    """Smooths the poses of one video, frame after frame."""

    def __init__(
        self, smoothing: Smoothing, spec: DatasetSpec, intrinsics: Float[np.ndarray, "3 3"]
    ):
        """Before the first frame.

        Args:
            smoothing: how.
            spec: of the hands.
            intrinsics: pixels of the frames.
        """
        self._hands = len(spec.hands)
        self._intrinsics = intrinsics
        self._focal = intrinsics[(0, 1), (0, 1)]
        self._pixels = _Filter(smoothing.joints_2d)
        self._depth = _Filter(smoothing.depth)
        self._seconds = -math.inf

    def __call__(
        self,
        seconds: float,
        joints_2d: Float[np.ndarray, "joints 2"],
        depth: Float[np.ndarray, " joints"],
        hand_seen: Bool[np.ndarray, " hands"] | None,
    ) -> Poses:
        """The pose of the next frame.

        Args:
            seconds: of the frame, on whatever clock.
            joints_2d: pixels.
            depth: metres.
            hand_seen: whether each hand was found. The pose of one that was not is a guess: it
                stays as it is, and the hand begins anew where it is found again.
        """
        step = max(seconds - self._seconds, _LEAST_STEP)
        self._seconds = seconds
        seen = np.ones(self._hands, bool) if hand_seen is None else hand_seen
        is_seen = np.repeat(seen, len(depth) // self._hands)
        metres = self._depth(depth.astype(np.float64)[:, None], step, is_seen, np.ones((1, 1)))
        scale = np.abs(metres) / self._focal  # of a pixel, metres
        pixels = self._pixels(joints_2d.astype(np.float64), step, is_seen, scale)
        joints_3d = camera.unproject(pixels, metres[:, 0], self._intrinsics)
        return Poses(*(x.astype(np.float32) for x in (pixels, metres[:, 0], joints_3d)))


def smooth_video(
    smoothing: Smoothing,
    spec: DatasetSpec,
    intrinsics: Float[np.ndarray, "3 3"],
    seconds: Float[np.ndarray, " frames"],
    joints_2d: Float[np.ndarray, "frames joints 2"],
    depth: Float[np.ndarray, "frames joints"],
    hand_seen: Bool[np.ndarray, "frames hands"] | None,
) -> Poses:
    """Of a whole video; see `Smoother`."""
    smooth = Smoother(smoothing, spec, intrinsics)
    seen = [None] * len(seconds) if hand_seen is None else hand_seen
    poses = map(smooth, seconds.tolist(), joints_2d, depth, seen)
    return Poses(*map(np.stack, zip(*poses, strict=True)))


class _Filter:
    """Of points, each along its own line of axes; all axes of a point have one cutoff."""

    def __init__(self, parameters: OneEuro):
        self._parameters = parameters
        self._last: Float[np.ndarray, "joints axes"] | None = None

    def __call__(
        self,
        found: Float[np.ndarray, "joints axes"],
        step: float,
        is_seen: Bool[np.ndarray, " joints"],
        metres: Float[np.ndarray, "#joints axes"],
    ) -> Float[np.ndarray, "joints axes"]:
        """The points after `step` seconds; `metres` are those of one unit of `found`."""
        if self._last is None:
            self._last, self._speed = found, np.zeros_like(found)
            self._goes_on = np.zeros_like(is_seen)
        goes_on = (self._goes_on & is_seen)[:, None]
        speed = (found - self._last) / step
        speed = self._speed + _weight(_SPEED_CUTOFF, step) * (speed - self._speed)
        fast = np.linalg.norm(speed * metres, axis=1, keepdims=True)
        weight = _weight(self._parameters.cutoff + self._parameters.slope * fast, step)
        self._last = np.where(goes_on, self._last + weight * (found - self._last), found)
        self._speed = np.where(goes_on, speed, 0)
        self._goes_on = is_seen
        return self._last


def _weight(cutoff: Any, step: float) -> Any:
    """Of the newest value, in a low-pass with this cutoff in Hz; an array's of each."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * step))
