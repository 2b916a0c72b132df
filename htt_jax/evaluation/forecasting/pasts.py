"""Which seen frames have which frame ahead of them, and the truth about both."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax.data.records import RecordSource

FRAME_RATE = 30
"""Frames a second, as the cameras of FPHA and H2O record, where records do not tell it."""

HORIZONS = (0.1, 0.25, 0.5, 1.0)
"""Seconds ahead."""


def frames_ahead(seconds: float) -> int:
    """Recorded frames, to the nearest; the later one of two.

    >>> [frames_ahead(seconds) for seconds in HORIZONS]
    [3, 8, 15, 30]
    """
    return int(np.floor(FRAME_RATE * seconds + 0.5))


@dataclasses.dataclass(frozen=True)
class Recorded:
    """What is known of the frames of a split besides their hands, video after video.

    Attributes:
        numbers: of the frames, as recorded.
        video: of each frame.
        camera_poses: camera to world, metres, NaN where not known; None: of no frame.
        frame_rate: a second.
    """

    numbers: Int[np.ndarray, " frames"]
    video: Int[np.ndarray, " frames"]
    camera_poses: Float[np.ndarray, "frames 4 4"] | None
    frame_rate: float = FRAME_RATE

    @property
    def horizons(self) -> list[float]:
        """Seconds that `frames_ahead` of each of `HORIZONS` are here.

        Of every second recorded frame, say, each is twice as long.
        """
        return [self.step * seconds * FRAME_RATE / self.frame_rate for seconds in HORIZONS]

    @property
    def step(self) -> int:
        """From the number of one frame to the next: the least there is."""
        return least_step(self.numbers, self.video)

    def poses(self) -> Float[np.ndarray, "frames 4 4"]:
        """Those of the camera, NaN where they are not known."""
        if self.camera_poses is None:
            return np.full((len(self.numbers), 4, 4), np.nan, np.float32)
        return self.camera_poses


def least_step(numbers: Int[np.ndarray, " frames"], video: Int[np.ndarray, " frames"]) -> int:
    """From the number of one frame of a video to the next; 1 where there is no next."""
    steps = np.diff(numbers)[np.diff(video) == 0]
    return int(min(steps[steps > 0], default=1))


def recorded(source: RecordSource) -> Recorded:
    """Reads the records of a split; no image is decoded."""
    videos = (source[index] for index in range(len(source)))
    parts = [(video.frame_numbers, video.camera_poses) for video in videos]
    numbers, poses = zip(*parts, strict=True)
    return Recorded(
        np.concatenate(numbers),
        np.repeat(np.arange(len(numbers)), [len(one) for one in numbers]),
        np.concatenate(poses) if source.spec.camera_poses else None,
        source.shown_at or FRAME_RATE,
    )


def seen(last: Int[np.ndarray, " pasts"], window: int, spacing: int) -> Int[np.ndarray, "pasts t"]:
    """The frames of each past, whose last ones are given."""
    return last[:, None] + spacing * np.arange(1 - window, 1)


def followed(
    frames: Int[np.ndarray, "pasts seen"], ahead: int, record: Recorded
) -> Bool[np.ndarray, " pasts"]:
    """Whether a video has the frame so many after a past's last, with no gap since its first."""
    target = frames[:, -1] + ahead
    inside = np.minimum(target, len(record.video) - 1)
    first = frames[:, 0]
    gaps = record.numbers[inside] - record.numbers[first] != record.step * (inside - first)
    return (target == inside) & (record.video[inside] == record.video[first]) & ~gaps
