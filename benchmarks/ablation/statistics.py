"""What the difference between two models is, and how sure one can be of it.

The same seeds and the same test videos are behind both models, so that differences are taken pair
by pair. Another training and other videos would give another difference: both are drawn at random,
crossed with each other, as subjects and items in psychology (Clark, 1973). The variance of the mean
difference is estimated from the mean squares of the two-way table without repetition,

    (MS_seeds + MS_videos - MS_rest) / (seeds x videos),

with Satterthwaite's degrees of freedom (the quasi-F ratio). Where that is less than one of
MS_seeds and MS_videos alone gives, the larger counts, with its own. With one seed the videos alone
are drawn, and the training is taken as it is.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import stats

LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class Difference:
    """Of a model from another.

    Attributes:
        mean: over seeds.
        deviation: of the differences of the seeds, sample; None of one seed.
        low: of the 95 % interval over seeds and videos, or over what was drawn; None: unknown.
        high: see `low`.
        p: of no difference, two-sided, over the same; None: unknown.
        p_seeds: the same of the paired t-test over seeds alone; None of one seed.
        seeds: pairs.
        videos: pairs; 0 where the measure is not one of single videos.
    """

    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    p: float | None
    p_seeds: float | None
    seeds: int
    videos: int


def of_videos(differences: Float[np.ndarray, "seeds videos"]) -> Difference:
    """Of a measure that is the mean over videos."""
    error, freedom = _standard_error(differences)
    of_seeds = differences.mean(axis=1)
    low, high, p = _told(float(of_seeds.mean()), error, freedom)
    told = dataclasses.replace(of_seeds_alone(of_seeds), low=low, high=high, p=p)
    return dataclasses.replace(told, videos=differences.shape[1])


def of_seeds_alone(differences: Float[np.ndarray, " seeds"]) -> Difference:
    """Of a measure of which only a figure for each seed is known."""
    count, mean = len(differences), float(differences.mean())
    if count < 2:
        return Difference(mean, None, None, None, None, None, count, 0)
    deviation = float(differences.std(ddof=1))
    low, high, p = _told(mean, deviation / count**0.5, count - 1)
    return Difference(mean, deviation, low, high, p, p, count, 0)


def corrected(values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction of the p of several questions asked together."""
    known = sorted((p, place) for place, p in enumerate(values) if p is not None)
    found: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        found[place] = largest
    return found


def _standard_error(table: Float[np.ndarray, "seeds videos"]) -> tuple[float, float]:
    """Of the table's mean, and its degrees of freedom."""
    seeds, videos = table.shape
    of_videos = seeds * float(table.mean(axis=0).var(ddof=1)) if videos > 1 else 0.0
    if seeds < 2 or videos < 2:
        return (of_videos / (seeds * videos)) ** 0.5, max(videos - 1, 1)
    of_seeds = videos * float(table.mean(axis=1).var(ddof=1))
    rest = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    of_rest = float((rest**2).sum()) / ((seeds - 1) * (videos - 1))
    squares = {seeds - 1: of_seeds, videos - 1: of_videos}
    both = of_seeds + of_videos - of_rest
    if both <= max(squares.values()):
        freedom, square = max(squares.items(), key=lambda item: item[1])
        return (square / (seeds * videos)) ** 0.5, freedom
    parts = of_seeds**2 / (seeds - 1) + of_videos**2 / (videos - 1)
    parts += of_rest**2 / ((seeds - 1) * (videos - 1))
    return (both / (seeds * videos)) ** 0.5, both**2 / parts


def _told(mean: float, error: float, freedom: float) -> tuple[float, float, float]:
    """The interval and the p of a mean with that standard error."""
    if error == 0.0:
        return mean, mean, float(mean == 0.0)
    reach = float(stats.t.ppf(1 - LEVEL / 2, freedom)) * error
    return mean - reach, mean + reach, float(2 * stats.t.sf(abs(mean) / error, freedom))
