"""The two files of the H2O challenge: their format, writing them, checking them.

`action_labels.zip` holds `action_labels.json`: {"modality": "RGB", "1": 32, ...}, segment id to
label 1..36. `hand_poses.zip` holds `hand_poses.json`: {"modality": "RGB", "1": {"000123.txt": [126
numbers], ...}, ...}, segment id to every frame inside it; 21 joints of the left hand, then of the
right, x y z each, metres, camera space.
"""

import contextlib
import dataclasses
import io
import json
import pathlib
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, TypeAlias

import numpy as np
from etils import epath
from jaxtyping import Float, Int

from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import H2O, DatasetSpec
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.support.paths import place

LABELS = "action_labels"
POSES = "hand_poses"
MODALITY = "RGB"
OFFICIAL_SEGMENTS, OFFICIAL_FRAMES = 242, 23391
"""Of the test split, as the dataset's authors distribute it."""

Segments: TypeAlias = Mapping[int, Int[np.ndarray, " _"]]
"""Segment id to the numbers of its frames."""

NUM_NUMBERS = H2O.num_joints * 3
NUM_LABELS = len(H2O.action_names)
_DECIMALS = 6  # micrometres
_NAMED = 3  # ids or frames named in a complaint about many
_SHOWN = 60  # characters of a wrong value in a complaint


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What is submitted for one segment."""

    segment_id: int
    action: int  # class from 0
    frame_numbers: Int[np.ndarray, " frames"]
    joints_3d: Float[np.ndarray, "frames 42 3"]  # metres, camera space


@dataclasses.dataclass(frozen=True)
class Counts:
    """What a submission that passed the check holds."""

    segments: int
    frames: int
    labels: int  # different ones

    @property
    def is_official(self) -> bool:
        """Whether these are the numbers of the official test split."""
        return (self.segments, self.frames) == (OFFICIAL_SEGMENTS, OFFICIAL_FRAMES)


def segments(source: RecordSource) -> dict[int, Int[np.ndarray, " _"]]:
    """The segments of a prepared H2O split, which a submission must hold.

    Raises:
        InputError: the split is not of H2O, or its classes or segment ids are not the dataset's.
    """
    check_is_h2o(source.spec, str(source.directory))
    names = zip(source.action_names, H2O.action_names, strict=False)
    wrong = [f"{i} is {a!r}, not {b!r}" for i, (a, b) in enumerate(names) if a != b]
    if wrong or len(source.action_names) != NUM_LABELS:
        found = f"class {wrong[0]}" if wrong else f"{len(source.action_names)} classes"
        raise InputError(
            f"{source.directory}: the challenge's labels are H2O's {NUM_LABELS} actions in their "
            f"order, here {found}; prepare the dataset with `python -m data_prep.h2o`"
        )
    found_segments: dict[int, Int[np.ndarray, " _"]] = {}
    for index in range(len(source)):
        video = source[index]
        if video.segment_id < 0 or video.segment_id in found_segments:
            raise InputError(
                f"{source.directory}, split {source.split}, video {video.video_id}: segment id "
                f"{video.segment_id}, expected one from the label file, each once; prepare the "
                "dataset with `python -m data_prep.h2o`"
            )
        found_segments[video.segment_id] = video.frame_numbers
    return found_segments


def check_is_h2o(spec: DatasetSpec, what: str) -> None:
    """Checks that a run or a prepared dataset is of H2O.

    Raises:
        InputError: it is of another dataset, which has no such challenge.
    """
    if (spec.name, spec.hands, spec.skeleton) != (H2O.name, H2O.hands, H2O.skeleton):
        raise InputError(
            f"{what} is of {spec.title}, but the challenge is H2O's; give a run and data of H2O"
        )


def write(out: pathlib.Path, predictions: Iterable[Prediction]) -> None:
    """Writes both files into the folder `out`; holds one segment in memory at a time.

    Neither is visible there before both are whole.
    """
    labels: dict[str, Any] = {"modality": MODALITY}
    with (
        atomic_write(out / f"{LABELS}.zip") as labels_file,
        atomic_write(out / f"{POSES}.zip") as poses_file,
    ):
        with _zipped_text(poses_file, POSES) as text:
            text.write(f'{{"modality": {json.dumps(MODALITY)}')
            for prediction in predictions:
                labels[str(prediction.segment_id)] = prediction.action + 1
                text.write(f',\n"{prediction.segment_id}": {{')
                text.write(",".join(_frame_lines(prediction)))
                text.write("}")
            text.write("}\n")
        with _zipped_text(labels_file, LABELS) as text:
            json.dump(labels, text)


@contextlib.contextmanager
def _zipped_text(file: IO[bytes], name: str) -> Iterator[IO[str]]:
    """A text file, written piece by piece, that is alone in a zip archive."""
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(f"{name}.json", "w") as member,
        io.TextIOWrapper(member, "utf-8") as text,
    ):
        yield text


def _frame_lines(prediction: Prediction) -> Iterator[str]:
    joints = np.round(prediction.joints_3d.astype(np.float64), _DECIMALS)
    numbers = joints.reshape(len(joints), NUM_NUMBERS).tolist()
    for frame, values in zip(prediction.frame_numbers.tolist(), numbers, strict=True):
        yield f'\n"{_frame_name(frame)}": {json.dumps(values)}'


def _frame_name(number: int) -> str:
    return f"{number:06d}.txt"


def check(folder: epath.PathLike, expected: Segments) -> Counts:
    """Reads both files in `folder` back, whoever wrote them, and checks all that can be known.

    Args:
        folder: with `action_labels.zip` and `hand_poses.zip`.
        expected: the segments of the split.

    Raises:
        InputError: names the first fault: file, segment, frame, and what was expected.
    """
    labels, poses = _read(folder, LABELS), _read(folder, POSES)
    segment_of = {str(segment): segment for segment in expected}
    for name, content in ((LABELS, labels), (POSES, poses)):
        _check_names(f"{_zip(folder, name)}", content, segment_of, "segments", "split")
    for segment, label in labels.items():
        if type(label) is not int or not 1 <= label <= NUM_LABELS:
            raise InputError(
                f"{_zip(folder, LABELS)}, segment {segment}: label {_shown(label)}, expected a "
                f"whole number from 1 to {NUM_LABELS}"
            )
    for segment, frames in poses.items():
        where = f"{_zip(folder, POSES)}, segment {segment}"
        _check_frames(where, frames, expected[segment_of[segment]])
    return Counts(
        segments=len(labels),
        frames=sum(map(len, poses.values())),
        labels=len(set(labels.values())),
    )


def _zip(folder: epath.PathLike, name: str) -> epath.Path:
    return place(folder) / f"{name}.zip"


def _read(folder: epath.PathLike, name: str) -> dict[str, Any]:
    """What a file says of each segment, without the modality; lists of numbers as arrays."""
    path, member = _zip(folder, name), f"{name}.json"
    content: Any = None
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = archive.namelist()
            if members == [member]:
                content = json.loads(archive.read(member), object_pairs_hook=_compact)
    except FileNotFoundError as error:
        raise InputError(f"no {path.name} in {folder}; the challenge has two files") from error
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(f"cannot read {path}: {error}; write it again") from error
    if members != [member]:
        raise InputError(
            f"{path} holds {_listed(members) or 'nothing'}, expected {member} alone; zip that "
            "file by itself"
        )
    if not isinstance(content, dict):
        raise InputError(f"{path}: {_shown(content)}, expected an object of segments")
    modality = content.pop("modality", None)
    if modality != MODALITY:
        raise InputError(f"{path}: modality {_shown(modality)}, expected {_shown(MODALITY)}")
    return content


# What zipfile, zlib and json raise for damaged, encrypted or wrongly written files.
_UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
)


def _compact(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; its lists of numbers become arrays, a tenth of the memory."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{_shown(key)} is there twice")
        is_numbers = isinstance(value, list) and all(type(x) in (int, float) for x in value)
        found[key] = np.array(value, np.float64) if is_numbers else value
    return found


def _check_names(
    where: str, found: Collection[str], expected: Collection[str], what: str, whole: str
) -> None:
    has = f"the {whole} has {len(expected)} {what}"
    if missing := [name for name in expected if name not in found]:
        raise InputError(f"{where}: {what} missing: {_listed(missing)}; {has}, submit all of them")
    if unknown := [name for name in found if name not in expected]:
        raise InputError(f"{where}: unknown {what}: {_listed(unknown)}; {has}, leave out others")


def _check_frames(where: str, frames: Any, numbers: Int[np.ndarray, " frames"]) -> None:
    if not isinstance(frames, dict):
        raise InputError(f"{where}: {_shown(frames)}, expected an object of frames")
    _check_names(
        where,
        frames,
        {_frame_name(number): None for number in numbers.tolist()},
        "frames",
        "segment",
    )
    for name, values in frames.items():
        if not isinstance(values, np.ndarray) or len(values) != NUM_NUMBERS:
            raise InputError(f"{where}, frame {name}: {_numbers_fault(values)}")
        if not np.isfinite(values).all():
            first = int(np.argmin(np.isfinite(values)))
            raise InputError(
                f"{where}, frame {name}: number {first + 1} of {NUM_NUMBERS} is {values[first]}, "
                "expected finite ones"
            )


def _numbers_fault(values: Any) -> str:
    expected = f"expected {NUM_NUMBERS} numbers"
    if not isinstance(values, list | np.ndarray):
        return f"{_shown(values)}, {expected}"
    if len(values) != NUM_NUMBERS:
        return f"{len(values)} values, {expected}"
    odd = next(value for value in values if type(value) not in (int, float))
    return f"{_shown(odd)} among its values, {expected}"


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _shown(value: Any) -> str:
    """A value from a file, short enough for a line."""
    text = json.dumps(value, default=np.ndarray.tolist)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
