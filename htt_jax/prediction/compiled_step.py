"""The programs that take frames as they come, compiled before the first."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding
from jaxtyping import Array, Int

from htt_jax.devices import sharding
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError
from htt_jax.systems import Estimates, Stepwise, System, Window, is_traceable


class Programs(NamedTuple):
    """Compiled ahead, they take only these shapes: nothing can be compiled again later.

    Those of a model that JAX cannot trace are called as they are.

    What is `looked` at is of the newest frames of a clip, each at its place in its window.

    Attributes:
        look: what is looked at behind a frame, of variables, the same before, the frame's place in
            its window, and what the reader makes of it.
        step: a clip's state and the estimates behind a window, of variables, the state before, the
            place of its first frame in the clip, what is looked at, how many of its frames are
            real, and the intrinsics.
        newest: the estimates of one frame behind those before it, as of a window's last, of
            variables, what is looked at, the frame's place in it, how many frames are real, and
            the intrinsics; None: not wanted.
        looked: before the first frame.
        state: before the first window.
    """

    look: Callable[..., Any]
    step: Callable[..., tuple[Any, Estimates]]
    newest: Callable[..., Estimates] | None
    looked: Any
    state: Any


def stepwise(run: TrainedRun, *, newest: bool) -> Stepwise:
    """The network of a run for frames that come one by one.

    Args:
        run: the model.
        newest: whether the pose of each frame is wanted before its window is full.

    Raises:
        InputError: the model takes whole clips only, or `newest` is nothing to it.
    """
    width, height = run.system.reader.size or run.dataset.image_size
    try:
        network = _network(run.system, run.config.data.frames, (height, width))
    except InputError as error:
        raise InputError(f"{run.workdir} {error}") from None
    if newest and network.present is None:
        raise InputError(
            f"{run.workdir} tells each frame's pose at once; leave the option newest away"
        )
    return network


@functools.lru_cache(maxsize=8)  # one for all streams, so that they share the programs
def _network(system: System, frames: int, size: tuple[int, int]) -> Stepwise:
    return system.stepwise(frames, size)


def compiled(
    run: TrainedRun, frame: Mapping[str, np.ndarray], window: int, *, newest: bool
) -> Programs:
    """The programs for frames like `frame`.

    Args:
        run: the model.
        frame: what the reader makes of one; its shapes alone count.
        window: t, frames that are seen together.
        newest: whether the pose of each frame is wanted before its window is full.

    Raises:
        InputError: see `stepwise`.
    """
    parts = _Parts(stepwise(run, newest=newest), window)
    if not is_traceable(run.system):
        return _as_they_are(parts, run.variables, frame, newest=newest)
    variables = run.variables
    # On the device as the programs return it, and take it the next time.
    placed = sharding.replicated(jax.tree.leaves(variables)[0].sharding.mesh)
    count = jax.ShapeDtypeStruct((), jnp.int32)
    intrinsics = jax.ShapeDtypeStruct((3, 3), jnp.float32)

    def stacked(x: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((window, *x.shape), x.dtype)

    def zeros(shapes: Any) -> Any:
        return jax.tree.map(lambda x: jax.device_put(jnp.zeros(x.shape, x.dtype), placed), shapes)

    def make(part: Callable[..., Any], *arguments: Any) -> jax.stages.Compiled:
        return _jitted(part, parts, placed).lower(variables, *arguments).compile()

    looked = zeros(jax.tree.map(stacked, jax.eval_shape(parts.network.look, variables, frame)))
    state = zeros(jax.eval_shape(parts.state, variables, looked, count, intrinsics))
    return Programs(
        look=make(_Parts.look, looked, count, frame),
        step=make(_Parts.step, state, count, looked, count, intrinsics),
        newest=make(_Parts.newest, looked, count, count, intrinsics) if newest else None,
        looked=looked,
        state=state,
    )


class _Parts(NamedTuple):
    """What is compiled, or called as it is."""

    network: Stepwise
    size: int

    def look(self, variables: Any, looked: Any, place: Int[Array, ""], frame: Any) -> Any:
        found = self.network.look(variables, frame)
        return jax.tree.map(
            lambda x, new: jax.lax.dynamic_update_index_in_dim(x, new, place, 0), looked, found
        )

    def state(
        self, variables: Any, looked: Any, count: Int[Array, ""], intrinsics: jax.Array
    ) -> Any:
        return self.network.state(variables, self.window(looked, count, intrinsics))

    def step(
        self,
        variables: Any,
        state: Any,
        place: Int[Array, ""],
        looked: Any,
        count: Int[Array, ""],
        intrinsics: jax.Array,
    ) -> tuple[Any, Estimates]:
        return self.network.step(variables, state, place, self.window(looked, count, intrinsics))

    def newest(
        self,
        variables: Any,
        looked: Any,
        place: Int[Array, ""],
        count: Int[Array, ""],
        intrinsics: jax.Array,
    ) -> Estimates:
        assert self.network.present is not None
        # The oldest first, as in a window that ends with this frame.
        looked = jax.tree.map(lambda x: jnp.roll(x, count - 1 - place, axis=0), looked)
        found = self.network.present(variables, self.window(looked, count, intrinsics))
        return {name: x[count - 1] for name, x in found.items()}

    def window(self, looked: Any, count: Int[Array, ""], intrinsics: jax.Array) -> Window:
        """The real frames are the first ones."""
        valid = jnp.arange(self.size) < count
        return {"looked": looked, "valid": valid, "intrinsics": intrinsics}


@functools.lru_cache(maxsize=24)  # the parts of as many networks as are kept
def _jitted(part: Callable[..., Any], parts: _Parts, placed: Sharding) -> Any:
    return jax.jit(functools.partial(part, parts), out_shardings=placed)


def _as_they_are(
    parts: _Parts, variables: Any, frame: Mapping[str, np.ndarray], *, newest: bool
) -> Programs:
    """Without compiling; the shapes are those that one call finds."""

    def make(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: function(*jax.device_put(arguments))

    found = parts.network.look(variables, jax.device_put(dict(frame)))
    looked = jax.tree.map(lambda x: jnp.zeros((parts.size, *x.shape), x.dtype), found)
    return Programs(
        look=make(parts.look),
        step=make(parts.step),
        newest=make(parts.newest) if newest else None,
        looked=looked,
        state=parts.state(variables, looked, jnp.int32(0), jnp.eye(3)),
    )
