"""A run's programs, tiny, compiled for TPUs that are not there: nothing that TPUs refuse lands."""

import importlib.util
import json

import pytest

from benchmarks import tpu_chips, tpu_compile, tpu_records
from htt_jax.support.errors import InputError
from tests import train_runs

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="libtpu is not installed"
)

CONFIG = [
    "--dataset=fpha",
    *(
        f"--config.{name}={value}"
        for name, value in train_runs.TINY.items()
        if not name.endswith("batch_size")
    ),
    "--config.data.frames=4",
    "--config.data.image_size=(32, 18)",
]


def compiled(path, *arguments):
    """The results that a command line adds to a file."""
    tpu_compile.main([*CONFIG, "--out", str(path), *arguments])
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Of training on four chips that share one state, whose file is read again."""
    path = tmp_path_factory.mktemp("tpu") / "results.jsonl"
    options = ["--topology=v5e:2x2", "--programs=train", "--slots=2", "--config.mesh.fsdp=2"]
    return path, options, compiled(path, *options)


@pytest.mark.proof
def test_training_is_compiled_for_a_slice_with_its_state_split(results):
    _, _, (told,) = results
    assert (told["chips"], told["clips"], told["slots"]) == (4, 4, 8)
    assert told["memory"]["temporaries"] > 0
    assert 0 < told["memory"]["of_chip"] < 0.1
    assert {"all-reduce", "all-gather"} <= set(told["collectives"])
    assert all(ms > 0 for ms in told["at_least_ms"].values())


@pytest.mark.proof
def test_a_page_has_all_figures_of_a_result(results):
    _, _, (told,) = results
    row = tpu_records.row(told)
    assert row.startswith(
        "| train, FPHA, T = 4, fsdp 2 | v5e:2x2 | 1 | 2 | {tpu.fpha_train_v5e_2x2_2_"
    )
    named = {name.split(":")[0] for name in row.split("{tpu.")[1:]}
    assert named == set(tpu_records.figures_of(told))


@pytest.mark.proof
def test_what_is_compiled_is_not_compiled_again(results, capsys):
    path, options, first = results
    assert compiled(path, *options) == first
    assert "compiling" not in capsys.readouterr().err


def test_every_number_of_slots_of_a_run_is_listed(tmp_path, capsys):
    tpu_compile.main([*CONFIG, "--topology=v5e:2x4", "--list", "--out", str(tmp_path / "none")])
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) > 2
    assert listed[-1] == "predict, FPHA, v5e:2x4, 2 clips, 8 frames"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("text", "hosts", "chips"), [("v5e:1x1", 1, 1), ("v5e:4x4", 4, 16), ("v5p:2x2x2", 2, 8)]
)
def test_a_topology_tells_its_hosts_and_chips(text, hosts, chips):
    topology = tpu_chips.topology(text)
    mesh = topology.mesh(1)
    assert (topology.hosts, topology.chips) == (hosts, chips)
    assert len({device.process_index for device in mesh.devices.flat}) == hosts
    assert mesh.devices.shape == (chips, 1)


@pytest.mark.parametrize("text", ["v5e", "v9:2x2", "v5e:0x2", "v5e:2x2x2x2"])
def test_what_is_no_topology_is_named(text):
    with pytest.raises(InputError, match=r"--topology=.*must be one of v4, v5e"):
        tpu_chips.topology(text)


def test_a_slice_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="--topology=v5e:3x5"):
        tpu_chips.topology("v5e:3x5").mesh(1)
