"""What training draws for each clip besides the augmentation of its frames.

As there, a clip's draw comes from a key made from what it is (its video and start): it is the same
however clips are spread over devices, and when a run goes on.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, Key, PRNGKeyArray

from htt_jax.models.htt.frames import BOX
from htt_jax.systems import Batch

_CUT, _DROPPED = 2**32 - 1, 2**32 - 2  # no videos; augmentation draws from the keys of videos


def cuts(key: PRNGKeyArray, batch: Batch, window: int) -> Int[Array, " clips"]:
    """The frames before the border between two of a clip's windows at which it is cut.

    Each border that has a real frame on both sides is as likely; 0 where there is none.
    """
    windows = -(-batch["valid"].sum(axis=1) // window)

    def one(key: PRNGKeyArray, windows: Int[Array, ""]) -> Int[Array, ""]:
        border = jax.random.randint(key, (), 1, jnp.maximum(windows, 2))
        return jnp.where(windows > 1, border * window, 0)

    return jax.vmap(one)(_keys_of_clips(key, _CUT, batch), windows)


def dropped(
    key: PRNGKeyArray, batch: Batch, probability: float, inputs: tuple[str, ...]
) -> Bool[Array, "clips 2"]:
    """Whether the action block is not told a clip's poses, and its objects.

    As EffHandEgoNet does in training: a clip loses with `probability` one input, in all of its
    frames; each of the two that it has by `inputs` is as likely. The object's class and box go
    together.
    """
    there = jnp.array(["pose" in inputs, not {"object", BOX}.isdisjoint(inputs)])

    def one(key: PRNGKeyArray) -> Bool[Array, "2"]:
        whether, which = jax.random.split(key)
        lost = jax.random.choice(which, 2, p=there / there.sum())
        return jax.random.bernoulli(whether, probability) & (jnp.arange(2) == lost)

    return jax.vmap(one)(_keys_of_clips(key, _DROPPED, batch))


def _keys_of_clips(key: PRNGKeyArray, purpose: int, batch: Batch) -> Key[Array, " clips"]:
    key = jax.random.fold_in(key, purpose)
    return jax.vmap(lambda video, start: jax.random.fold_in(jax.random.fold_in(key, video), start))(
        batch["video"], batch["start"]
    )
