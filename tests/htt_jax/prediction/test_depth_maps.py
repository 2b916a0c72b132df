"""Depth systems on depth maps of one's own: all at once, one by one, and what they cannot take."""

import json
import warnings

import cv2
import jax
import numpy as np
import pytest

from htt_jax import predict
from htt_jax.data.loader import eval_batches
from htt_jax.data.views import View, open_view
from htt_jax.datasets.spec import H2O
from htt_jax.prediction.cautions import cautions
from htt_jax.prediction.interface import Predictor
from htt_jax.prediction.online import OnlinePredictor
from htt_jax.prediction.sources import open_frames
from htt_jax.prediction.video import predict_video
from htt_jax.runs.config import clip_spec
from htt_jax.support.errors import InputError
from tests import arms, depth_runs, online_runs, prepared, videos
from tests.arms import INTRINSICS, SIZE
from tests.depth_runs import FPHA_DEPTH, make_maps, make_run

FORMS = {"pose": {}, "chain": {"model__attention": True}, "feedback": {}, "ensemble": {}}
ONLINE = [form for form in FORMS if form != "ensemble"]


@pytest.fixture(scope="module")
def all_runs():
    return {form: make_run(form, **options) for form, options in FORMS.items()}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arms") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared, "make_depth", arms.make_depth)
        return prepared.write_dataset(folder, FPHA_DEPTH, {"test": [6]})


def with_hands():
    """As many maps as elsewhere here, for one program; there is a hand in all of them."""
    return np.tile(make_maps(3), (2, 1, 1))


@pytest.mark.parametrize("form", ["pose", "feedback", "ensemble"])
def test_predictions_are_those_that_evaluation_scores(all_runs, dataset, form):
    run = all_runs[form]
    source = open_view(dataset, "test", View("depth"))
    estimate = jax.jit(lambda variables, batch: run.system.estimates(
        variables, run.system.inputs(batch)))  # fmt: skip
    found = []
    for batch in eval_batches(
        source, clips=clip_spec(run.config), batch_size=6, reader=run.system.reader
    ):
        estimates = estimate(run.variables, batch)
        found.append(np.asarray(estimates["joints_3d"])[batch["valid"]])
        scored = np.asarray(estimates["action_probabilities"])[batch["valid"].any(axis=1)]
    video = source[0]
    maps = np.stack([cv2.imdecode(np.frombuffer(x, np.uint8), -1) for x in video.frames])
    predicted = predict_video(run, open_frames(maps), video.intrinsics)
    np.testing.assert_allclose(predicted.joints_3d, np.concatenate(found), rtol=1e-4, atol=1e-5)
    if form != "pose":
        np.testing.assert_allclose(predicted.clip_action_probabilities, scored, rtol=1e-4)
    assert predicted.hand_seen.all()


@pytest.mark.parametrize("form", ONLINE)
def test_one_map_at_a_time_gives_what_all_at_once_give(all_runs, form):
    run, maps = all_runs[form], make_maps(6)  # a whole clip and a part of one
    expected = predict_video(run, open_frames(maps), INTRINSICS)
    online = OnlinePredictor(run, SIZE, INTRINSICS)
    assert online.delay == 1
    for _ in range(2):
        for frame, depth in enumerate(maps):
            (result,) = online.push(depth)
            assert result.frame == frame
            np.testing.assert_allclose(
                result.joints_3d, expected.joints_3d[frame], rtol=1e-4, atol=1e-5
            )
            assert result.object_probabilities is None
            assert result.hand_seen.tolist() == [frame != 3]
            if form == "pose":
                assert online.action_probabilities is None
            else:
                so_far = expected.action_over_time[frame]
                np.testing.assert_allclose(online.action_probabilities, so_far, rtol=1e-4)
        assert online.finish() == []
        online.reset()


def test_what_online_cannot_be_is_said(all_runs):
    with pytest.raises(InputError, match="runs/ensemble tells its second pose network the action"):
        OnlinePredictor(all_runs["ensemble"], SIZE, INTRINSICS)
    with pytest.raises(InputError, match=r"runs/action takes true poses .*which no frame has"):
        OnlinePredictor(make_run("action"), SIZE, INTRINSICS)
    with pytest.raises(InputError, match="no intrinsics given, and a depth camera's cannot be"):
        OnlinePredictor(all_runs["pose"], SIZE)
    with pytest.raises(
        InputError, match=r"runs/pose tells each frame's pose at once; leave the opt"
    ):
        OnlinePredictor(all_runs["pose"], SIZE, INTRINSICS, newest=True)
    online = OnlinePredictor(all_runs["pose"], SIZE, INTRINSICS)
    with pytest.raises(InputError, match=r"not uint16 \(120, 160\); push depth maps"):
        online.push(np.zeros((120, 160), np.uint8))


@pytest.mark.parametrize(("at_test", "equal"), [("drawn", 0), ("predicted", 0), ("equal", 1)])
def test_nothing_is_drawn_of_what_a_pose_network_is_told(at_test, equal):
    system, *_ = depth_runs.make_system("feedback", told__at_test=at_test)
    batch = {
        "valid": np.ones((1, 3), bool),
        "image": np.zeros((3, 16, 16, 1), np.uint16),
        "centre": np.ones((1, 3, 1, 3), np.float32),
        "intrinsics": np.ones((1, 3, 3, 3), np.float32),
        **{name: np.zeros(3, np.int32) for name in ("slot_clip", "slot_frame", "slot")},
    }
    replaced = jax.jit(lambda batch: system.unlabelled(batch)["replaced"])(batch)
    assert replaced.tolist() == [equal] * 3


def test_htt_sees_whole_maps_at_its_own_size():
    run, maps = online_runs.make_run(camera="depth"), make_maps(5)
    expected = predict_video(run, open_frames(maps), INTRINSICS)
    assert expected.hand_seen is None
    assert expected.object_probabilities.shape == (5, 2)
    online = OnlinePredictor(run, SIZE, INTRINSICS)
    results = [result for depth in maps for result in online.push(depth)] + online.finish()
    found = [result.joints_3d for result in results]
    np.testing.assert_allclose(found, expected.joints_3d, rtol=1e-4, atol=1e-5)
    other = predict_video(run, open_frames(maps + np.uint16(100)), INTRINSICS)
    assert np.abs(other.joints_3d - expected.joints_3d).max() > 1e-4


def write_folder(folder, maps):
    folder.mkdir()
    for number, depth in enumerate(maps):
        (folder / f"depth_{number:04}.png").write_bytes(arms.png(depth))
    return folder


def run_command(source, workdir, out, *options):
    predict.main([str(source), f"--workdir={workdir}", f"--out={out}", *options])


GIVEN = "--intrinsics=150,150,80,60"


def test_a_folder_of_maps_is_predicted_and_drawn(all_runs, tmp_path, capsys):
    maps = make_maps(6)
    source = write_folder(tmp_path / "maps", maps)
    online_runs.save_run(tmp_path / "run", all_runs["feedback"])
    run_command(source, tmp_path / "run", tmp_path / "out", GIVEN, "--rerun")
    printed = capsys.readouterr().out
    assert "6 frames of 160x120" in printed
    assert "note: in 1 of 6 frames no hand was found: their poses are guesses" in printed
    assert "object" not in printed
    assert printed.splitlines()[-1].startswith(
        "written: predictions.npz, predictions.json, prediction.mp4, prediction.rrd in "
    )
    expected = predict_video(all_runs["feedback"], open_frames(maps), INTRINSICS)
    with np.load(tmp_path / "out/predictions.npz") as found:
        np.testing.assert_allclose(found["joints_3d"], expected.joints_3d, atol=1e-5)
        assert found["hand_seen"].tolist() == [[True]] * 3 + [[False]] + [[True]] * 2
        assert found["clip_frames"].tolist() == [4, 2]
        assert found["action_over_time"].shape == (6, 3)
        assert "object_probabilities" not in found
        assert np.isfinite(found["joints_3d"]).all()
    content = json.loads((tmp_path / "out/predictions.json").read_text())
    assert [frame["hands"]["right"]["seen"] for frame in content["frames"]][2:4] == [True, False]
    assert "object" not in content["frames"][0]
    assert content["frames"][0]["actions_so_far"]
    _, pictures = videos.read(tmp_path / "out/prediction.mp4")
    assert len(pictures) == 6
    frame, empty = (picture[:540, :720].astype(int) for picture in (pictures[0], pictures[3]))
    assert np.ptp(frame[400, 100]) > 30  # the table, in colours
    assert empty[100:, 100:].max() < 30  # neither readings nor a skeleton


def test_a_video_of_maps_without_action_leaves_it_out(all_runs, tmp_path, capsys):
    maps = make_maps(6)
    source = depth_runs.write_video(tmp_path / "maps.mkv", maps, rate=15)
    np.testing.assert_array_equal([frame.image for frame in open_frames(source).read()], maps)
    online_runs.save_run(tmp_path / "run", all_runs["pose"])
    run_command(source, tmp_path / "run", tmp_path / "out", GIVEN)
    assert "action" not in capsys.readouterr().out
    with np.load(tmp_path / "out/predictions.npz") as found:
        assert not {"action_over_time", "action_probabilities"} & set(found)
        assert found["joints_2d"].shape == (6, 21, 2)
    content = json.loads((tmp_path / "out/predictions.json").read_text())
    assert not {"actions", "clips"} & set(content)
    assert videos.read(tmp_path / "out/prediction.mp4")[0] == 15


def test_a_run_that_knows_crops_around_true_poses_says_so(all_runs):
    found = predict_video(all_runs["pose"], open_frames(with_hands()), INTRINSICS)
    run = make_run("pose", crops__protocol="published")
    said = "the run knows crops around true poses only"
    (caution,) = cautions(run, found, open_frames(with_hands()))
    assert caution.startswith(said)
    with pytest.warns(UserWarning, match=said):
        OnlinePredictor(run, SIZE, INTRINSICS)


def test_maps_without_any_hand_are_kept_and_marked(all_runs):
    maps = np.stack([arms.depth_map(None)] * 5 + [np.zeros((120, 160), np.uint16)])
    with pytest.warns(UserWarning, match="no hand was found in any frame, so that all poses are"):
        found = Predictor(all_runs["pose"]).predict(maps, INTRINSICS)
    assert np.isfinite(found.joints_3d).all()
    assert not found.hand_seen.any()
    with warnings.catch_warnings(action="error"):
        Predictor(all_runs["pose"]).predict(with_hands(), INTRINSICS)


def refusal(run, source, intrinsics=INTRINSICS):
    """What is said of a source that cannot be predicted from."""
    with pytest.raises(InputError) as refused:
        Predictor(run).predict(source, intrinsics)
    return str(refused.value)


def test_frames_of_another_kind_are_refused(all_runs, tmp_path):
    colour = np.zeros((2, 120, 160, 3), np.uint8)
    wanted = "runs/pose takes depth maps, of one channel of 16 bits, in millimetres, and these are"
    assert f"{wanted} frames of 8 bits, in colour" in refusal(all_runs["pose"], colour)
    eight = write_folder(tmp_path / "eight", colour[..., 0])
    assert wanted in refusal(all_runs["pose"], eight)
    video = videos.write_lossless(tmp_path / "colour.mkv", colour)
    assert wanted in refusal(all_runs["pose"], video)
    maps = make_maps(2)
    colour_run = online_runs.make_run()
    for source in (
        maps,
        write_folder(tmp_path / "maps", maps),
        depth_runs.write_video(tmp_path / "maps.mkv", maps),
    ):
        said = refusal(colour_run, source)
        assert "runs/tiny takes frames of 8 bits, in colour, and these are depth" in said


def test_maps_that_do_not_fit_each_other_are_named(all_runs, tmp_path):
    maps = make_maps(2)
    for name, odd, said in (
        ("size", maps[0, :60], "160x60 pixels instead of 160x120"),
        ("depth", maps[0].astype(np.uint8), "its values are grey of 8 bits"),
        ("colour", np.zeros((120, 160, 3), np.uint8), "its values are colour of 8 bits"),
    ):
        folder = write_folder(tmp_path / name, maps)
        (folder / "depth_0002.png").write_bytes(arms.png(odd))
        told = refusal(all_runs["pose"], folder)
        assert "cannot read the frame" in told
        assert f"depth_0002.png: {said}" in told


def test_what_cannot_be_known_is_refused(all_runs, tmp_path):
    told = refusal(all_runs["pose"], make_maps(1), intrinsics=None)
    assert "no intrinsics given, and a depth camera's" in told
    assert "runs/action takes true poses" in refusal(make_run("action"), make_maps(1))
    two = make_run("pose", spec=H2O, crops__protocol="published")
    told = refusal(two, make_maps(1))
    assert "runs/pose has 2 hands, and depth maps alone do not tell them" in told
    online_runs.save_run(tmp_path / "run", all_runs["pose"])
    with pytest.raises(InputError, match=r"takes depth maps, of one channel .* and these are"):
        predict.main(["--camera=0", f"--workdir={tmp_path / 'run'}"])
