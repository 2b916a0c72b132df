"""The program that takes frames as they come, compiled before the first."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from htt_jax.devices import sharding
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError


def compiled(run: TrainedRun, batch: dict[str, np.ndarray]) -> tuple[jax.stages.Compiled, Any]:
    """The program that takes a window of a clip, and what stands for a clip's state before.

    Compiled ahead, it takes only these shapes: nothing can be compiled again later.

    Args:
        run: the model.
        batch: of a window, see `System.stepwise`; its shapes alone count.

    Raises:
        InputError: the model takes whole clips only.
    """
    try:
        network = run.system.stepwise(run.config.data.frames)
    except InputError as error:
        raise InputError(f"{run.workdir} {error}") from None
    variables = run.variables
    mesh = jax.tree.leaves(variables)[0].sharding.mesh
    # On the device as the program returns it, and takes it the next time.
    placed = sharding.replicated(mesh)
    shapes = jax.eval_shape(network.state, variables, batch)
    state = jax.tree.map(lambda x: jax.device_put(np.zeros(x.shape, x.dtype), placed), shapes)
    step = jax.jit(network.step, out_shardings=placed)
    place = jax.ShapeDtypeStruct((), jnp.int32)
    return step.lower(variables, state, place, batch).compile(), state
