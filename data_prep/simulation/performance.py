"""One hand doing one action: its joints and the object's place as functions of time.

Axes of the desk: x right, y away from the viewer, z up; the origin is the middle of the workspace,
above the desk. Metres. Everything is computed for a right hand; a left one is mirrored in x.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from data_prep.simulation import hand, motion
from data_prep.simulation.actions import Action
from data_prep.simulation.geometry import drift, rotation, step, unit
from data_prep.simulation.hand import HandShape
from data_prep.simulation.objects import ITEMS, Item, Pose

Time = Float[np.ndarray, " frames"]

_PRONATION = {"wrap": 5.0, "top": 90.0, "tool": 55.0, "flat": 75.0, "card": 50.0, "none": 30.0}
_PITCH = {"tool": 38.0}  # so that a spoon or a pen points down; others: 0
_START = {"wrap": hand.RELAXED, "top": hand.CLAW, "tool": hand.PINCH, "flat": hand.FLAT,
          "card": hand.PINCH, "none": hand.RELAXED}  # fmt: skip
_ALONG_PALM = np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])  # object axes as columns


@dataclasses.dataclass(frozen=True)
class HandTrack:
    """A hand over time; desk axes, metres."""

    joints: Float[np.ndarray, "frames 21 3"]
    elbow: Float[np.ndarray, "frames 3"]
    nails: Float[np.ndarray, "frames 5 3"]  # unit vectors, the way the nails face
    dorsal: Float[np.ndarray, "frames 3"]  # unit vector out of the back of the hand

    def mirrored(self) -> "HandTrack":
        """The same of the other hand, x to -x."""
        flip = np.array([-1.0, 1.0, 1.0])
        return HandTrack(
            self.joints * flip, self.elbow * flip, self.nails * flip, self.dorsal * flip
        )

    @classmethod
    def joined(cls, tracks: "list[HandTrack]") -> "HandTrack":
        """One after the other."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(np.concatenate([getattr(t, name) for t in tracks]) for name in names))

    def placed(self, axes: Float[np.ndarray, "3 3"], origin: np.ndarray) -> "HandTrack":
        """The same in other axes: those of the desk are the columns of `axes`, at `origin`."""
        return HandTrack(
            self.joints @ axes.T + origin,
            self.elbow @ axes.T + origin,
            self.nails @ axes.T,
            self.dorsal @ axes.T,
        )

    def moved(self, offset: Float[np.ndarray, "frames 3"]) -> "HandTrack":
        """The same, shifted."""
        return dataclasses.replace(
            self, joints=self.joints + offset[:, None], elbow=self.elbow + offset
        )


class Performance:
    """An action as one person does it once; all randomness is drawn when it is made."""

    def __init__(
        self,
        rng: np.random.Generator,
        shape: HandShape,
        action: Action,
        shift: float = 0.0,
        centre: Float[np.ndarray, "3"] | None = None,
    ):
        """Draws the performance of `action` from `rng`.

        shift: how far right of the middle it happens, m. centre: where exactly, instead of about
        there; then the hand also keeps still.
        """
        self.action = action
        self.item: Item = ITEMS[action.noun]
        self._shape = shape
        self._program = motion.PROGRAMS[action.motion]
        self._style = motion.draw_style(rng)
        self.stands = self._program.uncaps and self.item.cap_height > 0.0
        self._grip = "top" if self.stands else self.item.grip
        self._centre = rng.normal((shift, 0.0, 0.0), (0.022, 0.018, 0.012))
        self._elbow = np.array([0.13, -0.30, -0.09]) + rng.uniform(-1, 1, 3) * (0.13, 0.03, 0.04)
        self._elbow[0] += shift
        self._still = centre is not None
        if centre is not None:
            self._centre = centre
        self._turn = rng.normal(0.0, (9.0, 12.0, 7.0))  # twist, pronation, pitch
        self._place_drift = drift(rng, 3)
        self._turn_drift = drift(rng, 3)
        self._finger_drift = drift(rng, 20)
        self._open = hand.OPEN + (hand.RELAXED - hand.OPEN) * rng.uniform(0.0, 0.6)
        self._hold()
        self.desk = self._desk_height(rng)

    def _hold(self) -> None:
        """Places the object in the hand and closes the fingers around it."""
        start, radius = _START[self._grip], self.item.radius
        bases = self._shape.bases
        axes = np.eye(3)
        if self._grip == "wrap":
            axes = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # its length along x
            beyond_thumb = bases[0, 1] + self._shape.radii[0, 0] + radius
            place = np.array([0.006, max(0.82 * bases[2, 1], beyond_thumb), radius + 0.016])
            pose = hand.close_around(
                self._shape,
                hand.OPEN + (hand.CLAW - hand.OPEN) * [1, 0, 0, 0],
                lambda p: np.linalg.norm((p - place)[..., 1:], axis=-1) - radius,
            )
        elif self._grip in ("top", "tool", "card"):
            pose = hand.limit(start)
            tips = hand.joints(self._shape, pose)
            pinch = 0.5 * (tips[4] + tips[8])
            if self._grip == "top":
                axes = np.diag([1.0, -1.0, -1.0])
                place = np.array([0.25 * bases[1, 0], tips[[8, 12], 1].mean() - 0.02, tips[12, 2]])
                place[2] -= 0.008
            elif self._grip == "tool":
                along = unit(pinch - 0.6 * bases[1] - 0.4 * bases[0])
                side = unit(np.cross([1.0, 0, 0], along))
                axes = np.stack([np.cross(side, along), side, along], axis=1)
                place = pinch
            else:
                axes = _ALONG_PALM
                place = pinch + np.array([0.0, 0.6 * self._length(), 0.0])
        else:
            pose = hand.limit(start)
            tips = hand.joints(self._shape, pose)
            axes = _ALONG_PALM
            depth = tips[[4, 8, 12, 16]][:, 2].min() if self.item.solids else 0.04
            place = np.array([0.0, tips[12, 1] - 0.035, depth])
        self._gripping, self._place, self._axes = pose, place, axes

    def _length(self) -> float:
        return -self.item.bottom

    def _desk_height(self, rng: np.random.Generator) -> float:
        """How high the desk is, so that what stands or is put down touches it."""
        if self.stands:
            return self._centre[2] - self.item.cap_height + self.item.bottom
        free = rng.uniform(-0.19, -0.14)
        if self._program.release < 1.0:
            release = self._grip_pose(np.array([self._program.release]))[0][0, 2]
            return min(release + (self.item.bottom if self._grip == "wrap" else -0.03), -0.07)
        return free

    def _time(self, time: Time) -> Time:
        return 1.0 - time if self.action.backwards else time

    def _grip_pose(self, time: Time) -> Pose:
        """Where the object would be if the hand held it at a (forward) time."""
        move = self._program.move(time, self._style)
        # While a cap is being turned, the hand stays centred over the bottle.
        loose = step(time, 0.42, 0.7)[:, None] if self.stands else np.full((len(time), 1), 1.0)
        if self._still:
            loose *= 0.0
        place_drift = self._place_drift(time) * (0.016, 0.013, 0.01) * loose
        twist, pronation, pitch = (self._turn_drift(time) * (7.0, 9.0, 6.0) * loose).T
        ones = np.ones_like(time)
        offsets = [np.broadcast_to(v, time.shape) for v in (move.right, move.forward, move.up)]
        place = self._centre + np.stack(offsets, axis=-1) + place_drift
        turn = self._turn * (1.0, 0.0, 0.0) if self.stands or self._still else self._turn
        axes = (
            rotation(2, move.twist + turn[0] + twist)
            @ self._arm_axes()
            @ rotation(1, -(_PRONATION[self._grip] + move.pronation + turn[1] + pronation))
            @ rotation(0, (_PITCH.get(self._grip, 0.0) + move.pitch + turn[2] + pitch) * ones)
        )
        return place, axes

    def _arm_axes(self) -> Float[np.ndarray, "3 3"]:
        """The hand's axes, thumb up, in line with the forearm; level if a cap is held."""
        forward = self._centre - self._elbow
        if self.stands or self._still:
            forward = forward * (1.0, 1.0, 0.0)
        forward = unit(forward)
        up = unit(np.array([0.0, 0.0, 1.0]) - forward[2] * forward)
        return np.stack([up, forward, np.cross(up, forward)], axis=1)

    def track(self, time: Time) -> HandTrack:
        """The hand at times between 0 and 1."""
        time = self._time(time)
        place, axes = self._grip_pose(time)
        angles = self.angles(time)
        local = np.concatenate(
            [hand.joints(self._shape, angles), np.zeros((len(time), 1, 3))], axis=1
        )
        world = np.einsum("nij,nkj->nki", axes, local - self._place) + place[:, None]
        nails = np.einsum("nij,nkj->nki", axes, hand.nail_normals(angles))
        wrist = world[:, 0]
        elbow = wrist + 0.27 * unit(self._elbow + 0.5 * (wrist - self._centre) - wrist)
        return HandTrack(world[:, :21], elbow, nails, -axes[:, :, 2])

    def angles(self, time: Time) -> hand.Angles:
        """Joint angles (n, 5, 4) in degrees at forward times, within the limits."""
        move = self._program.move(time, self._style)
        closure = np.broadcast_to(move.closure, time.shape)[:, None, None]
        angles = self._open + closure * (self._gripping - self._open)
        angles[:, 1, 1] -= np.broadcast_to(move.tap, time.shape)
        wobble = self._finger_drift(time).reshape(-1, 5, 4) * (2.5, 4.0, 4.0, 3.0)
        if self._grip == "none":
            wobble *= 2.5
        return hand.limit(angles + wobble)

    def held(self, time: Time) -> Pose:
        """What the hand holds (the object, or its cap): place (n, 3) and axes (n, 3, 3)."""
        time = np.minimum(self._time(time), self._program.release)
        place, axes = self._grip_pose(time)
        axes = axes @ self._axes
        return place, axes

    def whole(self, time: Time) -> Pose:
        """The object with its cap, wherever it is: place (n, 3) and axes (n, 3, 3)."""
        if not self.stands:
            return self.held(time)
        place, axes = self.standing()
        place = place - self.item.cap_height * axes[:, 2]
        return np.tile(place, (len(time), 1)), np.tile(axes, (len(time), 1, 1))

    def solids(self) -> tuple[tuple, tuple]:
        """What is in the hand and what stands on the desk; the first follows `held`."""
        if not self.stands:
            return self.item.solids, ()
        down = -self.item.cap_height
        shifted = [
            dataclasses.replace(s, start=(s.start[0], s.start[1], s.start[2] + down))
            for s in self.item.solids
        ]
        return tuple(s for s in shifted if s.cap), tuple(s for s in shifted if not s.cap)

    def standing(self) -> Pose:
        """Place (3,) and axes (3, 3) of what stands on the desk."""
        _, axes = self.held(np.array([0.75 if self.action.backwards else 0.25]))
        x = unit(axes[0, :, 0] * (1.0, 1.0, 0.0))
        up = np.array([0.0, 0.0, 1.0])
        return self._centre, np.stack([x, np.cross(up, x), up], axis=1)
