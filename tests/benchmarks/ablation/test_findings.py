"""What is made of the records of a study: its figures, tables and files."""

import csv
import dataclasses
import json
import shlex

import numpy as np
import pytest

from benchmarks import ablations, figures
from benchmarks.ablation import claims, recording, runs, scales, tables
from benchmarks.ablation.findings import findings
from benchmarks.ablation.plan import studies
from benchmarks.ablation.runs import Run, Setting
from htt_jax.support.errors import InputError
from tests.ablation_records import VIDEOS, write_record, write_study

DEMO = scales.DEMO


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    setting = Setting(DEMO, tmp_path_factory.mktemp("study"), "data", "fpha")
    write_study(setting, np.random.default_rng(0))
    return setting, findings(setting, "window", studies(DEMO)["window"], 3)


def test_the_tables_figures_are_those_of_the_records(study):
    _, found = study
    of = {one.row.name: {x.measure: x for x in row} for row in found.table for one in row[:1]}
    told = of["t1"]["mepe_ra"]
    assert found.missing == 0
    assert told.mean == pytest.approx(np.mean(list(told.of_seeds.values())))
    assert told.deviation == pytest.approx(np.std(list(told.of_seeds.values()), ddof=1))
    assert told.difference.mean == pytest.approx(told.mean - of["full"]["mepe_ra"].mean)
    assert told.difference.low < 3.0 < told.difference.high
    assert told.difference.high - told.difference.low < 1.0  # videos differ by 5 mm: pairs tell
    assert told.tells_apart
    assert not of["t2"]["mepe_ra"].tells_apart
    assert of["full"]["mepe_ra"].difference is None
    assert told.published == 15.01  # t = 1 is the paper's
    assert of["full"]["action_accuracy"].published is None  # Tab. 4 has none
    assert of["t1"]["mepe"].difference.videos == 0  # of seeds alone


def test_markdown_sheet_json_and_picture_say_the_same(study, capsys):
    setting, found = study
    tables.write(setting, found)
    text = (setting.out / "window.md").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("| t = 1"))
    cells = [cell.strip() for cell in line.strip("| ").split("|")]
    one = found.table[1][0]
    assert cells[:2] == ["t = 1, no pose block", "3"]
    assert cells[2] == f"{one.mean:.2f} ± {one.deviation:.2f}"
    assert cells[3].startswith(f"+{one.difference.mean:.2f} [")
    assert cells[3].endswith("]*")
    assert cells[4] == "15.01"
    assert "python -m htt_jax.train --config=configs/simulated_ablations.py" in text
    (whole,) = (line for line in text.splitlines() if "benchmarks.ablations" in line)
    options = ablations._parser().parse_args(shlex.split(whole)[3:])
    assert (options.study, options.seeds, options.out) == (["window"], 3, setting.out)
    assert "python -m data_prep.simulate --layout=fpha --actions=open_juice_bottle," in text
    sheet = list(csv.DictReader((setting.out / "window.csv").read_text().splitlines()))
    (row,) = (x for x in sheet if (x["row"], x["measure"]) == ("t1", "mepe_ra"))
    assert float(row["mean"]) == one.mean
    assert float(row["p_corrected"]) == one.p
    content = json.loads((setting.out / "window.json").read_text())
    assert content["rows"][1]["measures"]["mepe_ra"]["difference"]["mean"] == one.difference.mean
    assert (setting.out / "window.png").read_bytes().startswith(b"\x89PNG")


def test_a_study_that_is_whole_is_recorded_for_the_pages_and_another_refused(
    study, tmp_path, monkeypatch
):
    setting, found = study
    results = tmp_path / "results.json"
    results.write_text("{}")
    monkeypatch.setattr(figures, "RESULTS", results)
    page = recording.record(setting, found)
    command = figures.read(results)["ablation_window"]["command"]
    options = ablations._parser().parse_args(shlex.split(command)[3:])
    assert (options.scale, options.out, options.data) == ("demo", setting.out, None)
    filled = figures.filled(f"text\n\n{page}\n", figures.read(results), "page")
    cells = {cell.strip() for cell in filled.split("|")}
    shown = [one for of_row in found.table for one in of_row]
    assert cells >= {text(one) for one in shown for text in (tables._mean, tables._difference)}
    assert figures.read(results)["ablation_window"]["recorded"]["commit"] == "0123abc; 4567def"
    partial = dataclasses.replace(found, records=found.records[1:])
    with pytest.raises(InputError, match=r"still misses 1 runs; run them first"):
        recording.record(setting, partial)


def test_a_study_that_is_not_whole_has_a_table_of_what_is_done(tmp_path):
    setting = Setting(DEMO, tmp_path, "data", "fpha")
    window = studies(DEMO)["window"]
    write_study(
        setting,
        np.random.default_rng(0),
        missing={("t1", 0), ("t1", 1), *(("t2", seed) for seed in range(3))},
    )
    found = findings(setting, "window", window, 3)
    assert found.missing == 5
    text = tables.report(setting, found)
    assert "5 runs still to be done" in text
    assert (
        "Paired with the first row in one seed only: t = 1, no pose block. Intervals there" in text
    )
    t1, t2 = (row[0] for row in found.table[1:3])
    assert (t1.difference.seeds, t1.deviation, t2.mean) == (1, None, None)
    assert t1.p < 1e-9  # over videos, which says nothing of other trainings
    assert not t1.tells_apart
    (line,) = (line for line in text.splitlines() if line.startswith("| t = 1"))
    assert "*" not in line
    assert line.split("|")[4].strip().endswith("]")


def test_poses_ahead_stand_beside_what_is_made_of_the_same_runs_poses(tmp_path):
    setting = Setting(DEMO, tmp_path, "data", "fpha")
    forecast, rng = studies(DEMO)["forecast"], np.random.default_rng(0)
    assert [row.name for row in forecast.rows] == [
        *("full", "line", "mean_motion", "ahead_2", "ahead_4")
    ]
    near, far = "forecast_error_250ms", "forecast_error_500ms"
    hard = rng.normal(0, 5, VIDEOS)
    for seed in range(2):
        hold, line, own = (error + hard + rng.normal(0, 1, VIDEOS) for error in (50, 70, 45))
        of_full = {"hold": {near: hold, far: hold + 9}, "line": {near: line}, "own": {}}
        write_record(setting, Run({}, seed), {}, {}, ahead=of_full)
        two = Run({"model.forecast": 2}, seed)
        write_record(setting, two, {}, {}, ahead={"own": {near: own}, "hold": {near: own + 99}})
    write_record(setting, Run({"model.forecast": 4}, 0), {}, {})
    found = findings(setting, "forecast", forecast, 2)
    of = {row[0].row.name: {x.measure: x for x in row} for row in found.table}
    assert (found.missing, len(found.records)) == (1, 5)
    assert of["line"][near].difference.mean == pytest.approx(20, abs=1)
    assert of["ahead_2"][near].difference.mean == pytest.approx(-5, abs=1)
    assert of["ahead_2"][near].difference.videos == VIDEOS
    assert of["ahead_2"][far].mean is None
    assert of["full"][far].mean == pytest.approx(of["full"][near].mean + 9)
    text = tables.report(setting, found)
    assert "Poses ahead: mean joint error, each frame's own camera, mean over hands" in text
    assert "Without figures of poses ahead: 1 run of an earlier version; remove the record" in text
    assert text.count("python -m htt_jax.train") == 3
    assert "# no forecast: its last pose stays\nfor seed in 0 1; do" in text


def test_runs_of_other_options_or_on_other_data_are_not_put_together(tmp_path):
    setting = Setting(DEMO, tmp_path, "data", "fpha")
    window = studies(DEMO)["window"]
    write_study(setting, np.random.default_rng(0), missing={("t1", 1)})
    values, videos = {"mepe_ra": 1.0}, {"mepe_ra": np.ones(VIDEOS)}
    (other,) = (row for row in window.rows if row.name == "t1")
    write_record(setting, Run(other.options, 1), values, videos, fingerprint="xyz")
    with pytest.raises(InputError, match=r"on 2 different contents of the dataset"):
        findings(setting, "window", window, 3)
    other = setting.folder(Run(other.options, 1).name) / claims.RECORD
    told = json.loads(other.read_text())
    told["figures"]["dataset"]["fingerprint"], told["figures"]["dtype"] = "abc", "bfloat16"
    other.write_text(json.dumps(told))
    named = r"model.window=1,seed=1 was made in bfloat16, .* was made in float32; such runs do not"
    with pytest.raises(InputError, match=named):
        findings(setting, "window", window, 3)
    longer = dataclasses.replace(DEMO, options={"epochs": 9})
    with pytest.raises(InputError, match=r"other options: epochs was 4 there and is 9 here"):
        findings(dataclasses.replace(setting, scale=longer), "window", window, 3)
    moved = dataclasses.replace(setting, data="elsewhere")  # on another machine
    assert runs.record(moved, Run({}, 0)) is not None
