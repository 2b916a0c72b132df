"""The depth systems on a clip whose frames come one after the other."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from htt_jax import camera
from htt_jax.systems import Batch, Estimates, Stepwise, Variables, Window
from htt_jax.systems.depth.model import DepthModel


def stepwise(model: DepthModel) -> Stepwise:
    """The networks, of which the action's state is kept.

    Args:
        model: of a form that needs no later frames.

    Raises:
        InputError: the form needs the whole clip, or no crops.
    """
    networks = model.networks
    first = networks.initial_state()

    def look(variables: Variables, frame: Batch) -> dict[str, jax.Array]:
        crops = model.normalised(frame["image"][None], frame["centre"][None])
        return {"crops": crops[0], "centre": frame["centre"]}

    def step(
        variables: Variables, state: Any, place: Int[Array, ""], window: Window
    ) -> tuple[Any, Estimates]:
        state = jax.tree.map(lambda new, old: jnp.where(place == 0, new, old), first, state)
        crops, centre = (window["looked"][name] for name in ("crops", "centre"))
        state, found = networks.step(variables, state, crops, told_equal=model.told_equal)
        joints = model.told(found, centre[None])["joints_3d"][0]
        joints_2d, depth = camera.project(joints, window["intrinsics"])
        return state, {
            "joints_2d": joints_2d,
            "depth": depth,
            "action_probabilities": jax.nn.softmax(found.log_probabilities[0]),
        }

    return Stepwise(look, lambda variables, window: first, step, None)
