import json

import jax
import numpy as np
import pytest

from htt_jax.interop import names, pytorch
from htt_jax.support.errors import InputError
from tests.parity import cases, recipe

CASE = cases.CASES["h2o_forward"]


@pytest.fixture(scope="module")
def published():
    """A state dict with the published names and shapes, and random content."""
    return recipe.state_dict(CASE)


@pytest.fixture(scope="module")
def variables(published):
    return pytorch.to_variables(published)


def test_names_shapes_and_their_order_are_the_published_ones(variables):
    sizes = {"J3": 126, "J2": 84, "A": CASE["actions"], "O": CASE["objects"]}
    keys = json.loads((cases.HERE / "state_dict_keys.json").read_text())
    expected = [(name, tuple(sizes.get(n, n) for n in shape)) for name, shape in keys.items()]
    found = [(name, x.shape) for name, x in pytorch.to_state_dict(variables).items()]
    assert found == expected


def test_every_tensor_comes_back_bit_for_bit(published, variables):
    found = pytorch.to_state_dict(variables)
    for name, x in published.items():
        if ".fc." not in name:  # the unused head, which is not kept
            np.testing.assert_array_equal(found[name], x, err_msg=name)
            assert found[name].dtype == x.dtype, name


def test_variables_survive_the_way_to_pytorch_and_back(variables):
    back = pytorch.to_variables(pytorch.to_state_dict(variables))
    assert jax.tree.structure(back) == jax.tree.structure(variables)
    jax.tree.map(np.testing.assert_array_equal, back, variables)


def test_the_position_table_is_not_missed_and_not_in_the_way(published, variables):
    with_table = published | {"transformer_pe.pe": np.zeros((1, 4096, 512), np.float32)}
    found = pytorch.to_variables(with_table)
    assert jax.tree.structure(found) == jax.tree.structure(variables)


def test_sizes_are_read_off_the_shapes(published):
    assert pytorch.model_sizes(published) == {
        "num_joints": 42,
        "num_actions": 36,
        "num_objects": 8,
        "width": 512,
        "mlp_width": 2048,
        "pose_layers": 2,
        "action_layers": 2,
        "backbone_name": "resnet18",
        "backbone_width": 64,
    }


def test_other_numbers_of_layers_are_read_off_the_names(published):
    shallow = {
        name: x
        for name, x in published.items()
        if "transformer_action.encoder.layers.1" not in name
    }
    found = pytorch.to_variables(shallow)
    assert set(found["params"]["action_block"]) == {"layer_0", "norm"}
    assert set(found["params"]["pose_block"]) == {"layer_0", "layer_1", "norm"}


def test_a_layer_of_any_number_is_one_layer_that_is_not_expected(published):
    name = "transformer_pose.encoder.layers.999999999.norm1.bias"
    with pytest.raises(InputError, match=rf"not expected: {name} \(512,\)"):
        pytorch.to_variables(published | {name: np.zeros(512, np.float32)})


@pytest.mark.parametrize(
    "name",
    [
        "decoder.fc.weight",
        "fc.weight.more",
        "meshregnet.fc.bias",
        "norm1.num_batches_tracked",
        "encoder.transformer_pe.pe",
    ],
)
def test_only_what_the_published_model_does_not_use_is_passed_over(published, name):
    with pytest.raises(InputError, match=rf"not expected: {name} \(3,\)"):
        pytorch.to_variables(published | {name: np.zeros(3, np.float32)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.astype(np.int64), r"action_token \(int64\)"),
        (lambda x: x.astype(np.complex64), r"action_token \(complex64\)"),
        (lambda x: x * np.float32(np.nan), r"action_token \(not finite\)"),
    ],
)
def test_tensors_that_are_no_finite_numbers_are_named(published, change, message):
    wrong = published | {"action_token": change(published["action_token"])}
    with pytest.raises(InputError, match=rf"a.pth holds .* floating-point numbers: {message};"):
        pytorch.to_variables(wrong, "a.pth")
    prefix = names.BACKBONE
    alone = {n.removeprefix(prefix): x for n, x in published.items() if n.startswith(prefix)}
    alone["bn1.running_var"] = change(alone["bn1.running_var"])
    with pytest.raises(InputError, match=message.replace("action_token", "bn1.running_var")):
        pytorch.backbone_variables(alone)


def test_missing_unexpected_and_wrongly_shaped_tensors_are_named_with_their_shapes(published):
    wrong = published | {
        "decoder.weight": np.zeros(3, np.float32),
        "hand_pose3d_to_action_input.weight": np.zeros((512, 42), np.float32),
    }
    del wrong["action_token"], wrong["transformer_action.encoder.norm.bias"]
    with pytest.raises(InputError) as refused:
        pytorch.to_variables(wrong, "model.pth")
    assert str(refused.value) == (
        "model.pth does not hold the tensors of an HTT; "
        "missing: action_token (1, 1, 512), transformer_action.encoder.norm.bias (512,); "
        "not expected: decoder.weight (3,); "
        "wrongly shaped: hand_pose3d_to_action_input.weight (512, 42), expected (512, 84); "
        "take a whole checkpoint of that model"
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("resnet18", r"not hold an HTT but an ImageNet ResNet; .*--config.init.backbone=FILE"),
        ("resnet50", r"not hold an HTT but an ImageNet ResNet of bottleneck blocks"),
        ("other", r"not hold an HTT but another model \(decoder.bias, decoder.weight\)"),
    ],
)
def test_a_file_of_another_model_is_recognised(published, kind, expected):
    backbone = {
        name.removeprefix(names.BACKBONE): x
        for name, x in published.items()
        if name.startswith(names.BACKBONE)
    }
    state_dict = {
        "resnet18": backbone,
        "resnet50": backbone | {"layer1.0.conv3.weight": np.zeros((256, 64, 1, 1), np.float32)},
        "other": {"decoder.weight": np.zeros((3, 3)), "decoder.bias": np.zeros(3)},
    }[kind]
    with pytest.raises(InputError, match=expected):
        pytorch.to_variables(state_dict)


def test_a_model_with_other_parts_than_the_published_one_is_refused(variables):
    params = {name: x for name, x in variables["params"].items() if name != "pose_block"}
    params["forecaster"] = {"bias": np.zeros(512)}
    with pytest.raises(InputError, match=r"pose_block/norm/bias.*forecaster/bias"):
        pytorch.to_state_dict({**variables, "params": params})


def test_a_backbone_alone_is_that_of_the_whole_model(published, variables):
    prefix = names.BACKBONE
    alone = {
        name.removeprefix(prefix): x for name, x in published.items() if name.startswith(prefix)
    }
    found = pytorch.backbone_variables(alone)
    for collection in ("params", "batch_stats"):
        expected = variables[collection]["backbone"]
        assert jax.tree.structure(found[collection]) == jax.tree.structure(expected)
        jax.tree.map(np.testing.assert_array_equal, found[collection], expected)


def test_a_backbone_of_another_width_is_refused_with_its_shapes(published):
    alone = {
        name.removeprefix(names.BACKBONE): x
        for name, x in published.items()
        if name.startswith(names.BACKBONE)
    }
    alone["layer4.1.conv2.weight"] = np.zeros((2048, 512, 3, 3), np.float32)
    with pytest.raises(
        InputError,
        match=r"wrongly shaped: layer4.1.conv2.weight \(2048, 512, 3, 3\), "
        r"expected \(512, 512, 3, 3\)",
    ):
        pytorch.backbone_variables(alone)


def test_a_whole_model_is_no_backbone(published):
    with pytest.raises(InputError, match="not hold a ResNet-18 but a whole HTT"):
        pytorch.backbone_variables(published)
