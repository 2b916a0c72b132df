"""What do queries of joints and object add to a training step? XLA's count of its operations.

Of the paper's step on FPHA and H2O, and of the demo's, with full clips: the loss and its gradient.
Nothing is computed or compiled, so that the device does not matter.

    python -m benchmarks.step_flops
"""

import importlib
import math
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from benchmarks import measure, ours
from htt_jax import systems
from htt_jax.datasets.spec import SPECS, STORED_SIZE
from htt_jax.devices import process
from htt_jax.support import cli
from htt_jax.systems import Batch

_CONFIGS = {"fpha": "fpha", "h2o": "h2o", "simulated": "fpha"}
"""Config, and whose joints and classes its dataset has."""


def main() -> None:
    """Runs the command line."""
    cli.ArgumentParser(description=__doc__).parse_args()
    figures: dict[str, float] = {}
    lines = []
    for name, spec in _CONFIGS.items():
        config = importlib.import_module(f"configs.{name}").get_config()
        config.model.dtype = "bfloat16"
        counted = {}
        for spatial in ("pool", "queries"):
            config.model.spatial = spatial
            counted[spatial], parameters = _count(config, spec)
            figures[f"{name}_{spatial}_tflop"] = counted[spatial] / 1e12
            figures[f"{name}_{spatial}_million_parameters"] = parameters / 1e6
        share = counted["queries"] / counted["pool"] - 1
        figures[f"{name}_more_per_cent"] = 100 * share
        lines.append(f"{name}: {100 * share:.1f} % more with queries, in a step")
    measure.report("step_flops", figures | measure.machine("jax", "jaxlib"), lines)


def _count(config: ConfigDict, spec: str) -> tuple[float, int]:
    """Operations of a step's loss and its gradient, and parameters of the model."""
    size = config.data.image_size or STORED_SIZE
    system = systems.make(config, ours.dataset_facts(SPECS[spec], size))
    shapes = jax.eval_shape(system.random_variables, jax.random.key(0))

    def step(params: Any, statistics: Any, inputs: Batch) -> Any:
        def loss(params: Any) -> jax.Array:
            return system.loss({"params": params, "batch_stats": statistics}, inputs).total

        return jax.value_and_grad(loss)(params)

    inputs = _inputs(config, SPECS[spec].num_joints, len(SPECS[spec].hands), size)
    lowered = jax.jit(step).lower(shapes["params"], shapes["batch_stats"], inputs)
    parameters = sum(math.prod(x.shape) for x in jax.tree.leaves(shapes["params"]))
    counted = lowered.cost_analysis()
    assert counted is not None
    return counted["flops"], parameters


def _inputs(
    config: ConfigDict, joints: int, hands: int, size: tuple[int, int]
) -> dict[str, jax.ShapeDtypeStruct]:
    """Of clips that are full."""
    clips, frames = config.batch_size, config.data.frames
    places = (clips, frames)
    arrays = {
        "image": ((clips * frames, size[1], size[0], 3), jnp.float32),
        "slot": (places, jnp.int32),
        "valid": (places, jnp.bool_),
        "hand_annotated": ((*places, hands), jnp.bool_),
        "joints_2d": ((*places, joints, 2), jnp.float32),
        "depth": ((*places, joints), jnp.float32),
        "intrinsics": ((*places, 3, 3), jnp.float32),
        "object": ((clips,), jnp.int32),
        "action": ((clips,), jnp.int32),
    }
    return {name: jax.ShapeDtypeStruct(*array) for name, array in arrays.items()}


if __name__ == "__main__":
    cli.run(main, process.prepare)
