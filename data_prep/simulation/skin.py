"""The flesh of a hand: rounded cones between points that move with the joints."""

import dataclasses

import numpy as np
from jaxtyping import Float

from data_prep.simulation.hand import HandShape
from data_prep.simulation.performance import HandTrack

_ELBOW, _NAILS, _DORSAL, _ANCHORS = 21, 22, 27, 28  # rows after the 21 joints


@dataclasses.dataclass(frozen=True)
class Flesh:
    """Rounded cones: weights on the anchors for both ends, radii (m) and colours."""

    starts: Float[np.ndarray, "cones anchors"]
    ends: Float[np.ndarray, "cones anchors"]
    radii: Float[np.ndarray, "cones 2"]
    colours: Float[np.ndarray, "cones 3"]

    def points(
        self, track: HandTrack
    ) -> tuple[Float[np.ndarray, "frames cones 3"], Float[np.ndarray, "frames cones 3"]]:
        """Both ends of every cone over time, in the axes of the track."""
        anchors = np.concatenate(
            [track.joints, track.elbow[:, None], track.nails, track.dorsal[:, None]], axis=1
        )
        return self.starts @ anchors, self.ends @ anchors


class _Builder:
    def __init__(self):
        self.rows: list[tuple] = []

    def add(self, start: dict[int, float], end: dict[int, float], r0, r1, colour) -> None:
        """One cone; the ends are weighted sums of anchors."""
        self.rows.append((_weights(start), _weights(end), (r0, r1), colour))


def _weights(anchors: dict[int, float]) -> np.ndarray:
    row = np.zeros(_ANCHORS)
    for anchor, weight in anchors.items():
        row[anchor] += weight
    return row


def flesh(shape: HandShape, sleeve: Float[np.ndarray, "3"]) -> Flesh:
    """The cones of a person's hand and forearm in a sleeve of the colour `sleeve`."""
    builder = _Builder()
    _fingers(builder, shape)
    _palm(builder, shape)
    _arm(builder, shape, sleeve)
    starts, ends, radii, colours = (np.array(column) for column in zip(*builder.rows, strict=True))
    return Flesh(starts, ends, radii, np.clip(colours, 0, 255))


def _fingers(builder: _Builder, shape: HandShape) -> None:
    pink, pale = shape.skin * (1.03, 0.93, 0.92), shape.skin * (1.02, 0.97, 0.96) + (8, 2, 4)
    for finger in range(5):
        first = 1 + 4 * finger
        for bone in range(3):
            a, b = first + bone, first + bone + 1
            r0, r1 = shape.radii[finger, bone], shape.radii[finger, bone + 1]
            if bone == 2:
                # The joint at the tip lies inside the flesh's round end.
                builder.add({a: 1}, {a: 0.12, b: 0.88}, r0, r1 * 1.04, pink)
            else:
                builder.add({a: 1}, {b: 1}, r0, r1, shape.skin)
        tip, before, radius = first + 3, first + 2, shape.radii[finger, 3]
        out = {_NAILS + finger: 0.5 * radius}
        builder.add(
            {before: 0.42, tip: 0.58, **out}, {before: 0.06, tip: 0.94, **out},
            0.6 * radius, 0.58 * radius, pale,
        )  # fmt: skip


def _palm(builder: _Builder, shape: HandShape) -> None:
    thick, skin = shape.radii[1, 0] / 0.010, shape.skin
    mcps, inward = (5, 9, 13, 17), {_DORSAL: -0.003 * thick}
    for i, mcp in enumerate(mcps):
        radius = shape.radii[1 + i, 0]
        builder.add({0: 0.84, mcp: 0.16, **inward}, {0: 0.05, mcp: 0.95, **inward},
                    0.0165 * thick, 0.0125 * thick + 0.25 * (radius - 0.010), skin)  # fmt: skip
        if i:
            other = mcps[i - 1]
            builder.add(
                {0: 0.8, mcp: 0.1, other: 0.1, **inward},
                {0: 0.06, mcp: 0.47, other: 0.47, **inward},
                0.0165 * thick, 0.0125 * thick, skin,
            )  # fmt: skip
    inward = {_DORSAL: -0.006 * thick}
    builder.add({0: 0.8, 17: 0.2, **inward}, {0: 0.3, 17: 0.7, **inward}, 0.015 * thick,
                0.012 * thick, skin)  # fmt: skip
    builder.add({0: 0.85, 1: 0.15}, {1: 1}, 0.016 * thick, 0.0155 * thick, skin)
    builder.add({1: 1}, {2: 1}, 0.0155 * thick, 1.05 * shape.radii[0, 1], skin)
    builder.add({1: 0.9, 5: 0.1}, {0: 0.25, 5: 0.75}, 0.013 * thick, 0.010 * thick, skin)
    builder.add({1: 0.55, 2: 0.45}, {0: 0.25, 5: 0.75}, 0.010 * thick, 0.008 * thick, skin)


def _arm(builder: _Builder, shape: HandShape, sleeve: np.ndarray) -> None:
    thick = shape.radii[1, 0] / 0.010
    for side in (-0.09, 0.09):
        across = {5: side, 17: -side}
        builder.add({0: 1, **across}, {0: 0.62, _ELBOW: 0.38, **across}, 0.021 * thick,
                    0.027 * thick, shape.skin)  # fmt: skip
    builder.add({0: 0.7, _ELBOW: 0.3}, {_ELBOW: 1}, 0.0345 * thick, 0.046 * thick, sleeve)
    builder.add({0: 0.72, _ELBOW: 0.28}, {0: 0.66, _ELBOW: 0.34}, 0.037 * thick, 0.037 * thick,
                sleeve * 0.8)  # fmt: skip
