"""Adam under a step decay (Sec. 3.4)."""

from typing import Any

import jax.numpy as jnp
import optax
from jaxtyping import Array, Int


def step_decay(
    learning_rate: float,
    decay_factor: float,
    decay_epochs: int,
    steps_per_epoch: int,
    warmup_steps: int = 0,
) -> optax.Schedule:
    """The learning rate at each step: multiplied by `decay_factor` every `decay_epochs`.

    Over the first `warmup_steps` it rises linearly; the paper, whose weights are pretrained, has
    none.
    """
    decayed = optax.exponential_decay(
        learning_rate,
        transition_steps=decay_epochs * steps_per_epoch,
        decay_rate=decay_factor,
        staircase=True,
    )
    if not warmup_steps:
        return decayed
    return lambda step: decayed(step) * jnp.minimum(1.0, (step + 1) / warmup_steps)


def adam(schedule: optax.Schedule) -> optax.GradientTransformation:
    """Adam with PyTorch's defaults (0.9, 0.999, 1e-8) and no weight decay."""
    return optax.adam(schedule, b1=0.9, b2=0.999, eps=1e-8)


def moments(opt_state: Any) -> optax.ScaleByAdamState:
    """Adam's part of the optimizer's state: `count`, `mu` and `nu`."""
    (found,) = (x for x in opt_state if isinstance(x, optax.ScaleByAdamState))
    return found


def with_moments(opt_state: Any, adam_state: optax.ScaleByAdamState, step: int) -> Any:
    """The optimizer's state with Adam's part replaced and the schedule at `step`.

    The two counts differ where a run goes on with another batch size than it began with.
    """
    count: Int[Array, ""] = jnp.asarray(step, jnp.int32)
    return tuple(
        adam_state if isinstance(part, optax.ScaleByAdamState) else part._replace(count=count)
        for part in opt_state
    )
