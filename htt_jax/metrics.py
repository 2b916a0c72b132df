"""What the paper reports (Sec. 4.2): pose errors, object accuracy, action accuracy. Host, NumPy.

Every metric accumulates what it is given and computes from all of it at the end, so the result
does not depend on how the data was cut into batches. Results are plain numbers, lists and dicts.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax import measures
from htt_jax.datasets.spec import DatasetSpec, Thresholds
from htt_jax.measures import ObjectFrames, PoseErrors, VideoActions

METRES_TO_MM = 1000.0


class PoseMetrics:
    """End-point error, PCK curve and its area, for each hand, in camera space and root-aligned.

    Root-aligned: every frame's own root (the wrist) is subtracted, and itself left out. Joints that
    are not known count nowhere; root-aligned neither do those of frames whose root is not.
    """

    def __init__(self, spec: DatasetSpec, *, mask_unannotated: bool = True):
        """Metrics for the hands of `spec`.

        Args:
            spec: the dataset; its hands and the ranges of its PCK curves.
            mask_unannotated: leave out hands marked as not annotated; False counts them all, as
                the published code does.
        """
        self._spec = spec
        self._mask_unannotated = mask_unannotated
        self._errors: dict[str, dict[str, list[np.ndarray]]] = {
            hand: {"camera_space": [], "root_aligned": []} for hand in spec.hands
        }

    def update(
        self,
        predicted: Float[np.ndarray, "frames joints 3"],
        target: Float[np.ndarray, "frames joints 3"],
        annotated: Bool[np.ndarray, "frames hands"],
        known: Bool[np.ndarray, "frames joints"] | None = None,
    ) -> None:
        """Adds real frames (no padding); joints in metres, camera space.

        Args:
            predicted: of all hands; NaN where nothing is said, which counts nowhere.
            target: likewise, finite.
            annotated: hands of which all joints are known.
            known: joints that are, of a dataset that says it of each; None: it says it of hands.
        """
        predicted, target = np.asarray(predicted, np.float64), np.asarray(target, np.float64)
        root = self._spec.skeleton.root
        for i, hand in enumerate(self._spec.hands):
            joints = self._spec.joints_of(hand)
            counted: Any = annotated[:, i] if self._mask_unannotated else slice(None)
            if known is not None:
                counted = known[:, joints].any(axis=1)
            off = predicted[counted, joints] - target[counted, joints]
            if known is not None:
                off[~known[counted, joints]] = np.nan
            errors = self._errors[hand]
            lengths = _lengths_mm(off)
            with np.errstate(invalid="ignore"):  # of infinite predictions
                relative = _lengths_mm(np.delete(off, root, axis=1) - off[:, root : root + 1])
            both = np.delete(lengths, root, axis=1) + lengths[:, root : root + 1]
            errors["camera_space"].append(lengths)
            errors["root_aligned"].append(np.where(np.isinf(both), np.inf, relative))

    def result(self) -> dict[str, dict[str, Any]]:
        """Everything, by hand: `frames`, and by space ('camera_space', 'root_aligned') the metrics.

        Metrics: those of `htt_jax.measures`, `mepe_per_joint` in millimetres, `thresholds` in
        millimetres, `pck` at each of them. A hand without any counted frame is left out; where
        there is nothing to measure, of a joint or root-aligned, None stands.
        """
        ranges = {
            "camera_space": self._spec.camera_space,
            "root_aligned": self._spec.root_aligned,
        }
        results: dict[str, dict[str, Any]] = {}
        for hand, spaces in self._errors.items():
            errors = {space: np.concatenate(parts) for space, parts in spaces.items() if parts}
            frames = len(errors.get("camera_space", ()))
            if frames:
                results[hand] = {"frames": frames} | {
                    space: _summary(space, errors[space], ranges[space]) for space in errors
                }
        return results


class ImageMetrics:
    """End-point error in the image of joints whose place there is known, for each hand."""

    def __init__(self, spec: DatasetSpec):
        """Metrics for the hands of `spec`."""
        self._spec = spec
        self._sums = np.zeros(len(spec.hands))
        self._joints = np.zeros(len(spec.hands), np.int64)
        self._frames = np.zeros(len(spec.hands), np.int64)

    def update(
        self, errors: Float[np.ndarray, "frames joints"], known: Bool[np.ndarray, "frames joints"]
    ) -> None:
        """Adds real frames (no padding); errors in pixels of the image that the model sees."""
        for i, hand in enumerate(self._spec.hands):
            joints = self._spec.joints_of(hand)
            self._sums[i] += np.sum(errors[:, joints], where=known[:, joints], dtype=np.float64)
            self._joints[i] += known[:, joints].sum()
            self._frames[i] += known[:, joints].any(axis=1).sum()

    def result(self) -> dict[str, Any]:
        """`mepe`, the mean over hands, pixels, and `hands`; nothing without any known joint.

        By hand: `frames` with a known joint, known `joints` in all of them, and `mepe`.
        """
        counts = zip(self._spec.hands, self._frames, self._joints, self._sums, strict=True)
        hands = {
            hand: {"frames": int(frames), "joints": int(joints), "mepe": float(total / joints)}
            for hand, frames, joints, total in counts
            if joints
        }
        if not hands:
            return {}
        return {"mepe": float(np.mean([of["mepe"] for of in hands.values()])), "hands": hands}


class ActionMetrics:
    """Action of a video from all its clips: summed class probabilities, and majority vote."""

    def __init__(self, num_actions: int):
        """Metrics over actions 0..num_actions - 1."""
        self._num_actions = num_actions
        self._videos: dict[int, _VideoVotes] = {}

    def update(
        self,
        videos: Int[np.ndarray, " clips"],
        probabilities: Float[np.ndarray, "clips actions"],
        actions: Int[np.ndarray, " clips"],
    ) -> None:
        """Adds clips; video -1 is padding and passed over, action -1 is hidden."""
        for video, probability, action in zip(videos, probabilities, actions, strict=True):
            if video >= 0:
                votes = self._videos.setdefault(
                    int(video), _VideoVotes(int(action), self._num_actions)
                )
                votes.probabilities += probability
                votes.clips[np.argmax(probability)] += 1

    def result(self) -> dict[str, Any]:
        """Accuracies over the videos with a known action (None when there are none).

        Keys: `videos` counted, those of `htt_jax.measures`, `confusion` (rows the true action,
        columns the predicted one, summed probabilities), and `per_video`, also of videos with
        hidden action, by video: `video`, `action`, `predicted`, `majority_vote`, and
        `probabilities`, the mean over its clips.
        """
        per_video = [
            {
                "video": video,
                "action": votes.action,
                "predicted": votes.predicted(),
                "majority_vote": votes.majority_vote(),
                "probabilities": (votes.probabilities / votes.clips.sum()).tolist(),
            }
            for video, votes in sorted(self._videos.items())
        ]
        known = [entry for entry in per_video if entry["action"] >= 0]
        action, predicted, majority = (
            np.array([entry[key] for entry in known], np.int64)
            for key in ("action", "predicted", "majority_vote")
        )
        probabilities = np.array([entry["probabilities"] for entry in known])
        found = VideoActions(action, predicted, majority, probabilities)
        return {
            "videos": len(known),
            **_measured("action", found if known else None),
            "confusion": _confusion(action, predicted, self._num_actions).tolist(),
            "per_video": per_video,
        }


class ObjectMetrics:
    """Object in hand, each real frame by itself."""

    def __init__(self, num_objects: int):
        """Metrics over objects 0..num_objects - 1."""
        self._confusion = np.zeros((num_objects, num_objects), np.int64)

    def update(
        self, predicted: Int[np.ndarray, " frames"], target: Int[np.ndarray, " frames"]
    ) -> None:
        """Adds real frames (no padding); target -1 is unknown and passed over."""
        known = target >= 0
        self._confusion += _confusion(target[known], predicted[known], len(self._confusion))

    def result(self) -> dict[str, Any]:
        """`frames` counted, measures (None without any), `confusion` (rows the true object)."""
        frames = int(self._confusion.sum())
        return {
            "frames": frames,
            **_measured("object", ObjectFrames(self._confusion) if frames else None),
            "confusion": self._confusion.tolist(),
        }


@dataclasses.dataclass
class _VideoVotes:
    """What the clips of one video say."""

    action: int
    num_actions: dataclasses.InitVar[int]
    probabilities: np.ndarray = dataclasses.field(init=False)
    clips: np.ndarray = dataclasses.field(init=False)

    def __post_init__(self, num_actions: int) -> None:
        self.probabilities = np.zeros(num_actions)
        self.clips = np.zeros(num_actions, np.int64)

    def predicted(self) -> int:
        return int(np.argmax(self.probabilities))

    def majority_vote(self) -> int:
        """The class most clips vote for; among equals the more probable one."""
        most = self.clips == self.clips.max()
        return int(np.argmax(np.where(most, self.probabilities, -np.inf)))


def _lengths_mm(
    metres: Float[np.ndarray, "frames joints 3"],
) -> Float[np.ndarray, "frames joints"]:
    return METRES_TO_MM * np.linalg.norm(metres, axis=-1)


def _summary(
    space: str, errors: Float[np.ndarray, "frames joints"], curve: Thresholds
) -> dict[str, Any]:
    """The measures of one space; PCK of each joint, then its mean over joints."""
    thresholds = np.linspace(0.0, curve.maximum, curve.steps)
    found, pck = None, None
    seen = ~np.isnan(errors).all(axis=0)
    mean: list[float | None] = [None] * len(seen)
    if seen.any():
        known = errors[:, seen]
        columns = (np.sort(joint[~np.isnan(joint)]) for joint in known.T)
        pck = np.mean(
            [np.searchsorted(joint, thresholds, side="right") / len(joint) for joint in columns],
            axis=0,
        )
        found = PoseErrors(known, thresholds, pck)
        for joint, value in zip(np.flatnonzero(seen), np.nanmean(known, axis=0), strict=True):
            mean[joint] = float(value)
    return {
        **_measured(space, found),
        "mepe_per_joint": mean,
        "thresholds": thresholds.tolist(),
        "pck": None if pck is None else pck.tolist(),
    }


def _confusion(
    target: Int[np.ndarray, " n"], predicted: Int[np.ndarray, " n"], classes: int
) -> Int[np.ndarray, "classes classes"]:
    """Counts; rows the true class, columns the predicted one."""
    pairs = target.astype(np.int64) * classes + predicted
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def _measured(
    group: str, found: PoseErrors | VideoActions | ObjectFrames | None
) -> dict[str, float | None]:
    """The measures of a group, by their names there; None where there is nothing to measure."""
    return {
        measure.place[1]: None if found is None else measure.compute(found)
        for measure in measures.in_group(group)
    }
