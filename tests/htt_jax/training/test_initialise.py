import functools
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from htt_jax import augment
from htt_jax import optimizer as optim
from htt_jax.data.depth_maps import DEPTH
from htt_jax.devices import sharding
from htt_jax.interop import names
from htt_jax.models.htt import HTT
from htt_jax.models.resnet import ConvNorm, ResNet18
from htt_jax.runs.state import abstract_state, random_state
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.systems.htt.system import HTTSystem
from htt_jax.training import initialise
from htt_jax.training import step as train_step
from tests.packed import pack
from tests.parity import cases, recipe

MODEL = HTT(  # of the sizes of `train_runs`, whose program it is that draws the numbers
    num_actions=3,
    num_objects=2,
    window=4,
    width=32,
    heads=4,
    mlp_width=512,
    pose_layers=1,
    action_layers=1,
    backbone_width=4,
)
SYSTEM = HTTSystem(MODEL)
OPTIMIZER = optim.adam(optim.step_decay(1e-3, 0.5, 15, steps_per_epoch=3))


@pytest.fixture(scope="module")
def abstract():
    return abstract_state(SYSTEM, OPTIMIZER, sharding.make_mesh(1))


@pytest.fixture(scope="module")
def state(abstract):
    return random_state(SYSTEM, OPTIMIZER, 0, abstract)


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    batch = {
        "image": rng.integers(0, 255, (2, 4, 64, 96, 3), np.uint8),
        "valid": np.ones((2, 4), bool),
        "joints_3d": rng.normal(0.4, 0.05, (2, 4, 21, 3)).astype(np.float32),
        "intrinsics": np.broadcast_to(np.eye(3, dtype=np.float32), (2, 4, 3, 3)),
        "hand_annotated": np.ones((2, 4, 1), bool),
        "action": np.array([0, 2], np.int32),
        "object": np.array([1, 0], np.int32),
    }
    return jax.device_put(pack(batch))


@pytest.fixture(scope="module")
def measured(state, batch):
    return initialise.fitted(SYSTEM, state, batch)


@pytest.fixture(scope="module")
def imagenet():
    """A ResNet-18 with torchvision's and timm's names, random numbers, and its ImageNet head."""
    keys = json.loads((cases.HERE / "state_dict_keys.json").read_text())
    prefix = names.BACKBONE
    return {
        name.removeprefix(prefix): recipe.fill(name, tuple(shape), seed=0)
        for name, shape in keys.items()
        if name.startswith(prefix)
    }


def test_abstract_state_is_the_shape_of_the_real_one(state, abstract):
    assert jax.tree.structure(abstract) == jax.tree.structure(state)
    for expected, x in zip(jax.tree.leaves(abstract), jax.tree.leaves(state), strict=True):
        assert (x.shape, x.dtype, x.sharding) == (expected.shape, expected.dtype, expected.sharding)


def test_parameters_have_the_published_spread(state):
    attention = state.params["pose_block"]["layer_0"]["attention"]
    stacked = np.concatenate([attention["query_key"]["kernel"], attention["value"]["kernel"]], 1)
    limit = np.sqrt(6 / (32 + 96))  # Xavier, of the stacked (96, 32) matrix
    assert 0.97 * limit < np.abs(stacked).max() <= limit
    head = np.asarray(state.params["pose_head"]["linear1"]["kernel"])
    assert 0.97 / np.sqrt(32) < np.abs(head).max() <= 1 / np.sqrt(32)  # PyTorch's linear layer
    kernel = np.asarray(state.params["backbone"]["layer4_1"]["conv2"]["kernel"])
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 32)), rel=0.03)  # He, fan out
    assert np.asarray(state.params["action_token"]).std() == pytest.approx(1.0, rel=0.4)


def test_biases_start_as_in_the_published_code(state):
    limits = {
        "pose_head/linear1": 32,
        "pose_head/linear2": 32,
        "pose_head/output": 32,
        "object_head/linear1": 32,
        "object_head/output": 32,
        "pose_to_action": 2 * 21,
        "object_to_action": 2,
        "action_input": 3 * 32,
        "action_head": 32,
    }
    for block in ("pose_block", "action_block"):
        limits |= {f"{block}/layer_0/linear1": 32, f"{block}/layer_0/linear2": 512}
    biases = {
        name.removesuffix("/bias"): np.asarray(x)
        for name, x in trees.flatten(state.params).items()
        if name.endswith("/bias") and "backbone" not in name and "norm" not in name
    }
    for name, inputs in limits.items():
        bias = biases.pop(name) * np.sqrt(inputs)  # of PyTorch's linear layer, within -1 and 1
        largest = np.abs(bias).max()
        assert 0.001 ** (1 / len(bias)) < largest <= 1, name  # all but once in a thousand
    assert len(biases) == 6  # of the attentions
    for name, bias in biases.items():
        np.testing.assert_array_equal(bias, 0, err_msg=name)


def test_measured_statistics_give_zero_mean_and_unit_variance_before_every_activation(
    measured, batch
):
    frames = augment.to_inputs(batch)["image"]
    variables = {
        "params": measured.params["backbone"],
        "batch_stats": measured.batch_stats["backbone"],
    }
    _, seen = ResNet18(4).apply(
        variables, frames, capture_intermediates=_is_conv_norm, mutable=["intermediates"]
    )
    del seen["intermediates"]["conv1"]  # the maxima of what is looked at next
    stem = ConvNorm(4, size=7, stride=2, calibrate=False, dtype=jnp.float32)
    of_stem = {name: tree["conv1"] for name, tree in variables.items()}
    outputs = [stem.apply(of_stem, frames), *jax.tree.leaves(seen["intermediates"])]
    assert len(outputs) == 20
    for x in map(np.asarray, outputs):
        np.testing.assert_allclose(x.mean(axis=(0, 1, 2)), 0, atol=2e-3)
        np.testing.assert_allclose(x.var(axis=(0, 1, 2)), 1, rtol=2e-2)


def _is_conv_norm(module: nn.Module, method: str) -> bool:
    return isinstance(module, ConvNorm) and method == "__call__"


def test_measuring_changes_statistics_alone(state, measured):
    for name in ("step", "params", "opt_state"):
        jax.tree.map(np.testing.assert_array_equal, getattr(measured, name), getattr(state, name))
    before, after = (jax.tree.leaves(s.batch_stats) for s in (state, measured))
    assert all((x != y).any() for x, y in zip(before, after, strict=True))


def test_an_update_moves_every_parameter_and_no_statistic(measured, batch):
    update = jax.jit(functools.partial(train_step.update, SYSTEM, OPTIMIZER))
    after, metrics = update(measured, augment.to_inputs(batch))
    assert after.step == 1
    assert metrics["gradient_norm"] > 0
    jax.tree.map(np.testing.assert_array_equal, after.batch_stats, measured.batch_stats)
    for (path, before), moved in zip(
        jax.tree.leaves_with_path(measured.params), jax.tree.leaves(after.params), strict=True
    ):
        assert (np.asarray(before) != np.asarray(moved)).any(), path


def test_the_optimizer_holds_moments_of_the_parameters_alone(state):
    adam = state.opt_state[0]
    for moments in (adam.mu, adam.nu):
        assert jax.tree.structure(moments) == jax.tree.structure(state.params)


def test_an_imagenet_file_fills_the_backbone(imagenet, tmp_path):
    path = tmp_path / "resnet18.safetensors"
    save_file(imagenet, path)
    backbone = initialise.pretrained_backbone(str(path), HTTSystem(HTT()))
    kernel = imagenet["layer2.0.downsample.0.weight"].transpose(2, 3, 1, 0)
    found = backbone["params"]["layer2_0"]["downsample"]["kernel"]
    np.testing.assert_array_equal(found, kernel)
    np.testing.assert_array_equal(
        backbone["batch_stats"]["conv1"]["var"], imagenet["bn1.running_var"]
    )
    model = HTT(num_actions=3, num_objects=2, window=2, pose_layers=1, action_layers=1)
    abstract = abstract_state(HTTSystem(model), OPTIMIZER, sharding.make_mesh(1))
    expected = {name: collection["backbone"] for name, collection in abstract.variables.items()}
    assert jax.tree.structure(backbone) == jax.tree.structure(expected)
    assert jax.tree.map(np.shape, backbone) == jax.tree.map(lambda x: x.shape, expected)


def test_for_depth_the_imagenet_kernels_are_summed_over_colour(imagenet, tmp_path):
    path = tmp_path / "resnet18.safetensors"
    save_file(imagenet, path)
    backbone = initialise.pretrained_backbone(str(path), HTTSystem(HTT(), reader=DEPTH))
    expected = imagenet["conv1.weight"].sum(axis=1, keepdims=True).transpose(2, 3, 1, 0)
    np.testing.assert_allclose(backbone["params"]["conv1"]["kernel"], expected, atol=1e-6)


def test_a_backbone_replaces_the_random_one_and_nothing_else(state, abstract):
    backbone = jax.tree.map(
        lambda x: np.full(x.shape, 0.5, np.float32),
        {name: {"backbone": tree["backbone"]} for name, tree in state.variables.items()},
    )
    given = initialise.placed(backbone, abstract)
    replaced = random_state(SYSTEM, OPTIMIZER, 0, abstract, given)
    for name, collection in replaced.variables.items():
        for x in jax.tree.leaves(collection["backbone"]):
            np.testing.assert_array_equal(x, 0.5, err_msg=name)
    rest = {name: x for name, x in state.params.items() if name != "backbone"}
    for name, x in rest.items():
        jax.tree.map(np.testing.assert_array_equal, replaced.params[name], x)


def test_a_missing_imagenet_file_says_where_to_get_it_and_how_to_do_without():
    with pytest.raises(
        InputError,
        match=r"no ImageNet weights of resnet18 at config.init.backbone=nowhere.safetensors: .*"
        r"huggingface.co/timm/resnet18.tv_in1k.* random weights with --config.init.backbone=$",
    ):
        initialise.pretrained_backbone("nowhere.safetensors", HTTSystem(HTT()))


def test_imagenet_weights_do_not_fit_a_narrow_backbone(tmp_path):
    path = tmp_path / "resnet18.safetensors"
    path.touch()
    with pytest.raises(InputError, match=r"config.model.backbone_width is 4"):
        initialise.pretrained_backbone(str(path), SYSTEM)


def test_a_file_of_another_model_is_named(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"decoder": np.zeros(2, np.float32)}, path)
    with pytest.raises(
        InputError, match=r"other.safetensors does not hold a ResNet-18 but another model \(decod"
    ):
        initialise.pretrained_backbone(str(path), HTTSystem(HTT()))


def test_a_backbone_of_other_shapes_is_refused(state, abstract):
    backbone = jax.tree.map(
        lambda x: np.zeros((*x.shape, 2), np.float32),
        {name: {"backbone": tree["backbone"]} for name, tree in state.variables.items()},
    )
    with pytest.raises(
        InputError, match=r"batch_stats/backbone/conv1/mean has shape \(4, 2\), expected \(4,\)"
    ):
        initialise.placed(backbone, abstract)
