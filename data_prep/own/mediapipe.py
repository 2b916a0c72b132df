"""Hand landmarks as people save what MediaPipe finds: shares of the image, in CSV or JSON.

They are places in images. The z beside x and y is relative to the wrist and in no unit, and world
landmarks, in metres, are around the hand's own centre: neither says where the hand is.
"""

import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from data_prep import tables
from data_prep.folders import frames_text
from data_prep.own.description import FILE, Description
from data_prep.own.footage import Footage
from data_prep.own.joint_files import Given, json_content
from data_prep.own.skeletons import NAMED
from data_prep.raw import Note
from htt_jax.datasets.skeleton import HAND
from htt_jax.support.errors import InputError
from htt_jax.support.words import counted

_LANDMARKS = tuple(name.lower() for name in NAMED["mediapipe"])
_SIDES = ("left", "right")
_FRAME = ("frame", "frame_id", "frame_number", "frame_index")
_HAND = ("handedness", "hand", "hand_label")
_LANDMARK = ("landmark", "landmark_id", "landmark_index")
_LARGEST = 2.0  # share of the image, of most
_FARTHEST = 1e6  # of any
_OF_HANDS = ("hand_landmarks", "landmarks", "multi_hand_landmarks")
_HANDEDNESS = ("handedness", "handednesses", "multi_handedness")
_OF_RESULT = (_OF_HANDS, _HANDEDNESS)
_WORLD = ("hand_world_landmarks", "world_landmarks", "multi_hand_world_landmarks")


class _Found(NamedTuple):
    """A hand in a frame; `where` it stands."""

    where: str
    frame: int
    side: str
    shares: Float[np.ndarray, "landmarks 2"]


def of_csv(path: pathlib.Path, described: Description, footage: Footage) -> Given:
    """A row for each hand and frame, x0, y0, .. or WRIST_x, ..; or for each landmark, x and y.

    Raises:
        InputError: a column is missing, or a row is not as it should be.
    """
    table = tables.read_table(path, ())
    frame, hand = (_column(table, names) for names in (_FRAME, _HAND))
    columns = table.columns
    if {"x", "y"} <= set(columns):
        found = _of_rows(table, frame, hand, _column(table, _LANDMARK))
    else:
        of_names = [(f"{name}_x", f"{name}_y") for name in _LANDMARKS]
        of_numbers = [(f"x{i}", f"y{i}") for i in range(len(_LANDMARKS))]
        chosen = of_names if of_names[0][0] in columns else of_numbers
        absent = [name for names in chosen for name in names if name not in columns]
        if absent:
            raise InputError(
                f"{path} {tables.lacks(absent)}; expected x0, y0 to "
                "x20, y20, or WRIST_x, WRIST_y, ..., or a row for each landmark with x and y"
            )
        found = _of_wide_rows(table, frame, hand, chosen)
    return _given(path, list(found), described, footage, [])


def of_json(path: pathlib.Path, described: Description, footage: Footage) -> Given:
    """A list of results in the frames' order, or of those with their `frame`; or such `frames`.

    A result is what HandLandmarker or the older Hands returns, in Python's or JavaScript's names.

    Raises:
        InputError: it is none, or a result is not as it should be.
    """
    content = json_content(path)
    frames = content.get("frames") if isinstance(content, dict) else content
    if not isinstance(frames, list):
        raise InputError(
            f"{path}: expected a list of results, one a frame, or an object with such `frames`"
        )
    numbered = [isinstance(entry, dict) and bool(_of(entry, _FRAME)) for entry in frames]
    if any(numbered) and not all(numbered):
        i = numbered.index(False)
        raise InputError(f"{path}: frames[{i}] has no frame, and others have; number all, or none")
    found = [hand for i, entry in enumerate(frames) for hand in _hands(path, i, entry)]
    world = any(isinstance(entry, dict) and _of(entry, _WORLD) for entry in frames)
    what = "world landmarks: they are around the hand's centre, not in the camera's space"
    notes = [Note("ignored", str(path), what)] if world else []
    given = _given(path, found, described, footage, notes)
    if any(numbered):
        return given
    joints = np.full((len(frames), *given.joints.shape[1:]), np.nan)
    joints[given.frames] = given.joints
    return given._replace(frames=None, joints=joints)


def _given(
    path: pathlib.Path,
    found: Sequence[_Found],
    described: Description,
    footage: Footage,
    notes: list[Note],
) -> Given:
    """Hands by frame, in pixels; a hand that is there twice in a frame is not known there."""
    _check_description(path, described)
    if not found:
        raise InputError(f"{path} has no hand; remove it where there are no joints")
    shares = np.array([hand.shares for hand in found])
    if np.median(np.abs(shares)) > _LARGEST:
        x, y = shares[0, 0]
        raise InputError(
            f"{found[0].where}: x, y is {x:g}, {y:g}, expected shares of the image, from 0 to 1, "
            "as MediaPipe gives them"
        )
    places = shares * footage.frames.size
    hands = {hand.lower(): i for i, hand in enumerate(described.hands)}
    frames = list(dict.fromkeys(hand.frame for hand in found))
    rows = {frame: row for row, frame in enumerate(frames)}
    joints = np.full((len(frames), len(hands), len(_LANDMARKS), 2), np.nan)
    seen: dict[str, dict[int, int]] = {side: {} for side in _SIDES}
    for hand, place in zip(found, places, strict=True):
        side = _SIDES[1 - _SIDES.index(hand.side)] if described.swap_hands else hand.side
        seen[side][hand.frame] = seen[side].get(hand.frame, 0) + 1
        if side in hands:
            is_again = seen[side][hand.frame] > 1
            joints[rows[hand.frame], hands[side]] = np.nan if is_again else place
    for side, times in seen.items():
        again = [frame for frame, count in times.items() if count > 1]
        if side not in hands and times:
            what = f"the {side} hand in {counted(len(times), 'frame')}: not among `hands` in {FILE}"
            notes.append(Note("ignored", str(path), what))
        elif again:
            what = f"{side} hand twice in {frames_text(again)}; kept, as not annotated"
            notes.append(Note("lost", str(path), what))
    return Given(frames, joints, tuple(notes))


def _check_description(path: pathlib.Path, described: Description) -> None:
    if described.joints.skeleton != HAND:
        raise InputError(
            f"{path}: MediaPipe's landmarks are 21 of a hand's, but {FILE} lists joints of its "
            'own; give skeleton = "mediapipe" in their place'
        )
    if not {hand.lower() for hand in described.hands} <= set(_SIDES):
        raise InputError(
            f"{path}: MediaPipe tells left and right hands, but {FILE} names "
            f"{', '.join(described.hands)}"
        )
    if described.swap_hands is None:
        raise InputError(
            f"{path}: {FILE} does not say swap_hands: false where the hand that it calls left is "
            "the left one, true where it is the right one (the older Hands takes images for "
            "mirrored, as of a selfie camera)"
        )


def _column(table: tables.Table, names: Sequence[str]) -> str:
    found = next((name for name in names if name in table.columns), None)
    if found is None:
        raise InputError(
            f"{table.path}: no column {names[0]} (or {', '.join(names[1:])}) in "
            f"{', '.join(table.columns)!r}"
        )
    return found


def _of_wide_rows(
    table: tables.Table, frame: str, hand: str, columns: Sequence[tuple[str, str]]
) -> Iterator[_Found]:
    for row in table.rows:
        where = table.where(row)
        if not row.cells[hand]:
            continue  # a frame without hands
        shares = [[tables.number(row.cells[c], where, c) for c in names] for names in columns]
        number = tables.frame_number(row.cells[frame], where, frame)
        yield _Found(where, number, _side(row.cells[hand], where), np.array(shares))


def _of_rows(table: tables.Table, frame: str, hand: str, landmark: str) -> Iterator[_Found]:
    """Rows of landmarks 0 to 20, which follow each other."""
    begun: list[tuple[str, int, str]] = []
    shares: list[list[float]] = []
    for row in table.rows:
        where = table.where(row)
        place = tables.frame_number(row.cells[landmark], where, landmark)
        number = tables.frame_number(row.cells[frame], where, frame)
        of = (number, _side(row.cells[hand], where))
        if place != len(shares) or (shares and of != begun[-1][1:]):
            raise InputError(
                f"{where}: landmark {place} of the {of[1]} hand of frame {number}, expected "
                f"landmark {len(shares)}"
                + (f" of the {begun[-1][2]} hand of frame {begun[-1][1]}" if shares else "")
                + "; the 21 rows of a hand must follow each other, from 0 to 20"
            )
        if not shares:
            begun.append((where, *of))
        shares.append([tables.number(row.cells[c], where, c) for c in "xy"])
        if len(shares) == len(_LANDMARKS):
            yield _Found(*begun[-1], np.array(shares))
            shares = []
    if shares:
        raise InputError(
            f"{table.path} ends after {counted(len(shares), 'landmark')} of the {begun[-1][2]} "
            f"hand of frame {begun[-1][1]}, expected {len(_LANDMARKS)}"
        )


def _side(word: Any, where: str) -> str:
    side = word.strip().lower() if isinstance(word, str) else ""
    if side not in _SIDES:
        raise InputError(f"{where}: handedness is {word!r}, expected Left or Right")
    return side


def _hands(path: pathlib.Path, index: int, entry: Any) -> Iterator[_Found]:
    """The hands of a result; its frame is its own number, or its place."""
    where = f"{path}: frames[{index}]"
    if entry is None:
        return
    if not isinstance(entry, dict):
        raise InputError(f"{where} is {type(entry).__name__}, expected a result of MediaPipe")
    number = next(iter(_of(entry, _FRAME)), index)
    if not isinstance(number, int) or isinstance(number, bool):
        raise InputError(f"{where}: frame is {number!r}, expected a whole number")
    landmarks, sides = (next(iter(_of(entry, names)), None) or [] for names in _OF_RESULT)
    is_lists = isinstance(landmarks, list) and isinstance(sides, list)
    if not is_lists or len(landmarks) != len(sides):
        raise InputError(
            f"{where} has landmarks of {_count(landmarks)} hands and handedness of "
            f"{_count(sides)}; expected as many of each"
        )
    for k, (points, side) in enumerate(zip(landmarks, sides, strict=True)):
        of_hand = f"{where}, hand {k}"
        yield _Found(of_hand, number, _side(_label(side), of_hand), _shares(of_hand, points))


def _count(entries: Any) -> str:
    return str(len(entries)) if isinstance(entries, list) else repr(entries)


def _of(entry: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    """What an entry has under one of some names, in Python's spelling or JavaScript's; or none."""
    plain = {key.replace("_", "").lower(): value for key, value in entry.items()}
    return [plain[n] for name in names if (n := name.replace("_", "")) in plain]


def _label(side: Any) -> Any:
    """Of handedness: text, a category, a list of them, best first, or a classification."""
    if isinstance(side, dict) and "classification" in side:
        side = side["classification"]
    if isinstance(side, list) and side:
        side = side[0]
    if isinstance(side, dict):
        names = ("category_name", "label", "display_name")
        return next(iter(_of(side, names)), None)
    return side


def _shares(where: str, points: Any) -> Float[np.ndarray, "landmarks 2"]:
    points = points.get("landmark") if isinstance(points, dict) else points
    if not isinstance(points, list) or len(points) != len(_LANDMARKS):
        raise InputError(f"{where} has {_count(points)} landmarks, expected {len(_LANDMARKS)}")
    for i, point in enumerate(points):
        for c in "xy":
            value = point.get(c) if isinstance(point, dict) else None
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not abs(value or 0) < _FARTHEST:
                raise InputError(
                    f"{where}, landmark {i}: {c} is {value!r}, expected a share of the image"
                )
    return np.array([[point["x"], point["y"]] for point in points], np.float64)
