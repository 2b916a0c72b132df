"""Pose errors by joint, finger, visibility and place in the window."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax import camera
from htt_jax.datasets.skeleton import Skeleton
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation.analysis.table import Row, Table
from htt_jax.evaluation.estimates import Estimates
from htt_jax.metrics import METRES_TO_MM


@dataclasses.dataclass(frozen=True)
class JointErrors:
    """End-point errors of one hand in millimetres; NaN where a joint is not counted.

    Attributes:
        camera_space: of each joint.
        root_aligned: of each joint relative to its frame's root, the wrist; the root's are NaN.
        skeleton: of the hand.
    """

    camera_space: Float[np.ndarray, "frames joints"]
    root_aligned: Float[np.ndarray, "frames joints"]
    skeleton: Skeleton

    @property
    def counted(self) -> Bool[np.ndarray, " frames"]:
        """Frames in which a joint of the hand counts."""
        return ~np.isnan(self.camera_space).all(axis=1)


def joint_errors(
    estimates: Estimates, spec: DatasetSpec, *, mask_unannotated: bool
) -> dict[str, JointErrors]:
    """Errors of every frame, by hand; a hand without any counted frame is left out.

    Args:
        estimates: of a split.
        spec: the split's dataset.
        mask_unannotated: do not count hands marked as not annotated, see `PoseMetrics`.
    """
    errors = {}
    root = spec.skeleton.root
    known = estimates.counted(mask_unannotated=mask_unannotated)
    for hand in spec.hands:
        joints = spec.joints_of(hand)
        if not known[:, joints].any():
            continue
        off = estimates.joints_3d[:, joints].astype(np.float64) - estimates.target_3d[:, joints]
        off[~known[:, joints]] = np.nan
        camera_space = METRES_TO_MM * np.linalg.norm(off, axis=-1)
        root_aligned = METRES_TO_MM * np.linalg.norm(off - off[:, root : root + 1], axis=-1)
        root_aligned[:, root] = np.nan
        errors[hand] = JointErrors(
            camera_space.astype(np.float32), root_aligned.astype(np.float32), spec.skeleton
        )
    return errors


def by_joint(errors: Mapping[str, JointErrors]) -> Table:
    """One row for each joint of each hand that is known in a frame, in joint order.

    Keys: hand, joint ('wrist', 'thumb_1', ...), finger ('wrist', 'thumb', ...), frames (counted),
    mepe, median, mepe_ra, median_ra (both None for the root, the wrist).
    """
    rows = []
    for hand, of in errors.items():
        parts = of.skeleton.parts
        finger_of = {joint: part for part, joints in parts.items() for joint in joints}
        for joint, name in enumerate(of.skeleton.joints):
            camera_space, root_aligned = of.camera_space[:, joint], of.root_aligned[:, joint]
            if np.isnan(camera_space).all():
                continue
            rows.append(
                {
                    "hand": hand,
                    "joint": name,
                    "finger": finger_of[joint],
                    "frames": int((~np.isnan(camera_space)).sum()),
                    "mepe": mean_of(camera_space),
                    "median": _median(camera_space),
                    "mepe_ra": mean_of(root_aligned),
                    "median_ra": _median(root_aligned),
                }
            )
    return rows


def by_finger(errors: Mapping[str, JointErrors]) -> Table:
    """One row for the wrist and each finger of each hand, over their joints that are known.

    Keys: hand, finger ('wrist', 'thumb', ...), frames (counted), mepe, mepe_ra (None: wrist).
    """
    return [
        {"hand": hand, "finger": finger, "frames": int(of.counted.sum())}
        | {
            "mepe": mean_of(of.camera_space[:, list(joints)]),
            "mepe_ra": mean_of(of.root_aligned[:, list(joints)]),
        }
        for hand, of in errors.items()
        for finger, joints in of.skeleton.parts.items()
        if not np.isnan(of.camera_space[:, list(joints)]).all()
    ]


def visible_joints(
    estimates: Estimates, spec: DatasetSpec, hand: str
) -> Int[np.ndarray, " frames"]:
    """How many true joints of a hand project into the image; occlusion is not known."""
    joints = estimates.target_3d[:, spec.joints_of(hand)]
    in_front = joints[..., 2] > 0
    safe = np.where(in_front[..., None], joints, 1.0)
    pixels, _ = camera.project(safe, estimates.intrinsics[estimates.video_of_frame])
    inside = ((pixels >= 0) & (pixels < np.array(estimates.image_size))).all(axis=-1)
    return (inside & in_front).sum(axis=-1)


def by_visibility(
    errors: Mapping[str, JointErrors], estimates: Estimates, spec: DatasetSpec
) -> Table:
    """One row for each hand and range of joints inside the image that has frames.

    Frames where the place of a joint is not known are left out. The ranges are none, up to half,
    most and all of the hand's joints.

    Keys: hand, visible (of 21 joints '0', '1-10', '11-20', '21'), visible_from, visible_to,
    frames, mepe, mepe_ra.
    """
    rows = []
    for hand, of in errors.items():
        visible = visible_joints(estimates, spec, hand)
        whole: np.ndarray = np.ones(len(visible), bool)
        if estimates.joints_known is not None:
            whole = np.all(estimates.joints_known[:, spec.joints_of(hand), 0], axis=1)
        for low, high in _visibility_ranges(len(of.skeleton.joints)):
            chosen = of.counted & whole & (low <= visible) & (visible <= high)
            if chosen.any():
                label = str(low) if low == high else f"{low}-{high}"
                rows.append(
                    {"hand": hand, "visible": label, "visible_from": low, "visible_to": high}
                    | _of_frames(of, chosen)
                )
    return rows


def _visibility_ranges(joints: int) -> list[tuple[int, int]]:
    """Joints inside the image, from and to: none, up to half, most, all of them."""
    half = joints // 2
    ranges = [(0, 0), (1, half), (half + 1, joints - 1), (joints, joints)]
    return [(low, high) for low, high in ranges if low <= high]


def by_window_position(errors: Mapping[str, JointErrors], estimates: Estimates) -> Table:
    """One row for each hand and place in the pose window that has frames.

    Only of windows full of real frames, so that all places are measured on the same windows:
    the short ones are the ends of videos. No row if all videos are shorter than a window.

    Keys: hand, position (from 0), frames, mepe, mepe_ra.
    """
    full = estimates.window_length == estimates.window
    rows = []
    for hand, of in errors.items():
        for position in range(estimates.window):
            chosen = of.counted & full & (estimates.window_position == position)
            if chosen.any():
                rows.append({"hand": hand, "position": position} | _of_frames(of, chosen))
    return rows


def _of_frames(errors: JointErrors, chosen: Bool[np.ndarray, " frames"]) -> Row:
    return {
        "frames": int(chosen.sum()),
        "mepe": mean_of(errors.camera_space[chosen]),
        "mepe_ra": mean_of(errors.root_aligned[chosen]),
    }


def mean_of(*errors: Float[np.ndarray, "..."]) -> float | None:
    """Mean of all that are counted; None without any."""
    counted = _counted(*errors)
    return float(counted.mean(dtype=np.float64)) if counted.size else None


def _median(errors: Float[np.ndarray, "..."]) -> float | None:
    counted = _counted(errors)
    return float(np.median(counted)) if counted.size else None


def _counted(*errors: Float[np.ndarray, "..."]) -> Float[np.ndarray, " n"]:
    return np.concatenate([np.empty(0, np.float32), *[x[~np.isnan(x)] for x in errors]])
