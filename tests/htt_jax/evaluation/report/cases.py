"""Evaluations to report on: real records, poses off by known noise, made-up action scores."""

import numpy as np

from htt_jax.data.records import RecordSource
from htt_jax.evaluation import baselines
from htt_jax.evaluation.estimates import Estimates
from htt_jax.metrics import ActionMetrics, ObjectMetrics, PoseMetrics
from tests import prepared

WINDOW = 2


def make(folder, spec, frames, *, annotated=None, hidden=False, wrong=(), noise=0.01):
    """(report, estimates, source) of a split with videos of so many frames.

    `annotated`: of each hand; `wrong`: videos whose action is taken for the next one.
    """
    prepared.write_dataset(folder, spec, {"train": [4, 4, 4], "test": frames})
    source = RecordSource(folder, "test")
    annotated = [True] * len(spec.hands) if annotated is None else annotated
    videos = [source[i] for i in range(len(source))]
    target = np.concatenate([video.joints_3d for video in videos])
    estimated = target + np.random.default_rng(1).normal(0, noise, target.shape).astype(np.float32)
    said = np.array([(v.action + (i in wrong)) % 3 for i, v in enumerate(videos)])
    scores = 0.1 + 0.7 * np.eye(3)[said]
    estimates = Estimates(
        joints_3d=estimated,
        target_3d=target,
        hand_annotated=np.tile(annotated, (len(target), 1)),
        object=np.zeros(len(target), np.int32),
        object_probability=np.full(len(target), 0.9, np.float32),
        window_position=np.concatenate([np.arange(n) % WINDOW for n in frames]),
        window_length=np.full(len(target), WINDOW),
        first_frame=np.concatenate([[0], np.cumsum(frames)]),
        intrinsics=np.stack([video.intrinsics for video in videos]),
        image_size=source.image_size,
        clip_video=np.arange(len(videos)),
        clip_start=np.zeros(len(videos), int),
        clip_frames=np.array(frames),
        action_over_time=scores[:, None],
        window=WINDOW,
        spacing=1,
    )
    truth = [-1 if hidden else video.action for video in videos]
    objects = np.repeat([video.object for video in videos], frames)
    constant = baselines.fit_baselines(RecordSource(folder, "train"))
    results = _results(spec, estimates, scores, truth, objects, estimated)
    reference = _results(spec, estimates, scores, truth, objects, constant.poses(len(target)))
    for entry, video in zip(results["action"]["per_video"], videos, strict=True):
        names = [None, *source.action_names]
        entry |= {
            "video_id": video.video_id,
            "frames": len(video.frames),
            "action_name": names[entry["action"] + 1],
            "predicted_name": names[entry["predicted"] + 1],
        }
    return _report(source, results, reference), estimates, source


def _results(spec, estimates, scores, truth, objects, poses):
    pose, action, thing = PoseMetrics(spec), ActionMetrics(3), ObjectMetrics(2)
    pose.update(poses, estimates.target_3d, estimates.hand_annotated)
    action.update(np.arange(len(truth)), scores, np.array(truth))
    thing.update(estimates.object, objects)
    return {"pose": pose.result(), "action": action.result(), "object": thing.result()}


def _report(source, results, reference):
    headline = {"object_accuracy": results["object"]["accuracy"]}
    if results["action"]["videos"]:
        headline["action_accuracy"] = results["action"]["accuracy"]
    hands = results["pose"].values()
    if hands:
        headline["mepe"] = float(np.mean([hand["camera_space"]["mepe"] for hand in hands]))
        headline["mepe_ra"] = float(np.mean([hand["root_aligned"]["mepe"] for hand in hands]))
    return {
        "headline": headline,
        "results": results,
        "baselines": reference,
        "run": {
            "workdir": "runs/<a&b>",
            "step": 1296,
            "config": {"mask_unannotated_hands": True},
        },
        "dataset": {
            "name": source.spec.name,
            "directory": "data/small",
            "split": "test",
            "videos": len(source),
            "frames": int(source.frame_counts.sum()),
            "action_names": source.action_names,
            "object_names": source.object_names,
        },
        "software": {
            "htt_jax": "0.1.0",
            "commit": "0123456789abcdef",
            "jax": "0.10.2",
            "device": "cpu",
            "devices": 1,
            "time": "2026-11-21T00:28:17Z",
        },
    }
