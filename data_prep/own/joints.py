"""Joints of a recording, from the kinds of files that people have."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float

from data_prep import poses
from data_prep.folders import frames_text
from data_prep.own import coco, joint_files, mediapipe, places
from data_prep.own.description import Description
from data_prep.own.footage import Footage
from data_prep.own.joint_files import Given
from data_prep.plausibility.lengths import unit_text
from data_prep.raw import Note
from htt_jax import camera
from htt_jax.prediction.input_camera import InputCamera
from htt_jax.support.errors import InputError
from htt_jax.support.words import counted

_READERS: dict[str, Callable[[pathlib.Path, Description, Footage], Given]] = {
    "joints.csv": joint_files.of_csv,
    "joints.npz": joint_files.of_npz,
    "hand_pose": joint_files.of_h2o,
    **dict.fromkeys(coco.NAMES, coco.read),
    "mediapipe.csv": mediapipe.of_csv,
    "mediapipe.json": mediapipe.of_json,
}

NAMES = tuple(_READERS)
"""What holds the joints of a recording, in its folder."""

_AXES = "xyz"


@dataclasses.dataclass(frozen=True)
class Joints:
    """The joints of a recording, those of all hands in a row.

    Attributes:
        rows: where the frames are that have any, by their numbers.
        joints: metres, camera space, x, y, z; or pixels of the recording's frames, x, y. Zero
            where not known.
        known: which are.
        hands: how many.
        seen: which hands are known and can be, in any frame.
        notes: what is to be known of them.
        depths: metres, of joints in pixels, where a fit tells them; NaN where it does not. None:
            there is none.
    """

    rows: dict[int, int]
    joints: Float[np.ndarray, "frames joints axes"]
    known: Bool[np.ndarray, "frames joints"]
    hands: int
    seen: Bool[np.ndarray, " hands"]
    notes: tuple[Note, ...]
    depths: Float[np.ndarray, "frames joints"] | None = None

    @property
    def in_images(self) -> bool:
        """Whether their places in images alone are told."""
        return self.joints.shape[-1] == 2

    @property
    def has_part_of_a_hand(self) -> bool:
        """Whether some hand is known in part."""
        of_hands = self.known.reshape(len(self.known), self.hands, -1)
        return bool((of_hands.any(axis=2) & ~of_hands.all(axis=2)).any())

    def of(
        self, numbers: Sequence[int], seen_by: InputCamera
    ) -> tuple[Float[np.ndarray, "wanted joints 3"], Bool[np.ndarray, "wanted joints 2"]]:
        """Joints of the frames with these numbers, metres, camera space, and what of each is known.

        That is the place in the image, and the depth; nothing of other frames. A joint whose place
        alone is known lies there, 1 m ahead; not known is what a lens sees far beside the
        undistorted image. A fit tells depths alone: places stay where they were labelled.

        Args:
            numbers: of the frames.
            seen_by: the camera, pixels of the recording's frames.
        """
        shape = (len(numbers), self.joints.shape[1])
        joints = np.zeros((*shape, self.joints.shape[2]))
        known, depths = np.zeros(shape, bool), np.full(shape, np.nan)
        found = [(i, self.rows[n]) for i, n in enumerate(numbers) if n in self.rows]
        if found:
            wanted, rows = map(list, zip(*found, strict=True))
            joints[wanted], known[wanted] = self.joints[rows], self.known[rows]
            if self.depths is not None:
                depths[wanted] = self.depths[rows]
        in_space = known
        if self.in_images:
            joints, known = undistorted(joints, known, seen_by)
            in_space = known & np.isfinite(depths)
            depths = np.where(in_space, depths, 1)
            ahead = camera.unproject(joints, depths, seen_by.matrix)
            joints = np.where(known[..., None], ahead, 0)
        return joints.astype(np.float32), np.stack([known, in_space], axis=-1)


def undistorted(
    places: Float[np.ndarray, "frames joints 2"],
    known: Bool[np.ndarray, "frames joints"],
    seen_by: InputCamera,
) -> tuple[Float[np.ndarray, "frames joints 2"], Bool[np.ndarray, "frames joints"]]:
    """Places in frames that are undistorted, pixels, and which are still known."""
    if seen_by.lens is None:
        return places, known
    places = seen_by.lens.undistorted_points(places)
    return places, known & seen_by.lens.is_near(places)


def find(folder: pathlib.Path) -> pathlib.Path | None:
    """What holds the joints in the folder of a recording; None: nothing.

    Raises:
        InputError: several do.
    """
    found = [folder / name for name in NAMES if (folder / name).exists()]
    if len(found) > 1:
        names = " and ".join(str(path.relative_to(folder)) for path in found)
        raise InputError(f"{folder} holds joints twice, in {names}; keep one")
    return found[0] if found else None


@functools.lru_cache(maxsize=2)  # of the recording whose segments are read in turn
def read(path: pathlib.Path, described: Description, frames: pathlib.Path) -> Joints:
    """The joints in a file or folder that `find` found.

    Args:
        path: of the file or folder.
        described: how joints stand in it.
        frames: the video file or folder of frames that they are of.

    Raises:
        InputError: it is not as docs/own_layout.md says, or of frames that are not there, or most
            hands are such as cannot be.
    """
    footage = Footage(frames, described.rate)
    reader = _READERS.get(path.name) or _READERS[f"{path.parent.name}/{path.name}"]
    given = reader(path, described, footage)
    numbers, notes = _numbers(path, given.frames, len(given.joints), footage)
    known = _known(path, numbers, given.joints, described)
    joints = np.where(known[..., None], given.joints, 0)
    notes = (*given.notes, *notes)
    if joints.shape[-1] == 2:
        known, far = places.without_far(path, joints, known, footage.frames.size)
        known, lost = places.without_lost(path, numbers, joints, known, described)
        seen, notes = np.asarray(known.any(axis=(0, 2))), (*notes, *far, *lost)
    else:
        seen = _seen(path, joints, known, described)
    count = len(joints)
    return Joints(
        {number: row for row, number in enumerate(numbers)},
        joints.reshape(count, -1, joints.shape[-1]),
        known.reshape(count, -1),
        len(described.hands),
        seen,
        notes,
    )


def _known(
    path: pathlib.Path,
    numbers: Sequence[int],
    joints: Float[np.ndarray, "frames hands joints axes"],
    described: Description,
) -> Bool[np.ndarray, "frames hands joints"]:
    """Which joints have all coordinates.

    Raises:
        InputError: one has some of them.
    """
    there = np.isfinite(joints)
    known = np.asarray(there.all(axis=-1))
    partly = np.asarray(there.any(axis=-1)) & ~known
    if partly.any():
        row, hand, joint = map(int, np.argwhere(partly)[0])
        has = there[row, hand, joint]
        axes = [axis for axis, is_there in zip(_AXES, has, strict=False) if not is_there]
        raise InputError(
            f"{path}: {described.joints.skeleton.joints[joint]} of the {described.hands[hand]} "
            f"hand of frame {numbers[row]} has no {' and '.join(axes)}; give all {len(has)} "
            "coordinates of a joint, or none"
        )
    return known


def _seen(
    path: pathlib.Path,
    joints: Float[np.ndarray, "frames hands joints 3"],
    known: Bool[np.ndarray, "frames hands joints"],
    described: Description,
) -> Bool[np.ndarray, " hands"]:
    """Which hands are somewhere as they can be.

    Raises:
        InputError: most of one hand's are not, which is no slip of a tracker.
    """
    seen = np.zeros(len(described.hands), bool)
    for i, hand in enumerate(described.hands):
        rows = known[:, i].any(axis=1)
        can_be, impossible, what = poses.possible(
            joints[rows, i], known[rows, i], is_rigid=bool(described.joints.skeleton.bones)
        )
        wrong, tracked = int(impossible.sum()), int((can_be | impossible).sum())
        if 2 * wrong > tracked:
            of_hand = np.where(known[rows, i, :, None], joints[rows, i], np.nan)[impossible]
            unit = unit_text(of_hand, described.joints.skeleton)
            raise InputError(
                f"{path}: {hand} hand, {wrong} of {tracked} frames: {what}{unit}; are its numbers "
                "in another unit, its axes not x to the right, y down, z forward, or its origin "
                "not the camera? Put them right, or leave the recording out with --skip-bad"
            )
        seen[i] = can_be.any()
    return seen


def _numbers(
    path: pathlib.Path, given: list[int] | None, count: int, footage: Footage
) -> tuple[list[int], tuple[Note, ...]]:
    """The frame of each of `count` rows, and a note on those between others that are not there.

    Raises:
        InputError: they are not frames of the recording.
    """
    there = footage.numbers()
    if _misfit(path, given, count, footage.path, there):
        there = footage.numbers(exactly=True)
        misfit = _misfit(path, given, count, footage.path, there)
        if misfit:
            raise InputError(misfit)
    if given is None:
        return list(there), ()
    absent = sorted(set(given) - set(there))
    what = f"{frames_text(absent)}: {footage.path} has no such image; the joints are not read"
    return given, (Note("ignored", str(path), what),) if absent else ()


def _misfit(
    path: pathlib.Path,
    given: list[int] | None,
    count: int,
    frames: pathlib.Path,
    there: Sequence[int],
) -> str:
    """Why the rows cannot be of the frames `there`; '' where they can."""
    if given is None:
        if count == len(there):
            return ""
        return (
            f"{path} has joints of {counted(count, 'frame')}, but {frames} has {len(there)}; give "
            "the number of each one's frame too (`frames` in joints.npz, `frame` in other files)"
        )
    rule = "count from 0" if isinstance(there, range) else "its images' names number them"
    if not there or max(given) > there[-1]:
        last = f"the last of {frames} is {there[-1]}" if there else f"{frames} has none"
        return f"{path} names frame {max(given)}, {last}; {rule}"
    if min(given) < there[0]:
        return f"{path} names frame {min(given)}, the first of {frames} is {there[0]}; {rule}"
    return ""
