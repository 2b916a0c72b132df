"""The pose of a frame at once, smoothed poses, and how the work lies on the frames."""

import numpy as np
import pytest

from htt_jax.datasets.spec import FPHA
from htt_jax.prediction.online import OnlinePredictor
from htt_jax.prediction.smoothing import OneEuro, Smoothing, smooth_video
from htt_jax.prediction.sources import open_frames
from htt_jax.prediction.video import predict_video
from htt_jax.support.errors import InputError
from tests import online_runs
from tests.online_runs import INTRINSICS, MODEL, SIZE

DELAY = 4  # windows of two frames, every second frame
TIMES = np.cumsum([0.0, 0.03, 0.05, 0.04, 0.9, 0.02, 0.03])
STEADY = Smoothing(OneEuro(0.5, 0.0), OneEuro(0.5, 0.1))
POSES = ("joints_2d", "depth", "joints_3d")


@pytest.fixture(scope="module")
def run():
    return online_runs.make_run(object_box=True)


@pytest.fixture(scope="module")
def online(run):
    return OnlinePredictor(run, SIZE, INTRINSICS, newest=True)


def test_the_newest_pose_is_that_of_a_window_that_ends_with_the_frame(run, online):
    frames = online_runs.make_frames(9)
    online.reset()
    assert online.newest is None
    finals, told = [], []
    for number, frame in enumerate(frames):
        finals += online.push(frame)
        newest = online.newest
        assert (newest.frame, newest.is_final) == (number, False)
        assert online.newest is newest
        told.append(newest.joints_3d)
        # What a video says at its end, of the frames that make one window of each clip.
        found = predict_video(run, open_frames(frames[: number + 1][-DELAY:]), INTRINSICS)
        for name in (*POSES, "object_probabilities", "object_box_3d"):
            expected = getattr(found, name)[-1]
            np.testing.assert_allclose(getattr(newest, name), expected, rtol=1e-5, atol=1e-5)
    assert all(result.is_final for result in finals)
    whole = predict_video(run, open_frames(frames), INTRINSICS)
    np.testing.assert_allclose(
        [result.joints_3d for result in finals], whole.joints_3d[:8], rtol=1e-5, atol=1e-6
    )
    changed = np.abs(told - whole.joints_3d).max(axis=(1, 2))
    ends = [2, 3, 6, 7]  # of windows, whose poses are final
    assert changed[ends].max() < 1e-6
    assert np.delete(changed, ends).min() > 1e-5


def test_the_newest_pose_is_told_to_those_alone_who_asked(run):
    with pytest.raises(ValueError, match="was made without newest=True"):
        _ = OnlinePredictor(run, SIZE, INTRINSICS).newest


def test_each_frame_pays_for_its_own_look_and_no_window_looks_again(online):
    programs = online._under_way._programs
    look, step, newest = (
        program.cost_analysis()["flops"]
        for program in (programs.look, programs.step, programs.newest)
    )
    assert newest < step < look / 2


def test_smoothed_results_are_those_of_the_whole_video_and_so_is_the_newest(run, online):
    frames = online_runs.make_frames(7)
    steady = OnlinePredictor(run, SIZE, INTRINSICS, newest=True, smoothing=STEADY)
    online.reset()
    results, newest, plain = [], [], []
    for number, (frame, seconds) in enumerate(zip(frames, TIMES, strict=True)):
        results += steady.push(frame, float(seconds))
        if number % 3:  # who does not look at each sees the same
            newest.append(steady.newest)
        online.push(frame)
        plain.append(online.newest)
    results += steady.finish()
    found = predict_video(run, open_frames(frames), INTRINSICS)
    assert_smoothed(results, found.joints_2d, found.depth)
    joints_2d, depth = (np.stack([getattr(x, name) for x in plain]) for name in POSES[:2])
    assert_smoothed(newest, joints_2d, depth, [1, 2, 4, 5])
    assert np.abs(results[1].joints_3d - found.joints_3d[1]).max() > 1e-4


def assert_smoothed(results, joints_2d, depth, frames=slice(None)):
    expected = smooth_video(STEADY, FPHA, INTRINSICS, TIMES, joints_2d, depth, None)
    for name in POSES:
        found = np.stack([getattr(result, name) for result in results])
        np.testing.assert_allclose(found, getattr(expected, name)[frames], rtol=1e-5, atol=1e-6)


def test_a_whole_video_is_smoothed_by_its_own_times(run):
    frames = open_frames(online_runs.make_frames(7))
    found = predict_video(run, frames, INTRINSICS)
    steady = predict_video(run, frames, INTRINSICS, STEADY)
    assert (found.smoothing, steady.smoothing) == (None, STEADY)
    poses = (found.seconds, found.joints_2d, found.depth, None)
    for name, x in smooth_video(STEADY, FPHA, INTRINSICS, *poses)._asdict().items():
        np.testing.assert_array_equal(getattr(steady, name), x)
    np.testing.assert_array_equal(steady.action_over_time, found.action_over_time)


@pytest.mark.parametrize("seconds", [0.5, np.nan, np.inf])
def test_times_that_go_back_or_are_none_are_refused(online, seconds):
    online.reset()
    frame = online_runs.make_frames(1)[0]
    online.push(frame, 1.0)
    with pytest.raises(InputError, match=r"frame 1 was taken at .* s, the one before at 1 s; push"):
        online.push(frame, seconds)


def test_frames_of_the_models_own_size_are_copied_too(run):
    """Which nothing brings to its size: a program would read them where they lie."""
    online = OnlinePredictor(run, MODEL, INTRINSICS)
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 255, (DELAY, MODEL[1], MODEL[0], 3), np.uint8)
    expected = [result for frame in frames for result in online.push(frame.copy())]
    online.reset()
    memory = np.zeros(frames[0].nbytes + 64, np.uint8)
    start = -memory.ctypes.data % 64  # as JAX takes for its own what lies so
    buffer = memory[start : start + frames[0].nbytes].reshape(frames[0].shape)
    results = []
    for frame in frames:
        buffer[:] = frame
        results += online.push(buffer)
        buffer[:] = 0
    for result, other in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result.joints_3d, other.joints_3d)
