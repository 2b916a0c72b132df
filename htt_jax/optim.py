"""Adam under a step decay (Sec. 3.4)."""

import jax.numpy as jnp
import optax


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
