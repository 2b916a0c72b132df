"""What the keypoints of COCO's categories are of: which joint of which hand."""

import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from data_prep.own.description import Description
from htt_jax.support.errors import InputError

Places: TypeAlias = dict[int, tuple[int, int] | None]
"""Hand and joint of each of a category's keypoints; None of a hand that the dataset has not."""

_SIDES = ("left", "right")


def of_categories(
    path: pathlib.Path, categories: Sequence[Mapping[str, Any]], described: Description
) -> dict[int, Places]:
    """What the keypoints are of, by the category's id; nothing of one that has none.

    Raises:
        InputError: one names no hand, or a joint that is none, or one twice; or two have one id.
    """
    found: dict[int, Places] = {}
    for i, category in enumerate(categories):
        key = whole(path, "categories", i, category, "id")
        if key in found:
            raise InputError(f"{path}: categories[{i}]: id is {key} again; keep one")
        found[key] = _mapped(path, i, category, described)
    return found


def _mapped(
    path: pathlib.Path, index: int, category: Mapping[str, Any], described: Description
) -> Places:
    where = f"{path}: categories[{index}]"
    keypoints, name = category.get("keypoints") or [], category.get("name")
    if not isinstance(keypoints, list) or not all(isinstance(x, str) for x in keypoints):
        raise InputError(f"{where}: keypoints is {short(keypoints)}, expected names of joints")
    if not keypoints:
        return {}
    of_category = _hand_in(str(name), described.hands)
    joints = {joint: i for i, joint in enumerate(described.joints.names)}
    joints |= _numbered(keypoints, len(joints))
    found: Places = {}
    for k, keypoint in enumerate(keypoints):
        plain = re.sub(r"[\s-]+", "_", keypoint.strip().lower())
        hand = of_category
        if hand is None or plain not in joints:
            of_keypoint = _hand_in(plain, described.hands)
            hand = of_keypoint if hand is None else hand
            if of_keypoint == hand and of_keypoint is not None:
                word = described.hands[of_keypoint].lower()
                plain = re.sub(rf"^(?:{re.escape(word)}_(?:hand_)?)|_{re.escape(word)}$", "", plain)
        if hand is None and _is_of_another(f"{name} {plain}", described.hands):
            found[k] = None
            continue
        if hand is None and len(described.hands) == 1:
            hand = 0
        if hand is None:
            raise InputError(
                f"{where}: neither its name {name!r} nor its keypoint {keypoint!r} names a hand; "
                f"expected one of {', '.join(described.hands)} in it (dataset.toml), such as "
                f"{described.hands[0]}_hand"
            )
        if plain not in joints:
            raise InputError(
                f"{where}: keypoints[{k}] is {keypoint!r}, expected one of "
                f"{', '.join(described.joints.names)} (skeleton or joints in dataset.toml), or "
                "their numbers"
            )
        if (hand, joints[plain]) in found.values():
            raise InputError(f"{where}: keypoints[{k}] is {keypoint!r} again; keep one")
        found[k] = (hand, joints[plain])
    return found


def _numbered(keypoints: Sequence[str], count: int) -> dict[str, int]:
    """Joints by their numbers, from 0 or 1, where keypoints are called so, as CVAT does."""
    names = {keypoint.strip() for keypoint in keypoints}
    for first in (0, 1):
        numbers = {str(i + first): i for i in range(count)}
        if names == numbers.keys():
            return numbers
    return {}


def _hand_in(text: str, hands: Sequence[str]) -> int | None:
    """The one hand whose name stands in a text as a word; None: none, or several."""
    words = re.findall(r"[^\W_]+", text.lower())
    found = [i for i, hand in enumerate(hands) if hand.lower() in (*words, text.lower())]
    return found[0] if len(found) == 1 else None


def _is_of_another(text: str, hands: Sequence[str]) -> bool:
    """Whether a text names the left hand and a dataset has the right one alone, or so."""
    known = {hand.lower() for hand in hands}
    side = _hand_in(text, _SIDES)
    return side is not None and _SIDES[side] not in known and not known.isdisjoint(_SIDES)


def whole(path: pathlib.Path, part: str, index: int, entry: Mapping[str, Any], key: str) -> int:
    """A whole number in an entry of a part of the file.

    Raises:
        InputError: it is none.
    """
    value = entry.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(
            f"{path}: {part}[{index}]: {key} is {short(value)}, expected a whole number"
        )
    return value


def short(value: Any) -> str:
    """A value, for a message."""
    text = repr(value)
    return "missing" if value is None else text if len(text) <= 60 else f"{text[:57]}..."
