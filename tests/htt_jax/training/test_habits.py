"""What a run does besides training: no silent transfers, an overview, a trace of chosen steps."""

import jax
import pytest
from jax.profiler import ProfileData

from htt_jax import train
from htt_jax.datasets.spec import FPHA
from htt_jax.training import overview
from tests import prepared, runs, train_runs


@pytest.fixture(scope="module", autouse=True)
def _quick_compilation():
    with runs.quick_compilation():
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    splits = {"train": [2, 2], "test": [5]}  # clips of one frame: one program serves them all
    return prepared.write_dataset(tmp_path_factory.mktemp("habits") / "data", FPHA, splits)


@pytest.mark.parametrize("cache", ["none", "device"])
def test_a_run_sends_nothing_to_the_devices_unasked_and_traces_the_steps_asked_for(
    dataset, tmp_path, cache
):
    options = {"batch_size": 2, "epochs": 3, "data__cache": cache, "profile__first_step": 2}
    config = train_runs.tiny_config(dataset, **options, profile__steps=2)
    # On processors, transfers to the host are none; elsewhere the guard sees those too.
    with jax.transfer_guard("disallow"):
        train.train(config, str(tmp_path))
    assert list(train_runs.steps(tmp_path)) == [1, 2, 3, 4, 5, 6]

    (path,) = (tmp_path / "profile").rglob("*.xplane.pb")
    traced = [
        dict(event.stats)["step_num"]
        for plane in ProfileData.from_file(str(path)).planes
        for line in plane.lines
        for event in line.events
        if event.name == "train"
    ]
    assert traced == [2, 3]
    for part in (b"/augment/", b"jvp(loss)", b"/optimizer/"):
        assert part in path.read_bytes()  # of the names of the operations
    assert "params/action_token" in (tmp_path / overview.FILE).read_text()
