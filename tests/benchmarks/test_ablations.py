"""Studies: what is run, who runs it, and the tables made of results."""

import dataclasses
import pathlib
import shlex

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import ablations, figures
from benchmarks.ablation import claims, data, runs, scales
from benchmarks.ablation.plan import studies
from benchmarks.ablation.runs import Run, Setting
from benchmarks.ablation.study import TEACHER
from htt_jax.datasets.spec import FPHA
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from tests.ablation_records import write_record, write_study
from tests.prepared import write_dataset

DEMO = scales.DEMO


@pytest.mark.parametrize("scale", scales.SCALES.values(), ids=scales.SCALES)
@pytest.mark.parametrize("dataset", ["fpha", "h2o"])
def test_every_row_can_be_trained_and_differs_from_the_first(scale, dataset, tmp_path):
    setting = Setting(scale, tmp_path, "data", dataset)
    for name, study in studies(scale).items():
        assert not study.rows[0].options or name in ("distil", "pretraining")
        assert len({row.name for row in study.rows}) == len(study.rows)
        of_runs = [row for row in study.rows[1:] if row.options]
        names = [Run(row.options, 0).name for row in of_runs]
        assert len(set(names)) == len(names)
        shown = [row.ahead for row in study.rows if not row.options]  # of one and the same run
        assert len(set(shown)) == len(shown)
        usual = runs.configured(setting, Run({}, 0)).to_dict()
        for row in of_runs:
            run = Run(row.options, 0)
            assert runs.configured(setting, run).to_dict() != usual
            assert run.teacher in (None, *(Run(other.options, 0).name for other in study.rows))
            assert len(Run(row.options, 0).name) < 240  # of the 255 that file systems take


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
    rows = [row.options for study in known for row in study.rows if row.options]
    assert wanted[-1].teacher == "full,seed=1"
    shared = 3  # a forecast of a window is a row of two studies, half the epochs of three
    assert len(wanted) == 2 * (1 + len(rows) - shared)


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
        row = next((row for row in study.rows if TEACHER in row.options), study.rows[-1])
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
        assert config.to_dict() == runs.placed(setting, run).to_dict(), row.name
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


def test_a_student_is_made_after_its_teacher_and_fails_with_it(tmp_path, monkeypatch, capsys):
    setting = Setting(DEMO, tmp_path, "data", "fpha")
    teacher, student = Run({}, 0), Run({TEACHER: "full", "epochs": 1}, 0)
    made = []

    def perform(setting, run):
        made.append(run.name)
        if run.name in broken:
            raise InputError("no")
        write_record(setting, run, {}, {})

    monkeypatch.setattr(runs, "perform", perform)
    monkeypatch.setattr(jax, "clear_caches", lambda: None)  # other tests keep their programs
    broken = [teacher.name]
    assert ablations._run(setting, [student, teacher]) == [teacher.name, student.name]
    assert f"error: {student.name}: its teacher full,seed=0 failed" in capsys.readouterr().err
    broken = []
    assert ablations._run(setting, [student]) == []
    said = f"{student.name}: its teacher full,seed=0 is not done, perhaps another process trains it"
    assert said in capsys.readouterr().err
    assert ablations._run(setting, [student, teacher]) == []
    assert made == [teacher.name, teacher.name, student.name]
    elsewhere = dataclasses.replace(setting, out=setting.out.rename(tmp_path.with_name("moved")))
    assert runs.record(elsewhere, student) is not None


def test_list_says_what_is_done_begun_and_to_do(tmp_path, capsys):
    setting = Setting(DEMO, tmp_path, "data", "fpha")
    write_study(setting, np.random.default_rng(0))
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


def test_a_dataset_without_what_a_study_needs_is_refused_before_anything_is_made(tmp_path):
    made = write_dataset(tmp_path / "data", FPHA, {"train": [4], "test": [4]})
    arguments = ["--out", str(tmp_path / "out"), "--scale=paper", f"--data={made}"]
    with pytest.raises(InputError, match=r"has no object boxes; .*; or name the studies that can"):
        ablations.main([*arguments, "--study", "objects"])
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
