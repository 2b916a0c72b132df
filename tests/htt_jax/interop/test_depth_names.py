import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax.interop import depth_names
from htt_jax.models.depth.action_network import ActionNetwork
from htt_jax.models.depth.pose_network import PoseNetwork
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from tests.parity.depth import cases

CROPS, EQUAL = jnp.zeros((1, 128, 128, 1)), jnp.zeros((1, 45))
POSES = (jnp.zeros((1, 1, 63)), jnp.ones((1, 1), bool))


@pytest.mark.parametrize(
    ("name", "parts", "network", "inputs"),
    [
        ("hpe_forward", ("hpe",), PoseNetwork(), (CROPS,)),
        ("film_hpe_forward", ("film_hpe",), PoseNetwork(num_actions=45), (CROPS, EQUAL)),
        ("har_forward", ("har", "attention"), ActionNetwork(attention=True), POSES),
    ],
)
def test_published_tensors_are_all_variables_of_the_network(name, parts, network, inputs):
    found = cases.variables(name, *parts)
    of_network = {kind: tree[cases.NETWORKS[parts[0]]] for kind, tree in found.items() if tree}
    expected = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    shapes = {key: x.shape for key, x in trees.flatten(expected).items()}
    assert {key: x.shape for key, x in trees.flatten(of_network).items()} == shapes


@pytest.mark.parametrize("name", ["fc.weight", "main_layers.bn_relu_1.block.0.num_batches_tracked"])
def test_other_tensors_are_refused(name):
    with pytest.raises(InputError, match=f"{name} is no tensor of the published depth networks"):
        depth_names.to_variables({name: np.zeros(1, np.float32)})
