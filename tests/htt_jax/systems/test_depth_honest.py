"""The depth systems on crops around a tracked hand."""

import jax
import numpy as np
import pytest

from htt_jax import systems
from htt_jax.data.loader import eval_batches
from htt_jax.data.views import View, open_view
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import H2O
from htt_jax.devices import sharding
from htt_jax.runs.config import clip_spec, open_source
from htt_jax.runs.opening import open_run
from htt_jax.runs.options import get_config
from htt_jax.support.errors import InputError
from htt_jax.systems.depth.stages import STAGES
from htt_jax.training.loop import train
from tests import arms, depth_runs, prepared
from tests.depth_runs import FPHA_DEPTH, make_run

pytestmark = pytest.mark.proof  # a whole training


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("honest") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared, "make_depth", arms.make_depth)
        return prepared.write_dataset(folder, FPHA_DEPTH, {"train": [8, 6], "test": [3, 5]})


def test_a_pose_network_is_trained_and_evaluated_around_the_tracked_hand(dataset, tmp_path):
    config = get_config("depth")
    small = {"epochs": 1, "batch_size": 4, "data.held_out": 0, "eval.split": "test"}
    config.update_from_flattened_dict(
        STAGES["pose"] | depth_runs.TINY | small | {"model.form": "pose", "data.frames": 1}
    )
    config.data.directory, config.model.dtype = str(dataset), "bfloat16"
    results = train(config, tmp_path / "run")
    right = results["pose"]["right"]
    assert right["frames"] == 8
    assert 0 < right["camera_space"]["mepe"] < 500
    run = open_run(tmp_path / "run", None, sharding.single_device_mesh())
    assert np.abs(run.variables["batch_stats"]["pose"]["norm"]["mean"]).max() > 0
    kept = run.variables["params"]["pose"]["principal_components"]
    measured = run.system.measured(open_source(config, "train"))["params"]["pose"]
    for leaf, x in measured["principal_components"].items():
        np.testing.assert_array_equal(kept[leaf], x)
    components = np.asarray(kept["components"])
    np.testing.assert_allclose(components @ components.T, np.eye(6), atol=1e-5)


def test_components_are_of_poses_relative_to_the_tracked_centres(dataset):
    source = open_view(dataset, "train", View("depth"))
    system, *_ = depth_runs.make_system("pose")
    found = system.measured(source)["params"]["pose"]["principal_components"]
    centres = np.concatenate([source.hand_centres(source[i]) for i in range(2)])
    joints = np.concatenate([source[i].joints_3d for i in range(2)])
    off = joints - centres[:, None]
    shown = off[np.abs(off[:, 9]).max(axis=1) < 0.125]  # the palm is in the cube
    expected = shown.mean(axis=0) / 0.1
    np.testing.assert_allclose(found["mean"].reshape(21, 3), expected, atol=0.02)


def test_poses_are_learned_where_the_crop_shows_the_hand_alone(dataset):
    run = make_run("pose")
    source = open_view(dataset, "train", View("depth"))
    batch = next(
        eval_batches(source, clips=clip_spec(run.config), batch_size=4, reader=run.system.reader)
    )

    @jax.jit
    def loss(batch):
        inputs = run.system.training_inputs(jax.random.key(0), batch)
        return run.system.loss(run.variables, inputs).total

    def with_hand_off_by(metres):
        joints = batch["joints_3d"].copy()
        joints[2] += metres
        return float(loss({**batch, "joints_3d": joints}))

    assert with_hand_off_by(0.02) != with_hand_off_by(0)
    assert with_hand_off_by(0.2) == with_hand_off_by(1) != with_hand_off_by(0)


def test_two_hands_are_refused():
    config = get_config("depth")
    config.crops.protocol = "honest"
    dataset = DatasetFacts(H2O, ("open",), ("milk",), (64, 48), None)
    with pytest.raises(
        InputError, match=r"config\.crops\.protocol=honest: H2O has 2 hands, and de"
    ):
        systems.make(config, dataset)
