"""What FPHA and H2O are: hands, joints, metric ranges, published figures."""

import dataclasses
from collections.abc import Mapping

from htt_jax.errors import InputError

FINGERS = ("thumb", "index", "middle", "ring", "little")
JOINT_NAMES = ("wrist", *(f"{finger}_{i}" for finger in FINGERS for i in range(1, 5)))
"""The 21 joints of one hand: the wrist, then each finger from palm to tip."""

JOINTS_PER_HAND = len(JOINT_NAMES)

BONES = tuple(
    (0 if i == 0 else 1 + 4 * finger + i - 1, 1 + 4 * finger + i)
    for finger in range(5)
    for i in range(4)
)
"""Pairs of joints (parent, child) that a skeleton drawing connects."""


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
    camera_space: Thresholds
    root_aligned: Thresholds
    evaluation_split: str  # the split whose actions are known and not trained on
    published_action_accuracy: Mapping[str, float]  # per cent
    published_pose: Mapping[str, Mapping[str, float]]  # hand -> metric -> the paper's HTT figure

    @property
    def num_joints(self) -> int:
        """Joints of all hands, in the order of `hands`."""
        return JOINTS_PER_HAND * len(self.hands)

    def joints_of(self, hand: str) -> slice:
        """Where the joints of `hand` lie on a joints axis."""
        start = JOINTS_PER_HAND * self.hands.index(hand)
        return slice(start, start + JOINTS_PER_HAND)


FPHA = DatasetSpec(
    name="fpha",
    title="FPHA",
    hands=("right",),
    camera_space=Thresholds(80.0, 33),
    root_aligned=Thresholds(50.0, 21),
    evaluation_split="test",
    published_action_accuracy={
        "Joule-color": 66.78,
        "Two-stream": 75.30,
        "H+O": 82.43,
        "Collaborative": 85.22,
        "HTT": 94.09,
        "EffHandEgoNet": 94.43,
        "H2OTR": 98.4,
    },
    published_pose={"right": {"mepe": 15.81, "auc": 0.810, "mepe_ra": 12.13, "auc_ra": 0.763}},
)

H2O = DatasetSpec(
    name="h2o",
    title="H2O",
    hands=("left", "right"),
    camera_space=Thresholds(90.0, 37),
    root_aligned=Thresholds(50.0, 21),
    evaluation_split="val",
    published_action_accuracy={
        "C2D": 70.66,
        "I3D": 75.21,
        "SlowFast": 77.69,
        "H+O": 68.88,
        "H2O w/ ST-GCN": 73.86,
        "H2O w/ TA-GCN": 79.25,
        "HTT": 86.36,
        "H2OTR": 90.90,
        "EffHandEgoNet": 91.32,
        "SHARP": 91.73,
        "HandFormer": 93.39,
    },
    published_pose={
        "left": {"mepe": 35.02, "auc": 0.614, "mepe_ra": 16.59, "auc_ra": 0.674},
        "right": {"mepe": 35.63, "auc": 0.604, "mepe_ra": 17.91, "auc_ra": 0.648},
    },
)

SPECS = {spec.name: spec for spec in (FPHA, H2O)}


def spec(name: str) -> DatasetSpec:
    """The dataset called `name`.

    Raises:
        InputError: no such dataset.
    """
    if name not in SPECS:
        raise InputError(f"unknown dataset {name!r}; known are {', '.join(SPECS)}")
    return SPECS[name]
