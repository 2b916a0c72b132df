import time

import pytest

from htt_jax.training.goodput import LOST_TO, Goodput


def test_the_seconds_by_cause_add_up_to_the_time_that_has_passed():
    before = time.perf_counter()
    goodput = Goodput()
    began = time.perf_counter()
    time.sleep(0.02)
    goodput.begin_steps()
    with goodput.losing("evaluation"):
        time.sleep(0.03)
    time.sleep(0.01)
    ended = time.perf_counter()
    found = goodput.scalars()
    after = time.perf_counter()
    seconds = {name: x for name, x in found.items() if name.startswith("seconds_")}
    assert set(seconds) == {"seconds_steps", *(f"seconds_{cause}" for cause in LOST_TO)}
    # Between what surely passed and what passed at most, however long the machine pauses here.
    assert ended - began <= sum(seconds.values()) + 1e-6 <= after - before + 2e-6
    assert seconds["seconds_start"] >= 0.02
    assert seconds["seconds_evaluation"] >= 0.03
    assert seconds["seconds_steps"] >= 0.01
    assert found["goodput"] == pytest.approx(
        seconds["seconds_steps"] / sum(seconds.values()), rel=1e-6
    )


def test_a_later_start_goes_on_counting_and_what_lies_between_is_lost_to_the_restart():
    now = time.time()
    earlier = {"seconds_steps": 80.0, **{f"seconds_{cause}": 2.0 for cause in LOST_TO}}
    goodput = Goodput()
    goodput.go_on([{"step": 1}, {"step": 2, "time": now - 8.0, **earlier}, {"step": 2}])
    found = goodput.scalars()
    assert found["seconds_steps"] == pytest.approx(80, abs=0.5)
    assert found["seconds_restarts"] == pytest.approx(10, abs=0.5)
    assert found["goodput"] == pytest.approx(80 / 98, abs=0.01)
    assert str(goodput).startswith("81.")
    assert "in steps; 2.0% starting and compiling" in str(goodput)


def test_runs_of_versions_that_logged_no_time_begin_to_count():
    goodput = Goodput()
    goodput.go_on([{"step": 1, "loss": 2.0}])
    assert goodput.scalars()["seconds_restarts"] == 0
