"""Fine-tuning with parts that stay as they were: what moves, what is kept, what is refused."""

import jax
import numpy as np
import pytest

from htt_jax import train
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.interop.opening import read_moments
from htt_jax.runs.opening import open_run
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.training import frozen
from tests import prepared, runs

FROZEN = "backbone, pose_block"


@pytest.fixture(scope="module")
def root(tmp_path_factory, one_program):
    root = tmp_path_factory.mktemp("frozen")
    prepared.write_dataset(root / "data", FPHA, {"train": [8], "test": [3]})
    runs.initialise_run(root / "start", root / "data")
    return root


@pytest.fixture(scope="module")
def config(root):
    config = runs.tiny_config(root / "data")
    config.init.checkpoint = str(root / "start")
    config.training.frozen = FROZEN
    config.batch_size = 4  # all clips
    config.optimizer.learning_rate = 1e-3
    return config


def opened(folder):
    run = open_run(folder, None, sharding.single_device_mesh())
    return run, trees.flatten(jax.device_get(run.variables["params"]))


@pytest.mark.proof
def test_frozen_parts_stay_bit_by_bit_while_others_move_and_over_a_restart(root, config, capsys):
    _, before = opened(root / "start")
    train.train(config, str(root / "run"))
    said = capsys.readouterr().err.splitlines()
    (line,) = (line.split() for line in said if line.startswith("pose_block/layer_0"))
    assert line[-3:] == ["taken", "over", "frozen"]
    (line,) = (line.split() for line in said if line.startswith("action_head"))
    assert line[-2:] == ["taken", "over"]
    config.epochs = 2
    train.train(config, str(root / "run"))
    assert "taken over" not in capsys.readouterr().err  # it goes on
    run, after = opened(root / "run")
    assert run.step == 2
    for name, x in after.items():
        is_same = np.array_equal(x, before[name])
        assert is_same == (name.split("/")[0] in ("backbone", "pose_block")), name
    # Adam remembers nothing of them; for PyTorch, which asks, nothing is zeros.
    moments = read_moments(run)
    assert moments.steps == 2
    for tree in map(trees.flatten, (moments.mean, moments.square)):
        assert tree.keys() == after.keys()
        moved = {name.split("/")[0] for name, x in tree.items() if np.any(x)}
        assert moved == {name.split("/")[0] for name in after} - {"backbone", "pose_block"}


@pytest.mark.proof  # of the training above
def test_another_choice_is_another_run(root, config):
    other = config.copy_and_resolve_references()
    other.training.frozen = "backbone"
    with pytest.raises(InputError, match=r"config\.training\.frozen is 'backbone, pose_block' the"):
        train.train(other, str(root / "run"))


PARAMS = {"backbone": {"a": 1, "b": 2}, "head": {"c": 3}}


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (("neck",), PARAMS, "frozen=neck: the model has no part 'neck'; it has backbone, head"),
        (("backbone",), None, "frozen=backbone: backbone would stay random, all or some of it"),
        (("backbone",), {"backbone": {"a": 1}}, "backbone would stay random, all or some of it"),
        (("backbone", "head"), PARAMS, "frozen=backbone,head: nothing is left to train"),
    ],
)
def test_what_cannot_be_frozen_is_refused(names, given, message):
    with pytest.raises(InputError, match=message):
        frozen.check(names, PARAMS, given)


def test_what_can_be_is_not():
    given = {"backbone": PARAMS["backbone"]}
    assert frozen.check(("backbone",), PARAMS, given) is None
    assert frozen.check((), PARAMS, None) is None
