"""How early actions are recognised: in videos that end early, as if there were no more of them.

A video is cut off before clips are made of it, so that neither padding nor the votes of several
clips know anything of what comes later. The model is the one that whole videos are shown to.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Int

from htt_jax.evaluation.finite import check_finite
from htt_jax.evaluation.split import SplitInference
from htt_jax.metrics import ActionMetrics

SHARES = tuple(tenths / 10 for tenths in range(1, 11))
"""Of a video, from its first frame; the last is the whole."""

FIRST_FRAMES = (15, 30, 60)
"""Half a second, one and two at 30 frames a second, as the cameras of FPHA and H2O record."""

CONFIDENCES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Probabilities of the recognised action at which one could stop looking."""

NAME = "early"
"""Where it stands in results."""

MEAN = "early_accuracy"
"""The mean over `SHARES`, as comparison calls it."""

Actions: TypeAlias = dict[str, Any]


def recognised(opened: SplitInference, whole: Actions) -> dict[str, Any]:
    """What is recognised of the beginnings of videos.

    Args:
        opened: the split; whole videos have been evaluated.
        whole: what that gave, see `metrics.ActionMetrics`.

    Returns:
        `shares` and the `accuracy` after each; `first_frames` and `accuracy_after` them, of whole
        videos where these are shorter; `mean_accuracy` over the shares; `decided`, the share after
        which the answer for half of the videos does not change any more; `per_action`, the
        accuracies after each share by the action's name; `per_video`, the share of `shares`
        after which each is recognised, None of a hidden action; `exit`, see `exits`. Accuracies
        are of the videos whose action is known, and None where there are none.

    Raises:
        InputError: a probability is not finite.
    """
    cuts = [
        _actions(opened.cut(observed=share, label=f"first {share:.0%}")) for share in SHARES[:-1]
    ]
    after = [
        _actions(opened.cut(first_frames=count, label=f"first {count} frames"))
        for count in FIRST_FRAMES
    ]
    of_shares = [*cuts, whole]
    accuracies = [found["accuracy"] for found in of_shares]
    known = None not in accuracies
    return {
        "shares": list(SHARES),
        "accuracy": accuracies,
        "first_frames": list(FIRST_FRAMES),
        "accuracy_after": [found["accuracy"] for found in after],
        "mean_accuracy": float(np.mean(accuracies)) if known else None,
        "decided": float(np.median(decided(answers(of_shares)))),
        "exit": exits(of_shares),
        "per_action": _by_action(of_shares, opened.source.action_names),
        "per_video": _by_video(of_shares),
    }


def answers(of_shares: Sequence[Actions]) -> Int[np.ndarray, "shares videos"]:
    """The action that is recognised in each video after each share."""
    return np.array([[entry["predicted"] for entry in found["per_video"]] for found in of_shares])


def decided(predicted: Int[np.ndarray, "shares videos"]) -> np.ndarray:
    """The share after which each video's answer stays what it is in the end."""
    return np.array(SHARES)[settled(predicted)]


def settled(answers: Int[np.ndarray, "times videos"]) -> Int[np.ndarray, " videos"]:
    """The place from which on each answer is the last one."""
    differs = answers != answers[-1]
    return np.where(differs.any(axis=0), len(answers) - np.argmax(differs[::-1], axis=0), 0)


def exits(of_shares: Sequence[Actions]) -> dict[str, list[Any]]:
    """Early exit: each video is seen until its answer has a confidence, or to its end.

    Args:
        of_shares: what is recognised after each of `SHARES`.

    Returns:
        `confidences`; with each the `accuracy` of the answers then, and the `mean_share` of the
        videos seen.
    """
    confidence = np.array(
        [[max(entry["probabilities"]) for entry in found["per_video"]] for found in of_shares]
    )
    confidence[-1] = 1  # there is no more to see
    predicted = answers(of_shares)
    true = np.array([entry["action"] for entry in of_shares[-1]["per_video"]])
    place = [np.argmax(confidence >= least, axis=0) for least in CONFIDENCES]
    right = [predicted[at, np.arange(len(true))] == true for at in place]
    known = true >= 0
    return {
        "confidences": list(CONFIDENCES),
        "accuracy": [float(x[known].mean()) if known.any() else None for x in right],
        "mean_share": [float(np.array(SHARES)[at].mean()) for at in place],
    }


def _actions(cut: SplitInference) -> Actions:
    actions = ActionMetrics(len(cut.run.dataset.action_names))
    for found, _ in cut.outputs():
        check_finite(cut.run, found["action_probabilities"][found["video"] >= 0])
        actions.update(found["video"], found["action_probabilities"], found["action"])
    return actions.result()


def _by_action(of_shares: Sequence[Actions], names: Sequence[str]) -> dict[str, list[float]]:
    true, right = _true(of_shares), _right(of_shares)
    return {
        names[action]: right[:, true == action].mean(axis=1).tolist()
        for action in np.unique(true[true >= 0]).tolist()
    }


def _by_video(of_shares: Sequence[Actions]) -> list[float | None]:
    shares = _right(of_shares).mean(axis=0).tolist()
    known = _true(of_shares) >= 0
    return [share if is_known else None for share, is_known in zip(shares, known, strict=True)]


def _true(of_shares: Sequence[Actions]) -> Int[np.ndarray, " videos"]:
    return np.array([entry["action"] for entry in of_shares[-1]["per_video"]])


def _right(of_shares: Sequence[Actions]) -> Bool[np.ndarray, "shares videos"]:
    return answers(of_shares) == _true(of_shares)
