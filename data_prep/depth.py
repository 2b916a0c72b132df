"""Depth maps of a raw dataset: found, paired with the colour frames by number, checked, kept.

A depth map is a PNG file of one channel of 16 bits: millimetres along the depth camera's axis, 0
where there is no reading. Its bytes are stored as they are.
"""

import contextlib
import dataclasses
import functools
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt16
from PIL import Image

from data_prep import images
from data_prep.folders import frames_text, numbered_files
from data_prep.raw import EncodeFrame, Note, RawDataset, RawPath, RawVideo
from htt_jax import camera
from htt_jax.data import image_decoding
from htt_jax.data.records import Depth, Video
from htt_jax.support.errors import InputError

RATIOS = (0.4, 2.5)
"""Depth read at the hands' joints over the joints' own, its median over a video.

Skin lies a centimetre before a joint, and what is held a little more. Sensors count in eighths,
quarters or tenths of a millimetre, if not in millimetres.
"""


class Names(NamedTuple):
    """How the maps are called."""

    stem: str  # before the number
    suffixes: tuple[str, ...]
    first: str  # what the first is called


@dataclasses.dataclass(frozen=True)
class DepthCamera:
    """What a dataset's depth maps were taken with.

    Attributes:
        sizes: (width, height) that maps may have, the original one first.
        from_color: from the colour camera's space to the depth camera's, metres.
        intrinsics: pixels, for the original size; None: the maps lie on the colour frames' pixels.
    """

    sizes: tuple[tuple[int, int], ...]
    from_color: Float[np.ndarray, "4 4"]
    intrinsics: Float[np.ndarray, "3 3"] | None = None

    def intrinsics_at(self, size: tuple[int, int], video: Video) -> Float[np.ndarray, "3 3"]:
        """For maps of `size` that belong to `video`, float32."""
        matrix, known_at = self.intrinsics, self.sizes[0]
        if matrix is None:
            matrix, known_at = video.intrinsics, images.SIZE
        return camera.scale_intrinsics(matrix, known_at, size).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class DepthVideo:
    """A video with depth maps, not read yet; a `RawVideo`."""

    color: RawVideo
    folder: RawPath  # of the maps
    names: Names
    span: range | None  # numbers of the maps in the folder that are this video's; None: all
    size: tuple[int, int]  # (width, height) of every map of the dataset
    camera: DepthCamera = dataclasses.field(repr=False)

    @property
    def video_id(self) -> str:
        """See `RawVideo`."""
        return self.color.video_id

    @property
    def expected_frames(self) -> int:
        """See `RawVideo`."""
        return self.color.expected_frames

    @property
    def poses(self) -> RawPath:
        """See `RawVideo`."""
        return self.color.poses

    def read(self, encode_frame: EncodeFrame) -> tuple[Video | None, list[Note]]:
        """The video with its maps; frames without one are kept.

        Raises:
            InputError: a file of the video is bad, or the maps count in another unit.
        """
        video, notes = self.color.read(encode_frame)
        if video is None:
            return None, notes
        paths, choices = numbered_files(self.folder, *self.names[:2])
        if self.span is not None:
            paths = {number: path for number, path in paths.items() if number in self.span}
        numbers = video.frame_numbers.tolist()
        notes += [*choices, *self._unpaired(paths, numbers)]
        if paths.keys().isdisjoint(numbers):
            notes.append(Note("left out", str(self.folder), "none of its maps is of a kept frame"))
            return None, notes
        intrinsics = self.camera.intrinsics_at(self.size, video)
        depth = Depth([b""] * len(numbers), intrinsics, self.camera.from_color.astype(np.float32))
        blank, ratios = [], []
        joints = _joints_seen_by(depth, video)
        for i, number in enumerate(numbers):
            if number in paths:
                depth.frames[i], values = read_map(paths[number], self.size)
                ratios.append(_ratios(values, joints[i], intrinsics))
                if not values.any():
                    blank.append(number)
        self._check_unit(np.concatenate(ratios))
        if blank:
            what = f"{frames_text(blank)}: no reading in the whole map; kept"
            notes.append(Note("blank depth", str(self.folder), what))
        return dataclasses.replace(video, depth=depth), notes

    def _unpaired(self, paths: Mapping[int, RawPath], numbers: Sequence[int]) -> list[Note]:
        alone, left = sorted(set(numbers) - paths.keys()), sorted(paths.keys() - set(numbers))
        parts = [f"{len(numbers) - len(alone)} of {len(numbers)} frames have a depth map"]
        if alone:
            parts.append(f"{len(alone)} without are kept ({frames_text(alone)})")
        if left:
            parts.append(f"{len(left)} maps are of no kept frame ({frames_text(left)})")
        return [Note("unpaired depth", str(self.folder), "; ".join(parts))] if parts[1:] else []

    def _check_unit(self, ratios: Float[np.ndarray, " readings"]) -> None:
        ratio = float(np.median(ratios)) if len(ratios) else 1.0
        if not RATIOS[0] < ratio < RATIOS[1]:
            raise InputError(
                f"{self.folder}: at the hands' joints its maps have {ratio:.3g} times the joints' "
                "depth; are they in another unit than millimetres, or of another video? Put them "
                "right, or leave the video out with --skip-bad"
            )


def with_depth(
    raw: RawDataset,
    camera: DepthCamera,
    names: Names,
    place: Callable[[Any], tuple[RawPath, range | None]],
) -> RawDataset:
    """`raw` with depth maps, without the videos that have none.

    Args:
        raw: the dataset without depth.
        camera: what the maps were taken with; the first map there is says in which size.
        names: how the maps are called.
        place: folder and `span` of a video's maps, see `DepthVideo`.

    Raises:
        InputError: no video has a map.
    """

    @functools.cache
    def maps(folder: RawPath) -> list[RawPath]:
        return list(numbered_files(folder, *names[:2])[0].values())[:1]

    places = {split: [(v, *place(v)) for v in videos] for split, videos in raw.splits.items()}
    folders = [folder for found in places.values() for _, folder, _ in found]
    first = next((path for folder in folders for path in maps(folder)), None)
    if first is None:
        where = folders[0] if folders else raw.root
        raise InputError(
            f"no video of {raw.root} has a depth map: expected {where / names.first} and the "
            "like; put them there, or prepare without --depth"
        )
    size = _size_of(first, camera.sizes)
    notes = [
        Note("missing", str(folder), f"no {names.first} or the like: {v.video_id} left out")
        for found in places.values()
        for v, folder, _ in found
        if not maps(folder)
    ]
    splits = {
        split: [
            DepthVideo(video, folder, names, span, size, camera)
            for video, folder, span in found
            if maps(folder)
        ]
        for split, found in places.items()
    }
    spec = dataclasses.replace(raw.spec, depth=True)
    return dataclasses.replace(raw, spec=spec, splits=splits, notes=[*raw.notes, *notes])


def read_map(
    path: RawPath, size: tuple[int, int]
) -> tuple[bytes, UInt16[np.ndarray, "height width"]]:
    """A map's file as it is, and its values.

    Raises:
        InputError: it is missing, no whole map, or not of `size`, (width, height).
    """
    expected = f"expected a 16-bit PNG of one channel, {size[0]}x{size[1]} pixels, millimetres"
    advice = "replace it, or leave its video out with --skip-bad"
    try:
        data = path.read_bytes()
        values = image_decoding.decode_depth_map(data)
    except OSError as error:
        raise InputError(
            f"cannot read the depth map {path}: {error.strerror}; {expected}; {advice}"
        ) from error
    except ValueError as error:
        raise InputError(f"bad depth map {path}: {error}; {expected}; {advice}") from None
    found = values.shape[1], values.shape[0]
    if found != size:
        raise InputError(
            f"bad depth map {path}: it has {found[0]}x{found[1]} pixels; {expected}; {advice}"
        )
    return data, values


def problems(depth: Depth, numbers: Sequence[int]) -> Iterator[str]:
    """What is wrong with stored maps of the frames `numbers`, and with their camera."""
    if not (np.isfinite(depth.intrinsics).all() and depth.intrinsics[0, 0] > 0):
        yield "the depth camera's intrinsics are no camera's"
    turn = depth.from_color[:3, :3]
    is_rigid = np.allclose(turn @ turn.T, np.eye(3), atol=1e-3)
    if not (is_rigid and np.isfinite(depth.from_color).all()):
        yield "the way from the colour camera to the depth camera is no rotation and shift"
    expected = first_size(depth)
    for number, data in zip(numbers, depth.frames, strict=True):
        try:
            size = image_decoding.decode_depth_map(data).shape[::-1] if data else expected
        except ValueError as error:
            yield f"depth map {number}: {error}; expected a 16-bit PNG of one channel"
            continue
        if size is not None and expected is not None and size != expected:
            found, first = (f"{width}x{height}" for width, height in (size, expected))
            yield f"depth map {number} is {found}, the first that is whole {first}"


def first_size(depth: Depth) -> tuple[int, int] | None:
    """(width, height) of the first map that is whole; None: there is none."""
    for data in filter(None, depth.frames):
        with contextlib.suppress(ValueError):
            height, width = image_decoding.decode_depth_map(data).shape
            return width, height
    return None


def _size_of(path: RawPath, allowed: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """That of all maps of a dataset, going by one of them; the original one if it says nothing."""
    try:
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            return image.size if image.size in allowed else allowed[0]
    except (OSError, SyntaxError):
        return allowed[0]


def _joints_seen_by(depth: Depth, video: Video) -> list[Float[np.ndarray, "joints 3"]]:
    """Of each frame the annotated joints before the depth camera, in its space, metres."""
    per_hand = video.joints_3d.shape[1] // video.hand_annotated.shape[1]
    known = video.hand_annotated.repeat(per_hand, axis=1)
    known = known & np.isfinite(video.joints_3d).all(-1)
    turn, shift = depth.from_color[:3, :3], depth.from_color[:3, 3]
    pairs = zip(video.joints_3d, known, strict=True)
    moved = (joints[real] @ turn.T + shift for joints, real in pairs)
    return [joints[joints[:, 2] > 0] for joints in moved]


def _ratios(
    values: UInt16[np.ndarray, "height width"],
    joints: Float[np.ndarray, "joints 3"],
    intrinsics: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, " readings"]:
    """Depth read at the joints over their own, of those with a reading."""
    pixels, z = camera.project(joints, intrinsics)
    pixels = np.round(pixels)
    inside = (pixels >= 0).all(-1) & (pixels < values.shape[::-1]).all(-1)
    column, row = pixels[inside].astype(int).T
    read = values[row, column]
    return (read / 1000 / z[inside])[read > 0]
