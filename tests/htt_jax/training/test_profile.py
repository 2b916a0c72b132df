import jax
import jax.numpy as jnp
import pytest

from htt_jax.training.profile import Profile
from tests.traces import traced_steps


@pytest.mark.parametrize(
    ("first_step", "run", "expected"),
    [
        (3, range(1, 7), [3, 4]),
        (3, range(4, 7), [4]),  # a run that goes on within them
        (3, range(1, 4), [3]),  # one that ends within them
    ],
)
def test_the_chosen_steps_are_traced_by_number(tmp_path, first_step, run, expected):
    waited = []
    with Profile(tmp_path, lambda: waited.append(1), first_step=first_step, steps=2) as profile:
        for number in run:
            with profile.step(number):
                jnp.ones(3).block_until_ready()
    assert traced_steps(tmp_path) == expected
    assert len(waited) == (2 if 4 in run else 1)  # before the first, after the last


@pytest.mark.parametrize("first_step", [0, 9])
def test_nothing_is_traced_unless_chosen(tmp_path, first_step):
    with Profile(tmp_path, pytest.fail, first_step=first_step, steps=2) as profile:
        for number in range(1, 4):
            with profile.step(number):
                pass
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_fails_leaves_the_trace_readable(tmp_path):
    with (
        pytest.raises(ValueError, match="bad batch"),
        Profile(tmp_path, lambda: None, first_step=1, steps=2) as profile,
        profile.step(1),
    ):
        raise ValueError("bad batch")
    assert traced_steps(tmp_path) == [1]
    jax.profiler.start_trace(str(tmp_path / "next"))  # the last one has ended
    jax.profiler.stop_trace()
