"""All that training changes: what a checkpoint holds, and how it is born on the devices."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import AbstractMesh, Mesh
from jaxtyping import PRNGKeyArray

from htt_jax.devices import sharding
from htt_jax.systems import System


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class TrainState:
    """All that training changes, and the batch-norm statistics, which it does not.

    Attributes:
        step: updates done.
        params: what the optimizer moves.
        batch_stats: frozen means and variances.
        opt_state: what the optimizer remembers, as Adam its moments.
    """

    step: Any  # Int[Array, ""]; JAX also makes trees of shapes or placements of it
    params: Any
    batch_stats: Any
    opt_state: Any

    @property
    def variables(self) -> dict[str, Any]:
        """What `System.loss` and `System.estimates` take."""
        return {"params": self.params, "batch_stats": self.batch_stats}


def create_state(
    variables: Mapping[str, Any], optimizer: optax.GradientTransformation
) -> TrainState:
    """The state before the first step."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=variables["params"],
        batch_stats=variables.get("batch_stats", {}),
        opt_state=optimizer.init(variables["params"]),
    )


def abstract_state(
    system: System, optimizer: optax.GradientTransformation, mesh: Mesh | AbstractMesh
) -> TrainState:
    """Shape, type and place on the devices of each array of the state; nothing is computed."""
    key = jax.eval_shape(lambda: _key(0))
    variables = jax.eval_shape(_random_variables(system), key)
    shapes = jax.eval_shape(functools.partial(create_state, optimizer=optimizer), variables)
    return jax.tree.map(
        lambda x, placed: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=placed),
        shapes,
        sharding.state_shardings(mesh, shapes),
    )


@functools.lru_cache(maxsize=8)  # the whole model is traced for it, and once is enough
def _random_variables(system: System) -> Callable[[PRNGKeyArray], dict[str, Any]]:
    return jax.jit(system.random_variables)


def random_state(
    system: System,
    optimizer: optax.GradientTransformation,
    seed: int,
    abstract: TrainState,
    given: Mapping[str, Any] | None = None,
) -> TrainState:
    """A state of random parameters, a pure function of `seed`, made where `abstract` places it.

    Args:
        system: the state is for.
        optimizer: the state is for.
        seed: of the random parameters.
        abstract: as of `abstract_state`.
        given: the variables that do not start random, by their full names; what would be drawn
            for them is not computed.
    """
    shardings = jax.tree.map(lambda x: x.sharding, abstract)

    def make(key: PRNGKeyArray, given: Mapping[str, Any]) -> TrainState:
        variables = jax.tree.map_with_path(
            lambda path, drawn: given.get(
                jax.tree_util.keystr(path, simple=True, separator="/"), drawn
            ),
            _random_variables(system)(key),
        )
        return create_state(variables, optimizer)

    # The key is an argument, so that the compiled program, when kept, serves every seed.
    key = jax.jit(lambda: _key(seed), out_shardings=shardings.step)()
    return jax.jit(make, out_shardings=shardings)(key, dict(given or {}))


def _key(seed: int) -> PRNGKeyArray:
    # The default generator would take XLA four times longer to compile for so many arrays.
    return jax.random.key(seed, impl="rbg")
