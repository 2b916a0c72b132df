"""jobs/slurm/train.sh with stand-ins for Slurm; benchmarks.slurm_requeue runs it in a real one."""

import signal
import subprocess
import time

import pytest

from tests.jobs.stage import ROOT, TRAINING, Stage

SCRIPT = str(ROOT / "jobs/slurm/train.sh")


@pytest.fixture
def stage(tmp_path):
    """With tasks that end with a status, at once or when they are told to."""
    made = Stage(tmp_path)
    made.program("squeue", 'cat "$STAND_IN/state"')
    made.program("scontrol", 'echo "scontrol $*" >> "$STAND_IN/said"')
    made.program("scancel", 'echo "scancel $*" >> "$STAND_IN/said"; touch "$STAND_IN/told"')
    made.program(
        "srun",
        'echo "srun $*" >> "$STAND_IN/said"; status=$(cat "$STAND_IN/status")\n'
        "[[ $status != 143 ]] || until [[ -e $STAND_IN/told ]]; do sleep 0.02; done\n"
        'exit "$status"',
    )
    (tmp_path / "state").write_text("RUNNING\n")
    return made


def job(stage, status, **variables):
    """The status that the job ends with, and the commands that it ran behind srun."""
    (stage.folder / "status").write_text(str(status))
    done = stage.run("bash", SCRIPT, *TRAINING, SLURM_JOB_ID="7", **variables)
    return done.returncode, (stage.folder / "said").read_text().splitlines()[1:]


@pytest.mark.parametrize(("status", "ended"), [(0, 0), (2, 2)])
def test_the_end_and_wrong_input_end_the_job(stage, status, ended):
    assert job(stage, status) == (ended, [])


def test_a_job_that_failed_is_put_back(stage):
    assert job(stage, 137) == (0, ["scontrol requeue 7"])


def test_a_job_that_was_cancelled_or_put_back_already_is_left_alone(stage):
    (stage.folder / "state").write_text("COMPLETING\n")
    (stage.folder / "told").touch()
    assert job(stage, 143) == (143, [])


def test_it_is_not_put_back_for_ever(stage):
    assert job(stage, 1, SLURM_RESTART_COUNT="50") == (1, [])


def test_a_warning_is_handed_to_the_tasks_which_save(stage):
    (stage.folder / "status").write_text("143")
    variables = {"PATH": f"{stage.folder}/bin:/usr/bin:/bin", "STAND_IN": str(stage.folder)}
    process = subprocess.Popen(
        ["bash", SCRIPT, *TRAINING], cwd=ROOT, env=variables | {"SLURM_JOB_ID": "7"}
    )
    while not (stage.folder / "said").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    told = ["scancel --signal=TERM 7", "scontrol requeue 7"]
    assert (stage.folder / "said").read_text().splitlines()[1:] == told


def test_tasks_that_cannot_save_are_put_back_before_the_limit(stage):
    stage.program("sleep", "exit 0")
    stage.program(
        "srun",
        "kill -TERM $PPID\n"
        'until grep -q requeue "$STAND_IN/said"; do /bin/sleep 0.02; done\nexit 143',
    )
    stage.run("bash", SCRIPT, *TRAINING, SLURM_JOB_ID="7")
    said = (stage.folder / "said").read_text().splitlines()
    assert said[:2] == ["scancel --signal=TERM 7", "scontrol requeue 7"]


def test_a_dry_run_prints_what_all_tasks_run(stage):
    done = stage.run("bash", SCRIPT, "--dry-run", *TRAINING, PYTHON="python")
    assert done.returncode == 0
    training, requeue = done.stdout.splitlines()
    assert training.split() == [
        *("srun", "--kill-on-bad-exit=1", "--label", "python", "-u", "-m", "htt_jax.train"),
        *("--coordinator_address=auto", *TRAINING),
    ]
    assert requeue.startswith("scontrol requeue")
    assert not (stage.folder / "said").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no --config=FILE"),
        (TRAINING[:1], "no --workdir=FOLDER"),
        (TRAINING, "this is no Slurm job; start it with sbatch"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(stage, arguments, message):
    done = stage.run("bash", SCRIPT, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1
