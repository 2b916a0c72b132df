"""What is told of the model's outputs is what the model returns."""

import pathlib

import jax
import jax.numpy as jnp

from htt_jax.evaluation.tables import markdown
from htt_jax.models import outputs
from htt_jax.models.htt import HTT
from htt_jax.models.outputs import OUTPUTS

DOCUMENTATION = pathlib.Path(__file__).parents[3] / "docs/checkpoints.md"
SIZES = {"clips": 2, "frames": 4, "joints": 42, "objects": 5, "actions": 7}


def test_names_axes_and_their_order_are_those_of_the_model():
    model = HTT(num_joints=42, num_actions=7, num_objects=5, window=2, width=16, heads=2)
    size = (SIZES["clips"], SIZES["frames"])

    def run():
        inputs = (jnp.zeros((*size, 32, 32, 3)), jnp.ones(size, bool), jnp.zeros((*size, 3, 3)))
        return model.init_with_output(jax.random.key(0), *inputs)[0]

    found = jax.eval_shape(run)
    assert {name: x.shape for name, x in found.items()} == {
        output.name: tuple(SIZES.get(axis, len(axis.split(" "))) for axis in output.axes)
        for output in OUTPUTS
    }
    assert {x.dtype for x in found.values()} == {jnp.dtype("float32")}


def test_the_documentation_has_the_table_of_outputs():
    assert (
        f"\n{markdown(outputs.TABLE_HEADER, outputs.table(outputs.OUTPUTS))}\n"
        in DOCUMENTATION.read_text()
    )
