"""The joints that recordings of one's own have, and where ours are among them."""

import dataclasses
from collections.abc import Sequence

from htt_jax.datasets.skeleton import HAND, Skeleton

_FINGERS = ("THUMB", "INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
_PARTS = (("CMC", "MCP", "IP", "TIP"), *4 * (("MCP", "PIP", "DIP", "TIP"),))


def _numbered(root: str, fingers: Sequence[str]) -> tuple[str, ...]:
    return (root, *(f"{finger}{i}" for finger in fingers for i in range(1, 5)))


NAMED = {
    "ours": HAND.joints,
    "mediapipe": (
        "WRIST",
        *(f"{f}_{part}" for f, parts in zip(_FINGERS, _PARTS, strict=True) for part in parts),
    ),
    "coco": _numbered(
        "hand_root", ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
    ),
    "openpose": _numbered("wrist", ("thumb", "index", "middle", "ring", "pinky")),
}
"""Names of the 21 joints in the order in which each of these writes them; COCO: as WholeBody."""


@dataclasses.dataclass(frozen=True)
class FileJoints:
    """How joints stand in files.

    Attributes:
        skeleton: what the prepared dataset has.
        names: of the joints in the order of the files, in lower case.
        order: where each joint of `skeleton` stands among `names`.
    """

    skeleton: Skeleton
    names: tuple[str, ...]
    order: tuple[int, ...]


def named(name: str) -> FileJoints:
    """The joints of a skeleton in `NAMED`, which become ours."""
    names = tuple(joint.lower() for joint in NAMED[name])
    return FileJoints(HAND, names, tuple(range(len(names))))  # all have them in our order


def listed(names: Sequence[str]) -> FileJoints | None:
    """The joints of a known skeleton in another order; None where they are of none."""
    lower = tuple(name.lower() for name in names)
    for joints in NAMED.values():
        ours = tuple(joint.lower() for joint in joints)
        if len(set(lower)) == len(lower) and set(lower) == set(ours):
            return FileJoints(HAND, lower, tuple(lower.index(joint) for joint in ours))
    return None


def own(skeleton: Skeleton) -> FileJoints:
    """Joints that are nobody else's, as they are."""
    names = tuple(joint.lower() for joint in skeleton.joints)
    return FileJoints(skeleton, names, tuple(range(len(names))))
