"""What each video adds to the errors of forecasts."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation.estimates import Estimates
from htt_jax.evaluation.forecasting.cases import cases_of, counting, errors_of
from htt_jax.evaluation.forecasting.collected import Collected
from htt_jax.evaluation.forecasting.mean_motion import Motions
from htt_jax.evaluation.forecasting.pasts import Recorded

Share: TypeAlias = Float[np.ndarray, " videos"] | None


def of_videos(
    collected: Collected,
    estimates: Estimates,
    record: Recorded,
    spec: DatasetSpec,
    motions: Motions,
    *,
    space: str,
    mask_unannotated: bool,
) -> Mapping[str, Mapping[str, Sequence[Share]]]:
    """What each video adds to what `measured` returns: the mean over videos is that over hands.

    Arguments are those of `measured`, and `space`: one that `motions` has.

    Returns:
        By method, for each `error` and `error_ra`, at each horizon (videos,), or None where it is
        not known of every hand.
    """
    found: dict[str, dict[str, list[Share]]] = {}
    for case in cases_of(collected, estimates, record, mask_unannotated=mask_unannotated):
        of_hands: dict[tuple[str, str], list[Share]] = {}
        for hand in spec.hands:
            kept = counting(case, space, hand, spec)
            video = record.video[collected.last[case.chosen[kept]]]
            for name, errors in errors_of(case, kept, space, hand, spec, motions):
                for key, error in errors.items():
                    share = _share(error, video, estimates.num_videos)
                    of_hands.setdefault((name, key), []).append(share)
        for (name, key), shares in of_hands.items():
            known = [share for share in shares if share is not None]
            mean = np.mean(known, axis=0) if len(known) == len(shares) else None
            found.setdefault(name, {}).setdefault(key, []).append(mean)
    return found


def _share(
    error: Float[np.ndarray, "pasts joints"] | None,
    video: Int[np.ndarray, " pasts"],
    videos: int,
) -> Share:
    """What each video adds to the mean over pasts, times all videos."""
    if error is None or not error.size:
        return None
    return videos * np.bincount(video, error.mean(axis=1), minlength=videos) / len(error)
