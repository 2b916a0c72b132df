"""What many chips would cost, computed."""

import pytest

from benchmarks import figures, scale


def test_the_stored_figures_follow_from_those_they_are_computed_from():
    results = figures.read(figures.RESULTS)
    assert results["scale"]["figures"] == pytest.approx(scale.computed(results), rel=1e-3)


def test_all_chips_together_take_every_clip_once_an_epoch():
    found = scale.computed(figures.read(figures.RESULTS))
    for chips in scale.CHIPS:
        assert found[f"chips{chips}_steps"] * chips == pytest.approx(found["clips"])
        rate = chips * found["clip_frames"] / found[f"chips{chips}_step_ms"] * 1000
        assert found[f"chips{chips}_epoch_s"] == pytest.approx(found["frames"] / rate)
