"""Studies: what is run, who runs it, and the tables made of results."""

import csv
import dataclasses
import json
import pathlib
import shlex

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import ablations, figures
from benchmarks.ablation import claims, data, recording, runs, scales, tables
from benchmarks.ablation.findings import findings
from benchmarks.ablation.plan import studies
from benchmarks.ablation.runs import Run, Setting
from htt_jax.datasets.spec import FPHA
from htt_jax.support import cli
from htt_jax.support.errors import InputError

DEMO = scales.DEMO
VIDEOS = 40


@pytest.mark.parametrize("scale", scales.SCALES.values(), ids=scales.SCALES)
@pytest.mark.parametrize("dataset", ["fpha", "h2o"])
def test_every_row_can_be_trained_and_differs_from_the_first(scale, dataset, tmp_path):
    setting = Setting(scale, tmp_path, "data", dataset)
    for study in studies(scale).values():
        assert not study.rows[0].options
        names = [Run(row.options, 0).name for row in study.rows]
        assert len(set(names)) == len(names) == len({row.name for row in study.rows})
        usual = runs.configured(setting, Run({}, 0)).to_dict()
        for row in study.rows[1:]:
            assert runs.configured(setting, Run(row.options, 0)).to_dict() != usual
            assert len(Run(row.options, 0).name) < 200


def test_the_papers_tables_are_among_the_rows_with_its_figures():
    setting = Setting(scales.PAPER, None, "data", "fpha")
    known = studies(scales.PAPER)
    window = {row.name: row for row in known["window"].rows}
    assert list(window) == ["full", "t1", "t8", "t32", "t64", "t128"]
    config = runs.configured(setting, Run(window["t1"].options, 2))
    assert (config.model.window, config.data.frames, config.data.starts) == (1, 128, 16)
    assert (config.epochs, config.batch_size, config.seed) == (45, 2, 2)
    assert [row.name for row in known["action"].rows] == [
        *("full", "T16", "T32", "T64", "parallel", "no_object", "no_pose", "no_image")
    ]


def test_a_model_of_several_studies_is_run_once_and_the_first_seed_comes_first():
    known = studies(DEMO).values()
    wanted = runs.runs_of(known, 2)
    assert len({run.name for run in wanted}) == len(wanted)
    assert [run.seed for run in wanted] == sorted(run.seed for run in wanted)
    assert len(wanted) == 2 * (1 + sum(len(study.rows) - 1 for study in known))


def test_rows_of_fewer_frames_take_as_many_frames_a_step_at_demo_scale():
    setting = Setting(DEMO, None, "data", "fpha")
    rows = studies(DEMO)["action"].rows
    configs = [runs.configured(setting, Run(row.options, 0)) for row in rows]
    assert {config.batch_size * config.data.frames for config in configs} == {96}


# ml_collections loads config files by a function that Python deprecated.
@pytest.mark.filterwarnings(r"ignore:the load_module\(\) method:DeprecationWarning")
@pytest.mark.parametrize("scale", scales.SCALES.values(), ids=scales.SCALES)
def test_commands_make_the_run_of_the_row(scale, tmp_path, monkeypatch):
    monkeypatch.chdir(figures.ROOT)
    setting = Setting(scale, tmp_path / "my runs", "my data/it's", "fpha")
    for study in studies(scale).values():
        row = study.rows[-1]
        run = Run(row.options, 2)
        workdir = f"--workdir={setting.folder(run.name)}/{runs.WORKDIR}"
        loop, *body, done = "\n".join(runs.commands(setting, row, 3)).splitlines()
        assert (loop, done) == ("for seed in 0 1 2; do", "done")
        train, evaluate = "\n".join(body).replace("\\\n", " ").splitlines()
        words = [word.replace("$seed", "2") for word in shlex.split(train)]
        assert words[:3] == ["python", "-m", "htt_jax.train"]
        assert workdir in words
        given = [word for word in words[3:] if word != workdir]
        config = cli.parse_config(given, lambda: pytest.fail("no --config"))
        assert config.to_dict() == runs.configured(setting, run).to_dict(), row.name
        words = [word.replace("$seed", "2") for word in shlex.split(evaluate)]
        split = f"--split={config.eval.split}"
        assert words == ["python", "-m", "htt_jax.evaluate", workdir, split, "--early"]


def test_the_whole_command_names_dataset_and_folder_whatever_they_are_called():
    setting = Setting(scales.PAPER, pathlib.Path("my runs"), "data/it's", "fpha")
    words = shlex.split(runs.whole_command(setting, "window", 3))
    options = ablations._parser().parse_args(words[3:])
    assert (options.scale, str(options.out), options.data) == ("paper", "my runs", "data/it's")


def test_a_run_that_is_too_large_for_the_device_fails_alone(tmp_path, monkeypatch, capsys):
    setting = Setting(DEMO, tmp_path, "data", "fpha")
    large, small = Run({"model.window": 8}, 0), Run({}, 0)

    def perform(setting, run):
        if run == large:
            jnp.zeros(1 << 50).block_until_ready()
        write_record(setting, run, {}, {})

    monkeypatch.setattr(runs, "perform", perform)
    monkeypatch.setattr(jax, "clear_caches", lambda: None)  # other tests keep their programs
    assert ablations._run(setting, [large, small]) == [large.name]
    assert claims.is_done(setting.folder(small.name))
    (line,) = (x for x in capsys.readouterr().err.splitlines() if x.startswith("error: "))
    assert line.startswith(f"error: {large.name}: too little memory: JaxRuntimeError: RESOURCE_EX")


def write_record(setting, run, values, videos, fingerprint="abc"):
    """A record as `runs.perform` leaves it."""
    folder = setting.folder(run.name)
    folder.mkdir(parents=True, exist_ok=True)
    dataset = {"name": "fpha", "spec": dataclasses.asdict(FPHA), "split": "test", "frames": 900}
    dataset |= {"videos": VIDEOS, "fingerprint": fingerprint, "training_fingerprint": "def"}
    found = {
        "values": values,
        "videos": {name: of.tolist() for name, of in videos.items()},
        "video_ids": [str(i) for i in range(VIDEOS)],
        "dataset": dataset,
        "software": {"jax": "0.10", "commit": "0123abc" if run.seed else "4567def"},
        "step": 10,
        "dtype": "float32",
        "seconds": 60.0,
        "machine": "2 cores, a processor",
    }
    told = {"config": json.loads(runs.configured(setting, run).to_json()), "figures": found}
    (folder / claims.RECORD).write_text(json.dumps(told))


def write_study(setting, rng, missing=()):
    """Three seeds of the study of the window: t = 1 is 3 mm worse, t = 2 as good, in MEPE-RA."""
    seeds, of_videos = rng.normal(0, 0.1, 3), rng.normal(0, 5, VIDEOS)
    for seed in range(3):
        for row in studies(setting.scale)["window"].rows:
            if (row.name, seed) in missing:
                continue
            worse = 3.0 if row.name == "t1" else 0.0
            videos = 40 + worse + seeds[seed] + of_videos + rng.normal(0, 0.5, VIDEOS)
            right = (rng.random(VIDEOS) < 0.8).astype(float)
            values = {"mepe_ra": videos.mean(), "mepe": 150.123 + seed, "auc": 0.5 + worse / 100}
            values |= {"auc_ra": 0.4, "action_accuracy": right.mean()}
            videos = {"mepe_ra": videos, "action_accuracy": right}
            write_record(setting, Run(row.options, seed), values, videos)


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


def test_list_says_what_is_done_begun_and_to_do(study, capsys):
    setting, _ = study
    ablations.main(["--out", str(setting.out), "--study", "window", "--seeds", "4", "--list"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("window: The window t of the pose block")
    assert [line.split("  ")[0] for line in said[1:5]] == ["done in 1.0 minutes"] * 4
    assert said[-2].split()[:2] == ["to", "do"]
    assert said[-1] == "12 of 16 runs done"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds=0"], "--seeds=0 must be at least 1"),
        (["--study", "windows"], "--study=windows must be of window, action, augmentation"),
        (["--scale=paper"], "--scale paper needs --data"),
        (["--data=x"], "--data=x: --scale demo renders its own dataset; leave it out"),
        (["--scale=paper", "--data=nowhere"], "nowhere"),
        (["--record"], "still misses 12 runs"),
    ],
)
def test_bad_input_is_one_line_before_anything_is_made(arguments, said, tmp_path):
    with pytest.raises(InputError, match=said) as refused:
        ablations.main(["--out", str(tmp_path / "out"), *arguments])
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_scale_or_dataset_is_refused(tmp_path):
    (tmp_path / data.MARK).write_text('{"scale": "paper", "fingerprint": "abc"}')
    with pytest.raises(InputError, match="holds runs of --scale paper, not demo"):
        data.setting(DEMO, tmp_path, None)
    with pytest.raises(InputError, match="on a dataset of other content"):
        data._check_mark(tmp_path, scales.PAPER, "other")
    (tmp_path / data.MARK).write_text("{")
    with pytest.raises(InputError, match="is damaged; remove it"):
        data.setting(DEMO, tmp_path, None)


def test_a_record_that_is_damaged_is_named(tmp_path):
    setting = Setting(DEMO, tmp_path, "data", "fpha")
    folder = setting.folder(Run({}, 0).name)
    folder.mkdir(parents=True)
    (folder / claims.RECORD).write_text('{"config": {}}')
    with pytest.raises(InputError, match=r"record.json is damaged .*; remove it"):
        runs.record(setting, Run({}, 0))
