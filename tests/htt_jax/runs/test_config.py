import math

import jax.numpy as jnp
import numpy as np
import pytest

from configs import fpha, h2o
from htt_jax import measures, metrics, systems
from htt_jax.augment import AugmentOptions
from htt_jax.data.clips import ClipSpec
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import H2O
from htt_jax.devices.dtypes import fast_dtype
from htt_jax.evaluation.results import headline
from htt_jax.losses import LossWeights
from htt_jax.models.htt import HTT
from htt_jax.runs.config import (
    check,
    check_devices,
    clip_spec,
    expand_paths,
    load_options,
)
from htt_jax.runs.options import options_of
from htt_jax.support.errors import InputError
from htt_jax.systems.htt.system import HTTSystem
from tests import train_runs

FACTS = DatasetFacts(
    spec=H2O,
    action_names=("open", "close", "pour"),
    object_names=("milk", "book"),
    image_size=(480, 270),
    fingerprint="1234",
)


@pytest.mark.parametrize("config", [fpha.get_config(), h2o.get_config()])
def test_the_published_settings_are_accepted_and_give_the_papers_model(config):
    check(config)
    model = HTT(num_joints=42, num_actions=3, num_objects=2, window=16)
    assert systems.make(config, FACTS) == HTTSystem(model, LossWeights(), AugmentOptions())
    assert clip_spec(config) == ClipSpec(window=16, frames=128, spacing=2)


def test_the_type_of_computation_suits_the_device_unless_it_is_named():
    config = fpha.get_config()
    assert config.model.dtype == "auto"
    assert fast_dtype() == "float32"  # of a processor
    assert systems.make(config, FACTS).model.dtype == jnp.float32
    config.model.dtype = "bfloat16"
    assert systems.make(config, FACTS).model.dtype == jnp.bfloat16


def test_options_reach_the_model():
    config = train_runs.tiny_config(
        "data",
        model__dtype="bfloat16",
        model__action_inputs=("image", "object"),
        model__cascaded=False,
        augment__enabled=False,
        data__image_size=(120, 68),
    )
    system = systems.make(config, FACTS)
    model = system.model
    assert model.dtype == jnp.bfloat16
    assert model.action_inputs == ("image", "object")
    assert (model.window, model.width, model.heads, model.cascaded) == (4, 32, 4, False)
    assert system.augmentation is None
    assert load_options(config) == {
        "clips": ClipSpec(window=4, frames=8, spacing=2),
        "image_size": (120, 68),
        "workers": 0,
        "process_index": 0,
        "process_count": 1,
        "slot_multiple": 1,
    }


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("data.directory", "", "no dataset: --config.data.directory is empty"),
        ("data.frames", 10, r"frames=10 is not a multiple of config.model.window=4; take 8 frames"),
        ("data.frames", 3, r"frames=3 is not a multiple of config.model.window=4; take 4 frames"),
        ("data.image_size", (120,), r"image_size=\(120,\) must be \(width, height\)"),
        ("data.image_size", (120, 0), r"image_size=\(120, 0\) must be \(width, height\), both ab"),
        ("optimizer.learning_rate", 0.0, "config.optimizer.learning_rate=0.0 must be above 0"),
        ("optimizer.decay_factor", -0.5, "config.optimizer.decay_factor=-0.5 must be above 0"),
        ("optimizer.learning_rate", math.inf, "learning_rate=inf must be a finite number"),
        ("optimizer.decay_factor", math.nan, "decay_factor=nan must be a finite number"),
        ("optimizer.warmup_steps", -1, "warmup_steps=-1 must be at least 0"),
        ("loss.action", -1.0, "config.loss.action=-1.0 must be at least 0"),
        ("loss.joints_2d", math.nan, "config.loss.joints_2d=nan must be a finite number"),
        ("seed", -1, "config.seed=-1 must be at least 0"),
        ("seed", 2**32, "config.seed=4294967296 must be at most 4294967295"),
        ("data.cache", "disk", "config.data.cache='disk' must be one of none, host, device"),
        ("data.workers", -1, "config.data.workers=-1 must be at least 0"),
        ("epochs", -1, "config.epochs=-1 must be at least 0"),
        ("batch_size", -2, "config.batch_size=-2 must be at least 1"),
        ("eval.every_epochs", 0, "config.eval.every_epochs=0 must be at least 1"),
        ("checkpoint.every_steps", 0, "config.checkpoint.every_steps=0 must be at least 1"),
        ("checkpoint.keep", 0, "config.checkpoint.keep=0 must be at least 1"),
        ("log.every_steps", 0, "config.log.every_steps=0 must be at least 1"),
        ("model.heads", 0, "config.model.heads=0 must be at least 1"),
        ("model.heads", 5, "config.model.width=32 must be even and a multiple .*heads=5"),
        ("model.width", 33, "config.model.width=33 must be even and a multiple of"),
        ("model.dtype", "float16", "dtype='float16' must be one of float32, bfloat16"),
        ("model.action_inputs", ("image", "touch"), r"must name one or more of image, pose, obj"),
        ("model.action_inputs", (), r"action_inputs=\(\) must name one or more of image, pose"),
        ("checkpoint.best_metric", "accuracy", "best_metric='accuracy' must be one of action_acc"),
        ("mesh.fsdp", 3, "config.mesh.fsdp=3 does not divide the 1 devices"),
        ("mesh.fsdp", 0, "config.mesh.fsdp=0 does not divide the 1 devices"),
    ],
)
def test_each_mistake_is_named_with_its_option(name, value, message):
    config = train_runs.tiny_config("data", **{name: value})
    with pytest.raises(InputError, match=message) as refused:
        check(config)
    assert "\n" not in str(refused.value)


def test_every_number_has_a_bound():
    unbounded = {
        option.name
        for option in options_of("htt")
        if option.kind in (int, float) and option.least is None and option.above is None
    }
    # Checked where they are used: by the number of devices, and by what the operations can do.
    assert unbounded == {"mesh.fsdp"} | {f"augment.{name}" for name in vars(AugmentOptions())}


def test_home_is_put_into_every_option_that_names_a_path(monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    names = ("data.directory", "init.checkpoint", "init.backbone")
    config = train_runs.tiny_config("data", **dict.fromkeys(names, "~/x"))
    config.lock()
    expand_paths(config)
    assert (config.data.directory, config.init.checkpoint) == ("/home/anna/x", "/home/anna/x")
    assert config.init.backbone == "/home/anna/x"
    config.init.checkpoint = ""
    expand_paths(config)
    assert config.init.checkpoint == ""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("batch_size", 12, "config.batch_size=12 is not divisible by the 8 devices"),
        ("eval.batch_size", 4, "config.eval.batch_size=4 is not divisible by the 8 devices"),
        ("mesh.fsdp", 3, "config.mesh.fsdp=3 does not divide the 8 devices"),
    ],
)
def test_batches_and_mesh_must_fit_the_devices(name, value, message):
    check_devices(train_runs.tiny_config("data", mesh__fsdp=4), 8)
    with pytest.raises(InputError, match=message):
        check_devices(train_runs.tiny_config("data", **{name: value}), 8)


def test_checkpoints_can_be_chosen_by_every_number_an_evaluation_gives():
    pose = metrics.PoseMetrics(H2O)
    joints = np.ones((2, 42, 3))
    pose.update(joints, joints, np.ones((2, 2), bool))
    image = metrics.ImageMetrics(H2O)
    image.update(np.zeros((2, 42)), np.ones((2, 42), bool))
    of_classes = {"object": {"accuracy": 0.5}, "action": {"accuracy": 0.25}}
    numbers = headline({"pose": pose.result(), measures.IMAGE: image.result(), **of_classes})
    assert set(numbers) == set(measures.headline())
    assert (numbers["action_accuracy"], numbers["mepe"], numbers["auc_ra"]) == (0.25, 0.0, 1.0)


def test_a_split_without_known_actions_reports_no_action_accuracy():
    numbers = headline({"pose": {}, "object": {"accuracy": 0.5}, "action": {"accuracy": None}})
    assert numbers == {"object_accuracy": 0.5}
