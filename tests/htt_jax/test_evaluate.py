"""The evaluation command on a small run: its numbers, files, tables, and what it refuses."""

import contextlib
import dataclasses
import io
import json
import re

import numpy as np
import optax
import pytest

from htt_jax import compare, evaluate
from htt_jax.data import records
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.devices import sharding
from htt_jax.evaluation import analysis, estimates, tables
from htt_jax.runs.checkpoint import Checkpoints
from htt_jax.runs.directory import read
from htt_jax.runs.opening import open_run
from htt_jax.runs.state import create_state
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place
from tests import prepared, runs

TEST_FRAMES = [19, 6, 1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_program):
    """A dataset of two hands in `data`, a run in `run`."""
    root = tmp_path_factory.mktemp("evaluate")
    splits = {"train": [2, 2, 2], "test": TEST_FRAMES}
    data = prepared.write_dataset(root / "data", H2O, splits)
    runs.initialise_run(root / "run", data)
    return root


@pytest.fixture(scope="module")
def printed(folder):
    """What the command prints; it writes to its default place."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        evaluate.main(["--workdir", str(folder / "run")])
    return output.getvalue()


@pytest.fixture(scope="module")
def evaluated(folder, printed):
    """The report of the command, read from its file."""
    return json.loads((folder / "run/evaluation/test/results.json").read_text())


def videos_of(directory, split):
    source = records.RecordSource(directory, split)
    return [source[i] for i in range(len(source))]


def test_report_holds_curves_joints_and_the_videos_by_name(folder, evaluated):
    results = evaluated["results"]
    for space, steps, joints in (("camera_space", 37, 21), ("root_aligned", 21, 20)):
        found = results["pose"]["left"][space]
        assert len(found["thresholds"]) == len(found["pck"]) == steps
        assert len(found["mepe_per_joint"]) == joints
    videos = results["action"]["per_video"]
    assert [video["video_id"] for video in videos] == [
        "Subject_1/open_milk/0",
        "Subject_1/close_milk/1",
        "Subject_1/put_salt/2",
    ]
    assert [video["action_name"] for video in videos] == prepared.ACTIONS
    assert [video["frames"] for video in videos] == TEST_FRAMES
    assert np.sum(results["object"]["confusion"]) == sum(TEST_FRAMES)
    assert evaluated["run"]["step"] > 0
    assert evaluated["run"]["config"]["data"]["frames"] == 4
    source = records.RecordSource(folder / "data", "test")
    assert evaluated["dataset"]["fingerprint"] == source.fingerprint
    training = read(folder / "run").dataset.fingerprint
    assert evaluated["dataset"]["training_fingerprint"] == training
    assert evaluated["published"]["pose"]["left"]["mepe"] == 35.02


def test_estimates_of_every_frame_are_those_that_are_scored(folder, evaluated):
    found = estimates.load(folder / "run/evaluation/test/estimates.npz")
    videos = videos_of(folder / "data", "test")
    assert np.diff(found.first_frame).tolist() == TEST_FRAMES
    assert (found.window, found.spacing, found.image_size) == (2, 2, (64, 36))
    targets = np.concatenate([video.joints_3d for video in videos])
    np.testing.assert_array_equal(found.target_3d, targets)
    np.testing.assert_allclose(found.intrinsics, [video.intrinsics for video in videos], rtol=1e-6)
    pose = evaluated["results"]["pose"]
    for hand, errors in analysis.joint_errors(found, H2O, mask_unannotated=True).items():
        camera_space, root_aligned = errors.camera_space.mean(), errors.root_aligned[:, 1:].mean()
        assert camera_space == pytest.approx(pose[hand]["camera_space"]["mepe"], rel=1e-5)
        assert root_aligned == pytest.approx(pose[hand]["root_aligned"]["mepe"], rel=1e-5)
    correct = found.object == np.array([v.object for v in videos])[found.video_of_frame]
    assert correct.mean() == pytest.approx(evaluated["results"]["object"]["accuracy"])
    assert ((found.object_probability >= 0.5) & (found.object_probability <= 1)).all()
    for video, entry in enumerate(evaluated["results"]["action"]["per_video"]):
        stands = analysis.action_over_time(found, video)
        assert len(stands) == TEST_FRAMES[video]
        np.testing.assert_allclose(stands[-1], entry["probabilities"], rtol=1e-5)


@pytest.fixture(scope="module")
def given(folder):
    """What the command prints, given other data, of one video, in `one`, and the place `given`."""
    data = prepared.write_dataset(folder / "one", H2O, {"train": [1], "test": [7]})
    options = {"workdir": folder / "run", "data": data, "out": folder / "given"}
    with contextlib.redirect_stdout(io.StringIO()) as output:
        evaluate.main([f"--{name}={value}" for name, value in options.items()])
    return output.getvalue()


@pytest.mark.proof
def test_a_run_in_a_bucket_is_evaluated_and_compared_as_on_disk(folder, given, gcs, capsys):
    workdir = place(f"{gcs.root}/evaluate/run")
    runs.initialise_run(workdir, folder / "data")
    (workdir / "evaluation/test/plots/video_best_09.png").write_bytes(b"of an earlier report")
    evaluate.main(["--workdir", str(workdir), "--data", str(folder / "one")])
    here, there = workdir / "evaluation/test", folder / "given"
    for name in ("tables.md", "tables/headline_left_hand.csv", "report.html"):
        assert len((here / name).read_bytes()) > 0
    assert (here / "tables.md").read_bytes() == (there / "tables.md").read_bytes()
    for part in ("plots", "tables"):
        names = [{path.name for path in (out / part).iterdir()} for out in (here, there)]
        assert names[0] == names[1]
    capsys.readouterr()
    out = place(f"{gcs.root}/evaluate/compared")
    compare.main([str(workdir), "--out", str(out)])
    compare.main([str(there / "results.json")])
    said = capsys.readouterr().out.replace(str(workdir), "RUN")
    said = said.replace(str(there / "results.json"), "RUN")
    first, second = said.split(f"\n\nwritten: compare.md, compare.csv, compare.json in {out}\n")
    assert re.sub("[ -]+", " ", first).strip() == re.sub("[ -]+", " ", second).strip()
    assert {path.name for path in out.iterdir()} == {f"compare.{x}" for x in ("md", "csv", "json")}
    with pytest.raises(InputError, match=f"cannot read {workdir}/evaluation/val/results.json: "):
        compare.main([str(workdir), "--split=val"])


def test_the_command_writes_a_report_and_says_where(folder, printed):
    out = folder / "run/evaluation/test"
    assert f"written: {out / 'report.html'} (to look at)" in printed
    assert printed.startswith((out / "tables.md").read_text())
    written = {path.name for path in out.iterdir()}
    files = {"report.html", "results.json", "tables.md", "estimates.npz"}
    assert written == files | {"plots", "tables"}


def test_out_and_data_are_as_given(folder, given):
    assert f"written: {folder / 'given/report.html'}" in given
    report = json.loads((folder / "given/results.json").read_text())
    dataset = report["dataset"]
    assert (dataset["directory"], dataset["frames"]) == (str(folder / "one"), 7)


def test_baselines_are_the_training_mean_and_mode_on_the_same_frames(folder, evaluated):
    train, test = (videos_of(folder / "data", split) for split in ("train", "test"))
    mean = np.concatenate([video.joints_3d for video in train]).astype(np.float64).mean(axis=0)
    poses = np.concatenate([video.joints_3d for video in test])
    baselines = evaluated["baselines"]
    errors = 1000 * np.linalg.norm(mean - poses, axis=-1)
    assert baselines["pose"]["left"]["camera_space"]["mepe"] == pytest.approx(errors[:, :21].mean())
    assert baselines["pose"]["right"]["frames"] == sum(TEST_FRAMES)
    aligned = (mean[22:] - mean[21]) - (poses[:, 22:] - poses[:, 21:22])
    errors = 1000 * np.linalg.norm(aligned, axis=-1)
    assert baselines["pose"]["right"]["root_aligned"]["mepe"] == pytest.approx(errors.mean())
    # Of milk, milk and salt, the object of frames is milk; each action occurs once.
    assert baselines["object"]["accuracy"] == pytest.approx(25 / 26)
    assert baselines["action"]["accuracy"] == pytest.approx(1 / 3)


def test_tables_show_run_baseline_ratio_and_published_figures(folder, evaluated):
    text = (folder / "run/evaluation/test/tables.md").read_text()
    left, right, steadiness, recognition = text.split("\n\n")[:4]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in left.splitlines()]
    pose, constant = (evaluated[x]["pose"]["left"] for x in ("results", "baselines"))
    assert rows[0][0] == "left hand, 26 frames"
    assert rows[2][1] == f"{pose['camera_space']['mepe']:.2f}"
    assert rows[3][4] == f"{constant['root_aligned']['mepe']:.2f}"
    ratio = pose["root_aligned"]["mepe"] / constant["root_aligned"]["mepe"]
    assert rows[4][4] == f"{ratio:.2f}"
    assert rows[5] == ["HTT, published (H2O)", "35.02", "", "0.614", "16.59", "", "0.674"]
    assert len({len(line) for line in left.splitlines()}) == 1
    assert "35.63" in right
    error = evaluated["results"]["steadiness"]["left"]["acceleration_error"]
    assert steadiness.splitlines()[4].split("|")[2].strip() == f"{error:.2f}"
    assert "| HandFormer, later work (H2O) " in recognition
    assert "86.36" in recognition
    assert "on the test split of the real H2O; for context, not measured here" in text


def test_hidden_actions_are_reported_as_hidden_and_poses_scored(folder, evaluated, tmp_path):
    schema = records.features(H2O, prepared.ACTIONS, prepared.OBJECTS)
    indexes = {}
    for split in ("train", "test"):
        with records.ShardWriter(records.shard_path(tmp_path, H2O, split, 0, 1)) as shard:
            for video in videos_of(folder / "data", split):
                hidden = dataclasses.replace(video, action=-1) if split == "test" else video
                data = records.encode(hidden, schema)
                shard.write(data, len(video.frames), video.video_id)
        indexes[split] = [shard.index]
    records.write_metadata(tmp_path, H2O, prepared.ACTIONS, prepared.OBJECTS, indexes)
    hidden_run = evaluate.evaluate(str(folder / "run"), split="test", data=str(tmp_path))
    report = hidden_run.report
    action = report["results"]["action"]
    assert action["accuracy"] is None
    assert [video["action_name"] for video in action["per_video"]] == [None] * 3
    assert "action_accuracy" not in report["headline"]
    found, expected = (x["results"]["pose"]["left"] for x in (report, evaluated))
    assert found["camera_space"]["mepe"] == pytest.approx(expected["camera_space"]["mepe"])
    assert (hidden_run.estimates.num_videos, hidden_run.source.split) == (3, "test")
    text = tables.evaluation_tables(report)
    assert "action %, hidden" in text
    assert "The actions of 3 videos are hidden and not scored." in text


def test_columns_of_a_table_line_up():
    text = tables.markdown(["what", "mm"], [["a long name", "1.00"], ["b", ""]])
    assert text.splitlines() == [
        "| what        |   mm |",
        "| ----------- | ---: |",
        "| a long name | 1.00 |",
        "| b           |      |",
    ]


def test_other_datasets_and_classes_are_refused(folder, tmp_path, monkeypatch):
    run = str(folder / "run")
    fpha = prepared.write_dataset(tmp_path / "fpha", FPHA, {"test": [1]})
    with pytest.raises(InputError, match="it holds FPHA, the run was trained on H2O"):
        evaluate.evaluate(run, split="test", data=str(fpha))
    monkeypatch.setattr(prepared, "ACTIONS", ["open_milk", "shut_milk", "put_salt"])
    renamed = prepared.write_dataset(tmp_path / "renamed", H2O, {"test": [1]})
    message = "action class 1 is 'shut_milk', the run was trained with 'close_milk'"
    with pytest.raises(InputError, match=message):
        evaluate.evaluate(run, split="test", data=str(renamed))
    monkeypatch.setattr(prepared, "ACTIONS", ["open_milk", "close_milk"])
    fewer = prepared.write_dataset(tmp_path / "fewer", H2O, {"test": [1]})
    with pytest.raises(InputError, match="2 action classes, the run was trained on 3"):
        evaluate.evaluate(run, split="test", data=str(fewer))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "val"}, "no split 'val'; it has train, test"),
        ({"step": 99}, "no checkpoint of step 99"),
        ({"batch_size": 0}, "--batch_size=0 is not divisible by the 1 devices"),
    ],
)
def test_wrong_options_are_refused(folder, options, message):
    with pytest.raises(InputError, match=message):
        evaluate.evaluate(str(folder / "run"), **{"split": "test"} | options)


def test_folder_without_run_checkpoints_or_data_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"no run in .*run\.json is missing"):
        evaluate.evaluate(str(tmp_path), split="test")
    run = json.loads((folder / "run/run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(InputError, match=r"no checkpoints: .* is missing; train first"):
        evaluate.evaluate(str(tmp_path), split="test")
    assert not (tmp_path / "checkpoints").exists()
    run["config"]["data"]["directory"] = str(tmp_path / "gone")
    (tmp_path / "run.json").write_text(json.dumps(run))
    (tmp_path / "checkpoints").symlink_to(folder / "run/checkpoints")
    with pytest.raises(InputError, match=r"trained on .*gone, which is not there now; .* --data"):
        evaluate.evaluate(str(tmp_path), split="test")
    run["dataset"]["fingerprint"] = None
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(InputError, match=r"was imported; its config names .*gone, which is not"):
        evaluate.evaluate(str(tmp_path), split="test")
    run["config"]["data"]["directory"] = None
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(InputError, match=r"names no dataset; name the prepared dataset with --da"):
        evaluate.evaluate(str(tmp_path), split="test")


def test_opening_a_run_leaves_a_checkpoint_that_is_being_written_alone(folder):
    unfinished = folder / "run/checkpoints/99.orbax-checkpoint-tmp"
    unfinished.mkdir()
    run = open_run(folder / "run", None, sharding.make_mesh(1))
    assert run.step > 0
    assert unfinished.exists()
    unfinished.rmdir()


def test_training_clears_up_after_one_that_was_killed(tmp_path):
    unfinished = tmp_path / "99.orbax-checkpoint-tmp"
    unfinished.mkdir()
    state = create_state({"params": np.zeros(2), "batch_stats": {}}, optax.identity())
    with Checkpoints(tmp_path, keep=1, best_metric="action_accuracy") as checkpoints:
        checkpoints.save(1, state)
    assert not unfinished.exists()


def test_unwritable_out_is_refused_before_the_work(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot make the folder .*file"):
        evaluate.main(["--workdir", str(folder / "run"), "--out", str(tmp_path / "file")])
