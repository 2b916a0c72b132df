"""`htt_jax.evaluate --folds`: a training repeated fold by fold, and what it says of labels."""

import csv
import itertools
import json
import shutil

import pytest

from htt_jax import evaluate
from htt_jax.cross_validation import running, writing
from htt_jax.cross_validation.doubts import Doubt
from htt_jax.cross_validation.writing import FILES
from htt_jax.data.folds import divide
from htt_jax.runs.directory import read
from htt_jax.support.errors import InputError
from htt_jax.training.loop import train
from htt_jax.visual.panels import readable
from tests import labelled_videos, toy_config

pytestmark = pytest.mark.proof  # whole trainings

VIDEOS = [(f"rec{i // 3}/{i % 3}", f"s{i // 6}", i % 3) for i in range(12)]
SPLITS = {"train": VIDEOS[:8], "test": VIDEOS[8:]}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Four recordings of three actions each, by two subjects, and a run of the toy system."""
    folder = tmp_path_factory.mktemp("folds")
    labelled_videos.write(folder / "data", SPLITS, frames=8)
    config = toy_config.get_config()
    config.data.directory = str(folder / "data")
    config.epochs = 1
    train(config, folder / "run")
    return folder


@pytest.fixture(scope="module")
def out(root):
    """What two folds found, in the default place."""
    evaluate.main([f"--workdir={root / 'run'}", "--folds=2"])
    return root / "run/evaluation/2_folds"


def test_every_video_is_judged_once_by_a_run_that_has_not_seen_it(root, out):
    found = json.loads((out / "folds.json").read_text())
    judged = [[video["video_id"] for video in fold["videos"]] for fold in found["folds"]]
    assert sorted(itertools.chain(*judged)) == [name for name, _, _ in VIDEOS]
    assert judged[0] == [name for name, subject, _ in VIDEOS if subject == "s0"]
    assert found["unit"] == "subject"
    of_run = read(root / "run").config
    for number in range(2):
        config = read(out / f"fold_{number}").config
        assert (config.data.folds, config.data.fold, config.eval.split) == (2, number, "held_out")
        assert (config.epochs, config.batch_size) == (of_run.epochs, of_run.batch_size)
        results = json.loads((out / f"fold_{number}/evaluation/held_out/results.json").read_text())
        assert results["headline"] == found["folds"][number]["headline"]


def test_the_sheet_has_every_video_and_says_what_is_suspected(out):
    rows = list(csv.DictReader((out / "doubts.csv").read_text().splitlines()))
    assert sorted(row["video_id"] for row in rows) == [name for name, _, _ in VIDEOS]
    suspects = [row for row in rows if row["suspected"] == "True"]
    assert rows[: len(suspects)] == suspects
    assert all(row["label"] != row["believed"] for row in suspects)
    assert "mean ± deviation" in (out / "folds.md").read_text()


def test_the_page_shows_what_is_believed_of_the_videos_that_are_doubted(root, out, tmp_path):
    found = [running.run(config, out / f"fold_{i}", 0) for i, config in enumerate(configs(root))]
    entries = [(fold, found[fold].videos[fold]) for fold in range(2)]
    names = found[0].action_names
    planted = [
        Doubt(fold, entry, (entry["action"] + 1) % 3, names[(entry["action"] + 1) % 3], True, True)
        for fold, entry in entries
    ]
    said = writing.write(tmp_path, "run", divide(root / "data", 2), found, planted)
    page = (tmp_path / "doubts.html").read_text()
    assert page.count("<article>") == 2
    for one in planted:
        label = readable(one.entry["action_name"])
        rather = f"taken for {readable(one.believed_name)} {100 * one.of_believed:.0f} %"
        assert f"{label} {100 * one.of_label:.0f} %, {rather}" in page
        assert f"{one.believed_name} {100 * one.of_believed:.0f} %" in said


def configs(root):
    return running.configs(str(root / "run"), 2, None)


def test_figures_of_other_videos_are_not_taken_where_checkpoints_are_gone(root, out, tmp_path):
    copy = shutil.copytree(out, tmp_path / "out")
    shutil.rmtree(copy / "fold_0/checkpoints")
    labelled_videos.write(tmp_path / "data", SPLITS, frames=8, seed=1)
    config = configs(root)[0]
    config.data.directory = str(tmp_path / "data")
    with pytest.raises(InputError, match="fold_0 was run on another dataset"):
        running.run(config, copy / "fold_0", 0)


def test_a_folds_run_is_not_evaluated_on_a_dataset_of_other_folds(out, tmp_path):
    labelled_videos.write(tmp_path / "data", SPLITS, frames=8, seed=1)
    with pytest.raises(InputError, match="folds have videos that the run has seen"):
        evaluate.main([f"--workdir={out / 'fold_0'}", f"--data={tmp_path / 'data'}"])


def test_what_is_done_is_not_done_again(root, out, capsys):
    before = {name: (out / name).read_bytes() for name in FILES}
    evaluate.main([f"--workdir={root / 'run'}", "--folds=2"])
    said = capsys.readouterr()
    assert "training" not in said.err
    assert said.out.startswith("2 folds by subject")
    assert {name: (out / name).read_bytes() for name in FILES} == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--folds=1"], "--folds=1 must be at least 2"),
        (["--folds=9"], "too few for 9 folds"),
        (
            ["--folds=2", "--split=test"],
            "evaluates runs of its own: no --split",
        ),
        (["--folds=2", "--early"], "no --early"),
    ],
)
def test_wrong_input_is_said_before_anything_is_trained(root, arguments, said):
    with pytest.raises(InputError, match=said):
        evaluate.main([f"--workdir={root / 'run'}", *arguments])


def test_folds_of_other_videos_are_other_folds(root, out, tmp_path):
    labelled_videos.write(tmp_path / "data", SPLITS, frames=8, seed=1)
    places = [f"--data={tmp_path / 'data'}", f"--out={out}"]
    with pytest.raises(InputError, match=r"fold_0 was run on another dataset .* another --out"):
        evaluate.main([f"--workdir={root / 'run'}", "--folds=2", *places])


def test_a_run_that_began_from_one_that_saw_the_videos_is_refused(root, tmp_path):
    path = shutil.copytree(root / "run", tmp_path / "run") / "run.json"
    content = json.loads(path.read_text())
    content["config"]["init"]["checkpoint"] = str(root / "run")
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"init.checkpoint=.* trained on FPHA, of which no fold"):
        evaluate.main([f"--workdir={tmp_path / 'run'}", "--folds=2"])
