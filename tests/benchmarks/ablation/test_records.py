"""What is kept of a run."""

import dataclasses

import numpy as np
import pytest

from benchmarks.ablation.records import record_of
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.evaluation.estimates import Estimates
from htt_jax.evaluation.results import headline
from htt_jax.metrics import PoseMetrics


@pytest.mark.parametrize("spec", [FPHA, H2O], ids=["one hand", "two hands"])
def test_a_figure_is_the_mean_of_what_the_videos_add_to_it(spec):
    rng = np.random.default_rng(0)
    lengths = np.array([3, 5, 2])
    frames, joints = lengths.sum(), spec.num_joints
    true, told = rng.normal(0, 0.1, (2, frames, joints, 3)).astype(np.float32)
    annotated = rng.random((frames, len(spec.hands))) < 0.8
    nothing, of_frames = np.zeros(0, np.int32), np.zeros(frames, np.int32)
    estimates = Estimates(
        joints_3d=told, target_3d=true, hand_annotated=annotated, object=of_frames,
        object_probability=of_frames.astype(float), window_position=of_frames,
        window_length=of_frames,
        first_frame=np.array([0, 3, 8, 10]), intrinsics=np.zeros((3, 3, 3)), image_size=(64, 36),
        clip_video=nothing, clip_start=nothing, clip_frames=nothing,
        action_over_time=np.zeros((0, 1, 2)), window=2, spacing=1,
    )  # fmt: skip
    metrics = PoseMetrics(spec)
    metrics.update(told, true, annotated)
    answers = [(0, 0), (1, 0), (1, 1)]
    per_video = [{"action": a, "predicted": b, "video_id": "v"} for a, b in answers]
    actions = {"accuracy": 2 / 3, "per_video": per_video}
    results = {"pose": metrics.result(), "object": {}, "action": actions}
    results["early"] = {"mean_accuracy": 0.5, "per_video": [0.7, 0.1, 0.7]}
    dataset = dict.fromkeys(("split", "fingerprint", "training_fingerprint"), "x")
    dataset |= {"name": spec.name, "spec": dataclasses.asdict(spec), "videos": 3, "frames": 10}
    report = {"headline": headline(results), "results": results, "dataset": dataset}
    config = {"mask_unannotated_hands": True, "model": {"dtype": "bfloat16"}}
    report |= {"software": {}, "run": {"step": 1, "config": config}}
    found = record_of(report, estimates)
    assert found["dtype"] == "bfloat16"
    for key in ("mepe", "mepe_ra", "action_accuracy", "early_accuracy"):
        assert np.mean(found["videos"][key]) == pytest.approx(found["values"][key], rel=1e-5), key
