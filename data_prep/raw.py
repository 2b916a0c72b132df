"""What a raw dataset looks like to the code that prepares it, whatever its layout."""

import dataclasses
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from htt_jax.data.records import Video
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.support.errors import InputError

SIMULATION_MARK = ".simulation.json"
"""What the simulator leaves in a raw folder: how it was made."""


class Note(NamedTuple):
    """One line of the report: something chosen, missing, empty, mismatched, ignored or bad."""

    kind: str
    path: str
    what: str


EncodeFrame = Callable[[pathlib.Path], bytes]
"""From an image file to the encoded frame that is stored."""


@runtime_checkable
class RawVideo(Protocol):
    """One video of a raw dataset, not read yet; can be pickled."""

    @property
    def video_id(self) -> str:
        """Unique within its dataset."""

    @property
    def expected_frames(self) -> int:
        """How many frames it probably has, for the progress bar."""

    def read(self, encode_frame: EncodeFrame) -> tuple[Video | None, list[Note]]:
        """The video, or None when nothing of it can be used, and what there is to say about it.

        Raises:
            InputError: a file of the video is bad.
        """


@dataclasses.dataclass(frozen=True)
class RawDataset:
    """What was found in a raw folder before any video was read."""

    spec: DatasetSpec
    root: pathlib.Path
    action_names: Sequence[str]
    object_names: Sequence[str]
    splits: Mapping[str, Sequence[RawVideo]]
    notes: Sequence[Note]


def as_found(spec: DatasetSpec, root: pathlib.Path) -> DatasetSpec:
    """`spec`, called simulated where the raw folder `root` is of the simulator."""
    if not (root / SIMULATION_MARK).is_file():
        return spec
    return dataclasses.replace(spec, title=f"simulated {spec.title}", simulated=True)


def read_lines(path: pathlib.Path) -> list[tuple[int, list[str]]]:
    """Line number (from 1) and words of each line of a text file that is not blank.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}; expected a text file") from error
    return [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]


def integer(word: str, path: pathlib.Path, line: int, meaning: str) -> int:
    """`word` as an integer.

    Raises:
        InputError: it is none; names file, line and what was expected.
    """
    try:
        return int(word)
    except ValueError as error:
        raise InputError(
            f"{path}, line {line}: {word!r} is not a number; expected {meaning}"
        ) from error


def first_directory(root: pathlib.Path, names: Sequence[str]) -> pathlib.Path:
    """The first of the folders `names` that `root` has.

    Raises:
        InputError: there is none.
    """
    for name in names:
        if (root / name).is_dir():
            return root / name
    raise InputError(
        f"{root} has no folder {' or '.join(names)}; --raw must be the folder that holds it"
    )


def numbered_files(folder: pathlib.Path, pattern: re.Pattern[str]) -> dict[int, pathlib.Path]:
    """The files of `folder` by the number in their name (the pattern's first group)."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:
        return {}
    found = ((pattern.fullmatch(name), name) for name in names)
    return {int(match[1]): folder / name for match, name in found if match}
