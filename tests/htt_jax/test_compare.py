"""The comparison of evaluated runs: which form a row, its figures, the paper's tables, refusals."""

import csv
import json
import pathlib
import statistics

import numpy as np
import pytest

from htt_jax import compare, evaluate
from htt_jax.datasets import published
from htt_jax.datasets.spec import H2O
from htt_jax.support.errors import InputError
from tests import prepared, runs

MEASURES = ("auc", "mepe", "auc_ra", "mepe_ra")


def evaluated_run(workdir, data, **options):
    """A run of random weights with its evaluation on `test`."""
    runs.initialise_run(workdir, data, step=5, **options)
    folder = workdir / "evaluation/test"
    folder.mkdir(parents=True)
    report = evaluate.evaluate(str(workdir), split="test").report
    (folder / evaluate.RESULTS_FILE).write_text(json.dumps(report))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_program):
    """Evaluated runs: `a0` and `a1` differ in seed, place of data and workers; `b0` says t = 1."""
    root = tmp_path_factory.mktemp("compare")
    splits = {"train": [3, 2, 2], "test": [9, 4, 1]}
    for name in ("data", "copy"):
        prepared.write_dataset(root / name, H2O, splits)
    evaluated_run(root / "a0", root / "data")
    evaluated_run(root / "a1", root / "copy", seed=1, eval__every_epochs=2, log__every_steps=1)
    evaluated_run(root / "b0", root / "data", seed=2)
    report = results(root / "b0")
    report["run"]["config"]["seed"], report["run"]["config"]["model"]["window"] = 0, 1
    (root / "b0/evaluation/test/results.json").write_text(json.dumps(report))
    return root


def results(path):
    return json.loads((path / "evaluation/test/results.json").read_text())


@pytest.fixture
def variant_of(folder, tmp_path):
    """Writes the results of `a0`, as if options had been others, and returns their path."""

    def write(name, accuracy=None, dataset=None, run=None, **options):
        report = results(folder / "a0")
        for option, value in options.items():
            *sections, last = option.split("__")
            section = report["run"]["config"]
            for part in sections:
                section = section[part]
            section[last] = value
        report["dataset"].update(dataset or {})
        report["run"].update(run or {})
        if accuracy is not None:
            report["headline"]["action_accuracy"] = accuracy
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(report))
        return str(path)

    return write


def rows_of(text, title):
    """The cells of the table that starts with `title`, by their first cell."""
    table = next(part for part in text.split("\n\n") if part.startswith(f"| {title} "))
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    assert len({len(line) for line in table.splitlines()}) == 1
    return {row[0]: row[1:] for row in rows}


def test_runs_that_differ_only_in_seed_form_one_row_of_mean_and_deviation(folder, capsys):
    names = [str(folder / name) for name in ("a0", "b0", "a1")]
    compare.main([*names, "--out", str(folder / "out")])
    text = capsys.readouterr().out
    table = rows_of(text, "row")
    assert table["row"][:2] == ["runs", "model.window"]
    row = table[f"1: {names[0]} and 1 more"]
    errors = [results(folder / name)["headline"]["mepe"] for name in ("a0", "a1")]
    assert errors[0] != errors[1]
    mean, deviation = sum(errors) / 2, statistics.stdev(errors)
    assert row[:2] == ["2", "2"]
    assert row[table["row"].index("MEPE mm")] == f"{mean:.2f} ± {deviation:.2f}"
    assert table[f"2: {names[1]}"][:2] == ["1", "1"]
    assert "±" not in "".join(table[f"2: {names[1]}"])
    listed = rows_of(text, "run")
    assert [listed[name][:3] for name in names] == [
        ["1", "0", "5"],
        ["2", "0", "5"],
        ["1", "1", "5"],
    ]
    assert "±: sample standard deviation" in text
    assert "warning" not in text
    assert "written: compare.md, compare.csv, compare.json in" in text
    assert (folder / "out/compare.md").read_text().strip() in text


def test_sheet_and_json_hold_unrounded_figures_hand_by_hand(folder):
    groups = compare.compare([str(folder / name) for name in ("a0", "a1", "b0")])
    compare.write(folder, groups)
    with open(folder / "compare.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    reports = [results(folder / name) for name in ("a0", "a1")]
    errors = [x["results"]["pose"]["left"]["root_aligned"]["mepe"] for x in reports]
    assert rows[0]["seeds"] == "0 1"
    assert [row["model.window"] for row in rows] == ["2", "1"]
    assert float(rows[0]["left mepe_ra"]) == pytest.approx(sum(errors) / 2)
    assert float(rows[0]["left mepe_ra deviation"]) == pytest.approx(statistics.stdev(errors))
    assert rows[1]["left mepe_ra deviation"] == ""
    content = json.loads((folder / "compare.json").read_text())
    assert content["differing_options"] == ["model.window"]
    assert [run["seed"] for run in content["rows"][0]["runs"]] == [0, 1]
    assert content["rows"][0]["figures"]["left mepe_ra"]["mean"] == pytest.approx(sum(errors) / 2)
    assert content["published"]["pose_of_window"]["1"]["left"]["mepe"] == 40.12


def test_table_4_has_each_window_left_and_right_apart_beside_the_published_rows(folder):
    text = compare.report(compare.compare([str(folder / name) for name in ("a0", "a1", "b0")]))
    assert "Tab. 4: window t; T = 4\n" in text
    table = rows_of(text, "poses")
    assert table["poses"][1:5] == ["AUC left", "AUC right", "MEPE mm left", "MEPE mm right"]
    assert list(table)[2:6] == ["t = 1", "t = 1, published", "t = 2", "t = 16, published"]
    assert len(table) == 6
    poses = results(folder / "b0")["results"]["pose"]
    camera, aligned = ([poses[h][s] for h in H2O.hands] for s in ("camera_space", "root_aligned"))
    assert table["t = 1"] == [
        "1",
        *(f"{x['auc']:.3f}" for x in camera),
        *(f"{x['mepe']:.2f}" for x in camera),
        *(f"{x['auc']:.3f}" for x in aligned),
        *(f"{x['mepe']:.2f}" for x in aligned),
    ]
    assert table["t = 2"][0] == "2"
    assert " ± " in table["t = 2"][1]
    published_row = ["", "0.614", "0.604", "35.02", "35.63", "0.674", "0.648", "16.59", "17.91"]
    assert table["t = 16, published"] == published_row


def test_table_5_has_lengths_and_variants_beside_the_published_figures(variant_of):
    text = compare.report(
        compare.compare(
            [
                variant_of("short", 0.25, data__frames=2),
                variant_of("full", 0.5),
                variant_of("full again", 0.7, seed=1),
                variant_of("parallel", 0.4, model__cascaded=False),
                variant_of("blind", 0.3, model__action_inputs=["pose", "object"]),
                variant_of("seeing", 0.2, model__action_inputs=["image"]),
            ]
        )
    )
    assert "Tab. 5: action; t = 2, T = 4 unless said\n" in text
    assert rows_of(text, "action") == {
        "action": ["runs", "action %", "published %"],
        "-" * 42: ["---:", "------------:", "----------:"],
        "T = 2": ["1", "25.00", ""],
        "T = 4": ["2", "60.00 ± 14.14", ""],
        "T = 128": ["", "", "86.36"],
        "parallel instead of cascaded": ["1", "40.00", "80.17"],
        "without image feature": ["1", "30.00", "75.21"],
        "without object label and without hand pose": ["1", "20.00", ""],
    }
    assert rows_of(text, "row")["row"][1:3] == ["data.frames", "variant"]


def test_settings_apart_from_the_papers_have_tables_of_their_own(variant_of):
    names = [
        variant_of("slow"),
        variant_of("fast", optimizer__learning_rate=1e-4),
        variant_of("slow window", model__window=4),
        variant_of("mixed", model__window=1, data__frames=8),
    ]
    text = compare.report(compare.compare(names))
    assert "Tab. 4: window t; T = 4; optimizer.learning_rate = 3e-05\n" in text
    assert "Tab. 5: action; t = 2, T = 4 unless said; optimizer.learning_rate = 0.0001\n" in text
    assert "Rows of the first table that are in neither of these two: 1." in text


def test_hidden_actions_are_said_to_be_hidden(folder, tmp_path):
    report = results(folder / "a0")
    del report["headline"]["action_accuracy"]
    (tmp_path / "hidden.json").write_text(json.dumps(report))
    text = compare.report(compare.compare([str(tmp_path / "hidden.json")]))
    assert rows_of(text, "action")["T = 4"] == ["1", "hidden", ""]


def test_crops_around_true_poses_stand_in_no_column_with_other_figures(variant_of, tmp_path):
    depth = {"data__camera": "depth"}
    names = [
        variant_of("published", 0.75, crops={"protocol": "published"}, **depth),
        variant_of("honest", 0.25, crops={"protocol": "honest"}, **depth),
        variant_of("whole maps", 0.5, **depth),
    ]
    report = json.loads(pathlib.Path(names[0]).read_text())
    report["results"]["published_error_mm"] = 12.345
    pathlib.Path(names[0]).write_text(json.dumps(report))
    groups = compare.compare(names)
    text = compare.report(groups)
    others, _, apart = text.partition("Crops around the true poses, at test time too")
    assert list(rows_of(others, "row"))[2:] == [f"2: {names[1]}", f"3: {names[2]}"]
    table = rows_of(apart, "row")
    assert list(table)[2:] == [f"1: {names[0]}"]
    assert table["row"][-2:] == ["mean over batches mm", "acceleration error"]
    of_hands = report["results"]["steadiness"].values()
    error = np.mean([of_hand["acceleration_error"] for of_hand in of_hands])
    assert table[f"1: {names[0]}"][-2:] == ["12.35", f"{error:.2f}"]
    assert "around tracked hands (honest)" in text
    compare.write(tmp_path, groups)
    with (tmp_path / "compare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    accuracies = ["action_accuracy", "action_accuracy, published crops"]
    assert [[row[name] for name in accuracies] for row in rows] == [
        ["", "0.75"],
        ["0.25", ""],
        ["0.5", ""],
    ]


def test_other_content_of_a_split_is_a_row_of_its_own_with_a_warning(folder, variant_of):
    other = variant_of("other", dataset={"fingerprint": "0123456789abcdef"})
    text = compare.report(compare.compare([str(folder / "a0"), other]))
    assert text.startswith("warning: the evaluated split has 2 different contents")
    table = rows_of(text, "row")
    assert table["row"][1] == "evaluated data"
    assert table[f"2: {other}"][1] == "01234567"


def test_runs_imported_without_their_dataset_compare(folder, variant_of):
    unknown = {"training_fingerprint": None}
    names = [str(folder / "a0"), *(variant_of(f"{n}", run=unknown, seed=n) for n in (1, 2))]
    table = rows_of(compare.report(compare.compare(names)), "row")
    assert table["row"][:2] == ["runs", "training data"]
    assert table[f"2: {names[1]} and 1 more"][:2] == ["2", "not known"]


def test_seeds_that_differ_only_in_how_they_were_made_form_one_row(folder, variant_of):
    made = variant_of("other", seed=1, model__rematerialise=True, data__cache="device")
    older = variant_of("older", seed=2, model__pixel_scale=480 / 4.8, model__depth_scale=1e-4)
    (group,) = compare.compare([str(folder / "a0"), made, older])
    assert [run.seed for run in group.runs] == [0, 1, 2]
    own = variant_of("own", model__pixel_scale=50.0)
    assert len(compare.compare([str(folder / "a0"), own])) == 2


def test_same_seed_twice_is_warned_of(folder, variant_of):
    text = compare.report(compare.compare([str(folder / "a0"), variant_of("again")]))
    assert text.startswith("warning: row 1 has several runs of seed 0")


def test_several_datasets_splits_and_the_same_run_are_refused(folder, variant_of):
    run = str(folder / "a0")
    with pytest.raises(InputError, match=r"a0 is evaluated on H2O test, .* on FPHA test; compare"):
        compare.compare([run, variant_of("fpha", dataset={"name": "fpha", "spec": None})])
    with pytest.raises(InputError, match=r"a0 is evaluated on H2O test, .* on H2O val; compare"):
        compare.compare([run, variant_of("val", dataset={"split": "val"})])
    with pytest.raises(InputError, match=r"results.json is the same run as .*a0; name each"):
        compare.compare([run, f"{run}/evaluation/test/results.json"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("{root}/data", r"cannot read .*data/evaluation/test/results.json: No such file or dir"),
        ("{root}/a0 --split val", r"evaluate the run with `python .* --workdir=.*a0 --split=val`"),
        ("{root}/gone.json", r"cannot read .*gone.json: No such file .*; name a results.json"),
        ("{root}/a0/run.json", r"run.json is not what htt_jax.evaluate writes: KeyError 'run'"),
        ("{root}/a0 --out {root}/a0/run.json", r"cannot make the folder .*run.json"),
    ],
)
def test_wrong_options_are_refused(folder, arguments, message):
    with pytest.raises(InputError, match=message):
        compare.main([argument.format(root=folder) for argument in arguments.split()])


def test_published_figures_are_in_the_order_of_the_papers_table():
    assert published.of("fpha").pose_of_window[64]["right"] == dict(
        zip(MEASURES, (0.805, 16.19, 0.767, 11.92), strict=True)
    )
    assert published.of("h2o").pose_of_window[128] == {
        "left": dict(zip(MEASURES, (0.599, 36.41, 0.673, 16.71), strict=True)),
        "right": dict(zip(MEASURES, (0.564, 39.36, 0.636, 18.66), strict=True)),
    }
    assert published.of("fpha").action_of_frames[128] == 94.09
