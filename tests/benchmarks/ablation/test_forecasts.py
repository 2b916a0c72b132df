"""The errors of poses ahead that are kept of a run."""

import dataclasses

import numpy as np
import pytest

from benchmarks.ablation import forecasts
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import FPHA
from htt_jax.evaluation.estimates import Estimates
from htt_jax.evaluation.forecasting import none_of
from htt_jax.evaluation.one_run import Evaluation
from tests import prepared

LENGTHS = [14, 9, 1]
FRAMES = sum(LENGTHS)


@pytest.fixture(scope="module", params=[True, False], ids=["camera poses", "none"])
def made(request, tmp_path_factory):
    """Estimates 3 mm off in each direction; windows of one frame."""
    spec = dataclasses.replace(FPHA, camera_poses=request.param)
    folder = tmp_path_factory.mktemp("forecasts") / "data"
    prepared.write_dataset(folder, spec, {"train": [12], "test": LENGTHS}, size=(16, 9))
    source = RecordSource(folder, "test")
    videos = [source[i] for i in range(len(source))]
    true = np.concatenate([video.joints_3d for video in videos])
    none, of_frames = np.zeros(0, np.int32), np.zeros(FRAMES, np.int32)
    estimates = Estimates(
        joints_3d=true + np.float32(0.003), target_3d=true,
        hand_annotated=np.ones((FRAMES, 1), bool), object=of_frames,
        object_probability=of_frames.astype(np.float32), window_position=of_frames,
        window_length=of_frames + 1, first_frame=np.cumsum([0, *LENGTHS]),
        intrinsics=np.zeros((3, 3, 3)), image_size=(16, 9), clip_video=none, clip_start=none,
        clip_frames=none, action_over_time=np.zeros((0, 1, 2)), window=1, spacing=4,
    )  # fmt: skip
    report = {"run": {"config": {"mask_unannotated_hands": True}}}
    return Evaluation(report, estimates, source, None), RecordSource(folder, "train"), true


def test_without_forecasts_a_run_has_the_errors_of_what_is_made_of_its_poses(made):
    evaluation, training, true = made
    found = forecasts.figures(evaluation, training)
    assert found["methods"]["own"] == {}
    known = {f"forecast_{error}_{ms}ms" for error in ("error", "error_ra") for ms in (100, 250)}
    assert known <= forecasts.MEASURES.keys()
    for name in forecasts.BASELINES:
        assert found["methods"][name].keys() == known
    if evaluation.source.spec.camera_poses:
        assert found["space"] == "camera of the last seen frame"
        return
    assert found["space"] == "each frame's own camera"
    starts = [*range(11), *range(14, 20)]  # 3 frames later there is one in the same video
    errors = [
        np.linalg.norm(1000 * (true[i] + np.float32(0.003) - true[i + 3]), axis=-1).mean()
        for i in starts
    ]
    of_videos = found["methods"]["hold"]["forecast_error_100ms"]
    assert np.mean(of_videos) == pytest.approx(np.mean(errors), rel=1e-5)
    assert of_videos[2] == 0.0


def test_what_a_run_expects_stands_beside_it_as_far_as_it_looks(made):
    evaluation, training, true = made
    ahead = none_of(evaluation.estimates)
    later = np.minimum(ahead.last + 4, FRAMES - 1)
    exact = dataclasses.replace(ahead, joints_3d=true[later][:, None])
    found = forecasts.figures(dataclasses.replace(evaluation, ahead=exact), training)
    own = found["methods"]["own"]
    assert own.keys() == {"forecast_error_100ms", "forecast_error_ra_100ms"}
    held = found["methods"]["hold"]["forecast_error_100ms"]
    if not evaluation.source.spec.camera_poses:  # else they would also have to expect the camera's
        assert np.mean(own["forecast_error_100ms"]) < np.mean(held)


@pytest.mark.parametrize(
    ("frames", "expected"), [(2, []), (16, ["250ms", "500ms"]), (32, ["500ms", "1000ms"])]
)
def test_a_study_shows_the_last_two_horizons_that_are_reached(frames, expected):
    names = [name for name in forecasts.within(frames) if "_ra_" in name]
    assert [name.rsplit("_", 1)[1] for name in names] == expected
