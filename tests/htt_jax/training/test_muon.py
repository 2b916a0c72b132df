"""A training by Muon: it goes on as if never interrupted, and what its export holds."""

import shutil

import pytest
import torch

from htt_jax import export, from_pytorch, train
from htt_jax.datasets.spec import FPHA
from tests import prepared, runs, train_runs


@pytest.fixture(scope="module")
def root(tmp_path_factory, one_program):
    root = tmp_path_factory.mktemp("muon")
    prepared.write_dataset(root / "data", FPHA, {"train": [8], "test": [3]})
    train.train(config(root), str(root / "run"))
    return root


def config(root):
    config = runs.tiny_config(root / "data")
    config.training.optimizer = "muon"
    config.model.pose_layers = config.model.action_layers = 2  # as published, for its names
    config.batch_size = 4  # all clips
    config.epochs = 4
    config.optimizer.learning_rate = 1e-3
    config.checkpoint.every_steps = config.log.every_steps = 1
    return config


@pytest.mark.proof
def test_it_goes_on_bit_for_bit_from_a_checkpoint(root):
    interrupted = shutil.copytree(root / "run", root / "interrupted")
    for step in (3, 4):
        shutil.rmtree(interrupted / f"checkpoints/{step}")
    train.train(config(root), str(interrupted))
    found, expected = (train_runs.steps(root / name) for name in ("interrupted", "run"))
    assert list(found) == [1, 2, 3, 4]
    assert found == expected
    assert (interrupted / "checkpoints/4").is_dir()
    assert found[4]["loss"] < found[1]["loss"]


@pytest.mark.proof  # of the training above
def test_its_pth_has_weights_alone_and_says_on_the_way_back_why(root, capsys):
    export.export(str(root / "run"), "pytorch", root / "htt.pth")
    assert "optimizer" not in torch.load(root / "htt.pth", weights_only=True)
    from_pytorch.main([str(root / "htt.pth"), f"--out={root / 'back'}", f"--data={root / 'data'}"])
    assert (
        "training would begin at step 0 with fresh moments: the file has no optimizer's state"
        in capsys.readouterr().out
    )
