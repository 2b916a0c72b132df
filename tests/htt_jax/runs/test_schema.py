"""Descriptions of runs are checked before anything relies on them."""

import copy
import json

import pytest

from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.runs.directory import (
    Run,
    from_json,
    to_json,
)
from htt_jax.runs.schema import check
from htt_jax.support import trees
from tests import train_runs

FACTS = DatasetFacts(FPHA, ("open", "close"), ("milk",), (480, 270), "1234")
CONTENT = json.loads(to_json(Run(train_runs.tiny_config("data"), FACTS, 3)))


def changed(name, value):
    return trees.unflatten({**trees.flatten(copy.deepcopy(CONTENT)), name.replace(".", "/"): value})


@pytest.mark.parametrize("more", [{}, {"step": 0, "adam_steps": 7, "joint_names": ["wrist"]}])
def test_what_is_written_is_read_back(more):
    run = from_json(json.dumps(CONTENT | more), "run.json")
    assert run.dataset == FACTS
    assert run.steps_per_epoch == 3


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps_per_epoch", 0, "steps_per_epoch must be a positive number of steps or null"),
        ("steps_per_epoch", "x", "steps_per_epoch must be a positive number .* found 'x'"),
        ("step", "x", "step must be a number of steps, found 'x'"),
        ("step", True, "step must be a number of steps, found True"),
        ("adam_steps", -1, "adam_steps must be a number of steps, found -1"),
        ("config", [], r"config must be an object of options, found \[\]"),
        ("dataset", None, "dataset must be an object of facts, found None"),
        ("dataset.name", "ego4d", "dataset.name must be 'fpha' as in dataset.spec, found 'ego4d'"),
        ("dataset.name", [], r"dataset.name must be text, found \[\]"),
        ("dataset.spec", 3, "a dataset's description has wrong fields"),
        ("dataset.spec.hands", [], "hands must be names, at least one"),
        ("dataset.spec.skeleton.root", 21, r"skeleton.root must be joints from 0 to 20"),
        ("dataset.action_names", [1], "dataset.action_names must be a list of names"),
        ("dataset.image_size", [0, 1], "dataset.image_size must be two positive numbers of pixels"),
        ("dataset.image_size", [1, 2, 3], "dataset.image_size must be two positive"),
        ("config.model.hedas", 2, "config.model.hedas is no option"),
        ("config.model", 2, "config.model is no option"),
        ("config.model.heads", 2.5, "config.model.heads must be a whole number, found 2.5"),
        ("config.model.heads", None, "config.model.heads must be a whole number, found None"),
        ("config.model.cascaded", 1, "config.model.cascaded must be true or false, found 1"),
        ("config.model.dtype", 32, "config.model.dtype must be text, found 32"),
        ("config.model.action_inputs", "pose", "config.model.action_inputs must be a list"),
        ("config.optimizer.learning_rate", float("nan"), "learning_rate must be a number"),
        ("config.data.image_size", [1], "config.data.image_size must be two positive"),
    ],
)
def test_what_is_wrong_is_named(name, value, message):
    with pytest.raises(ValueError, match=message):
        check(changed(name, value))


def test_a_run_that_does_not_describe_its_dataset_yet_is_known_by_its_name():
    old = copy.deepcopy(CONTENT)
    del old["dataset"]["spec"]
    assert from_json(json.dumps(old), "run.json").dataset == FACTS
    old["dataset"]["name"] = "ego4d"
    with pytest.raises(ValueError, match=r"dataset.name must be one of fpha, h2o, found 'ego4d'"):
        check(old)
