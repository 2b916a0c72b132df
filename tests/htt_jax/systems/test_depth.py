"""The depth systems through the same loop, stage after stage."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from htt_jax import systems
from htt_jax.data.views import View, open_view
from htt_jax.datasets.spec import H2O
from htt_jax.devices import sharding
from htt_jax.evaluation.one_run import evaluate, write
from htt_jax.evaluation.tables import evaluation_tables
from htt_jax.runs.config import check_options
from htt_jax.runs.opening import open_run
from htt_jax.runs.options import get_config
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.systems.depth.stages import STAGES
from htt_jax.training.loop import train
from htt_jax.training.parts import trained_parts
from tests import depth_runs, prepared, train_runs

pytestmark = pytest.mark.proof  # one training after another

TINY = {
    "model.width": 4,
    "model.blocks": 1,
    "model.hidden": 8,
    "model.components": 6,
    "model.action_width": 8,
    "crops.size": 16,
    "data.first_frames": 6,
    "data.frames": 6,
    "data.held_out": 1,
    "epochs": 1,
    "batch_size": 2,
    "eval.batch_size": 2,
    "log.every_steps": 1,
}
OF_FRAMES = {"data.first_frames": None, "data.frames": 1, "batch_size": 8, "eval.batch_size": 8}
WITH_DEPTH = dataclasses.replace(H2O, depth=True)
FRAMES = {"train": [7, 8, 6, 6], "test": [3, 6]}
"""Of training videos all clips are full, so that one program serves them."""


def stage_config(stage, folder, **options):
    config = get_config("depth")
    frames = OF_FRAMES if stage.startswith("pose") else {}
    values = {**STAGES[stage], **TINY, **frames, "data.directory": str(folder / "data")}
    config.update_from_flattened_dict(
        {name: x for name, x in values.items() if x is not None}
        | {name.replace("__", "."): value for name, value in options.items()}
    )
    return config


def starts(folder, *names):
    return {f"init__{name}": str(folder / name) for name in names}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Of two hands: both pose networks, an action network with attention, a joint system.

    All but the joint system are random.
    """
    folder = tmp_path_factory.mktemp("depth")
    prepared.write_dataset(folder / "data", WITH_DEPTH, FRAMES)
    for name, stage in (("pose", "pose"), ("pose_film",) * 2, ("action", "action_attention")):
        depth_runs.initialise_run(folder / name, stage_config(stage, folder))
    (folder / "attention").symlink_to(folder / "action")
    joint = starts(folder, "pose_film", "action")
    config = stage_config("feedback", folder, epochs=2, checkpoint__every_steps=1, **joint)
    train(config, folder / "feedback")
    shutil.copytree(folder / "feedback", folder / "resumed")
    for step in (3, 4):
        shutil.rmtree(folder / "resumed" / "checkpoints" / str(step))
    train(config, folder / "resumed")
    return folder


def params_of(run):
    return trees.flatten(open_run(run, None, sharding.single_device_mesh()).variables["params"])


def test_the_feedback_system_goes_on_as_if_it_had_never_stopped(runs):
    whole, resumed = train_runs.steps(runs / "feedback"), train_runs.steps(runs / "resumed")
    assert len(whole) == 4
    assert whole == resumed
    assert {"loss_joints", "loss_action"} <= set(whole[1])


def test_a_joint_stage_starts_from_its_parts_and_leaves_norms_alone(runs):
    before = params_of(runs / "pose_film") | params_of(runs / "action")
    after = params_of(runs / "feedback")
    changed = {name for name in after if not np.array_equal(before[name], after[name])}
    assert after.keys() <= before.keys()
    assert changed
    assert not any("norm" in name for name in changed)
    assert "pose_film/principal_components/components" in changed


def test_components_are_of_poses_as_the_network_sees_them_left_hands_mirrored(runs):
    run = open_run(runs / "pose", None, sharding.single_device_mesh())
    source = open_view(runs / "data", "train", View("depth", held_out=1))
    poses = np.concatenate([source[i].joints_3d.reshape(-1, 2, 21, 3) for i in range(len(source))])
    off = (poses - poses[:, :, 9:10]) / 0.1
    off[:, H2O.hands.index("left"), :, 0] *= -1
    found = run.system.measured(source)["params"]["pose"]["principal_components"]
    np.testing.assert_allclose(found["mean"].reshape(21, 3), off.mean(axis=(0, 1)), atol=0.01)


@pytest.mark.parametrize("conditioned", [True, False])
def test_an_ensemble_starts_from_its_parts_of_which_a_plain_pose_network_can_be_two(
    runs, conditioned
):
    of_pose = {True: "pose_film", False: "pose"}[conditioned]
    joint = starts(runs, "pose", "action", "attention") | {"init__pose_film": str(runs / of_pose)}
    config = stage_config("ensemble_attention", runs, ensemble__conditioned=conditioned, **joint)
    mesh = sharding.single_device_mesh()
    dataset = open_run(runs / "pose", None, mesh).dataset
    system = systems.make(config, dataset)
    expected = jax.eval_shape(system.random_variables, jax.random.key(0))
    found = trees.flatten(trained_parts(config, system, dataset, expected, mesh)["params"])
    assert found.keys() == trees.flatten(expected["params"]).keys()
    for name, run, there in (
        ("pose/stem/kernel", "pose", "pose/stem/kernel"),
        ("pose_film/stem/kernel", of_pose, f"{of_pose}/stem/kernel"),
        ("action/score/kernel", "action", "action/score/kernel"),
    ):
        np.testing.assert_array_equal(found[name], params_of(runs / run)[there])


def test_what_a_stage_does_not_say_is_not_measured(runs, tmp_path):
    found = evaluate(str(runs / "pose"), split="test")
    write(found, evaluation_tables(found.report), tmp_path)
    text = (tmp_path / "tables.md").read_text()
    assert "The system says nothing of actions." in text
    assert f"of their mean errors: {found.report['results']['published_error_mm']:.2f} mm" in text
    assert "action %" not in text
    assert found.report["results"]["pose"]["right"]["frames"] == sum(FRAMES["test"])
    assert json.loads((tmp_path / "results.json").read_text())["run"]["told"] == ["pose"]
    with pytest.raises(InputError, match="recognises no actions; leave out --early"):
        evaluate(str(runs / "pose"), split="test", early=True)


@pytest.mark.parametrize(
    ("stage", "options", "said"),
    [
        ("pose", {"crops.size": 24}, r"config\.crops\.size=24 must be a multiple of 16"),
        ("pose", {"model.width": 6}, r"config\.model\.width=6 must be a multiple of 4"),
        ("pose", {"data.camera": "color"}, r"config\.data\.camera='color' must be 'depth'"),
        ("pose", {"model.attention": True}, "not for config.model.form=pose"),
        ("pose", {"init.action": "x"}, r"config\.init\.action=x is not for config.model.form=pose"),
        ("action", {"model.conditioned": True}, "is for config.model.form=pose, not action"),
        ("action", {"model.window": 2}, r"config\.model\.window=2 must be 1"),
        ("direct", {"training.frozen": "pose_film"}, "is no network of config.model.form=chain"),
        ("direct", {"mask_unannotated_hands": False}, "is not for config.system=depth"),
        ("direct", {"model.rematerialise": True}, "is not for config.system=depth"),
        ("feedback", {"told.equal_probability": 1.5}, "must be at most 1"),
        ("feedback", {"told.equal_probability": -0.5}, "must be at least 0"),
        ("feedback", {"told.at_test": "truth"}, "must be one of drawn, equal, predicted"),
    ],
)
def test_options_that_do_not_fit_are_refused(stage, options, said, tmp_path):
    config = stage_config(stage, tmp_path)
    config.update_from_flattened_dict(options)
    with pytest.raises(InputError, match=said):
        check_options(config)


def test_a_part_that_does_not_fit_is_said(runs, tmp_path):
    joint = starts(runs, "pose", "action")
    with pytest.raises(InputError, match=r"config\.init\.action is empty; name the run"):
        train(stage_config("direct", runs, **starts(runs, "pose")), tmp_path / "run")
    missing = joint | {"init__action": str(tmp_path / "none")}
    with pytest.raises(InputError, match="no run in"):
        train(stage_config("direct", runs, **missing), tmp_path / "run")
    with pytest.raises(InputError, match=r"init\.pose=.* does not fit: params/pose/codes/kernel"):
        train(stage_config("direct", runs, model__hidden=16, **joint), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_dataset_of_other_actions_is_said(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(prepared, "ACTIONS", ["open_milk", "close_milk", "tear_paper"])
    prepared.write_dataset(tmp_path / "data", WITH_DEPTH, {"train": [3, 4], "test": [3]})
    config = stage_config("direct", tmp_path, **starts(runs, "pose", "action"))
    with pytest.raises(InputError, match="was trained for other actions than"):
        train(config, tmp_path / "run")
