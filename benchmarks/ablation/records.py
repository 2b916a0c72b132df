"""What is kept of a run: its figures, and what each test video adds to them."""

from typing import Any

import numpy as np
from jaxtyping import Float

from htt_jax.datasets import spec as datasets
from htt_jax.evaluation import early
from htt_jax.evaluation.analysis.poses import JointErrors, joint_errors
from htt_jax.evaluation.estimates import Estimates
from htt_jax.evaluation.one_run import Report
from htt_jax.evaluation.studies.runs import values_of


def record_of(report: Report, estimates: Estimates) -> dict[str, Any]:
    """The record of a run, as JSON.

    Args:
        report: of the evaluation, as in `results.json`.
        estimates: of every frame.

    Returns:
        `values`, figures by measure; `videos`, by measure a number of each video, of which the
        figure is the mean, where it is one; `video_ids`, in their order; `dataset` and `software`,
        as in `results.json`; `step`, of the checkpoint; `dtype`, in which the run computed.
    """
    dataset = report["dataset"]
    kept = ("name", "spec", "split", "videos", "frames", "fingerprint", "training_fingerprint")
    return {
        "values": values_of(report),
        "videos": {name: of.tolist() for name, of in _of_videos(report, estimates).items()},
        "video_ids": [entry["video_id"] for entry in report["results"]["action"]["per_video"]],
        "dataset": {name: dataset[name] for name in kept},
        "software": report["software"],
        "step": report["run"]["step"],
        "dtype": report["run"]["config"]["model"]["dtype"],
    }


def _of_videos(report: Report, estimates: Estimates) -> dict[str, Float[np.ndarray, " videos"]]:
    found: dict[str, np.ndarray] = {}
    actions = report["results"]["action"]["per_video"]
    if all(entry["action"] >= 0 for entry in actions):
        right = [entry["predicted"] == entry["action"] for entry in actions]
        found["action_accuracy"] = np.array(right, float)
        if (of_shares := report["results"].get(early.NAME, {}).get("per_video")) is not None:
            found[early.MEAN] = np.array(of_shares, float)
    masked = report["run"]["config"]["mask_unannotated_hands"]
    spec = datasets.recorded(report["dataset"])
    errors = joint_errors(estimates, spec, mask_unannotated=masked)
    if errors:
        for key, of in (("mepe", "camera_space"), ("mepe_ra", "root_aligned")):
            found[key] = _shares(estimates, errors, of)
    return found


def _shares(
    estimates: Estimates, errors: dict[str, JointErrors], space: str
) -> Float[np.ndarray, " videos"]:
    """What each video adds to the mean error over frames, and then over hands, times all videos."""
    of_hands = []
    for of_hand in errors.values():
        of_frames = getattr(of_hand, space)
        used = ~np.isnan(of_frames).all(axis=0)  # aligned at the wrist, that has no error
        of_frames = of_frames[:, used].mean(axis=1, dtype=np.float64)
        counted = ~np.isnan(of_frames)
        video = estimates.video_of_frame[counted]
        sums = np.bincount(video, of_frames[counted], minlength=estimates.num_videos)
        of_hands.append(estimates.num_videos * sums / counted.sum())
    return np.mean(of_hands, axis=0)
