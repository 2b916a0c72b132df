"""HTT on a clip whose frames come one after the other, and whose windows when they are full."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from htt_jax.models.htt.frames import Outputs


@runtime_checkable
class TakesWindows(Protocol):
    """HTT, or a program with those of its methods that take frames and windows one by one."""

    @property
    def window(self) -> int: ...  # noqa: D102

    @property
    def forecast(self) -> int: ...  # noqa: D102

    @property
    def object_box(self) -> bool: ...  # noqa: D102

    def apply(self, variables: Any, /, *arrays: Any, method: str | None = None) -> Any:
        """What the method of the name returns."""


def look(
    model: TakesWindows, variables: Any, image: Float[Array, "height width channels"]
) -> list[jax.Array]:
    """What windows need of a frame, see `FrameNetwork.looked`; most of all work is here."""
    looked = model.apply(variables, image[None], method="looked")
    return [x[0] for x in looked]


def tokens(
    model: TakesWindows,
    variables: Any,
    frames: int,
    window: Mapping[str, Any],
    size: tuple[int, int],
) -> Float[Array, "frames features"]:
    """What is kept of a clip of so many frames, before the first; see `step`."""
    one = _told(model, variables, window, size)["frame_tokens"]
    return jnp.zeros((frames, one.shape[-1]), one.dtype)


def step(
    model: TakesWindows,
    variables: Any,
    tokens: Float[Array, "frames features"],
    place: Int[Array, ""],
    window: Mapping[str, Any],
    size: tuple[int, int],
) -> tuple[Float[Array, "frames features"], Outputs]:
    """Takes one more window of a clip.

    Args:
        model: the network.
        variables: of `model`.
        tokens: of the clip so far; what else is in them stays unseen.
        place: of the window's first frame in the clip.
        window: `looked`, of its frames what `look` returns, (frames, ..); `valid` (frames,); and
            `intrinsics` (3, 3).
        size: (height, width) of the frames.

    Returns:
        The tokens behind it; joints_2d, depth and object_probabilities of the window's frames, and
        of a model that tells the object's box object_box_3d (frames, points, 3); the
        action_probabilities of the clip so far, and of a model that forecasts forecast_joints_3d
        (1, steps, joints, 3) after the window.
    """
    out = _told(model, variables, window, size)
    tokens = jax.lax.dynamic_update_slice(tokens, out["frame_tokens"][0], (place, 0))
    seen = jnp.arange(len(tokens)) < place + window["valid"].sum()
    logits = model.apply(variables, tokens[None], seen[None], method="per_clip")
    ahead = _ahead(model, variables, window, out, (tokens[None], seen[None]), size)
    return tokens, {
        **_of_frames(out),
        "action_probabilities": jax.nn.softmax(logits[0]),
        **ahead,
    }


def present(
    model: TakesWindows, variables: Any, window: Mapping[str, Any], size: tuple[int, int]
) -> Outputs:
    """What `step` tells of a window's frames alone; of the clip nothing is needed."""
    return _of_frames(_told(model, variables, window, size))


def _of_frames(out: Outputs) -> Outputs:
    """In the field's terms, of the only clip in what `FrameNetwork.told` returns."""
    return {
        "joints_2d": out["joints_2d"][0],
        "depth": out["depth"][0],
        "object_probabilities": jax.nn.softmax(out["object_logits"][0]),
        **{name: out[name][0] for name in ("object_box_3d",) if name in out},
    }


def _ahead(
    model: TakesWindows,
    variables: Any,
    window: Mapping[str, Any],
    out: Outputs,
    told: tuple[jax.Array, jax.Array],
    size: tuple[int, int],
) -> Outputs:
    """What comes after the window, if the model tells it; see `HTT.ahead`."""
    if not model.forecast:
        return {}
    arrays = window["valid"][None], _everywhere(model, window)
    found = model.apply(variables, out, *arrays, size, told, method="ahead")
    return {"forecast_joints_3d": found["forecast_joints_3d"][0]}


def _everywhere(model: TakesWindows, window: Mapping[str, Any]) -> jax.Array:
    """The one camera, of each frame."""
    return jnp.broadcast_to(window["intrinsics"], (1, model.window, 3, 3))


def _told(
    model: TakesWindows, variables: Any, window: Mapping[str, Any], size: tuple[int, int]
) -> Outputs:
    looked = [x[None] for x in window["looked"]]
    arrays = looked, window["valid"][None], _everywhere(model, window), size
    return model.apply(variables, *arrays, method="told")
