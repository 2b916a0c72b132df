"""What the difference between two models is, and how sure one can be of it.

The same seeds and the same test videos are behind both models, so that differences are taken pair
by pair. Another training and other videos would give another difference: both are drawn at random,
crossed with each other, as subjects and items in psychology (Clark, 1973). Two paired t-tests are
made, one over the seeds' means and one over the videos' means, and the more careful of the two
counts. Formulas that join both in one variance take the degrees of freedom of the videos when the
few seeds happen to agree, and then find differences where there are none.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import special

LEVEL = 0.05


@dataclasses.dataclass(frozen=True)
class Difference:
    """Of a model from another.

    Attributes:
        mean: over seeds.
        deviation: of the differences of the seeds, sample; None of one seed.
        low: of the 95 % interval, the wider of that over seeds and that over videos; None: unknown.
        high: see `low`.
        p: of no difference, two-sided, the larger of the same; None: unknown.
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
    """Of a measure that is the mean over videos.

    With one seed the videos alone are drawn, with one video the seeds alone.
    """
    told = of_seeds_alone(differences.mean(axis=1))
    tests = [_Test.of(differences.mean(axis=axis)) for axis in (0, 1)]
    known = [test for test in tests if test is not None]
    if known:
        reach, p = max(test.reach for test in known), max(test.p for test in known)
        told = dataclasses.replace(told, low=told.mean - reach, high=told.mean + reach, p=p)
    return dataclasses.replace(told, videos=differences.shape[1])


def of_seeds_alone(differences: Float[np.ndarray, " seeds"]) -> Difference:
    """Of a measure of which only a figure for each seed is known."""
    count, mean = len(differences), float(differences.mean())
    test = _Test.of(differences)
    if test is None:
        return Difference(mean, None, None, None, None, None, count, 0)
    low, high, deviation = mean - test.reach, mean + test.reach, float(differences.std(ddof=1))
    return Difference(mean, deviation, low, high, test.p, test.p, count, 0)


def corrected(values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction of the p of several questions asked together."""
    known = sorted((p, place) for place, p in enumerate(values) if p is not None)
    found: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * p))
        found[place] = largest
    return found


@dataclasses.dataclass(frozen=True)
class _Test:
    """The paired t-test.

    Attributes:
        reach: half of the interval around the mean.
        p: of no difference, two-sided.
    """

    reach: float
    p: float

    @classmethod
    def of(cls, differences: Float[np.ndarray, " pairs"]) -> "_Test | None":
        """None of one pair."""
        count, mean = len(differences), float(differences.mean())
        if count < 2:
            return None
        error = float(differences.std(ddof=1)) / count**0.5
        if error == 0.0:
            return cls(0.0, float(mean == 0.0))
        reach = float(special.stdtrit(count - 1, 1 - LEVEL / 2)) * error
        return cls(reach, float(2 * special.stdtr(count - 1, -abs(mean) / error)))
