"""The frames of a recording, a part at a time, by the reader that predict has."""

import collections
import os
import pathlib
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from data_prep.own.labels import Span
from htt_jax.data.image_decoding import SUFFIXES as IMAGES
from htt_jax.prediction.folder import frame_files
from htt_jax.prediction.frames import Frame, Resizer
from htt_jax.prediction.lens import Lens
from htt_jax.prediction.numbering import in_order
from htt_jax.prediction.sources import open_frames
from htt_jax.prediction.undistorted import as_pinhole
from htt_jax.support.errors import InputError

FRAMES = "frames"
"""What a folder of frames in the folder of a recording is called."""

_VIDEOS = (
    *(".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".mts", ".ts"),
    *(".m2ts", ".3gp", ".flv", ".ogv", ".y4m"),
)
_NUMBER_AT_END = re.compile(r"(.*?)(\d+)")

_DECIMALS_FOLLOW = re.compile(r"[0-9]\.$")


class Footage:
    """The frames of a video file or folder, and their numbers.

    A frame's number is its place in a video, from 0; in a folder whose files' names differ in the
    number at their end alone, it is that number, if that is not the decimals of another.

    Attributes:
        path: of the file or folder.
        frames: see `htt_jax.prediction.frames.Frames`.
        notes: how frames are numbered, where that is not plain.
        number_of_stem: of a folder's images, by their names without suffix; of a video nothing.
    """

    def __init__(self, path: pathlib.Path, rate: Fraction | None):
        """Opens it.

        Args:
            path: a video file, or a folder of frames.
            rate: frames a second of a folder; None for what its names say, else `DEFAULT_RATE`.

        Raises:
            InputError: it cannot be read, or holds depth maps.
        """
        self.path = path
        self._numbers: Sequence[int] | None = None
        self.notes: list[str] = []
        self.number_of_stem: dict[str, int] = {}
        if path.is_dir():
            files = in_order(frame_files(path, None), rate).files
            self._numbers = _numbers(files)
            self.notes = _number_notes(files, self._numbers)
            stems = (file.stem for file in files)
            self.number_of_stem = dict(zip(stems, self._numbers, strict=True))
        self.frames = open_frames(path, rate if path.is_dir() else None)
        if self.frames.camera != "color":
            raise InputError(f"{path} holds depth maps; recordings are prepared in colour")
        self.end = (-1, 0.0)
        """Number and seconds of the last frame that was come upon."""

    def look_through(self, lens: Lens | None) -> None:
        """From now on frames are undistorted, where a lens bent their lines."""
        self.frames = as_pinhole(self.frames, lens)

    def numbers(self, *, exactly: bool = False) -> Sequence[int]:
        """Those of all frames, in order.

        Args:
            exactly: decode a video to its end; otherwise it has as many frames as it says.

        Raises:
            InputError: a video cannot be read.
        """
        if self._numbers is not None:
            return self._numbers
        if not exactly:
            return range(self.frames.count)
        decoded = 0

        def is_before(place: int, seconds: float) -> bool:
            nonlocal decoded
            decoded = place + 1
            return True

        collections.deque(self.frames.read(None, is_before), maxlen=0)
        return range(decoded)

    def part(self, span: Span, resizer: Resizer | None) -> Iterator[tuple[int, Frame]]:
        """Each frame of a part, with its number.

        Raises:
            InputError: a frame cannot be read.
        """
        passed = 0

        def is_before(place: int, seconds: float) -> bool:
            nonlocal passed
            self.end = (self._number(place), seconds)
            before = span.is_before(*self.end)
            passed += before
            return before

        for place, frame in enumerate(self.frames.read(resizer, is_before)):
            self.end = (self._number(passed + place), frame.seconds)
            if span.is_after(*self.end):
                return
            yield self.end[0], frame

    def _number(self, place: int) -> int:
        return place if self._numbers is None else self._numbers[place]


def find(folder: pathlib.Path) -> pathlib.Path:
    """The video file in the folder of a recording, or the folder of its frames.

    Raises:
        InputError: there is neither, or more than one.
    """
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if e.is_file() and not e.name.startswith("."))
    found = [folder / name for name in names if name.lower().endswith(_VIDEOS)]
    if (folder / FRAMES).is_dir():
        found.append(folder / FRAMES)
    if any(name.lower().endswith(IMAGES) for name in names):
        found.append(folder)
    if len(found) > 1:
        what = " and ".join("frames" if p == folder else p.name for p in found[:3])
        raise InputError(f"{folder} holds more than one recording, {what}; keep one in a folder")
    if not found:
        raise InputError(
            f"{folder} holds no recording; put in video.mp4, or a video of another kind, or frames"
        )
    return found[0]


def is_timed(folder: pathlib.Path) -> bool | None:
    """Whether the names of its frames say when they were taken; None: it cannot be read."""
    try:
        return in_order(frame_files(folder, None), None).says_rate
    except InputError:  # which reading it tells
        return None


def is_video(path: pathlib.Path) -> bool:
    """Whether a file's name is one of a video."""
    return path.name.lower().endswith(_VIDEOS)


def _numbers(files: Sequence[pathlib.Path]) -> Sequence[int]:
    matches = [_NUMBER_AT_END.fullmatch(file.stem) for file in files]
    numbers = [int(match[2]) for match in matches if match]
    before = {match[1] for match in matches if match}
    is_numbered = len(before) == 1 and not _DECIMALS_FOLLOW.search(before.pop())
    if is_numbered and len(numbers) == len(files) and numbers == sorted(set(numbers)):
        return numbers
    return range(len(files))


def _number_notes(files: Sequence[pathlib.Path], numbers: Sequence[int]) -> list[str]:
    first, last = files[0].name, files[-1].name
    if not isinstance(numbers, range):
        if numbers[0] == 0:
            return []
        return [f"frames have the numbers in their names, {numbers[0]} ({first}) to {numbers[-1]}"]
    if not _NUMBER_AT_END.fullmatch(files[0].stem):
        return []
    return [
        f"frames are counted from 0 ({first}) to {len(files) - 1} ({last}), the numbers in their "
        "names are not taken for frames' numbers"
    ]
