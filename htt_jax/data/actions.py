"""How often a training split shows each action, for what makes up for that."""

import numpy as np
from jaxtyping import Float, Int

from htt_jax.data.clips import ClipSpec, clip_table
from htt_jax.data.records import RecordSource
from htt_jax.support.errors import InputError
from htt_jax.support.words import counted


def known(source: RecordSource, option: str) -> Int[np.ndarray, " videos"]:
    """The action of each video of a training split that shows them all.

    Reads the records; no image is decoded.

    Args:
        source: the split.
        option: what asks for it, with its value.

    Raises:
        InputError: an action has no video, or a video's is not known.
    """
    actions = np.array([source[video].action for video in range(len(source))], np.int64)
    unknown = int((actions < 0).sum())
    if unknown:
        raise InputError(
            f"{option}: the action of {counted(unknown, 'video')} of split {source.split!r} is not "
            "known; leave the option out"
        )
    missing = np.setdiff1d(np.arange(len(source.action_names)), actions)
    if len(missing):
        others = f" ({len(missing)} such in all)" if len(missing) > 1 else ""
        raise InputError(
            f"{option}: action {source.action_names[missing[0]]!r} has no video in split "
            f"{source.split!r} of {source.directory}{others}; record some, leave the action out of "
            "the labels, or the option"
        )
    return actions


def class_weights(
    source: RecordSource, clips: ClipSpec, option: str
) -> Float[np.ndarray, " actions"]:
    """Factors by which clips of all actions count as much in an epoch, 1 on the mean over clips.

    Of an action with n of the N clips, of K actions: N / (K n).

    Raises:
        InputError: as `known`.
    """
    video = clip_table(source.frame_counts, clips, training=True)[:, 0]
    counts = np.bincount(known(source, option)[video], minlength=len(source.action_names))
    return len(video) / (len(counts) * counts)
