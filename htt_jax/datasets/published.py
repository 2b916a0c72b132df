"""What the papers report, by dataset: action accuracies, HTT's poses, its PCK curve and ablations.

All on the test splits of the real datasets. A dataset on which nothing is published has none.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeAlias

from htt_jax.support import trees

HandMetrics: TypeAlias = Mapping[str, Mapping[str, float]]
"""Hand -> `auc`, `mepe`, `auc_ra`, `mepe_ra`; errors in millimetres."""

WINDOW, FRAMES = 16, 128
"""t and T of the paper's model, where an ablation does not vary them."""

PARALLEL = "parallel instead of cascaded"
WITHOUT = {
    "object": "without object label",
    "pose": "without hand pose",
    "image": "without image feature",
}
"""What the action block is not told, by the name of the model's action input."""


@dataclasses.dataclass(frozen=True)
class Published:
    """The figures of one dataset; empty where nothing is published.

    Attributes:
        title: of the real dataset.
        method: whose poses they are.
        action_accuracy: method -> per cent, from the paper's table.
        later_action_accuracy: method -> per cent, from work after the paper.
        pose_of_window: Tab. 4: t -> poses.
        action_of_frames: Tab. 5: T -> action accuracy in per cent.
        action_of_variant: Tab. 5: model -> action accuracy in per cent.
        pck: hand -> space -> PCK of the published checkpoint at the dataset's thresholds.
    """

    title: str = ""
    method: str = "HTT"
    action_accuracy: Mapping[str, float] = dataclasses.field(default_factory=dict)
    later_action_accuracy: Mapping[str, float] = dataclasses.field(default_factory=dict)
    pose_of_window: Mapping[int, HandMetrics] = dataclasses.field(default_factory=dict)
    action_of_frames: Mapping[int, float] = dataclasses.field(default_factory=dict)
    action_of_variant: Mapping[str, float] = dataclasses.field(default_factory=dict)
    pck: Mapping[str, Mapping[str, tuple[float, ...]]] = dataclasses.field(default_factory=dict)

    @property
    def pose(self) -> HandMetrics:
        """Of the paper's model."""
        return self.pose_of_window.get(WINDOW, {})


def of(dataset: str) -> Published:
    """HTT's figures of the dataset of that name, and others' accuracies from colour."""
    return _PUBLISHED.get(dataset, _NOTHING)


def beside(dataset: str, config: Mapping[str, Any]) -> Published:
    """The figures that those of a run of this config compare with.

    What crops around the true pose reach stands beside nothing else, and nothing is published of
    whole depth maps, of crops that do without the truth, or of folds.
    """
    if trees.flatten(config, ".").get("data.folds"):
        return _NOTHING
    if trees.flatten(config, ".").get("data.camera", "color") == "color":
        return of(dataset)
    return _OF_TRUE_CROPS.get(dataset, _NOTHING) if sees_truth(config) else _NOTHING


def sees_truth(config: Mapping[str, Any]) -> bool:
    """Whether a run of this config is evaluated on crops around the true poses, as published."""
    return trees.flatten(config, ".").get("crops.protocol") == "published"


def _hands(hands: tuple[str, ...], *figures: float) -> HandMetrics:
    """Figures in the order of the table: each metric, hand by hand."""
    measures = ("auc", "mepe", "auc_ra", "mepe_ra")
    return {
        hand: dict(zip(measures, figures[i :: len(hands)], strict=True))
        for i, hand in enumerate(hands)
    }


_RIGHT, _BOTH = ("right",), ("left", "right")
_FPHA_PCK: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    "right": {
        "camera_space": (
            *(0.0, 0.0339, 0.1506, 0.2954, 0.4329, 0.5504, 0.6443, 0.7164, 0.7718, 0.8149),
            *(0.8486, 0.8754, 0.8963, 0.9127, 0.9257, 0.9364, 0.9456, 0.9531, 0.9596, 0.9651),
            *(0.9697, 0.9735, 0.9766, 0.9792, 0.9814, 0.9832, 0.9847, 0.9860, 0.9871, 0.9880),
            *(0.9888, 0.9895, 0.9901),
        ),
        "root_aligned": (
            *(0.0, 0.0844, 0.2485, 0.4150, 0.5535, 0.6581, 0.7374, 0.7974, 0.8423, 0.8762),
            *(0.9021, 0.9218, 0.9367, 0.9486, 0.9581, 0.9656, 0.9715, 0.9763, 0.9802, 0.9832),
            0.9856,
        ),
    }
}
_NOTHING = Published()
_PUBLISHED = {
    "fpha": Published(
        title="FPHA",
        action_accuracy={
            "Joule-color": 66.78,
            "Two-stream": 75.30,
            "H+O": 82.43,
            "Collaborative": 85.22,
            "HTT": 94.09,
        },
        later_action_accuracy={"EffHandEgoNet": 94.43, "H2OTR": 98.4},
        pose_of_window={
            1: _hands(_RIGHT, 0.776, 18.78, 0.707, 15.01),
            8: _hands(_RIGHT, 0.802, 16.54, 0.750, 12.77),
            16: _hands(_RIGHT, 0.810, 15.81, 0.763, 12.13),
            32: _hands(_RIGHT, 0.805, 16.14, 0.766, 11.96),
            64: _hands(_RIGHT, 0.805, 16.19, 0.767, 11.92),
            128: _hands(_RIGHT, 0.800, 16.73, 0.761, 12.20),
        },
        action_of_frames={16: 90.96, 32: 91.65, 64: 92.35, 128: 94.09},
        action_of_variant={
            PARALLEL: 93.22,
            WITHOUT["object"]: 93.57,
            WITHOUT["pose"]: 91.65,
            WITHOUT["image"]: 90.26,
        },
        pck=_FPHA_PCK,
    ),
    "h2o": Published(
        title="H2O",
        action_accuracy={
            "C2D": 70.66,
            "I3D": 75.21,
            "SlowFast": 77.69,
            "H+O": 68.88,
            "H2O w/ ST-GCN": 73.86,
            "H2O w/ TA-GCN": 79.25,
            "HTT": 86.36,
        },
        later_action_accuracy={
            "H2OTR": 90.90,
            "EffHandEgoNet": 91.32,
            "SHARP": 91.73,
            "HandFormer": 93.39,
        },
        pose_of_window={
            1: _hands(_BOTH, 0.563, 0.551, 40.12, 40.62, 0.648, 0.590, 17.97, 21.22),
            8: _hands(_BOTH, 0.607, 0.600, 35.91, 36.00, 0.674, 0.629, 16.58, 18.89),
            16: _hands(_BOTH, 0.614, 0.604, 35.02, 35.63, 0.674, 0.648, 16.59, 17.91),
            32: _hands(_BOTH, 0.594, 0.573, 36.78, 38.48, 0.676, 0.650, 16.56, 17.85),
            64: _hands(_BOTH, 0.599, 0.567, 36.47, 39.02, 0.684, 0.643, 16.23, 18.10),
            128: _hands(_BOTH, 0.599, 0.564, 36.41, 39.36, 0.673, 0.636, 16.71, 18.66),
        },
        action_of_frames={16: 74.38, 32: 79.34, 64: 78.51, 128: 86.36},
        action_of_variant={
            PARALLEL: 80.17,
            WITHOUT["object"]: 82.65,
            WITHOUT["pose"]: 85.12,
            WITHOUT["image"]: 75.21,
        },
    ),
}
_OF_TRUE_CROPS = {
    "fpha": Published(
        title="FPHA",
        method="two pose networks and attention (2019)",
        action_accuracy={
            "untrained chain": 59.0,
            "method 1, direct fine-tuning": 68.0,
            "method 2, action feedback": 68.2,
            "method 3, two pose networks": 71.0,
            "method 3 with attention": 71.3,
            "LSTM on true poses": 78.73,
        },
        pose_of_window={WINDOW: {"right": {"mepe": 10.69}}},
    )
}
"""The depth systems of 2019; best epoch on the test set, crops around the true pose there too."""
