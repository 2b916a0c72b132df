"""The joints of one hand: their names, and what belongs together."""

import dataclasses
import itertools
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """One hand; every hand of a dataset has the same joints in the same order.

    Attributes:
        joints: their names, in order.
        bones: pairs of joints (parent, child) that a drawing connects.
        fingers: name -> joints, from palm to tip, in the order of the hand.
        root: the joint that root-aligned poses are relative to.
    """

    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    fingers: Mapping[str, tuple[int, ...]]
    root: int = 0

    def __post_init__(self) -> None:
        """Checks that all joints spoken of are there.

        Raises:
            ValueError: says which field is wrong.
        """
        if not self.joints or not all(isinstance(name, str) for name in self.joints):
            raise ValueError("skeleton.joints must be names, at least one")
        fingers = itertools.chain.from_iterable(self.fingers.values())
        for field, joints in (
            ("bones", [*itertools.chain.from_iterable(self.bones)]),
            ("fingers", [*fingers]),
            ("root", [self.root]),
        ):
            if not all(joint in range(len(self.joints)) for joint in joints):
                raise ValueError(
                    f"skeleton.{field} must be joints from 0 to {len(self.joints) - 1}, "
                    f"found {joints}"
                )
        if any(len(bone) != 2 for bone in self.bones):
            raise ValueError("skeleton.bones must be pairs of joints")
        if not all(self.fingers.values()):
            raise ValueError("skeleton.fingers must have a joint each")

    @property
    def root_name(self) -> str:
        """Of the joint that root-aligned poses are relative to, such as 'wrist'."""
        return self.joints[self.root]

    @property
    def palm(self) -> int:
        """Where the middle one of the fingers begins; the root, if there are no fingers."""
        fingers = tuple(self.fingers.values())
        return fingers[len(fingers) // 2][0] if fingers else self.root

    @property
    def parts(self) -> dict[str, tuple[int, ...]]:
        """All joints, by finger; those of no finger alone, by their names. In joint order."""
        part_of = {joint: name for name, joints in self.fingers.items() for joint in joints}
        found: dict[str, tuple[int, ...]] = {}
        for joint, name in enumerate(self.joints):
            part = part_of.get(joint, name)
            found[part] = (*found.get(part, ()), joint)
        return found

    @property
    def order(self) -> str:
        """The order of the joints, for people."""
        in_turn = (self.root, *itertools.chain.from_iterable(self.fingers.values()))
        if in_turn == tuple(range(len(self.joints))):
            return f"{self.root_name}, then {', '.join(self.fingers)}, each from palm to tip"
        return ", ".join(self.joints)


def hand_of(fingers: tuple[str, ...], joints: int) -> Skeleton:
    """A wrist, then each of `fingers` with so many `joints` from palm to tip."""
    of_finger = {
        name: tuple(range(1 + joints * i, 1 + joints * (i + 1))) for i, name in enumerate(fingers)
    }
    return Skeleton(
        joints=("wrist", *(f"{name}_{i}" for name in fingers for i in range(1, joints + 1))),
        bones=tuple(
            bone for chain in of_finger.values() for bone in itertools.pairwise((0, *chain))
        ),
        fingers=of_finger,
    )


HAND = hand_of(("thumb", "index", "middle", "ring", "little"), 4)
"""The 21 joints of FPHA and H2O."""
