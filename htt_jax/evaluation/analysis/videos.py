"""The best and worst videos, and what the model says of the action while a video goes on."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from htt_jax.evaluation import action_scores
from htt_jax.evaluation.analysis.poses import JointErrors, mean_of
from htt_jax.evaluation.analysis.table import Row
from htt_jax.evaluation.estimates import Estimates


@dataclasses.dataclass(frozen=True)
class VideoScore:
    """How well a video went.

    Attributes:
        video: index in the split.
        video_id: its name.
        action: true class; -1: hidden.
        predicted: class of the largest summed probability.
        correct: None where the action is hidden.
        mepe: millimetres, over all counted frames, joints and hands; None without any.
        mepe_ra: the same, root-aligned, without the wrists.
        frames: of the video.
        probability_of_the_true_action: mean over its clips; None where the action is hidden.
    """

    video: int
    video_id: str
    action: int
    predicted: int
    correct: bool | None
    mepe: float | None
    mepe_ra: float | None
    frames: int
    probability_of_the_true_action: float | None


def rank_videos(
    per_video: Sequence[Row],
    errors: Mapping[str, JointErrors],
    estimates: Estimates,
    count: int = 10,
) -> tuple[list[VideoScore], list[VideoScore]]:
    """The best and the worst videos, `count` of each at most, none in both.

    A video whose action is found is better than one whose is not; among equals, the one of the
    smaller root-aligned error (MEPE-RA) is better. A hidden action counts as found. Videos without
    a counted hand come last in either list.

    Args:
        per_video: of `results.json`, results -> action.
        errors: of `joint_errors`.
        estimates: of the same split.
        count: of each list.

    Returns:
        The best, best first; the worst, worst first.
    """
    scores = [score(entry, errors, estimates) for entry in per_video]

    def key(sign: int) -> Callable[[VideoScore], tuple[float, ...]]:
        return lambda score: (
            sign * (score.correct is False),
            score.mepe_ra is None,
            sign * (score.mepe_ra or 0.0),
            score.video,
        )

    best = min(count, -(-len(scores) // 2))
    worst = min(count, len(scores) // 2)
    return sorted(scores, key=key(1))[:best], sorted(scores, key=key(-1))[:worst]


def action_over_time(estimates: Estimates, video: int) -> Float[np.ndarray, "frames actions"]:
    """Class probabilities of a video as they stand at each of its frames.

    See `htt_jax.evaluation.action_scores.over_frames`.
    """
    clips = estimates.clip_video == video
    return action_scores.over_frames(
        estimates.clip_start[clips],
        estimates.action_over_time[clips],
        frames=int(np.diff(estimates.first_frame)[video]),
        window_span=estimates.window * estimates.spacing,
    )


def score(entry: Row, errors: Mapping[str, JointErrors], estimates: Estimates) -> VideoScore:
    """How well a video went, by its entry in `per_video`; the rest as in `rank_videos`."""
    video, action, predicted = entry["video"], entry["action"], entry["predicted"]
    frames = estimates.frames_of(video)
    hidden = action < 0
    return VideoScore(
        video=video,
        video_id=entry["video_id"],
        action=action,
        predicted=predicted,
        correct=None if hidden else predicted == action,
        mepe=mean_of(*[of.camera_space[frames] for of in errors.values()]),
        mepe_ra=mean_of(*[of.root_aligned[frames] for of in errors.values()]),
        frames=frames.stop - frames.start,
        probability_of_the_true_action=None if hidden else entry["probabilities"][action],
    )
