"""How early actions are recognised: of the beginnings of videos, and of nothing else."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from htt_jax import compare, evaluate
from htt_jax.data import records
from htt_jax.datasets.spec import FPHA
from htt_jax.evaluation import early
from htt_jax.evaluation.split import open_split
from tests import prepared, runs
from tests.htt_jax.evaluation.report.html_check import Page

TEST_FRAMES = [40, 3, 1, 5]  # a tenth of the first fills a clip: one program for all shares


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_program):
    """A dataset in `data`, a run in `run`, and its evaluation with --early beside it."""
    root = tmp_path_factory.mktemp("early")
    splits = {"train": [2, 2, 2], "test": TEST_FRAMES}
    data = prepared.write_dataset(root / "data", FPHA, splits)
    runs.initialise_run(root / "run", data, data__spacing=1)
    evaluate.main(["--workdir", str(root / "run"), "--early"])
    return root


@pytest.fixture(scope="module")
def results(folder):
    return json.loads((folder / "run/evaluation/test/results.json").read_text())["results"]


def with_other_ends(directory, folder, share):
    """The dataset, but of each video's frames after its share of them none is the same."""
    rng = np.random.default_rng(1)
    schema = records.features(FPHA, prepared.ACTIONS, prepared.OBJECTS)
    indexes = {}
    folder.mkdir()
    for split in ("train", "test"):
        there = records.RecordSource(directory, split)
        with records.ShardWriter(records.shard_path(folder, FPHA, split, 0, 1)) as shard:
            for number in range(len(there)):
                video, count = there[number], int(there.frame_counts[number])
                kept = max(1, int(np.ceil(share * count)))
                other = prepared.make_video(FPHA, rng, number, count, (64, 36), video.action)
                frames = [*video.frames[:kept], *other.frames[kept:]]
                changed = dataclasses.replace(video, frames=frames)
                shard.write(records.encode(changed, schema), count, video.video_id)
        indexes[split] = [shard.index]
    records.write_metadata(folder, FPHA, prepared.ACTIONS, prepared.OBJECTS, indexes)
    return folder


def probabilities(opened):
    """Of the actions of each clip, in the order of the clips."""
    found = [found["action_probabilities"][found["video"] >= 0] for found, _ in opened.outputs()]
    return np.concatenate(found)


def test_what_comes_after_the_cut_may_be_anything(folder, tmp_path):
    other = with_other_ends(folder / "data", tmp_path / "data", 0.4)
    here, there = (
        open_split(str(folder / "run"), split="test", data=str(data), label="")
        for data in (folder / "data", other)
    )
    cut = [probabilities(one.cut(observed=0.4, label="")) for one in (here, there)]
    np.testing.assert_array_equal(*cut)
    assert not np.array_equal(probabilities(here), probabilities(there))
    assert here.cut(observed=0.4, label="").source.frame_counts.tolist() == [16, 2, 1, 2]


def test_the_whole_is_what_evaluation_gives_and_the_mean_is_over_all_shares(results):
    found = results["early"]
    assert found["shares"] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    assert found["accuracy"][-1] == results["action"]["accuracy"]
    assert found["mean_accuracy"] == pytest.approx(np.mean(found["accuracy"]))
    of_actions = np.array(list(found["per_action"].values()))  # two of four videos are of the first
    assert list(found["per_action"]) == prepared.ACTIONS
    np.testing.assert_allclose(np.average(of_actions, axis=0, weights=[2, 1, 1]), found["accuracy"])
    assert np.mean(found["per_video"]) == pytest.approx(found["mean_accuracy"])
    assert found["first_frames"] == [15, 30, 60]
    assert found["accuracy_after"][-1] == found["accuracy"][-1]  # no video is longer


def test_a_video_is_decided_where_its_answer_changes_for_the_last_time():
    predicted = np.full((10, 4), 7)
    predicted[0, 1] = 2
    predicted[[0, 5], 2] = 2, 3
    predicted[9, 3] = 1
    np.testing.assert_allclose(early.decided(predicted), [0.1, 0.2, 0.7, 1.0])


def test_with_early_exit_a_video_is_seen_until_its_answer_is_sure_or_to_its_end():
    def after(*videos):  # the true action, and what is thought of action 1
        entries = [
            {"action": true, "probabilities": [1 - p, p], "predicted": int(p > 0.5)}
            for true, p in videos
        ]
        return {"per_video": entries}

    shares = [after((1, 0.4), (0, 0.6), (-1, 0.96))] * 6
    shares += [after((1, 0.92), (0, 0.4), (-1, 0.96))] * 4
    found = early.exits(shares)
    assert found["confidences"] == [0.5, 0.7, 0.8, 0.9, 0.95, 0.99]
    # From 0.7 on the first is sure after 70 %, the second never.
    assert found["accuracy"] == [0, 1, 1, 1, 1, 1]
    np.testing.assert_allclose(
        found["mean_share"], np.array([3, 18, 18, 18, 21, 30]) / 10 / 3, rtol=1e-9
    )
    hidden = early.exits([after((-1, 0.9))] * 10)
    assert hidden["accuracy"] == [None] * 6


def test_tables_page_plot_and_comparison_show_it(folder, results, capsys):
    out, found = folder / "run/evaluation/test", results["early"]
    table = (out / "tables.md").read_text()
    (header,) = (line for line in table.splitlines() if line.startswith("| action % after"))
    names = [cell.strip() for cell in header.strip("| ").split("|")]
    assert names[1:4] == ["10%", "20%", "30%"]
    assert names[-4:] == ["mean", "15 frames", "30 frames", "60 frames"]
    assert f"decided for good after {found['decided']:.0%}" in table
    (seen,) = (line for line in table.splitlines() if line.startswith("| seen of a video %"))
    exits = [float(cell) for cell in seen.strip("| ").split("|")[1:]]
    np.testing.assert_allclose(exits, 100 * np.array(found["exit"]["mean_share"]), atol=0.051)
    assert (out / "tables/headline_early_exit.csv").exists()
    page = Page((out / "report.html").read_text())
    assert page.faults == []
    assert "How early actions are recognised" in page.text
    assert (out / "plots/early.png").stat().st_size > 5000
    with open(out / "tables/early.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["action"] for row in rows] == ["all", *prepared.ACTIONS]
    assert float(rows[0]["after_100%"]) == found["accuracy"][-1]
    compare.main([str(folder / "run")])
    said = capsys.readouterr().out
    assert "early %" in said.splitlines()[0]
    assert f"{100 * found['mean_accuracy']:.2f} |" in said.splitlines()[2]


def test_without_it_comparison_has_no_column_for_it(folder, capsys):
    data = prepared.write_dataset(folder / "one", FPHA, {"train": [1], "test": [4]})
    options = {"workdir": folder / "run", "data": data, "out": folder / "plain"}
    evaluate.main([f"--{name}={value}" for name, value in options.items()])
    assert not (folder / "plain/plots/early.png").exists()
    capsys.readouterr()
    compare.main([str(folder / "plain/results.json")])
    assert "early %" not in capsys.readouterr().out
