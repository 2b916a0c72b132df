"""One recording: who does which actions when, where hands and objects are in every frame."""

import dataclasses
import itertools

import numpy as np
from jaxtyping import Float, Int

from data_prep.simulation import hand, skin
from data_prep.simulation.actions import Action
from data_prep.simulation.geometry import bump, rotation, step, unit
from data_prep.simulation.objects import Pose, Sheet, Solid, random_colour, sheet
from data_prep.simulation.performance import HandTrack, Performance
from data_prep.simulation.scene import Room, draw_room

FRAME_RATE = 30.0
SUBFRAMES = 9
"""Moments within each exposure at which everything is known; the middle one has the labels."""
_SHUTTER = 0.6  # of the time between two frames
HIDDEN = 0.2
"""Of the actions, unless said otherwise: the hands are out of sight for a while."""


@dataclasses.dataclass(frozen=True)
class Segment:
    """An action and the frames (from, to; the end not included) that show it."""

    action: Action
    start: int
    end: int


@dataclasses.dataclass(frozen=True)
class Script:
    """What to record: everything a take depends on."""

    seed: tuple[int, ...]
    subject: int
    hands: tuple[str, ...]
    segments: tuple[Segment, ...]
    frames: int
    hidden: float = HIDDEN  # probability of each segment to have the hands hidden for a while


@dataclasses.dataclass(frozen=True)
class Prop:
    """Solids that move together: pose at every sub-frame (camera at rest), and when to draw."""

    solids: tuple[Solid, ...]
    pose: Pose
    drawn: np.ndarray


@dataclasses.dataclass(frozen=True)
class Passing:
    """A sheet carried past close to the camera: corners at every sub-frame, camera at rest."""

    sheet: Sheet
    corners: Float[np.ndarray, "frames parts 4 3"]
    drawn: np.ndarray


@dataclasses.dataclass(frozen=True)
class Used:
    """The object of each segment's action, and whose pose it is at every sub-frame."""

    nouns: tuple[str, ...]
    segment: Int[np.ndarray, " frames"]
    pose: Pose  # of the object's own axes, camera at rest


@dataclasses.dataclass(frozen=True)
class Take:
    """A recording ready to be rendered. Arrays are over sub-frames, in the camera at rest."""

    room: Room
    camera_axes: Float[np.ndarray, "frames 3 3"]
    camera_place: Float[np.ndarray, "frames 3"]
    tracks: tuple[HandTrack, ...]
    fleshes: tuple[skin.Flesh, ...]
    props: tuple[Prop, ...]
    covers: tuple[Passing, ...]
    used: Used

    def joints(self) -> Float[np.ndarray, "frames joints 3"]:
        """Joints of all hands in every frame (the middle of its exposure): camera space, m."""
        joints = np.concatenate([track.joints for track in self.tracks], axis=1)
        moved = joints - self.camera_place[:, None]
        return np.einsum("nji,nkj->nki", self.camera_axes, moved)[SUBFRAMES // 2 :: SUBFRAMES]

    def camera_poses(self) -> Float[np.ndarray, "frames 4 4"]:
        """From camera space to the world's, which is the camera's at rest, in every frame; m."""
        poses = np.tile(np.eye(4), (len(self.camera_place), 1, 1))
        poses[:, :3, :3], poses[:, :3, 3] = self.camera_axes, self.camera_place
        return poses[SUBFRAMES // 2 :: SUBFRAMES]

    def object_poses(self) -> tuple[list[str], Float[np.ndarray, "frames 4 4"]]:
        """Which object is used in every frame, and from its axes to camera space; m."""
        place, axes = self.used.pose
        poses = np.tile(np.eye(4), (len(place), 1, 1))
        turned = self.camera_axes.transpose(0, 2, 1)
        poses[:, :3, :3] = turned @ axes
        poses[:, :3, 3] = np.einsum("nij,nj->ni", turned, place - self.camera_place)
        middle = slice(SUBFRAMES // 2, None, SUBFRAMES)
        return [self.used.nouns[i] for i in self.used.segment[middle].tolist()], poses[middle]


def direct(script: Script) -> Take:
    """Turns a script into a take; a pure function of the script."""
    rng = np.random.default_rng(script.seed)
    shape = hand.hand_shape(
        np.random.default_rng((script.seed[0], 1 << 20, script.subject)), script.subject
    )
    moments = np.arange(script.frames)[:, None] + _SHUTTER * (
        (np.arange(SUBFRAMES) - SUBFRAMES // 2) / SUBFRAMES
    )
    moments = moments.ravel()
    scenes = [_Acted(rng, shape, script, segment) for segment in script.segments]
    room = draw_room(rng, scenes[0].desk, nearer=len(script.hands) == 2)
    owner = _owners(scenes, moments)
    tracks, props, covers = _stage(scenes, moments, owner, script, room)
    sleeve = np.array(random_colour(rng), float)
    axes, place = room.camera(moments / FRAME_RATE)
    return Take(
        room, axes, place,
        tuple(track.placed(room.axes, room.origin) for track in tracks),
        (skin.flesh(shape, sleeve),) * len(tracks),
        tuple(props),
        tuple(covers),
        _used(scenes, moments, owner, room),
    )  # fmt: skip


class _Acted:
    """One segment being acted: time, hiding, and each hand's performance."""

    def __init__(
        self, rng: np.random.Generator, shape: hand.HandShape, script: Script, segment: Segment
    ):
        self.segment = segment
        two = len(script.hands) == 2
        self.right = Performance(rng, shape, segment.action, shift=0.06 if two else 0.0)
        self.left = _left_performance(rng, shape, segment.action, self.right) if two else None
        self.desk = self.right.desk
        self._holds = rng.uniform(0.0, 0.08, 2)
        self._lean = rng.uniform(-0.35, 0.35)
        self._middle, self._half = rng.uniform(0.2, 0.8), rng.uniform(0.06, 0.11)
        self._way = rng.choice(
            ["seen", "away", "covered"], p=[1 - script.hidden, script.hidden / 2, script.hidden / 2]
        )
        self._cover = sheet(rng)
        self._cover_tilt = rng.uniform(-25.0, 25.0)
        self._cover_side = rng.choice([-1.0, 1.0])
        self._away = unit(np.array([rng.uniform(-0.2, 0.8), -1.0, -0.35]))

    def _progress(self, moments: np.ndarray) -> np.ndarray:
        """0 at the first frame of the segment, 1 at its last; beyond that outside 0..1."""
        return (moments - self.segment.start) / max(self.segment.end - 1 - self.segment.start, 1)

    def time(self, moments: np.ndarray) -> np.ndarray:
        """The performance's own time; its law is the same forwards and backwards."""
        u = self._progress(moments).clip(0.0, 1.0)
        u = ((u - self._holds[0]) / (1.0 - self._holds.sum())).clip(0.0, 1.0)
        return u + self._lean * u * (1.0 - u)

    def _hiding(self, moments: np.ndarray) -> np.ndarray:
        """0 seen, 1 hidden."""
        low, high = self._middle - self._half, self._middle + self._half
        u = self._progress(moments)
        return bump(u, low - 0.07, low, high, high + 0.07)

    def offset(self, moments: np.ndarray) -> np.ndarray:
        """How far (n, 3) the hands are moved out of view; desk axes, m."""
        gone = self._hiding(moments) if self._way == "away" else np.zeros_like(moments)
        frames = np.maximum(self.segment.start - moments, moments - (self.segment.end - 1))
        gone = np.maximum(gone, step(frames, 0.0, 5.0))
        return 0.33 * gone[:, None] * self._away

    def cover(self, moments: np.ndarray) -> Passing | None:
        """What is carried past close to the camera; camera at rest."""
        if self._way != "covered":
            return None
        hiding = self._hiding(moments)
        x = self._cover_side * 0.3 * (1.0 - hiding)
        place = np.stack([x, np.full_like(x, 0.01), np.full_like(x, 0.21)], axis=-1)
        corners = self._cover.corners @ rotation(2, self._cover_tilt).T
        return Passing(self._cover, place[:, None, None] + corners, hiding > 0.0)


def _left_performance(
    rng: np.random.Generator, shape: hand.HandShape, action: Action, right: Performance
) -> Performance:
    """What the left hand does meanwhile: holds the bottle that is opened, or rests."""
    if right.stands:
        middle = right.standing()[0] - (0.0, 0.0, right.item.cap_height)
        holding = Action("hold", action.noun, "hold")
        return Performance(rng, shape, holding, centre=middle * (-1.0, 1.0, 1.0))
    return Performance(rng, shape, Action("rest", "hand", "rest"), shift=0.12)


def _owners(scenes: list[_Acted], moments: np.ndarray) -> Int[np.ndarray, " frames"]:
    """The segment that each moment belongs to: one is over half-way to the next."""
    owner = np.zeros(len(moments), int)
    for i, (before, after) in enumerate(itertools.pairwise(scenes)):
        owner[moments >= 0.5 * (before.segment.end - 1 + after.segment.start)] = i + 1
    return owner


def _used(scenes: list[_Acted], moments: np.ndarray, owner: np.ndarray, room: Room) -> Used:
    place, axes = np.zeros((len(moments), 3)), np.zeros((len(moments), 3, 3))
    for i, scene in enumerate(scenes):
        own = owner == i
        where, turned = scene.right.whole(scene.time(moments[own]))
        if not scene.right.stands:  # what stands stays, when the hands go
            where = where + scene.offset(moments[own])
        place[own], axes[own] = room.at_rest(where, turned)
    return Used(tuple(scene.segment.action.noun for scene in scenes), owner, (place, axes))


def _stage(
    scenes: list[_Acted], moments: np.ndarray, owner: np.ndarray, script: Script, room: Room
) -> tuple[list[HandTrack], list[Prop], list[Passing]]:
    """Hands (desk axes), props and covers (camera at rest) of all segments, one after another."""
    parts: dict[str, list[HandTrack]] = {name: [] for name in script.hands}
    props: list[Prop] = []
    covers: list[Passing] = []
    for i, scene in enumerate(scenes):
        own = owner == i
        time, offset = scene.time(moments), scene.offset(moments)
        parts["right"].append(scene.right.track(time[own]).moved(offset[own]))
        if scene.left is not None:
            mirror = offset[own] * (-1.0, 1.0, 1.0)
            parts["left"].append(scene.left.track(time[own]).moved(mirror).mirrored())
        in_hand, on_desk = scene.right.solids()
        place, axes = scene.right.held(time)
        props.append(Prop(in_hand, room.at_rest(place + offset, axes), own))
        place, axes = scene.right.standing()
        still = place + np.zeros((len(moments), 3)), np.broadcast_to(axes, (len(moments), 3, 3))
        props.append(Prop(on_desk, room.at_rest(*still), own))
        if cover := scene.cover(moments):
            covers.append(dataclasses.replace(cover, drawn=cover.drawn & own))
    tracks = [HandTrack.joined(parts[name]) for name in script.hands]
    return tracks, [prop for prop in props if prop.solids], covers
