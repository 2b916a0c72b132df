"""The H2O challenge's files: what a run submits, and what the check finds in any files."""

import dataclasses
import json
import zipfile

import jax
import numpy as np
import pytest

from htt_jax import evaluate, submit
from htt_jax.data import records
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.devices import sharding
from htt_jax.evaluation import h2o_challenge
from htt_jax.evaluation.h2o_challenge import Counts, Prediction
from htt_jax.runs.directory import Run, dataset_facts, start
from htt_jax.runs.opening import open_run
from htt_jax.support.errors import InputError
from tests import online_runs, prepared, runs

FRAMES = {7: 19, 3: 6, 12: 1}  # of each segment; not in the order of the ids
FIRST_FRAME = 30


def segment_videos(ids):
    rng = np.random.default_rng(0)
    for number, (segment_id, frames) in enumerate(ids.items()):
        video = prepared.make_video(H2O, rng, number, frames, (32, 18), number)
        yield dataclasses.replace(
            video,
            segment_id=segment_id,
            action=11 * number,
            frame_numbers=FIRST_FRAME + np.arange(frames),
        )


def write_data(directory, splits, actions=H2O.action_names, objects=H2O.object_names):
    """A prepared dataset with H2O's classes; each split's frames by segment."""
    directory.mkdir(exist_ok=True)
    schema = records.features(H2O, actions, objects)
    indexes = {}
    for split, ids in splits.items():
        with records.ShardWriter(records.shard_path(directory, H2O, split, 0, 1)) as shard:
            for video in segment_videos(ids):
                shard.write(records.encode(video, schema), len(video.frames), video.video_id)
        indexes[split] = [shard.index]
    records.write_metadata(directory, H2O, actions, objects, indexes)
    return directory


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_program):
    """A dataset in `data`, a run in `run`, what it submits in `out`."""
    root = tmp_path_factory.mktemp("submit")
    data = write_data(root / "data", {"train": {1: 3}, "test": FRAMES})
    runs.initialise_run(root / "run", data)
    submit.main(["--workdir", str(root / "run"), "--out", str(root / "out")])
    return root


@pytest.fixture(scope="module")
def expected(folder):
    return h2o_challenge.segments(records.RecordSource(folder / "data", "test"))


def contents(out):
    found = []
    for name in ("action_labels", "hand_poses"):
        with zipfile.ZipFile(out / f"{name}.zip") as archive:
            assert archive.namelist() == [f"{name}.json"]
            found.append(json.loads(archive.read(f"{name}.json")))
    return found


def pack(out, labels, poses):
    """Writes both files as any other code would."""
    for name, content in (("action_labels", labels), ("hand_poses", poses)):
        text = content if isinstance(content, str) else json.dumps(content)
        with zipfile.ZipFile(out / f"{name}.zip", "w") as archive:
            archive.writestr(f"{name}.json", text)


def test_files_hold_the_modality_and_exactly_the_segments_and_frames(folder):
    labels, poses = contents(folder / "out")
    assert labels.pop("modality") == poses.pop("modality") == "RGB"
    assert list(labels) == list(poses) == ["7", "3", "12"]
    for segment, frames in FRAMES.items():
        names = [f"{FIRST_FRAME + i:06d}.txt" for i in range(frames)]
        assert list(poses[str(segment)]) == names
        assert all(len(numbers) == 126 for numbers in poses[str(segment)].values())


def test_files_in_a_bucket_are_those_of_the_disk_and_are_checked_there(folder, expected, gcs):
    out = f"{gcs.root}/submission"
    submit.main(["--workdir", str(folder / "run"), "--out", out])
    here, there = (h2o_challenge.check(x, expected) for x in (out, folder / "out"))
    assert here == there
    with pytest.raises(InputError, match=r"no action_labels.zip in gs://store/nothing"):
        h2o_challenge.check(f"{gcs.root}/nothing", expected)


def test_labels_and_poses_are_those_that_evaluation_scores(folder):
    labels, poses = contents(folder / "out")
    results = evaluate.evaluate(str(folder / "run"), split="test").report["results"]
    predicted = [video["predicted"] + 1 for video in results["action"]["per_video"]]
    assert predicted == [labels[str(segment)] for segment in FRAMES]
    errors = []
    for video in segment_videos(FRAMES):
        found = np.array(list(poses[str(video.segment_id)].values())).reshape(-1, 2, 21, 3)
        target = video.joints_3d.reshape(-1, 2, 21, 3)
        errors.append(1000 * np.linalg.norm(found - target, axis=-1))
    for hand, error in zip(
        ("left", "right"), np.concatenate(errors).mean(axis=(0, 2)), strict=True
    ):
        assert error == pytest.approx(results["pose"][hand]["camera_space"]["mepe"], abs=1e-3)


def test_output_says_what_was_checked_and_what_the_official_split_has(folder, capsys):
    submit.main(["--check", str(folder / "out"), "--data", str(folder / "data")])
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("checked: 3 segments with labels, ")
    assert first.endswith("; 26 frames of 126 finite numbers")
    assert second.startswith("note: the official test split has 242 segments and 23391 frames")
    assert Counts(242, 23391, 30).is_official


def test_batch_size_and_given_data_change_nothing(folder, tmp_path):
    found = submit.submit(
        str(folder / "run"), tmp_path, data=str(folder / "data"), step=7, batch_size=1
    )
    assert (found.segments, found.frames) == (3, 26)
    (labels, poses), (same_labels, same_poses) = contents(folder / "out"), contents(tmp_path)
    assert same_labels == labels
    for segment in map(str, FRAMES):
        here, there = (np.array(list(x[segment].values())) for x in (poses, same_poses))
        np.testing.assert_allclose(here, there, atol=2e-6)


def test_failing_run_leaves_earlier_files_as_they_were(folder, tmp_path):
    def predictions():
        yield Prediction(7, 0, np.arange(2), np.zeros((2, 42, 3)))
        raise InputError("a record is damaged")

    for name in ("action_labels.zip", "hand_poses.zip"):
        (tmp_path / name).write_bytes((folder / "out" / name).read_bytes())
    before = contents(tmp_path)
    with pytest.raises(InputError, match="a record is damaged"):
        h2o_challenge.write(tmp_path, predictions())
    assert contents(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 2


def test_poses_that_are_not_finite_are_found_in_what_was_written(tmp_path):
    joints = np.zeros((2, 42, 3))
    joints[1, 41, 2] = np.nan
    h2o_challenge.write(tmp_path, [Prediction(7, 0, np.arange(2), joints)])
    message = r"hand_poses.zip, segment 7, frame 000001.txt: number 126 of 126 is nan"
    with pytest.raises(InputError, match=message):
        h2o_challenge.check(tmp_path, {7: np.arange(2)})


def test_faulty_files_neither_replace_good_ones_nor_stay(folder, tmp_path):
    run = open_run(folder / "run", None, sharding.single_device_mesh())
    astray = jax.tree.map(lambda x: x * np.nan, run.variables)
    online_runs.save_run(tmp_path / "run", dataclasses.replace(run, variables=astray))
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(InputError, match=r"hand_poses.zip, segment 7, .* number 1 of 126 is nan"):
        submit.submit(str(tmp_path / "run"), out)
    assert not list(out.iterdir())


FAULTS = {
    "label missing": (
        lambda labels, poses: labels.pop("3"),
        r"action_labels.zip: segments missing: 3; the split has 3 segments",
    ),
    "poses missing": (
        lambda labels, poses: [poses.pop("3"), poses.pop("12")],
        r"hand_poses.zip: segments missing: 3, 12;",
    ),
    "other segment": (
        lambda labels, poses: labels.update({"007": 1}),
        r"action_labels.zip: unknown segments: 007;",
    ),
    "label of the background": (
        lambda labels, poses: labels.update({"3": 0}),
        r"action_labels.zip, segment 3: label 0, expected a whole number from 1 to 36",
    ),
    "label too large": (lambda labels, poses: labels.update({"3": 37}), "label 37"),
    "label as text": (lambda labels, poses: labels.update({"3": "5"}), r'label "5"'),
    "label not whole": (lambda labels, poses: labels.update({"3": 5.0}), "label 5.0"),
    "label true": (lambda labels, poses: labels.update({"3": True}), "label true"),
    "modality missing": (
        lambda labels, poses: poses.pop("modality"),
        r'hand_poses.zip: modality null, expected "RGB"',
    ),
    "frames missing": (
        lambda labels, poses: poses.update({"7": {}}),
        r"segment 7: frames missing: 000030.txt, 000031.txt, 000032.txt and 16 more; the segment "
        "has 19 frames",
    ),
    "other frame": (
        lambda labels, poses: poses["12"].update({"000031.txt": []}),
        r"segment 12: unknown frames: 000031.txt",
    ),
    "frames as a list": (
        lambda labels, poses: poses.update({"12": [[0.0] * 126]}),
        r"segment 12: \[\[0.0, .*\.\.\., expected an object of frames",
    ),
    "too few numbers": (
        lambda labels, poses: poses["12"]["000030.txt"].pop(),
        "segment 12, frame 000030.txt: 125 values, expected 126 numbers",
    ),
    "nested numbers": (
        lambda labels, poses: poses["12"].update({"000030.txt": [[0.0] * 3] * 42}),
        "frame 000030.txt: 42 values, expected 126 numbers",
    ),
    "text among numbers": (
        lambda labels, poses: poses["12"]["000030.txt"].__setitem__(5, "x"),
        'frame 000030.txt: "x" among its values, expected 126 numbers',
    ),
    "infinite": (
        lambda labels, poses: poses["12"]["000030.txt"].__setitem__(5, float("inf")),
        "number 6 of 126 is inf, expected finite ones",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_in_files_of_any_origin_is_named(folder, expected, tmp_path, fault):
    spoil, message = FAULTS[fault]
    labels, poses = contents(folder / "out")
    pack(tmp_path, labels, poses)
    assert h2o_challenge.check(tmp_path, expected).frames == 26
    spoil(labels, poses)
    pack(tmp_path, labels, poses)
    with pytest.raises(InputError, match=message) as raised:
        h2o_challenge.check(tmp_path, expected)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"modality": "RGB", "3": 1, "3": 2}',
            'cannot read .*action_labels.zip: "3" is there twi',
        ),
        ("[1, 2]", r"action_labels.zip: \[1, 2\], expected an object of segments"),
        ('{"3": ', "cannot read .*action_labels.zip: Expecting value"),
    ],
)
def test_content_that_is_no_such_json_is_named(expected, tmp_path, text, message):
    pack(tmp_path, text, {})
    with pytest.raises(InputError, match=message):
        h2o_challenge.check(tmp_path, expected)


def test_archives_that_are_missing_damaged_or_hold_more_are_named(folder, expected, tmp_path):
    with pytest.raises(
        InputError, match=r"no action_labels.zip in .*; the challenge has two files"
    ):
        h2o_challenge.check(tmp_path, expected)
    path = tmp_path / "action_labels.zip"
    path.write_bytes(b"PK, but not really")
    with pytest.raises(
        InputError, match=r"cannot read .*action_labels\.zip: File is not a zip file"
    ):
        h2o_challenge.check(tmp_path, expected)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("submission/action_labels.json", "{}")
        archive.writestr("hand_poses.json", "{}")
    message = (
        r"holds submission/action_labels.json, hand_poses.json, expected action_labels.json alone"
    )
    with pytest.raises(InputError, match=message):
        h2o_challenge.check(tmp_path, expected)
    whole = (folder / "out/hand_poses.zip").read_bytes()
    path.write_bytes((folder / "out/action_labels.zip").read_bytes())
    (tmp_path / "hand_poses.zip").write_bytes(whole[:5000] + b"damage" + whole[5006:])
    with pytest.raises(InputError, match=r"cannot read .*hand_poses\.zip"):
        h2o_challenge.check(tmp_path, expected)


def test_runs_and_data_of_other_datasets_and_classes_are_refused(folder, tmp_path):
    fpha = prepared.write_dataset(tmp_path / "fpha", FPHA, {"train": [1], "test": [1]}, (32, 18))
    facts = dataset_facts(records.RecordSource(fpha, "train"), None)
    start(tmp_path / "run", Run(runs.tiny_config(fpha), facts))
    with pytest.raises(InputError, match=r"the run in .* is of FPHA, but the challenge is H2O's"):
        submit.submit(str(tmp_path / "run"), tmp_path)
    with pytest.raises(InputError, match=r"fpha is of FPHA, but the challenge is H2O's"):
        submit.main(["--check", str(folder / "out"), "--data", str(fpha)])
    actions = [*H2O.action_names[1:], "grab book"]
    other = write_data(tmp_path / "other", {"test": FRAMES}, actions)
    with pytest.raises(InputError, match="here class 0 is 'grab espresso', not 'grab book'"):
        submit.main(["--check", str(folder / "out"), "--data", str(other)])
    few = prepared.write_dataset(tmp_path / "few", H2O, {"test": [1]}, (32, 18))
    with pytest.raises(InputError, match="here class 0 is 'open_milk'"):
        submit.main(["--check", str(folder / "out"), "--data", str(few)])
    nameless = write_data(tmp_path / "nameless", {"test": {-1: 2}})
    with pytest.raises(InputError, match="segment id -1, expected one from the label file"):
        submit.main(["--check", str(folder / "out"), "--data", str(nameless)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "--workdir and --out missing"),
        ("--workdir {run}", "^--out missing"),
        ("--workdir {run} --out {run}/run.json", r"cannot make the folder .*run\.json"),
        ("--workdir {data} --out {out}", r"no run in .*run\.json is missing"),
        ("--workdir {run} --out {out} --split val", "no split 'val'; it has train, test"),
        ("--workdir {run} --out {out} --data {run}", "is not a prepared dataset"),
        ("--workdir {run} --out {out} --step 99", "no checkpoint of step 99"),
        ("--workdir {run} --out {out} --batch_size 0", "--batch_size=0 is not divisible"),
        ("--check {out}", "--check needs the prepared dataset"),
        ("--check {out} --data {data} --out {out}", "--check only reads files; leave out --out"),
        ("--check {run} --data {data}", "no action_labels.zip in"),
    ],
)
def test_wrong_options_are_refused(folder, arguments, message):
    places = {name: folder / name for name in ("run", "data", "out")}
    with pytest.raises(InputError, match=message):
        submit.main([argument.format(**places) for argument in arguments.split()])
