"""Where a model errs: by joint, finger, visibility, place in the window, action, video. NumPy.

Every table is a list of dicts with plain values, in the order in which to show it. Errors are
millimetres; accuracies are 0 to 1; None stands where there is nothing to measure. Means are those
of `htt_jax.metrics`: over joints, of means over frames.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax import camera
from htt_jax.datasets import FINGERS, JOINT_NAMES, DatasetSpec
from htt_jax.estimates import Estimates
from htt_jax.metrics import METRES_TO_MM

Row: TypeAlias = dict[str, Any]
Table: TypeAlias = list[Row]

VISIBILITY_BINS = ((0, 0), (1, 5), (6, 10), (11, 15), (16, 20), (21, 21))
"""Joints of a hand inside the image, from and to (inclusive), that `by_visibility` puts together."""

_WHOLE_PHRASES = ("high_five",)  # actions whose words are one verb


@dataclasses.dataclass(frozen=True)
class JointErrors:
    """End-point errors of one hand in millimetres; NaN where a frame is not counted.

    Attributes:
        camera_space: of each joint.
        root_aligned: of each joint relative to its frame's wrist; the wrist's are NaN.
    """

    camera_space: Float[np.ndarray, "frames 21"]
    root_aligned: Float[np.ndarray, "frames 21"]

    @property
    def counted(self) -> Bool[np.ndarray, " frames"]:
        """Frames in which the hand counts."""
        return ~np.isnan(self.camera_space[:, 0])


@dataclasses.dataclass(frozen=True)
class VideoScore:
    """How well a video went.

    Attributes:
        video: index in the split.
        video_id: its name.
        action: true class; -1: hidden.
        predicted: class of the largest summed probability.
        correct: None where the action is hidden.
        mepe: millimetres, over all counted frames, joints and hands; None without any.
        mepe_ra: the same, root-aligned, without the wrists.
        frames: of the video.
        probability_of_the_true_action: mean over its clips; None where the action is hidden.
    """

    video: int
    video_id: str
    action: int
    predicted: int
    correct: bool | None
    mepe: float | None
    mepe_ra: float | None
    frames: int
    probability_of_the_true_action: float | None


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
    for i, hand in enumerate(spec.hands):
        counted = estimates.hand_annotated[:, i] | (not mask_unannotated)
        if not counted.any():
            continue
        joints = spec.joints_of(hand)
        off = estimates.joints_3d[:, joints].astype(np.float64) - estimates.target_3d[:, joints]
        off[~counted] = np.nan
        camera_space = METRES_TO_MM * np.linalg.norm(off, axis=-1)
        root_aligned = METRES_TO_MM * np.linalg.norm(off - off[:, :1], axis=-1)
        root_aligned[:, 0] = np.nan
        errors[hand] = JointErrors(camera_space.astype(np.float32), root_aligned.astype(np.float32))
    return errors


def by_joint(errors: Mapping[str, JointErrors]) -> Table:
    """One row for each joint of each hand, in joint order.

    Keys: hand, joint ('wrist', 'thumb_1', ...), finger ('wrist', 'thumb', ...), frames (counted),
    mepe, median, mepe_ra, median_ra (both None for the wrist).
    """
    rows = []
    for hand, of in errors.items():
        for joint, name in enumerate(JOINT_NAMES):
            camera_space, root_aligned = of.camera_space[:, joint], of.root_aligned[:, joint]
            rows.append(
                {
                    "hand": hand,
                    "joint": name,
                    "finger": name.split("_")[0],
                    "frames": int(of.counted.sum()),
                    "mepe": _mean(camera_space),
                    "median": _median(camera_space),
                    "mepe_ra": _mean(root_aligned),
                    "median_ra": _median(root_aligned),
                }
            )
    return rows


def by_finger(errors: Mapping[str, JointErrors]) -> Table:
    """One row for the wrist and each finger of each hand, over their joints.

    Keys: hand, finger ('wrist', 'thumb', ...), frames (counted), mepe, mepe_ra (None: wrist).
    """
    fingers = {"wrist": slice(0, 1)}
    fingers |= {name: slice(1 + 4 * i, 5 + 4 * i) for i, name in enumerate(FINGERS)}
    return [
        {"hand": hand, "finger": finger, "frames": int(of.counted.sum())}
        | {
            "mepe": _mean(of.camera_space[:, joints]),
            "mepe_ra": _mean(of.root_aligned[:, joints]),
        }
        for hand, of in errors.items()
        for finger, joints in fingers.items()
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
    """One row for each hand and range of `VISIBILITY_BINS` that has frames.

    Keys: hand, visible ('0', '1-5', ... '21': joints inside the image), visible_from, visible_to,
    frames, mepe, mepe_ra.
    """
    rows = []
    for hand, of in errors.items():
        visible = visible_joints(estimates, spec, hand)
        for low, high in VISIBILITY_BINS:
            chosen = of.counted & (low <= visible) & (visible <= high)
            if chosen.any():
                label = str(low) if low == high else f"{low}-{high}"
                rows.append(
                    {"hand": hand, "visible": label, "visible_from": low, "visible_to": high}
                    | _of_frames(of, chosen)
                )
    return rows


def by_window_position(errors: Mapping[str, JointErrors], estimates: Estimates) -> Table:
    """One row for each hand and place in the pose window that has frames.

    Keys: hand, position (from 0), frames, mepe, mepe_ra.
    """
    rows = []
    for hand, of in errors.items():
        for position in range(estimates.window):
            chosen = of.counted & (estimates.window_position == position)
            if chosen.any():
                rows.append({"hand": hand, "position": position} | _of_frames(of, chosen))
    return rows


def action_table(per_video: Sequence[Row], action_names: Sequence[str]) -> Table:
    """One row for each action that a video shows, in the order of the ids.

    Args:
        per_video: of `results.json`, results -> action; hidden actions are passed over.
        action_names: in the order of the ids.

    Keys: action (name), videos, correct, accuracy, taken_for (the other action it is most often
    taken for, None if never), taken_for_videos (how often).
    """
    return _recognition_table(per_video, "action", list(action_names))


def verb_table(per_video: Sequence[Row], action_names: Sequence[str], spec: DatasetSpec) -> Table:
    """One row for each verb, most videos first; correct where the predicted action's verb is right.

    Keys: verb, actions (classes with it), videos, correct, accuracy, taken_for, taken_for_videos.
    """
    return _part_table(per_video, "verb", [verb_and_noun(name, spec)[0] for name in action_names])


def noun_table(per_video: Sequence[Row], action_names: Sequence[str], spec: DatasetSpec) -> Table:
    """One row for each noun, most videos first; correct where the predicted action's noun is right.

    Keys: noun, actions (classes with it), videos, correct, accuracy, taken_for, taken_for_videos.
    """
    return _part_table(per_video, "noun", [verb_and_noun(name, spec)[1] for name in action_names])


def verb_and_noun(action: str, spec: DatasetSpec) -> tuple[str, str]:
    """The two parts of an action's name.

    The noun is the action's object where the dataset says so, else the words after the first.

    >>> verb_and_noun('take out espresso', datasets.H2O)
    ('take out', 'espresso')
    >>> verb_and_noun('put_sugar', datasets.FPHA)
    ('put', 'spoon')
    """
    between = "_" if "_" in action else " "
    first, _, rest = action.partition(between)
    noun = spec.object_of_action.get(action, rest or "none")
    if action in _WHOLE_PHRASES:
        return action, noun
    if action.endswith(between + noun):
        return action.removesuffix(between + noun), noun
    return first, noun


def rank_videos(
    per_video: Sequence[Row],
    errors: Mapping[str, JointErrors],
    estimates: Estimates,
    count: int = 10,
) -> tuple[list[VideoScore], list[VideoScore]]:
    """The best and the worst videos, `count` of each at most, none in both.

    A video whose action is found is better than one whose is not; among equals, the one of the
    smaller root-aligned error (MEPE-RA) is better. A hidden action counts as found. Videos without
    a counted hand come last in either list.

    Args:
        per_video: of `results.json`, results -> action.
        errors: of `joint_errors`.
        estimates: of the same split.
        count: of each list.

    Returns:
        The best, best first; the worst, worst first.
    """
    scores = [_score(entry, errors, estimates) for entry in per_video]

    def key(sign: int) -> Callable[[VideoScore], tuple[float, ...]]:
        return lambda score: (
            sign * (score.correct is False),
            score.mepe_ra is None,
            sign * (score.mepe_ra or 0.0),
            score.video,
        )

    best = min(count, -(-len(scores) // 2))
    worst = min(count, len(scores) // 2)
    return sorted(scores, key=key(1))[:best], sorted(scores, key=key(-1))[:worst]


def action_over_time(estimates: Estimates, video: int) -> Float[np.ndarray, "frames actions"]:
    """Class probabilities of a video as they stand at each of its frames.

    The sum over the clips begun so far, divided by their number; each clip as it stands after the
    window that holds the frame, or its last. So the last row is what the video is judged by.
    """
    frames = np.arange(np.diff(estimates.first_frame)[video])
    windows, actions = estimates.action_over_time.shape[1:]
    total, begun = np.zeros((len(frames), actions)), np.zeros(len(frames))
    for clip in np.flatnonzero(estimates.clip_video == video):
        since = frames[estimates.clip_start[clip] :] - estimates.clip_start[clip]
        window = np.minimum(since // estimates.spacing // estimates.window, windows - 1)
        total[estimates.clip_start[clip] :] += estimates.action_over_time[clip, window]
        begun[estimates.clip_start[clip] :] += 1
    return total / begun[:, None]


def _score(entry: Row, errors: Mapping[str, JointErrors], estimates: Estimates) -> VideoScore:
    video, action, predicted = entry["video"], entry["action"], entry["predicted"]
    frames = estimates.frames_of(video)
    hidden = action < 0
    return VideoScore(
        video=video,
        video_id=entry["video_id"],
        action=action,
        predicted=predicted,
        correct=None if hidden else predicted == action,
        mepe=_mean(np.stack([of.camera_space[frames] for of in errors.values()]))
        if errors
        else None,
        mepe_ra=_mean(np.stack([of.root_aligned[frames] for of in errors.values()]))
        if errors
        else None,
        frames=frames.stop - frames.start,
        probability_of_the_true_action=None if hidden else entry["probabilities"][action],
    )


def _part_table(per_video: Sequence[Row], kind: str, part_of: Sequence[str]) -> Table:
    rows = _recognition_table(per_video, kind, part_of)
    return sorted(rows, key=lambda row: -row["videos"])


def _recognition_table(per_video: Sequence[Row], kind: str, part_of: Sequence[str]) -> Table:
    """Rows of what the actions of `per_video` are called in `part_of`, in its order."""
    rows = []
    for part in dict.fromkeys(part_of):
        found = [
            part_of[entry["predicted"]]
            for entry in per_video
            if entry["action"] >= 0 and part_of[entry["action"]] == part
        ]
        if found:
            correct = found.count(part)
            wrong = [other for other in found if other != part]
            taken_for = max(dict.fromkeys(wrong), key=wrong.count) if wrong else None
            several = {} if kind == "action" else {"actions": part_of.count(part)}
            rows.append(
                {kind: part}
                | several
                | {"videos": len(found), "correct": correct, "accuracy": correct / len(found)}
                | {"taken_for": taken_for, "taken_for_videos": wrong.count(taken_for)}
            )
    return rows


def _of_frames(errors: JointErrors, chosen: Bool[np.ndarray, " frames"]) -> Row:
    return {
        "frames": int(chosen.sum()),
        "mepe": _mean(errors.camera_space[chosen]),
        "mepe_ra": _mean(errors.root_aligned[chosen]),
    }


def _mean(errors: Float[np.ndarray, "..."]) -> float | None:
    """Over the counted ones; the frames of a hand all count the same joints."""
    counted = errors[~np.isnan(errors)]
    return float(counted.mean(dtype=np.float64)) if counted.size else None


def _median(errors: Float[np.ndarray, "..."]) -> float | None:
    counted = errors[~np.isnan(errors)]
    return float(np.median(counted)) if counted.size else None
