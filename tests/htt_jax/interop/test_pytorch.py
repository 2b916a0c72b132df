import json

import jax
import numpy as np
import pytest

from htt_jax.errors import InputError
from htt_jax.interop import pytorch
from tests.parity import cases, recipe

CASE = cases.CASES["h2o_forward"]


@pytest.fixture(scope="module")
def published():
    """A state dict with the published names and shapes, and random content."""
    return recipe.state_dict(CASE)


@pytest.fixture(scope="module")
def variables(published):
    return pytorch.to_variables(published)


def test_names_and_shapes_are_the_published_ones(variables):
    sizes = {"J3": 126, "J2": 84, "A": CASE["actions"], "O": CASE["objects"]}
    keys = json.loads((cases.HERE / "state_dict_keys.json").read_text())
    expected = {name: tuple(sizes.get(n, n) for n in shape) for name, shape in keys.items()}
    found = {name: x.shape for name, x in pytorch.to_state_dict(variables).items()}
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


def test_missing_and_unexpected_tensors_are_named(published):
    wrong = published | {"decoder.weight": np.zeros(3, np.float32)}
    del wrong["action_token"], wrong["transformer_action.encoder.norm.bias"]
    with pytest.raises(
        InputError,
        match=r"missing tensors: action_token, transformer_action.encoder.norm.bias; "
        r"unexpected tensors: decoder.weight",
    ):
        pytorch.to_variables(wrong)


def test_a_model_with_other_parts_than_the_published_one_is_refused(variables):
    params = {name: x for name, x in variables["params"].items() if name != "pose_block"}
    params["image_projection"] = {"bias": np.zeros(512)}
    with pytest.raises(InputError, match=r"pose_block/norm/bias.*image_projection/bias"):
        pytorch.to_state_dict({**variables, "params": params})


def test_a_backbone_alone_is_that_of_the_whole_model(published, variables):
    prefix = pytorch.BACKBONE_PREFIX
    alone = {
        name.removeprefix(prefix): x for name, x in published.items() if name.startswith(prefix)
    }
    found = pytorch.backbone_variables(alone)
    for collection in ("params", "batch_stats"):
        expected = variables[collection]["backbone"]
        assert jax.tree.structure(found[collection]) == jax.tree.structure(expected)
        jax.tree.map(np.testing.assert_array_equal, found[collection], expected)


def test_a_backbone_of_another_depth_is_refused():
    with pytest.raises(InputError, match=r"missing tensors: bn1.bias, bn1.running_mean.* more"):
        pytorch.backbone_variables({"conv1.weight": np.zeros((64, 3, 7, 7), np.float32)})
