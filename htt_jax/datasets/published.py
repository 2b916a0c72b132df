"""The paper's PCK curve and ablations (Tab. 4 and 5), on the test splits of the real datasets."""

from collections.abc import Mapping
from typing import TypeAlias

from htt_jax.datasets.spec import FPHA, H2O, DatasetSpec

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


def _hands(spec: DatasetSpec, *figures: float) -> HandMetrics:
    """Figures in the order of the table: each metric, hand by hand."""
    hands = len(spec.hands)
    return {
        hand: dict(zip(("auc", "mepe", "auc_ra", "mepe_ra"), figures[i::hands], strict=True))
        for i, hand in enumerate(spec.hands)
    }


POSE_OF_WINDOW: Mapping[str, Mapping[int, HandMetrics]] = {
    FPHA.name: {
        1: _hands(FPHA, 0.776, 18.78, 0.707, 15.01),
        8: _hands(FPHA, 0.802, 16.54, 0.750, 12.77),
        16: FPHA.published_pose,
        32: _hands(FPHA, 0.805, 16.14, 0.766, 11.96),
        64: _hands(FPHA, 0.805, 16.19, 0.767, 11.92),
        128: _hands(FPHA, 0.800, 16.73, 0.761, 12.20),
    },
    H2O.name: {
        1: _hands(H2O, 0.563, 0.551, 40.12, 40.62, 0.648, 0.590, 17.97, 21.22),
        8: _hands(H2O, 0.607, 0.600, 35.91, 36.00, 0.674, 0.629, 16.58, 18.89),
        16: H2O.published_pose,
        32: _hands(H2O, 0.594, 0.573, 36.78, 38.48, 0.676, 0.650, 16.56, 17.85),
        64: _hands(H2O, 0.599, 0.567, 36.47, 39.02, 0.684, 0.643, 16.23, 18.10),
        128: _hands(H2O, 0.599, 0.564, 36.41, 39.36, 0.673, 0.636, 16.71, 18.66),
    },
}
"""Tab. 4: dataset -> t -> poses."""

ACTION_OF_FRAMES: Mapping[str, Mapping[int, float]] = {
    FPHA.name: {16: 90.96, 32: 91.65, 64: 92.35, 128: FPHA.published_action_accuracy["HTT"]},
    H2O.name: {16: 74.38, 32: 79.34, 64: 78.51, 128: H2O.published_action_accuracy["HTT"]},
}
"""Tab. 5: dataset -> T -> action accuracy in per cent."""

ACTION_OF_VARIANT: Mapping[str, Mapping[str, float]] = {
    FPHA.name: {
        PARALLEL: 93.22,
        WITHOUT["object"]: 93.57,
        WITHOUT["pose"]: 91.65,
        WITHOUT["image"]: 90.26,
    },
    H2O.name: {
        PARALLEL: 80.17,
        WITHOUT["object"]: 82.65,
        WITHOUT["pose"]: 85.12,
        WITHOUT["image"]: 75.21,
    },
}
"""Tab. 5: dataset -> model -> action accuracy in per cent."""

PCK_CURVES: Mapping[str, Mapping[str, Mapping[str, tuple[float, ...]]]] = {
    FPHA.name: {
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
}
"""Dataset -> hand -> space -> PCK of the published checkpoint at the dataset's thresholds."""
