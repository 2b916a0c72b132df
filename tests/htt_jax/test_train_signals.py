"""Real signals to a real process, on a disk and in a bucket.

It trains the toy system: of none of it does the network know anything.
"""

import json
import signal

import pytest

from htt_jax import systems, train
from htt_jax.datasets.spec import FPHA
from htt_jax.support.paths import place
from htt_jax.training import logs
from tests import object_stores, prepared, toy_config, train_runs

pytestmark = pytest.mark.proof  # processes are started, killed and started again

OPTIONS = {"checkpoint.every_steps": 3, "eval.every_epochs": 1000}  # an epoch is one step


@pytest.fixture(scope="module", autouse=True)
def _toy_is_a_system():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(systems, "__path__", list(systems.__path__))
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    directory = tmp_path_factory.mktemp("signals") / "data"
    return prepared.write_dataset(directory, FPHA, {"train": [24, 24], "test": [5, 18]}, (32, 18))


def saved_in(workdir, mark):
    """The steps of the checkpoints that are whole, as something in them says."""
    folder = workdir / "checkpoints"
    saved = folder.iterdir() if folder.exists() else ()
    return sorted(int(x.name) for x in saved if x.name.isdigit() and (x / mark).exists())


def interrupt(dataset, workdir, mark, number):
    """Sends a signal to a long run, when it has saved some steps.

    Returns the exit status and stderr, the steps of its checkpoints, and the last that is logged.
    """
    process = train_runs.start(
        train_runs.toy_command(
            dataset,
            workdir,
            "--config.epochs=1000",
            *(f"--config.{name}={value}" for name, value in OPTIONS.items()),
        )
    )
    train_runs.wait_for(lambda: max(saved_in(workdir, mark), default=0) >= 6, process)
    process.send_signal(number)
    said = train_runs.finish(process)
    saved = saved_in(workdir, mark)
    return process.returncode, said, saved, max(line["step"] for line in logs.read(workdir))


def go_on(dataset, workdir, epochs):
    """With the same options, in this process."""
    config = toy_config.get_config()
    given = {**OPTIONS, "epochs": epochs, "data.directory": str(dataset)}
    config.update_from_flattened_dict(given)
    train.train(config, workdir)
    return train_runs.steps(workdir)


def assert_goes_on(dataset, workdir, saved, undisturbed):
    """As if nothing had happened, for two more steps than the newest checkpoint has."""
    found = go_on(dataset, workdir, saved + 2)
    assert list(found) == list(range(1, saved + 3))
    assert found == go_on(dataset, undisturbed, saved + 2)


def test_sigterm_saves_the_step_it_stops_at_and_the_same_command_continues(dataset, tmp_path):
    workdir = tmp_path / "run"
    status, said, saved, logged = interrupt(dataset, workdir, "model", signal.SIGTERM)
    assert status == 128 + signal.SIGTERM
    assert saved[-1] == logged
    assert f"stopped after step {logged}; the same command continues" in said
    assert "Traceback" not in said
    assert_goes_on(dataset, workdir, logged, tmp_path / "undisturbed")


def test_a_killed_run_in_a_bucket_goes_on_as_if_on_disk(dataset, tmp_path, gcs):
    data, workdir = f"{gcs.root}/signals/data", place(f"{gcs.root}/signals/run")
    for path in dataset.iterdir():
        (place(data) / path.name).write_bytes(path.read_bytes())
    status, said, saved, _ = interrupt(data, workdir, "commit_success.txt", signal.SIGKILL)
    assert status == -signal.SIGKILL
    # What a kill in the middle of a checkpoint leaves.
    half = workdir / "checkpoints" / str(saved[-1] + 4) / "model/manifest.ocdbt"
    half.write_bytes(b"half")
    assert_goes_on(data, str(workdir), saved[-1], tmp_path / "undisturbed")
    written = [workdir / name for name in ("run.json", "parameters.txt")]
    written += [*(workdir / logs.TENSORBOARD).iterdir(), *(workdir / logs.JSON_LINES).iterdir()]
    assert len(written) >= 6
    secret = object_stores.SECRET
    assert not any(secret in path.read_bytes().decode(errors="replace") for path in written)
    assert secret not in said
    assert json.loads((workdir / "run.json").read_text())["config"]["system"] == "toy"
