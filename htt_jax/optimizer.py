"""Adam under a step decay (Sec. 3.4), the depth systems' AMSGrad, and Muon."""

import functools
import math
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int


@functools.lru_cache(maxsize=8)  # what is compiled for one serves all that are equal
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


_OF_LAST_LAYERS = re.compile("_head(/output)?/kernel$")
"""Names of kernels whose products are what a head tells."""

_COLOURS = 3
"""Channels of a layer that sees pixels, at most."""


def muon(schedule: optax.Schedule) -> optax.GradientTransformation:
    """Muon for the kernels of hidden layers (Jordan et al., 2024), Adam for all else.

    The mean of a kernel's gradients, as a matrix from what its layer sees to the channels it makes,
    is taken to the nearest orthogonal one: the step goes as far in directions that few frames ask
    for as in those of many.
    """
    of_kernels = optax.chain(
        optax.contrib.scale_by_muon(weight_dimension_numbers=_as_matrices),
        optax.stateless(lambda steps, params: jax.tree.map(_as_large_as_adams, steps)),
        optax.scale_by_learning_rate(schedule),
    )
    return optax.partition({True: of_kernels, False: adam(schedule)}, _are_hidden)


def _are_hidden(params: Any) -> Any:
    """Which are kernels of layers that neither see pixels nor end a head.

    Nor depthwise ones, which see a single channel: they are rows of filters and no matrices.
    """

    def is_hidden(path: tuple[Any, ...], x: Array) -> bool:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return (
            name.endswith("kernel") and x.shape[-2] > _COLOURS and not _OF_LAST_LAYERS.search(name)
        )

    return jax.tree_util.tree_map_with_path(is_hidden, params)


def _as_matrices(kernels: Any) -> Any:
    """The last axis of each as columns, the others together as rows."""
    return jax.tree.map(
        lambda x: optax.contrib.MuonDimensionNumbers(tuple(range(x.ndim - 1)), x.ndim - 1), kernels
    )


def _as_large_as_adams(step: Array) -> Array:
    """An orthogonal step whose elements are as large as Adam's usually are, 0.2 learning rates.

    A learning rate then suits both (Liu et al., 2025, Sec. 2.2).
    """
    rows, columns = step.size // step.shape[-1], step.shape[-1]
    return 0.2 * math.sqrt(max(rows, columns)) * step


OPTIMIZERS = {"adam": adam, "muon": muon}
"""By the names of config.training.optimizer; the first is the paper's."""


def amsgrad(schedule: optax.Schedule, l2: float = 0.0) -> optax.GradientTransformation:
    """AMSGrad with PyTorch's defaults (0.9, 0.999, 1e-8), `l2` times the parameters in gradients.

    As in PyTorch, the second moment whose maximum is kept is corrected for its start from zero
    afterwards, by how many steps there were; optax corrects it before.
    """
    return optax.chain(
        optax.add_decayed_weights(l2),
        _scale_by_amsgrad(b1=0.9, b2=0.999, eps=1e-8),
        optax.scale_by_learning_rate(schedule),
    )


def _scale_by_amsgrad(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    def init(params: Any) -> optax.ScaleByAmsgradState:
        zeros = [optax.tree.zeros_like(params) for _ in range(3)]
        return optax.ScaleByAmsgradState(jnp.zeros((), jnp.int32), *zeros)

    def update(
        gradients: Any, state: optax.ScaleByAmsgradState, params: Any = None
    ) -> tuple[Any, optax.ScaleByAmsgradState]:
        count = optax.safe_increment(state.count)
        mu = optax.tree.update_moment(gradients, state.mu, b1, 1)
        nu = optax.tree.update_moment(gradients, state.nu, b2, 2)
        nu_max = jax.tree.map(jnp.maximum, state.nu_max, nu)
        updates = jax.tree.map(
            lambda mean, square: mean / (jnp.sqrt(square) + eps),
            optax.tree.bias_correction(mu, b1, count),
            optax.tree.bias_correction(nu_max, b2, count),
        )
        return updates, optax.ScaleByAmsgradState(count, mu, nu, nu_max)

    return optax.GradientTransformation(init, update)


def freezing(
    optimizer: optax.GradientTransformation, is_frozen: Callable[[str], bool]
) -> optax.GradientTransformation:
    """`optimizer` for all parameters but those whose name, such as 'pose/norm/scale', is frozen."""
    return optax.partition(
        {False: optimizer, True: optax.set_to_zero()}, lambda params: _frozen(params, is_frozen)
    )


def constant_where_frozen(params: Any, is_frozen: Callable[[str], bool]) -> Any:
    """`params`, of which no gradient is computed where `freezing` would not use it."""
    return jax.tree.map(
        lambda value, frozen: jax.lax.stop_gradient(value) if frozen else value,
        params,
        _frozen(params, is_frozen),
    )


def _frozen(params: Any, is_frozen: Callable[[str], bool]) -> Any:
    return jax.tree_util.tree_map_with_path(
        lambda path, _: is_frozen(jax.tree_util.keystr(path, simple=True, separator="/")), params
    )


def moments(opt_state: Any, params: Any) -> optax.ScaleByAdamState:
    """Adam's part of the optimizer's state: `count`, `mu` and `nu`.

    Args:
        opt_state: of `adam`, or of that for some of the parameters, see `freezing`.
        params: all parameters; of those that are frozen the moments are zeros.
    """
    (found,) = (x for x in _of_trained(opt_state) if isinstance(x, optax.ScaleByAdamState))
    mu, nu = (
        jax.tree.map(lambda x, kept: jnp.zeros_like(x) if _is_masked(kept) else kept, params, tree)
        for tree in (found.mu, found.nu)
    )
    return optax.ScaleByAdamState(found.count, mu, nu)


def _of_trained(opt_state: Any) -> Any:
    """What `freezing` keeps of the parameters that are trained, or all there is."""
    is_part = isinstance(opt_state, optax.transforms.PartitionState)
    return opt_state.inner_states[False].inner_state if is_part else opt_state


def _is_masked(x: Any) -> bool:
    return isinstance(x, optax.MaskedNode)


def with_moments(opt_state: Any, adam_state: optax.ScaleByAdamState, step: int) -> Any:
    """The optimizer's state with Adam's part replaced and the schedule at `step`.

    The two counts differ where a run goes on with another batch size than it began with. Moments of
    frozen parameters, see `freezing`, are left out.
    """
    count: Int[Array, ""] = jnp.asarray(step, jnp.int32)
    replaced = tuple(
        _masked_alike(part, adam_state)
        if isinstance(part, optax.ScaleByAdamState)
        else part._replace(count=count)
        for part in _of_trained(opt_state)
    )
    if isinstance(opt_state, optax.transforms.PartitionState):
        trained = opt_state.inner_states[False]._replace(inner_state=replaced)
        return opt_state._replace(inner_states={**opt_state.inner_states, False: trained})
    return replaced


def _masked_alike(
    there: optax.ScaleByAdamState, wanted: optax.ScaleByAdamState
) -> optax.ScaleByAdamState:
    """`wanted`, without the moments that `there` has not."""
    mu, nu = (
        jax.tree.map(lambda old, new: old if _is_masked(old) else new, *pair, is_leaf=_is_masked)
        for pair in ((there.mu, wanted.mu), (there.nu, wanted.nu))
    )
    return optax.ScaleByAdamState(wanted.count, mu, nu)
