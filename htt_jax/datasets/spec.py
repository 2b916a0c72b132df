"""What a dataset is, and what FPHA and H2O are: hands, joints, classes, camera, metric ranges."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from htt_jax.datasets.classes import FPHA_OBJECT_OF_ACTION, H2O_OBJECT_OF_ACTION
from htt_jax.datasets.skeleton import HAND, Skeleton
from htt_jax.support.errors import InputError

STORED_SIZE = (480, 270)
"""(width, height) to which larger frames are brought when a dataset is prepared."""

BOX_POINTS = 9
"""Of an object's box: its centre, then its eight corners, always in one order for an object."""

_OPTIONAL = ("depth", "camera_poses", "object_boxes", "frame_rates")
"""Parts of records that a dataset may have."""

COMPLETE, PARTIAL, IN_IMAGES, NO_JOINTS = "complete", "partial", "in images", "none"
"""What of annotated hands is known: all joints in space; some, or of some the place in the image
alone; the places in images alone; nothing of any hand.
"""


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Error thresholds of a PCK curve: `steps` of them, evenly from 0 to `maximum` millimetres."""

    maximum: float
    steps: int


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """The facts about a dataset that code cannot read off its files."""

    name: str
    title: str
    hands: tuple[str, ...]
    skeleton: Skeleton  # of each hand
    camera_space: Thresholds
    root_aligned: Thresholds
    evaluation_split: str  # the split whose actions are known and not trained on
    native_size: tuple[int, int]  # (width, height) of the original frames
    camera: tuple[float, float, float, float]  # fx, fy, cx, cy, pixels at `native_size`
    antialiased: bool  # whether the published figures' resize averages over the source pixels
    object_of_action: Mapping[str, str]  # of the published classes, in the order of their ids
    simulated: bool = False  # rendered, not filmed
    depth: bool = False  # whether its records hold depth maps too
    camera_poses: bool = False  # whether they say where the camera was
    object_boxes: bool = False  # and where the object in hand is
    joints: str = COMPLETE  # what of annotated hands is known: COMPLETE, PARTIAL, ..
    frame_rates: bool = False  # and how many frames a second there are; else it is one for all
    fitted_joints: bool = False  # into space, to labels in images; those in space are not measured

    def __post_init__(self) -> None:
        """Checks what a description from outside may have wrong.

        Raises:
            ValueError: says which field is wrong.
        """
        for field in ("name", "title", "evaluation_split"):
            if not (isinstance(getattr(self, field), str) and getattr(self, field)):
                raise ValueError(f"{field} must be text, found {getattr(self, field)!r}")
        if not self.hands or not all(isinstance(hand, str) for hand in self.hands):
            raise ValueError(f"hands must be names, at least one, found {self.hands!r}")
        if len(self.native_size) != 2 or not all(x > 0 for x in self.native_size):
            raise ValueError(f"native_size must be (width, height), found {self.native_size!r}")
        if len(self.camera) != 4 or not all(x > 0 for x in self.camera[:2]):
            raise ValueError(f"camera must be fx, fy, cx, cy, found {self.camera!r}")
        for field in ("simulated", "fitted_joints", *_OPTIONAL):
            if not isinstance(getattr(self, field), bool):
                raise ValueError(f"{field} must be true or false, found {getattr(self, field)!r}")
        known = (COMPLETE, PARTIAL, IN_IMAGES, NO_JOINTS)
        if self.joints not in known:
            raise ValueError(f"joints must be one of {', '.join(known)}, found {self.joints!r}")

    @property
    def num_joints(self) -> int:
        """Joints of all hands, in the order of `hands`."""
        return len(self.skeleton.joints) * len(self.hands)

    @property
    def joint_by_joint(self) -> bool:
        """Whether its records say of each joint what is known."""
        return self.joints in (PARTIAL, IN_IMAGES)

    @property
    def action_names(self) -> tuple[str, ...]:
        """The published action classes in the order of their ids."""
        return tuple(self.object_of_action)

    @property
    def object_names(self) -> tuple[str, ...]:
        """The published object classes in the order of their ids: by first appearance."""
        return tuple(dict.fromkeys(self.object_of_action.values()))

    @property
    def intrinsics(self) -> Float[np.ndarray, "3 3"]:
        """The camera's matrix, pixels at `native_size`."""
        fx, fy, cx, cy = self.camera
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])

    def joints_of(self, hand: str) -> slice:
        """Where the joints of `hand` lie on a joints axis."""
        count = len(self.skeleton.joints)
        start = count * self.hands.index(hand)
        return slice(start, start + count)


FPHA = DatasetSpec(
    name="fpha",
    title="FPHA",
    hands=("right",),
    skeleton=HAND,
    camera_space=Thresholds(80.0, 33),
    root_aligned=Thresholds(50.0, 21),
    evaluation_split="test",
    native_size=(1920, 1080),
    camera=(1395.749023, 1395.749268, 935.732544, 540.681030),
    antialiased=True,
    object_of_action=FPHA_OBJECT_OF_ACTION,
)

H2O = DatasetSpec(
    name="h2o",
    title="H2O",
    hands=("left", "right"),
    skeleton=HAND,
    camera_space=Thresholds(90.0, 37),
    root_aligned=Thresholds(50.0, 21),
    evaluation_split="val",
    native_size=(1280, 720),
    camera=(636.6593, 636.2520, 635.2839, 366.8740),
    antialiased=False,
    object_of_action=H2O_OBJECT_OF_ACTION,
)


def description(spec: DatasetSpec) -> dict[str, Any]:
    """What `described` reads; what records do not have, it does not mention, as of old."""
    content = dataclasses.asdict(spec)
    for field in (*_OPTIONAL, "fitted_joints"):
        if not content[field]:
            del content[field]
    if spec.joints == COMPLETE:
        del content["joints"]
    return content


def described(content: Any) -> DatasetSpec:
    """The dataset that `description` or `dataclasses.asdict` described, through JSON or not.

    Raises:
        ValueError: it did not; says what is wrong.
    """
    try:
        hand = content["skeleton"]
        return DatasetSpec(
            **content
            | {
                "hands": tuple(content["hands"]),
                "native_size": tuple(content["native_size"]),
                "camera": tuple(content["camera"]),
                "camera_space": Thresholds(**content["camera_space"]),
                "root_aligned": Thresholds(**content["root_aligned"]),
                "skeleton": Skeleton(
                    joints=tuple(hand["joints"]),
                    bones=tuple(tuple(bone) for bone in hand["bones"]),
                    fingers={name: tuple(joints) for name, joints in hand["fingers"].items()},
                    root=hand["root"],
                ),
            }
        )
    except KeyError as error:
        raise ValueError(f"a dataset's description lacks {error}") from error
    except (TypeError, AttributeError) as error:
        raise ValueError(f"a dataset's description has wrong fields: {error}") from error


def recorded(dataset: Mapping[str, Any]) -> DatasetSpec:
    """The dataset in a record that has its `name` and, unless it is old, its description, `spec`.

    Raises:
        ValueError: the description is none.
        InputError: without one, no such dataset is known.
    """
    content = dataset.get("spec")
    return spec(dataset["name"]) if content is None else described(content)


SPECS = {spec.name: spec for spec in (FPHA, H2O)}


def spec(name: str) -> DatasetSpec:
    """The dataset called `name`.

    Raises:
        InputError: no such dataset.
    """
    if name not in SPECS:
        raise InputError(f"unknown dataset {name!r}; known are {', '.join(SPECS)}")
    return SPECS[name]
