"""Frames one at a time: what comes when, and that it is what the whole video gives."""

import dataclasses
import pathlib
import re
from fractions import Fraction

import jax
import numpy as np
import pytest

from htt_jax.data.clips import ClipSpec, clip_frames
from htt_jax.interop import stablehlo
from htt_jax.prediction import live
from htt_jax.prediction.cautions import cautions
from htt_jax.prediction.frames import Resizer
from htt_jax.prediction.online import OnlinePredictor
from htt_jax.prediction.sources import open_frames
from htt_jax.prediction.video import predict_video
from htt_jax.support.errors import InputError
from tests import online_runs
from tests.online_runs import INTRINSICS, MODEL, SIZE

DOCS = pathlib.Path(__file__).parents[3] / "docs/online.md"
DELAY = 4  # windows of two frames, every second frame
BLOCK = 8  # frames until new clips begin


@pytest.fixture(scope="module")
def run():
    return online_runs.make_forecasting_run()


@pytest.fixture(scope="module")
def online(run):
    return OnlinePredictor(run, SIZE, INTRINSICS)


def push_all(online, frames):
    results = []
    for frame in frames:
        results += online.push(frame)
    return results + online.finish()


def assert_same(results, found, **tolerance):
    assert [result.frame for result in results] == list(range(len(found.frame_names)))
    for name in ("joints_2d", "depth", "joints_3d", "object_probabilities"):
        arrays = [getattr(result, name) for result in results]
        assert arrays[0].dtype == np.float32
        expected = getattr(found, name)
        # Pixels are hundreds of the model's units, off their sum with half the image's width.
        atol = tolerance["atol"] * (100 if name == "joints_2d" else 1)
        np.testing.assert_allclose(np.stack(arrays), expected, rtol=tolerance["rtol"], atol=atol)
    boxes = [result.object_box_3d for result in results]
    if found.object_box_3d is None:
        assert boxes == [None] * len(boxes)
    else:
        assert found.object_box_3d.shape == (len(boxes), 9, 3)
        np.testing.assert_allclose(boxes, found.object_box_3d, **tolerance)


@pytest.mark.parametrize("count", [1, 3, 8, 19])
def test_whole_videos_give_what_predicting_them_at_once_gives(run, online, count):
    frames = online_runs.make_frames(count)
    online.reset()
    results = push_all(online, frames)
    found = predict_video(run, open_frames(frames), INTRINSICS)
    assert_same(results, found, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(online.action_probabilities, found.action_probabilities, rtol=1e-5)
    assert online.decided_frame == found.decided_frame


def test_after_every_frame_is_expected_what_is_expected_in_the_whole_video(run, online):
    frames = online_runs.make_frames(19)
    found = predict_video(run, open_frames(frames), INTRINSICS)
    online.reset()
    assert online.ahead is None
    came = 0

    def check(results):
        nonlocal came
        for result in results:
            expected = found.ahead.after(result.frame)
            told = online.ahead.after(result.frame)
            np.testing.assert_allclose(told, expected, rtol=1e-5, atol=1e-6)
            came += len(told)

    for frame in frames:
        check(online.push(frame))
        if online.ahead is not None:
            assert len(online.ahead.last) <= 3  # of this group two, the newest before
            assert online.ahead.joints_3d.shape[1:] == (2, 21, 3)
    check(online.finish())
    assert online.ahead.last.tolist()[-1] == 18  # 17 begins a window that is never full
    assert came == 30
    moved = np.diff(found.ahead.joints_3d, axis=1)
    assert np.abs(moved).max() > 1e-3  # it is not the last pose that is held


def test_models_without_pose_block_and_in_bfloat16_give_the_same_too():
    run = online_runs.make_run(window=1, dtype="bfloat16")
    online = OnlinePredictor(run, SIZE, INTRINSICS)
    assert online.delay == 2
    frames = online_runs.make_frames(BLOCK)
    results = push_all(online, frames)
    found = predict_video(run, open_frames(frames), INTRINSICS)
    assert_same(results, found, rtol=0.01, atol=0.01)
    np.testing.assert_allclose(
        online.action_probabilities, found.action_probabilities, rtol=0.01, atol=0.001
    )
    with pytest.raises(InputError, match=r"runs/tiny makes no forecasts, so that nothing is known"):
        _ = online.ahead


def test_results_of_a_group_come_with_its_last_frame(online):
    online.reset()
    assert online.delay == DELAY
    assert online.action_probabilities is None
    assert online.decided_frame is None
    came = [[result.frame for result in online.push(f)] for f in online_runs.make_frames(10)]
    assert came == [[], [], [], [0, 1, 2, 3], [], [], [], [4, 5, 6, 7], [], []]
    assert [result.frame for result in online.finish()] == [8, 9]


def action_over_time(run, frames, start):
    """(windows, actions): the mean over the two whole clips from raw frame `start` on."""
    resizer = Resizer(run.dataset.spec, SIZE, MODEL)
    pixels = np.stack([resizer(frame) for frame in frames])
    clips = ClipSpec(window=2, frames=4, spacing=2)
    indices = np.stack([clip_frames(start + i, 4, clips)[0] for i in range(2)])
    inputs = {
        "image": pixels[indices].astype(np.float32) / 255 - 0.5,
        "valid": np.ones((2, 4), bool),
        "intrinsics": np.broadcast_to(np.eye(3, dtype=np.float32), (2, 4, 3, 3)),
    }
    found = jax.jit(run.system.estimates)(run.variables, inputs)["action_over_time"]
    return np.asarray(found).mean(axis=0)


def test_the_action_so_far_is_that_of_the_clips_as_they_stand(run, online):
    frames = online_runs.make_frames(2 * BLOCK)
    online.reset()
    so_far, present = [], []
    for frame in frames:
        if online.push(frame):
            so_far.append(online.action_probabilities)
            present.append(online.present_action_probabilities)
    first, second = (action_over_time(run, frames, start) for start in (0, BLOCK))
    assert np.abs(np.diff(np.concatenate([first, second]), axis=0)).max() > 1e-4  # they do differ
    np.testing.assert_allclose(present, np.concatenate([first, second]), rtol=1e-5)
    expected = [*first, (first[-1] + second[0]) / 2, (first[-1] + second[1]) / 2]
    np.testing.assert_allclose(so_far, expected, rtol=1e-5)


def test_a_second_stream_compiles_nothing_and_nothing_piles_up_in_it(run, online, caplog):
    with jax.log_compiles():
        jax.jit(lambda x: x + 1)(0)
        assert any("Compiling" in message for message in caplog.messages)
        caplog.clear()
        online = OnlinePredictor(run, SIZE, INTRINSICS)
        assert not any("Compiling" in message for message in caplog.messages)
        caplog.clear()
        frames = online_runs.make_frames(3 * BLOCK)
        alive = set()
        for frame in frames:
            if online.push(frame):
                alive.add(len(jax.live_arrays()))
        push_all(online, frames[:5])
        assert not caplog.messages
    assert len(alive) == 1


def test_frames_are_copied_and_may_be_views_of_others(online):
    frames = online_runs.make_frames(DELAY)
    online.reset()
    expected = push_all(online, frames)
    online.reset()
    buffer = np.empty_like(frames[0])
    results = []
    for frame in frames:
        buffer[:] = frame[..., ::-1]
        results += online.push(buffer[..., ::-1])
        buffer[:] = 0
    assert len(results) == DELAY
    for result, other in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result.joints_3d, other.joints_3d)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((36, 65, 3), np.uint8),
        np.zeros((36, 64), np.uint8),
        np.zeros((36, 64, 3), np.float32),
    ],
)
def test_frames_of_another_shape_or_type_are_refused(online, frame):
    online.reset()
    with pytest.raises(InputError, match=r"frame 0 is .*, not uint8 \(36, 64, 3\); push RGB"):
        online.push(frame)


def test_a_finished_video_takes_nothing_more(online):
    online.reset()
    assert online.finish() == []
    with pytest.raises(ValueError, match=r"reset\(\) begins the next one"):
        online.push(online_runs.make_frames(1)[0])
    with pytest.raises(ValueError, match="finished already"):
        online.finish()


def test_an_exported_program_is_refused_before_a_camera_opens(run, tmp_path):
    path = tmp_path / "model.stablehlo"
    whole = run.model.clone(forecast=0)  # which no program holds
    stablehlo.write(path, whole, run.variables, run.signature, {})
    exported = dataclasses.replace(run, workdir=str(path)).with_model(stablehlo.read(path))
    with pytest.raises(InputError, match=r"model\.stablehlo is a program for whole clips and"):
        OnlinePredictor(exported, SIZE, INTRINSICS)
    with pytest.raises(InputError, match=r"model\.stablehlo is a program for whole clips and"):
        live.run(exported, 97, lambda size: None, tmp_path)


def test_the_documentations_example_works(run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    online_runs.save_run(tmp_path / "runs/fpha", run)
    online_runs.write_video(tmp_path / "kitchen.mp4", online_runs.make_frames(10))
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    exec(compile(example, str(DOCS), "exec"), {})
    printed = capsys.readouterr().out
    assert re.findall(r"frame (\d+): wrist", printed) == [str(frame) for frame in range(10)]
    assert printed.count("action so far: ") == 3


def test_frames_of_sixty_a_second_are_met_by_clips_as_far_apart_in_time(run):
    frames = online_runs.make_frames(2 * BLOCK + 3)
    at_thirty = [predict_video(run, open_frames(frames[phase::2]), INTRINSICS) for phase in (0, 1)]
    found = predict_video(run, open_frames(frames, Fraction(60)), INTRINSICS)
    assert found.clip_start.tolist() == [0, 1, 2, 3, 16, 17, 18]
    for phase, alone in enumerate(at_thirty):
        np.testing.assert_allclose(found.joints_3d[phase::2], alone.joints_3d, rtol=1e-5, atol=1e-6)
    clips = np.concatenate([alone.clip_action_probabilities for alone in at_thirty])
    np.testing.assert_allclose(found.action_probabilities, clips.mean(axis=0), rtol=1e-5)
    assert cautions(run, found, open_frames(frames, Fraction(60))) == [
        "the video has 60 frames a second, the model is used to 30: a clip goes on by 4 frames at "
        "a time, 0.0667 s, where it was 0.0667 s in training"
    ]
    assert cautions(run, found, open_frames(frames, Fraction(30000, 1001))) == []
    online = OnlinePredictor(run, SIZE, INTRINSICS, rate=60)
    assert online.delay == 2 * DELAY
    assert_same(push_all(online, frames), found, rtol=1e-5, atol=1e-6)


def test_frames_of_twenty_five_a_second_are_seen_as_thirty_of_which_some_come_again(run):
    frames = online_runs.make_frames(12)
    found = predict_video(run, open_frames(frames, Fraction(25)), INTRINSICS)
    shown = np.array([0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 10, 11])
    expected = predict_video(run, open_frames(frames[shown]), INTRINSICS)
    first = np.flatnonzero(np.diff(shown, prepend=-1))
    for name in ("joints_3d", "depth", "object_probabilities", "frame_clip", "frame_place"):
        there = getattr(expected, name)[first]
        np.testing.assert_allclose(getattr(found, name), there, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.action_probabilities, expected.action_probabilities, rtol=1e-5)
    np.testing.assert_allclose(found.action_over_time[-1], found.action_probabilities, rtol=1e-5)
    assert found.decided_frame == shown[expected.decided_frame]
    assert found.clip_start.tolist() == shown[expected.clip_start].tolist()
    assert found.ahead.last.tolist() == shown[expected.ahead.last].tolist()
    assert found.ahead.spacing == pytest.approx(5 / 3)
    assert found.frame_names == [f"frame {number}" for number in range(12)]
    np.testing.assert_allclose(np.diff(found.seconds), 1 / 25)
    (note,) = cautions(run, found, open_frames(frames, Fraction(10)))
    assert "goes on by 0.667 frames at a time, of which some are shown again, 0.0667 s, " in note


@pytest.mark.parametrize("rate", [10, 25, 50])
def test_frames_of_any_rate_give_one_at_a_time_what_they_give_at_once(run, rate):
    frames = online_runs.make_frames(12)
    found = predict_video(run, open_frames(frames, Fraction(rate)), INTRINSICS)
    online = OnlinePredictor(run, SIZE, INTRINSICS, rate=rate)
    assert_same(push_all(online, frames), found, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(online.action_probabilities, found.action_probabilities, rtol=1e-5)
    assert online.decided_frame == found.decided_frame
    assert online.ahead.last[-1] == found.ahead.last[-1]
    assert online.ahead.spacing == found.ahead.spacing


def test_a_rate_that_is_none_is_refused(run):
    with pytest.raises(InputError, match="rate=0 is no number of frames a second from 0 to 1000"):
        OnlinePredictor(run, SIZE, INTRINSICS, rate=0)
