"""Crops of depth maps around a hand: what the depth systems see.

Two protocols, whose figures do not compare: `published` takes centre and box from the true pose,
also at test time; `honest` a cube around the hand as `hand_tracking` finds it in the maps alone.
"""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt16

from htt_jax import camera
from htt_jax.data.decode import FrameReader, Look, Pixels
from htt_jax.data.depth_maps import map_of
from htt_jax.data.hand_tracking import HandTracker
from htt_jax.data.records import RecordSource, Video
from htt_jax.data.views import ViewedSource
from htt_jax.support.errors import InputError

PROTOCOLS = ("published", "honest")
MARGIN_PIXELS = 40
MARGIN_MM = 100
"""Published: of the box around the joints, and beyond the farthest of them."""
CUBE_MM = 250
"""Honest: the edge (DeepPrior++, for hands of ICVL)."""
_CAUTION = (
    "the run knows crops around true poses only (crops.protocol=published), which nobody has here: "
    "they are around a tracked hand, and errors are several times those of its evaluation; train "
    "one with --config.crops.protocol=honest"
)
_NEAREST = 0.05  # metres; what is nearer to the camera is no hand


class Region(NamedTuple):
    """Where a hand is looked for.

    Attributes:
        box: x0, y0, x1, y1 in pixels, the last two exclusive; may reach out of the image.
        near: millimetres; nearer readings count as none.
        far: millimetres; farther readings count as none.
    """

    box: tuple[int, int, int, int]
    near: float
    far: float


NOWHERE = Region((0, 0, 0, 0), 0, 0)


def around_joints(
    joints: Float[np.ndarray, "joints 3"],
    centre: Float[np.ndarray, "3"],
    intrinsics: Float[np.ndarray, "3 3"],
) -> Region:
    """The published region of a hand, from its true joints and centre, metres in depth space."""
    if joints[:, 2].min() < _NEAREST:
        return NOWHERE
    (*pixels, middle), _ = camera.project(np.vstack([joints, centre]), intrinsics)
    low, high = np.min(pixels, axis=0) - MARGIN_PIXELS, np.max(pixels, axis=0) + MARGIN_PIXELS
    half = np.maximum(middle - low, high - middle)  # the nearer side moves out
    box = np.trunc([*(middle - half), *(middle + half)]).astype(int)
    return Region(tuple(box.tolist()), 0, 1000 * float(joints[:, 2].max()) + MARGIN_MM)


def cube(centre: Float[np.ndarray, "3"], intrinsics: Float[np.ndarray, "3 3"]) -> Region:
    """The honest region: a cube around a centre, metres in depth space."""
    if not centre[2] > _NEAREST:
        return NOWHERE
    half = CUBE_MM / 2000
    aside = np.array([half, half, 0])
    corners = np.stack([centre - aside, centre + aside])
    pixels, _ = camera.project(corners, intrinsics)
    middle = 1000 * float(centre[2])
    box = np.floor(pixels.reshape(-1) + 0.5).astype(int)
    return Region(tuple(box.tolist()), middle - CUBE_MM / 2, middle + CUBE_MM / 2)


def crop(
    depth: UInt16[np.ndarray, "height width"], region: Region, size: int
) -> UInt16[np.ndarray, "size size"]:
    """The region at `size` pixels a side, squashed to a square, by the nearest pixel; 0: nothing.

    Nothing is also what lies outside the image, and all of a region without pixels.
    """
    x0, y0, x1, y1 = region.box
    height, width = depth.shape
    left, right = np.clip((x0, x1), 0, width)
    top, bottom = np.clip((y0, y1), 0, height)
    if left >= right or top >= bottom:
        return np.zeros((size, size), np.uint16)
    cut = np.zeros((y1 - y0, x1 - x0), np.uint16)
    cut[top - y0 : bottom - y0, left - x0 : right - x0] = depth[top:bottom, left:right]
    small = cv2.resize(cut, (size, size), interpolation=cv2.INTER_NEAREST)
    return np.where((small >= region.near) & (small <= region.far), small, 0)


@dataclasses.dataclass(frozen=True)
class Cropper:
    """Makes the crops of all hands of a video; each hand is a channel, left ones are mirrored.

    Attributes:
        hands: of the dataset.
        joints: of each hand.
        palm: the joint in the published crops' centre: the knuckle of the middle finger.
        protocol: 'published' or 'honest'.
        size: pixels a side; 0: only their centres.
    """

    hands: tuple[str, ...]
    joints: int
    palm: int
    protocol: str
    size: int

    @property
    def mirrored(self) -> tuple[bool, ...]:
        """Each hand: whether its crops are, so that one network sees but right hands."""
        return tuple(hand == "left" for hand in self.hands)

    @property
    def reader(self) -> FrameReader:
        """Crops uint16 (frames, size, size, hands), millimetres, and the label `centre`.

        `centre` is float32 (frames, hands, 3), metres in the depth camera's space: of the crop, and
        what poses are relative to. Published, it is zero where a hand is not annotated.
        """
        return FrameReader(
            len(self.hands),
            self._read,
            dtype=np.uint16,
            size=(self.size, self.size),
            labels=self._labels,
            look=self._look,
            caution=_CAUTION if self.protocol == "published" else "",
        )

    def _labels(
        self, source: RecordSource, video: Video, frames: Int[np.ndarray, " frames"]
    ) -> dict[str, np.ndarray]:
        return {"centre": self._centres(source, video, frames).astype(np.float32)}

    def _centres(
        self, source: RecordSource, video: Video, frames: Int[np.ndarray, " frames"]
    ) -> Float[np.ndarray, "frames hands 3"]:
        if self.protocol == "honest":
            assert isinstance(source, ViewedSource), "depth maps are seen in a view alone"
            return source.hand_centres(video)[frames][:, None]
        hands = video.joints_3d[frames].reshape(len(frames), len(self.hands), -1, 3)
        known = video.hand_annotated[frames]
        return np.where(known[..., None], hands[:, :, self.palm], 0)

    def _read(
        self, source: RecordSource, video: Video, frames: Int[np.ndarray, " frames"], out: Pixels
    ) -> None:
        if not self.size:
            return
        centres = self._centres(source, video, frames).astype(np.float64)
        for image, frame, of_frame in zip(out, frames.tolist(), centres, strict=True):
            depth = map_of(source, video, frame)
            for hand in range(len(self.hands)):
                region = self._region(video, frame, hand, of_frame[hand])
                image[..., hand] = self._cut(depth, region, hand)

    def _cut(
        self, depth: UInt16[np.ndarray, "height width"], region: Region, hand: int
    ) -> UInt16[np.ndarray, "size size"]:
        cut = crop(depth, region, self.size)
        return cut[:, ::-1] if self.mirrored[hand] else cut

    def _look(self, intrinsics: Float[np.ndarray, "3 3"]) -> Look:
        """At maps that nobody has annotated: around the tracked hand, whichever the protocol.

        Besides, `hand_seen` (hands,): whether it was found in the map.

        Raises:
            InputError: there are several hands, or nothing of them is seen.
        """
        if not self.size:
            raise InputError("takes true poses (config.model.form=action), which no frame has")
        self.check_one_hand()
        tracker = HandTracker(intrinsics)

        def look(depth: np.ndarray) -> dict[str, np.ndarray]:
            centre = tracker(depth)
            image = self._cut(depth, cube(centre, intrinsics.astype(np.float64)), 0)
            return {
                "image": image[..., None],
                "centre": centre[None].astype(np.float32),
                "hand_seen": np.array([tracker.is_seen]),
            }

        return look

    def check_one_hand(self) -> None:
        """Checks that the hand can be tracked.

        Raises:
            InputError: there are several.
        """
        if len(self.hands) > 1:
            raise InputError(
                f"has {len(self.hands)} hands, and depth maps alone do not tell them apart where "
                "they meet"
            )

    def _region(
        self, video: Video, frame: int, hand: int, centre: Float[np.ndarray, "3"]
    ) -> Region:
        intrinsics = video.intrinsics.astype(np.float64)
        if self.protocol == "honest":
            return cube(centre, intrinsics)
        if not centre.any():
            return NOWHERE
        joints = video.joints_3d[frame].reshape(-1, self.joints, 3)[hand].astype(np.float64)
        return around_joints(joints, centre, intrinsics)
