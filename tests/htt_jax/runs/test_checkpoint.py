import gc
import logging
import pathlib
import shutil
import socket
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from etils import epath
from orbax.checkpoint import v1 as ocp

from htt_jax.devices import sharding
from htt_jax.optimizer import adam
from htt_jax.runs.checkpoint import Checkpoints
from htt_jax.runs.state import TrainState, create_state
from htt_jax.support.errors import InputError
from tests import train_runs
from tests.full_disk import full_disk

OPTIMIZER = adam(lambda step: 1e-3)


def state_of(step: int, width: int = 3) -> TrainState:
    """A state whose every number follows from `step`."""
    variables = {
        "params": {"head": {"kernel": jnp.full((2, width), step + 0.5)}},
        "batch_stats": {"norm": {"mean": jnp.full(width, -float(step))}},
    }
    state = create_state(variables, OPTIMIZER)
    gradients = jax.tree.map(jnp.ones_like, state.params)
    _, opt_state = OPTIMIZER.update(gradients, state.opt_state, state.params)
    return TrainState(jnp.int32(step), state.params, state.batch_stats, opt_state)


def abstract_of(state: TrainState) -> TrainState:
    placed = sharding.replicated(sharding.make_mesh(1))
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=placed), state)


ABSTRACT = abstract_of(state_of(0))


@pytest.fixture
def opened(tmp_path):
    def open_checkpoints(keep=2, best_metric="action_accuracy", **options):
        return Checkpoints(tmp_path, keep=keep, best_metric=best_metric, **options)

    return open_checkpoints


def save(checkpoints, numbers):
    """Saves a state for each step, with the metrics given for it."""
    for step, metrics in numbers.items():
        checkpoints.save(step, state_of(step), metrics)


def wait_until_settled(folder: pathlib.Path) -> None:
    """Threads of a save that failed may write on; of one in another process there are none."""
    before = None
    while before != (now := sorted(folder.rglob("*"))):
        before = now
        time.sleep(0.2)


def cut(checkpoint: pathlib.Path, pattern: str = "*") -> None:
    """Cuts files of a checkpoint in half."""
    files = [path for path in checkpoint.rglob(pattern) if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_the_newest_state_comes_back_bit_for_bit(opened):
    with opened() as checkpoints:
        assert checkpoints.restore_newest(ABSTRACT) is None
        save(checkpoints, {3: None, 7: None})
    with opened() as checkpoints:
        restored = checkpoints.restore_newest(ABSTRACT)
    expected = state_of(7)
    assert jax.tree.structure(restored) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, restored, expected)
    for x, abstract in zip(jax.tree.leaves(restored), jax.tree.leaves(ABSTRACT), strict=True):
        assert (x.dtype, x.sharding) == (abstract.dtype, abstract.sharding)


@pytest.mark.parametrize(
    ("best_metric", "best"), [("action_accuracy", 2), ("mepe", 1), ("mepe_ra", 2)]
)
def test_the_last_few_and_the_best_are_kept(opened, best_metric, best):
    values = {
        1: {"action_accuracy": 0.1, "mepe": 5.0, "mepe_ra": 9.0},
        2: {"action_accuracy": 0.9, "mepe": 7.0, "mepe_ra": 1.0},
        3: None,
        4: {"action_accuracy": 0.5, "mepe": 6.0, "mepe_ra": 2.0},
        5: None,
    }
    with opened(best_metric=best_metric) as checkpoints:
        save(checkpoints, values)
    with opened(best_metric=best_metric, read_only=True) as checkpoints:
        assert checkpoints.steps == [best, 4, 5]
        assert checkpoints.best_step() == best
        step, variables = checkpoints.restore_variables(ABSTRACT.variables)
    assert step == best
    np.testing.assert_array_equal(variables["params"]["head"]["kernel"], best + 0.5)


def test_a_checkpoint_without_the_metric_is_never_the_best(opened):
    with opened(keep=1) as checkpoints:
        save(checkpoints, {1: {"action_accuracy": 0.1}, 2: {"mepe": 3.0}, 3: None, 4: {"mepe": 2}})
    with opened(keep=1) as checkpoints:
        assert checkpoints.best_step() == 1
        assert checkpoints.steps == [1, 4]


def test_without_any_evaluation_the_newest_is_the_best(opened):
    with opened() as checkpoints:
        assert checkpoints.best_step() is None
        save(checkpoints, {1: None, 2: None})
    with opened() as checkpoints:
        assert checkpoints.best_step() == 2


# What one of two processes does: restores from a folder of its own, saves in the common one.
ONE_OF_TWO = """
import sys
import jax
jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
from htt_jax.runs.checkpoint import Checkpoints
from tests.htt_jax.runs.test_checkpoint import ABSTRACT
options = {"keep": 2, "best_metric": "mepe"}
common, *folders = sys.argv[3:]
for folder in folders:
    with Checkpoints(folder, read_only=True, **options) as checkpoints:
        state = checkpoints.restore_newest(ABSTRACT)
    print("restored", int(state.step), file=sys.stderr)
with Checkpoints(common, **options) as checkpoints:
    checkpoints.save(9, state)
"""


@pytest.mark.proof
def test_processes_agree_on_the_newest_checkpoint_that_all_of_them_can_read(tmp_path):
    damages = ["_METADATA", "d/*", "missing"]
    with Checkpoints(tmp_path / "whole", keep=2, best_metric="mepe") as checkpoints:
        save(checkpoints, {3: None, 7: None})
    for number, damage in enumerate(damages):
        shutil.copytree(tmp_path / "whole", tmp_path / f"0/{number}")
        shutil.copytree(tmp_path / "whole", tmp_path / f"1/{number}")
        if damage == "missing":
            shutil.rmtree(tmp_path / f"1/{number}/7")
        else:
            cut(tmp_path / f"1/{number}/7", damage)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    child = [sys.executable, "-c", ONE_OF_TWO, address]
    folders = [
        ["common[2]", *(f"{i}/{number}" for number in range(len(damages)))] for i in range(2)
    ]
    processes = [
        train_runs.start([*child, str(i), *(str(tmp_path / name) for name in folders[i])])
        for i in range(2)
    ]
    said = [train_runs.finish(process, 100) for process in processes]
    assert [text.count("restored 3") for text in said] == [len(damages)] * 2, said
    passed_over = "checkpoint 7 cannot be read and is passed over: another process"
    assert said[0].count(passed_over) == len(damages)
    with Checkpoints(tmp_path / "common[2]", keep=2, best_metric="mepe") as checkpoints:
        assert checkpoints.restore_newest(ABSTRACT).step == 3


# Orbax reads all arrays at once and does not wait for the others when one fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("pattern", ["*", "_METADATA", "manifest.ocdbt", "d/*"])
def test_a_truncated_newest_checkpoint_is_passed_over_with_a_warning(
    opened, tmp_path, caplog, pattern
):
    with opened() as checkpoints:
        save(checkpoints, {3: None, 7: None})
    cut(tmp_path / "7", pattern)
    with opened() as checkpoints, caplog.at_level(logging.WARNING):
        restored = checkpoints.restore_newest(ABSTRACT)
        assert restored.step == 3
        np.testing.assert_array_equal(restored.params["head"]["kernel"], 3.5)
        assert "checkpoint 7 cannot be read and is passed over" in caplog.text
        checkpoints.save(7, state_of(7))  # what is done again replaces it
    with opened() as checkpoints:
        assert checkpoints.restore_newest(ABSTRACT).step == 7
    # The reads that nobody waited for end here; freed while one is under way in its thread, the
    # process crashed once.
    time.sleep(0.2)
    gc.collect()


def test_metrics_that_are_cut_off_keep_nobody_from_the_other_checkpoints(opened, tmp_path, caplog):
    with opened() as checkpoints:
        save(checkpoints, {3: {"action_accuracy": 0.5}, 7: {"action_accuracy": 0.9}})
    cut(tmp_path / "7" / "metrics")
    with pytest.raises(InputError, match=r"checkpoint 7: .*/7/metrics/metrics is no JSON .*remove"):
        opened(read_only=True)
    with caplog.at_level(logging.WARNING), opened() as checkpoints:
        assert "metrics/metrics is no JSON" in caplog.text
        assert checkpoints.best_step() == 3
        assert checkpoints.restore_newest(ABSTRACT).step == 7


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_when_no_checkpoint_can_be_read_they_are_named(opened, tmp_path):
    with opened() as checkpoints:
        save(checkpoints, {3: None, 7: None})
    for step in (3, 7):
        cut(tmp_path / str(step))
    with opened() as checkpoints:
        with pytest.raises(InputError, match=r"none of the checkpoints \[3, 7\] in .* can be read"):
            checkpoints.restore_newest(ABSTRACT)
        with pytest.raises(InputError, match=r"checkpoint 3 in .* cannot be read.*--step"):
            checkpoints.restore_variables(ABSTRACT.variables, 3)


def test_a_checkpoint_of_another_shape_is_refused_with_the_tensor_and_shapes(opened):
    with opened() as checkpoints:
        save(checkpoints, {3: None})
    with opened() as checkpoints:
        other = abstract_of(state_of(0, width=4))
        message = r"of another model: batch_stats/norm/mean has shape \(3,\) there, expected \(4,\)"
        with pytest.raises(InputError, match=message):
            checkpoints.restore_newest(other)
        with pytest.raises(InputError, match=message):
            checkpoints.restore_variables(other.variables)


def test_a_checkpoint_without_a_tensor_is_refused(opened):
    with opened() as checkpoints:
        save(checkpoints, {3: None})
    with opened() as checkpoints:
        more = {**ABSTRACT.variables["params"], "tail": {"bias": jax.ShapeDtypeStruct((5,), float)}}
        with pytest.raises(InputError, match=r"tail/bias has shape None there, expected \(5,\)"):
            checkpoints.restore_variables({**ABSTRACT.variables, "params": more})


def test_a_step_that_was_not_saved_is_refused_with_those_that_were(opened):
    with opened() as checkpoints:
        with pytest.raises(InputError, match=r"no checkpoint in .*; there are: none"):
            checkpoints.restore_variables(ABSTRACT.variables)
        save(checkpoints, {3: None, 7: None})
    with (
        opened() as checkpoints,
        pytest.raises(InputError, match=r"no checkpoint of step 5 in .*; there are: 3, 7"),
    ):
        checkpoints.restore_variables(ABSTRACT.variables, 5)


def test_a_folder_may_have_any_name(tmp_path):
    options = {"keep": 2, "best_metric": "mepe"}
    folder = tmp_path / "a[v2]*b?{x} %20"
    with Checkpoints(folder, **options) as checkpoints:
        save(checkpoints, {3: {"mepe": 1.0}, 7: None})
    with Checkpoints(folder, **options, read_only=True) as checkpoints:
        assert checkpoints.restore_newest(ABSTRACT).step == 7
        assert checkpoints.restore_variables(ABSTRACT.variables)[0] == 3


def test_what_was_left_unmerged_is_repaired_by_the_command_that_is_named(tmp_path):
    folder = tmp_path / "a's [v2]"
    state = state_of(7)
    with ocp.training.Checkpointer(epath.Path(folder)) as checkpointer:
        parts = {"step": state.step, "opt_state": state.opt_state}
        checkpointer.save_checkpointables(7, {"model": state.variables, "training": parts})
    options = {"keep": 2, "best_metric": "mepe"}
    with Checkpoints(folder, **options) as checkpoints:
        with pytest.raises(InputError, match=r"checkpoint 7 in .* unmerged") as refused:
            checkpoints.restore_newest(ABSTRACT)
        with pytest.raises(InputError, match="unmerged"):
            checkpoints.restore_variables(ABSTRACT.variables)
        save(checkpoints, {8: None})
    repair = str(refused.value).split("repairs the run: ")[1]
    for _ in range(2):  # the second time there is nothing to do
        subprocess.run(["sh", "-c", repair], check=True)
    with Checkpoints(folder, **options) as checkpoints:
        for step in (7, 8):
            assert checkpoints.restore_state(ABSTRACT, step).step == step


# Orbax gives up at the first file that cannot be written; another's failure may come after it.
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_a_full_disk_is_one_line_and_the_earlier_checkpoint_is_read(opened, caplog, tmp_path):
    with opened() as checkpoints:
        save(checkpoints, {3: None})
    message = (
        r"cannot write a checkpoint to .*: File too large; the earlier ones are whole: make ro"
    )
    with full_disk(100), pytest.raises(InputError, match=message), opened() as checkpoints:
        save(checkpoints, {7: None})
    assert "Traceback" not in caplog.text
    wait_until_settled(tmp_path)
    with opened() as checkpoints:
        assert checkpoints.steps == [3]
        assert checkpoints.restore_newest(ABSTRACT).step == 3
        save(checkpoints, {7: None})
    with opened() as checkpoints:
        assert checkpoints.restore_newest(ABSTRACT).step == 7


def test_reading_creates_nothing(tmp_path):
    with pytest.raises(InputError, match=r"no checkpoints: .*missing is missing; train first"):
        Checkpoints(tmp_path / "missing", keep=1, best_metric="mepe", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_evaluation_reads_a_checkpoint_of_any_optimizer(opened):
    with opened() as checkpoints:
        state = state_of(3)
        plain = optax.sgd(0.1).init(state.params)
        other = TrainState(state.step, state.params, state.batch_stats, plain)
        checkpoints.save(3, other)
    with opened() as checkpoints:
        step, variables = checkpoints.restore_variables(ABSTRACT.variables)
    assert step == 3
    np.testing.assert_array_equal(variables["batch_stats"]["norm"]["mean"], -3)
