"""Keypoints in COCO's JSON, as CVAT and Label Studio export them: places in images."""

import pathlib
import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from data_prep.own.coco_joints import Places, of_categories, short, whole
from data_prep.own.description import FILE, Description
from data_prep.own.footage import Footage
from data_prep.own.joint_files import Given, json_content
from data_prep.raw import Note
from htt_jax.camera import same_shape
from htt_jax.support.errors import InputError
from htt_jax.support.words import counted

NAMES = (
    "coco.json",
    "person_keypoints_default.json",  # CVAT's, there in a folder
    "annotations/person_keypoints_default.json",
    "result.json",  # Label Studio's
)
"""What such a file may be called in the folder of a recording."""

_NUMBER_AT_END = re.compile(r"([0-9]+)$")
_BY_LABEL_STUDIO = re.compile(r"[0-9a-f]{8}-")  # which it sets before names of images
_PARTS = ("images", "categories", "annotations")
_FARTHEST = 1e6  # pixels, of any image
_VISIBLE = (0, 1, 2)  # not labelled; labelled and hidden; labelled and seen


def read(path: pathlib.Path, described: Description, footage: Footage) -> Given:
    """The file's keypoints, in pixels; those that are not labelled (v = 0) are not known.

    Raises:
        InputError: it is not as COCO has it, names other images or joints, labels a hand twice, or
            has another number of keypoints than it says.
    """
    content = _content(path)
    images = _images(path, content["images"], footage)
    mapping = of_categories(path, content["categories"], described)
    frames = list(dict.fromkeys(number for number, _ in images.values()))
    rows = {number: row for row, number in enumerate(frames)}
    shape = (len(frames), len(described.hands), len(described.joints.names), 2)
    places = np.full(shape, np.nan)
    taken: set[tuple[int, int]] = set()
    counts: Counter[str] = Counter()
    for i, annotation in enumerate(content["annotations"]):
        found = _keypoints(path, i, annotation, images, mapping)
        if found is None:
            counts["others"] += 1
            continue
        number, factor, values = found
        of = mapping[annotation["category_id"]]
        keypoints = {k: place for k, place in of.items() if place is not None}
        counts["of other hands"] += any(values[k, 2] for k in of.keys() - keypoints.keys())
        for hand in {hand for hand, _ in keypoints.values()}:
            if (number, hand) in taken:
                raise InputError(
                    f"{path}: annotations[{i}]: the {described.hands[hand]} hand of frame {number} "
                    "is labelled again; keep one"
                )
            taken.add((number, hand))
        for k, (hand, joint) in keypoints.items():
            x, y, v = values[k]
            counts["lost"] += bool(v and x == y == 0)
            if v and not x == y == 0:
                counts["labelled"] += 1
                places[rows[number], hand, joint] = (x * factor[0], y * factor[1])
    if not counts["labelled"]:
        of_ours = f" of {', '.join(described.hands)} ({FILE})" if counts["of other hands"] else ""
        raise InputError(f"{path} labels no keypoint{of_ours}; remove it where there are no joints")
    notes = _notes(path, counts, len(taken), described, frames)
    return Given(frames, places[:, :, list(described.joints.order)], notes)


def _content(path: pathlib.Path) -> Mapping[str, Any]:
    content = json_content(path)
    if not isinstance(content, dict):
        raise InputError(f"{path} holds {type(content).__name__}, expected an object as COCO's")
    for part in _PARTS:
        entries = content.get(part)
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise InputError(
                f"{path}: {part} is {short(entries)}, expected a list of objects, as COCO has "
                "images, categories and annotations; export 'COCO Keypoints' (CVAT) or 'COCO' "
                "(Label Studio)"
            )
    return content


def _images(
    path: pathlib.Path, entries: Sequence[Mapping[str, Any]], footage: Footage
) -> dict[int, tuple[int, tuple[float, float]]]:
    """By id the number of the frame, and the factors from the image's pixels to the frame's."""
    found: dict[int, tuple[int, tuple[float, float]]] = {}
    names: dict[int, str] = {}
    for i, entry in enumerate(entries):
        where = f"{path}: images[{i}]"
        key = whole(path, "images", i, entry, "id")
        width, height = (whole(path, "images", i, entry, side) for side in ("width", "height"))
        size = footage.frames.size
        if min(width, height) < 1 or not same_shape((width, height), size):
            raise InputError(
                f"{where}: width and height are {width} and {height}, but {footage.path} is "
                f"{size[0]}x{size[1]}, of another shape; label the frames that are there"
            )
        name = entry.get("file_name")
        if not isinstance(name, str):
            raise InputError(f"{where}: file_name is {short(name)}, expected an image's name")
        number = _frame(where, name, footage)
        if key in found or number in names:
            other = names.get(number, f"id {key}")
            raise InputError(f"{where}: {name!r} is the same image as {other!r}; keep one")
        names[number] = name
        found[key] = (number, (size[0] / width, size[1] / height))
    return found


def _frame(where: str, name: str, footage: Footage) -> int:
    """The number of the frame that an image is; by its name, else by the number at its end."""
    base = posixpath.basename(name.replace("\\", "/"))
    plain = _BY_LABEL_STUDIO.sub("", base, count=1) if _BY_LABEL_STUDIO.match(base) else base
    stems = [candidate.rsplit(".", 1)[0] for candidate in (base, plain)]
    for stem in stems:
        if stem in footage.number_of_stem:
            return footage.number_of_stem[stem]
    if footage.number_of_stem:
        names = list(footage.number_of_stem)
        raise InputError(
            f"{where}: file_name is {name!r}, but {footage.path} has no such image; its images are "
            f"{names[0]!r} to {names[-1]!r}"
        )
    match = _NUMBER_AT_END.search(stems[1])
    if match is None:
        raise InputError(
            f"{where}: file_name is {name!r}, expected a name that ends with the number of a frame "
            f"of {footage.path}, from 0, such as frame_000012.png"
        )
    return int(match[1])


def _keypoints(
    path: pathlib.Path,
    index: int,
    annotation: Mapping[str, Any],
    images: Mapping[int, tuple[int, tuple[float, float]]],
    mapping: Mapping[int, Places],
) -> tuple[int, tuple[float, float], Float[np.ndarray, "keypoints 3"]] | None:
    """Frame, factors, and x, y, v of each keypoint; None of what is a box or an outline."""
    where = f"{path}: annotations[{index}]"
    image, category = (
        whole(path, "annotations", index, annotation, key) for key in ("image_id", "category_id")
    )
    for name, key, known in (("image_id", image, images), ("category_id", category, mapping)):
        if key not in known:
            raise InputError(f"{where}: {name} is {key}, which none of the file's has as its id")
    if "keypoints" not in annotation:
        return None
    numbers = annotation["keypoints"]
    is_list = isinstance(numbers, list) and all(
        isinstance(x, int | float) and not isinstance(x, bool) for x in numbers
    )
    expected = len(mapping[category])
    if not is_list or len(numbers) != 3 * expected:
        count = counted(len(numbers), "number") if is_list else short(numbers)
        raise InputError(
            f"{where}: keypoints is {count}, expected x, y, v of each of the {expected} keypoints "
            "of its category; the exporter has lost some, or the category has others"
        )
    values = np.array([x if abs(x) < _FARTHEST else np.nan for x in numbers]).reshape(-1, 3)
    if not np.isfinite(values).all() or not np.isin(values[:, 2], _VISIBLE).all():
        k = int(np.argmin(np.isfinite(values).all(axis=1) & np.isin(values[:, 2], _VISIBLE)))
        raise InputError(
            f"{where}: keypoints[{3 * k}:{3 * k + 3}] is {short(numbers[3 * k : 3 * k + 3])}, "
            "expected pixels x and y, and v of 0 (not labelled), 1 (hidden) or 2 (seen)"
        )
    said, there = annotation.get("num_keypoints"), int((values[:, 2] > 0).sum())
    if said is not None and said != there:
        raise InputError(
            f"{where}: num_keypoints is {short(said)}, but {there} of its keypoints are labelled "
            "(v = 1 or 2); the exporter has lost some: export again, or put the number right"
        )
    number, factor = images[image]
    return number, factor, values


def _notes(
    path: pathlib.Path,
    counts: Mapping[str, int],
    hands: int,
    described: Description,
    frames: Sequence[int],
) -> tuple[Note, ...]:
    """Counts, to be held against what was labelled."""
    of_all = hands * len(described.joints.names)
    labelled = f"{counts['labelled']} of {of_all} joints of {counted(hands, 'hand')} are labelled"
    notes = [Note("keypoints", str(path), f"{labelled}, in {counted(len(frames), 'image')}")]
    if counts["lost"]:
        what = f"{counted(counts['lost'], 'joint')} at x = 0, y = 0, labelled as if it were there"
        notes.append(Note("lost", str(path), f"{what}: taken for not labelled"))
    if counts["others"]:
        what = f"{counted(counts['others'], 'annotation')} without keypoints, such as boxes"
        notes.append(Note("ignored", str(path), what))
    if counts["of other hands"]:
        of = counted(counts["of other hands"], "annotation")
        notes.append(Note("ignored", str(path), f"{of} of a hand not among `hands` in {FILE}"))
    return tuple(notes)
