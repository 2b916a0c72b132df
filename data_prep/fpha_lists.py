"""The lists of FPHA: its actions and objects, its splits, the lengths of its videos."""

from collections.abc import Sequence

from data_prep.folders import integer, read_lines, text_file, unpacked
from data_prep.raw import Note, RawPath
from htt_jax.datasets.spec import FPHA
from htt_jax.support.errors import InputError

ACTION_FILE = "action_object_info.txt"
SPLIT_FILE = "data_split_action_recognition.txt"

_SPLIT_NAMES = {"training": "train", "train": "train", "test": "test"}


def read_actions(path: RawPath) -> tuple[dict[str, str], list[str], list[Note]]:
    """The object of each action in the order of the actions' ids, and the objects' order.

    Objects are numbered by their first appearance in the file.

    Raises:
        InputError: a row has too few columns, or an id is repeated or left out.
    """
    if not path.is_file():
        what = "the built-in list of 45 actions and 26 objects is used"
        note = Note("missing", str(path), what)
        return dict(FPHA.object_of_action), list(FPHA.object_names), [note]
    rows: dict[int, tuple[str, str]] = {}
    for line, words in read_lines(path)[1:]:
        if len(words) < 3:
            raise InputError(
                f"{path}, line {line}: {len(words)} columns, expected `id name object object_pose "
                "scenario`"
            )
        number = integer(words[0], path, line, "the action's id, from 1")
        if number in rows or words[1] in {name for name, _ in rows.values()}:
            raise InputError(f"{path}, line {line}: id or name repeated; expected each once")
        rows[number] = (words[1], words[2])
    if sorted(rows) != list(range(1, len(rows) + 1)) or not rows:
        raise InputError(f"{path}: the ids are {sorted(rows)}, expected 1 to the number of actions")
    object_names = list(dict.fromkeys(name for _, name in rows.values()))
    return dict(action for _, action in sorted(rows.items())), object_names, []


def read_split(
    path: RawPath, actions: Sequence[str]
) -> tuple[dict[str, dict[str, int]], list[Note]]:
    """The videos of each split with their action's class, in the file's order.

    Raises:
        InputError: the file is missing or has a bad row or an unknown action.
    """
    splits: dict[str, dict[str, int]] = {}
    announced: dict[str, int] = {}
    split = ""
    for line, words in read_lines(path):
        if len(words) != 2:
            raise InputError(
                f"{path}, line {line}: {len(words)} columns, expected `Subject_1/<action>/<n> "
                "<label>` or `Training <count>` or `Test <count>`"
            )
        if words[0].lower() in _SPLIT_NAMES:
            split = _SPLIT_NAMES[words[0].lower()]
            count = integer(words[1], path, line, "the number of videos")
            announced[split] = announced.get(split, 0) + count  # of lists put together, more parts
            splits.setdefault(split, {})
            continue
        if not split:
            raise InputError(f"{path}, line {line}: expected `Training <count>` before any video")
        if words[0] in splits[split]:
            raise InputError(f"{path}, line {line}: {words[0]} again; expected each video once")
        splits[split][words[0]] = _checked_label(words, path, line, actions)
    if not splits:
        raise InputError(f"{path} is empty; expected `Training <count>` and its videos")
    notes = [
        Note(
            "mismatch", str(path), f"{announced[name]} {name} videos announced, {len(rows)} listed"
        )
        for name, rows in splits.items()
        if announced[name] != len(rows)
    ]
    return splits, notes


def read_lengths(folder: RawPath, subjects: Sequence[str]) -> tuple[dict[str, int], list[Note]]:
    """Frames of each video according to the files in `folder`, Subjects_info.

    Raises:
        InputError: a file has a bad row.
    """
    lengths, notes = {}, []
    for subject in subjects:
        name = f"{subject}_info.txt"
        paths = [text_file(place, name) for place in unpacked(folder)]
        path = next((path for path in paths if path.is_file()), folder / name)
        if not path.is_file():
            notes.append(Note("missing", str(path), "frames are counted without it"))
            continue
        for line, words in read_lines(path)[3:]:
            if len(words) != 3:
                raise InputError(
                    f"{path}, line {line}: {len(words)} columns, expected `name_action "
                    "num_instance num_frames`"
                )
            frames = integer(words[2], path, line, "a number of frames")
            lengths[f"{subject}/{words[0]}/{words[1]}"] = frames
    return lengths, notes


def _checked_label(words: Sequence[str], path: RawPath, line: int, actions: Sequence[str]) -> int:
    label = integer(words[1], path, line, "the action's label, from 0")
    parts = words[0].split("/")
    if len(parts) != 3:
        raise InputError(f"{path}, line {line}: {words[0]!r}, expected `Subject_1/<action>/<n>`")
    if parts[1] not in actions:
        raise InputError(
            f"{path}, line {line}: unknown action {parts[1]!r}, expected one of the {len(actions)} "
            f"in {ACTION_FILE}"
        )
    if actions.index(parts[1]) != label:
        raise InputError(
            f"{path}, line {line}: {parts[1]!r} has label {label}, expected "
            f"{actions.index(parts[1])} (its id in {ACTION_FILE} less 1)"
        )
    return label
