"""What is in a folder of one's own recordings, before any of them is read."""

import difflib
import pathlib
from collections.abc import Mapping, Sequence

from data_prep.folders import is_left_by_system
from data_prep.own import annotated, description, footage, joints, labels, splits
from data_prep.own.annotated import Annotated
from data_prep.own.description import Description, read_description
from data_prep.own.fitting.lengths import KEY
from data_prep.own.footage import Footage
from data_prep.own.labels import Label, read_labels
from data_prep.own.segments import CAMERAS, Recording, Segment, camera_of, find_recording
from data_prep.raw import Note, RawDataset, RawPath
from htt_jax.datasets.facts import NO_OBJECT
from htt_jax.datasets.spec import H2O, DatasetSpec
from htt_jax.prediction.frames import DEFAULT_RATE, Size
from htt_jax.prediction.input_camera import FieldOfView, InputCamera, at_size
from htt_jax.support.errors import InputError
from htt_jax.support.words import counted

_DATA = (  # suffixes of what joints or a camera may be in
    *(".csv", ".json", ".npy", ".npz", ".txt", ".xml", ".yaml", ".yml"),
    *(".h5", ".hdf5", ".mat", ".parquet", ".pkl", ".xlsx"),
)
_SHOWN = 60  # letters of a name that no folder can have
_UNKNOWN_VIEW = 70.0  # degrees from left to right, of a camera nobody tells of: a phone's, about


def find(root: RawPath, *, skip_bad: bool = False) -> RawDataset:
    """The segments that labels.csv in `root` lists, each of a split.

    Args:
        root: holds labels.csv, dataset.toml and a folder for each recording.
        skip_bad: go on without recordings that are listed and not there.

    Raises:
        InputError: something is missing, or not as docs/own_layout.md says.
    """
    if not isinstance(root, pathlib.Path):
        raise InputError(f"--raw={root}: recordings are read from disk; copy them there first")
    said = read_description(root / description.FILE)
    listed, notes = read_labels(root / labels.FILE, said.times)
    recordings, more = _recordings(root, listed, skip_bad)
    kept = [label for label in listed if label.video in recordings]
    if not kept:
        raise InputError(f"none of the recordings that {root / labels.FILE} lists is there")
    kept, split_notes = splits.with_splits(kept)
    present = {label.split for label in kept}
    if "train" not in present or present == {"train"}:
        raise InputError(
            f"{root / labels.FILE}: every split is {', '.join(present)}; expected train, and test "
            "or val, or no column split"
        )
    notes += [*more, *split_notes, *splits.class_notes(kept), *_rate_notes(said, recordings)]
    trained = list(dict.fromkeys(label.video for label in kept if label.split == "train"))
    known = annotated.look(said, recordings, trained, skip_bad)
    spec, camera_notes = _spec(said, kept, recordings, known, skip_bad)
    return RawDataset(
        spec=spec,
        root=root,
        action_names=spec.action_names,
        object_names=_names(kept, "object") or (NO_OBJECT,),
        splits=_segments(said, spec, kept, recordings),
        notes=[*notes, *known.notes, *camera_notes],
    )


def _recordings(
    root: pathlib.Path, listed: Sequence[Label], skip_bad: bool
) -> tuple[dict[str, Recording], list[Note]]:
    """The recordings that are listed, by name, and notes on those listed or there alone.

    Raises:
        InputError: one is not as it should be, or not there and bad ones are not to be skipped.
    """
    there = _folders(root)
    found, notes = {}, []
    for label in listed:
        if label.video in found:
            continue
        try:
            if misnamed := _misnamed(root, label, there):
                raise InputError(misnamed)
            found[label.video] = find_recording(root, label.video)
            notes += _unread(found[label.video])
        except (InputError, OSError) as error:
            what = str(error)
            if isinstance(error, OSError):
                where = f"{root / labels.FILE}, line {label.line}"
                name = label.video if len(label.video) < _SHOWN else f"{label.video[:_SHOWN]}..."
                what = (
                    f"{where}: cannot read the folder of the recording {name!r}: {error.strerror}"
                )
            if not skip_bad:
                raise InputError(what) from error
            notes.append(Note("bad", label.video, what))
    what = f"left out: no row of {labels.FILE} names it"
    notes += [Note("not listed", str(folder), what) for folder in _not_listed(root, listed)]
    return found, list(dict.fromkeys(notes))


def _not_listed(root: pathlib.Path, listed: Sequence[Label]) -> list[pathlib.Path]:
    """Folders beside those that rows name, and beside those they lie in."""
    named = {root / label.video for label in listed}
    above = {folder for path in named for folder in path.parents if root in folder.parents}
    beside = [
        folder / name
        for folder in sorted({root, *above} - named)
        if folder.is_dir()
        for name in _folders(folder)
    ]
    return [folder for folder in beside if folder not in named | above]


def _unread(recording: Recording) -> list[Note]:
    """Notes on files beside the frames that look as if they should be read, and are not."""
    read = (recording.joints, recording.camera)
    what = f"not read; joints are in {', '.join(joints.NAMES)}, the camera in {', '.join(CAMERAS)}"
    return [
        Note("ignored", str(path), what)
        for path in sorted(recording.folder.iterdir())
        if path.suffix.lower() in _DATA and path not in read and not path.name.startswith(".")
    ]


def _misnamed(root: pathlib.Path, label: Label, there: Sequence[str]) -> str:
    """Why what a row names is no recording's folder; '' where it is."""
    where, named = f"{root / labels.FILE}, line {label.line}", pathlib.PurePosixPath(label.video)
    if named.name == footage.FRAMES and named.parent.name:
        return f"{where}: {named} holds the frames of a recording; list that, {named.parent}"
    if (root / named).is_dir():
        return ""
    if (root / named).is_file() and named.parent.name:
        return f"{where}: {root / named} is a file; list its folder, {named.parent}"
    files = [path for path in root.glob("*") if footage.is_video(path)]
    file = next((path for path in files if label.video in (path.name, path.stem)), None)
    if file is not None:
        return (
            f"{where}: {file} is a file; every recording has a folder of its own: move it to "
            f"{file.stem}/video{file.suffix} and list {file.stem}"
        )
    names = {name.lower(): name for name in there}
    stem = named.stem.lower()
    close = [stem] if stem in names else difflib.get_close_matches(str(named).lower(), names, n=1)
    hint = f"there is {names[close[0]]!r}; " if close else ""
    return (
        f"{where}: no folder {root / label.video}; {hint}put the recording there, or leave it out "
        "with --skip-bad"
    )


def _folders(root: pathlib.Path) -> list[str]:
    return sorted(
        path.name
        for path in root.iterdir()
        if path.is_dir() and not path.name.startswith(".") and not is_left_by_system(path.name)
    )


def _rate_notes(said: Description, recordings: Mapping[str, Recording]) -> list[Note]:
    """A note on folders of frames whose rate nothing tells, or whose times are not heeded."""
    folders = [recording.frames for recording in recordings.values() if recording.frames.is_dir()]
    concerned = [folder for folder in folders if footage.is_timed(folder) is bool(said.rate)]
    if not concerned:
        return []
    of_frames = f"{counted(len(concerned), 'folder')} of frames, such as {concerned[0]}"
    if said.rate:
        what = (
            f"frame_rate = {float(said.rate):g} is taken, and not the times in the names of "
            f"{of_frames}"
        )
    else:
        seconds = f"seconds in {labels.FILE} are counted and " if said.times == "seconds" else ""
        what = (
            f"nothing says how many frames a second there are in {of_frames}: {DEFAULT_RATE} are "
            f"assumed, by which {seconds}clips are cut; write here how many there are, such as "
            f"frame_rate = {DEFAULT_RATE}"
        )
    return [Note("frame rate", description.FILE, what)]


def _names(kept: Sequence[Label], column: str) -> tuple[str, ...]:
    """The classes, in the order in which they first appear."""
    return tuple(dict.fromkeys(name for label in kept if (name := getattr(label, column))))


def _spec(
    said: Description,
    kept: Sequence[Label],
    recordings: Mapping[str, Recording],
    known: Annotated,
    skip_bad: bool,
) -> tuple[DatasetSpec, list[Note]]:
    """The dataset, its camera that of the first recording, and a note where nobody tells of it.

    Raises:
        InputError: the camera cannot be one, or a recording with joints in space has none.
    """
    for names, has in (
        (known.in_space, "joints in space and no camera"),
        (known.fitted, f"joints to be put into space ({KEY}) and no camera"),
    ):
        without = [r for n in sorted(names) if not ((r := recordings[n]).camera or said.camera)]
        if without:
            raise InputError(
                f"{without[0].folder} has {has} ({counted(len(without), 'recording')} in all); "
                "give [camera] in dataset.toml, fx, fy, cx, cy, width, height or hfov, or "
                "camera.txt in the recording's folder"
            )
    size, first = _first_camera(said, [recordings[label.video] for label in kept], skip_bad)
    notes = []
    if first is None:
        first = at_size(FieldOfView(_UNKNOWN_VIEW), size)
        what = f"no camera is given: a horizontal view of {_UNKNOWN_VIEW:g} degrees is assumed"
        notes.append(Note("camera", description.FILE, what))
    (fx, _, cx), (_, fy, cy), _ = first.matrix.tolist()
    objects = {label.action: label.object for label in reversed(kept) if label.object}
    spec = DatasetSpec(
        name=said.name,
        title=f"simulated {said.title}" if said.simulated else said.title,
        hands=said.hands,
        skeleton=said.joints.skeleton,
        camera_space=H2O.camera_space,
        root_aligned=H2O.root_aligned,
        evaluation_split="test" if any(label.split == "test" for label in kept) else "val",
        native_size=size,
        camera=(fx, fy, cx, cy),
        antialiased=True,
        object_of_action={a: objects.get(a, NO_OBJECT) for a in _names(kept, "action")},
        simulated=said.simulated,
        joints=known.joints,
        frame_rates=True,
        fitted_joints=bool(known.fitted),
    )
    return spec, notes


def _first_camera(
    said: Description, recordings: Sequence[Recording], skip_bad: bool
) -> tuple[Size, InputCamera | None]:
    """Of the first recording, or of the first that can be read, size and camera."""
    for recording in recordings:
        try:
            size = Footage(recording.frames, said.rate).frames.size
            return size, camera_of(recording, said, size)
        except InputError:
            if not skip_bad or recording is recordings[-1]:
                raise
    raise AssertionError("there is no recording")


def _segments(
    said: Description,
    spec: DatasetSpec,
    kept: Sequence[Label],
    recordings: Mapping[str, Recording],
) -> dict[str, list[Segment]]:
    """By split, those of a recording one after another."""
    objects = _names(kept, "object")
    by_split: dict[str, list[Segment]] = {}
    for split in labels.SPLITS:
        chosen = sorted(
            (label for label in kept if label.split == split),
            key=lambda label: (label.video, label.span),
        )
        if chosen:
            by_split[split] = [
                Segment(
                    recording=recordings[label.video],
                    label=label,
                    action=spec.action_names.index(label.action),
                    object=objects.index(label.object) if label.object else -1,
                    description=said,
                    spec=spec,
                )
                for label in chosen
            ]
    return by_split
