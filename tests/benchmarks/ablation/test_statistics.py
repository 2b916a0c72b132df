"""How sure one can be of a difference."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.ablation import statistics


def test_few_tables_of_models_that_do_not_differ_have_an_asterisk():
    rng = np.random.default_rng(0)
    rows, measures, seeds, videos, count = 5, 3, 3, 60, 200
    wrong = 0
    for _ in range(count):
        of = rng.normal(size=(rows, measures, seeds, videos))
        of += 0.2 * rng.normal(size=(rows, measures, seeds, 1))
        of += 0.3 * rng.normal(size=(rows, measures, 1, videos))
        asked = (of[1:] - of[0]).reshape(-1, seeds, videos)
        ps = statistics.corrected([statistics.of_videos(one).p for one in asked])
        wrong += min(ps) < statistics.LEVEL
    assert wrong / count < 0.05


def test_the_more_careful_of_the_tests_over_seeds_and_over_videos_counts():
    seeds, videos = np.array([-0.1, 0.0, 0.1]), np.linspace(-1, 1, 9)
    for table in (0.5 + 9 * seeds[:, None] + 0.01 * videos, 0.5 + seeds[:, None] + 9 * videos):
        found = statistics.of_videos(table)
        tests = [stats.ttest_1samp(table.mean(axis=axis), 0.0) for axis in (0, 1)]
        intervals = [test.confidence_interval() for test in tests]
        assert found.p == pytest.approx(max(test.pvalue for test in tests))
        assert found.p_seeds == pytest.approx(tests[1].pvalue)
        assert found.low == pytest.approx(min(low for low, _ in intervals))
        assert found.high == pytest.approx(max(high for _, high in intervals))


def test_as_many_seeds_as_videos_are_told_apart():
    by_seed = np.array([0.4, 0.5, 0.6])[:, None] + np.zeros((3, 3))
    found = statistics.of_videos(by_seed)
    assert (found.seeds, found.videos) == (3, 3)
    assert found.high - found.low == pytest.approx(2 * 4.303 * 0.1 / 3**0.5, rel=1e-3)
    turned = statistics.of_videos(by_seed.T)
    assert (turned.low, turned.high, turned.p) == pytest.approx((found.low, found.high, found.p))
    assert turned.deviation == pytest.approx(0.0)


def test_models_that_answer_alike_do_not_differ():
    same = statistics.of_videos(np.zeros((3, 9)))
    assert (same.p, same.low, same.high) == (1.0, 0.0, 0.0)


def test_one_seed_has_the_videos_alone_and_one_video_the_seeds_alone():
    drawn = np.arange(9.0)
    one = statistics.of_videos(drawn[None])
    assert one.low < 4.0 < one.high
    assert (one.deviation, one.p_seeds, one.seeds, one.videos) == (None, None, 1, 9)
    turned = statistics.of_videos(drawn[:, None])
    assert (turned.low, turned.high, turned.p) == (one.low, one.high, one.p)
    assert (turned.p_seeds, turned.seeds, turned.videos) == (one.p, 9, 1)
    alone = statistics.of_videos(drawn[4:5, None])
    assert (alone.mean, alone.low, alone.p) == (4.0, None, None)


def test_p_is_corrected_for_the_number_of_questions():
    assert statistics.corrected([0.03, None, 0.01, 0.5]) == [0.06, None, 0.03, 0.5]
    assert statistics.corrected([0.02, 0.02]) == [0.04, 0.04]
