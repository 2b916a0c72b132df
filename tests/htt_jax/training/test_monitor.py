import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import FPHA
from htt_jax.devices.sharding import DeviceBatch
from htt_jax.support.errors import InputError
from htt_jax.training import logs
from htt_jax.training.goodput import LOST_TO, Goodput
from htt_jax.training.monitor import LAG, Monitor, Span
from tests import prepared

BATCH = DeviceBatch({}, video=np.array([1, 0]), start=np.array([16, 0]))


def metrics(loss, gradient_norm=2.0):
    return {
        "loss": jnp.float32(loss),
        "loss_depth": jnp.float32(loss / 100),
        "gradient_norm": jnp.float32(gradient_norm),
        "real_frames": jnp.int32(12),
        "real_frame_share": jnp.float32(0.75),
    }


@pytest.fixture
def monitor(tmp_path):
    source = RecordSource(
        prepared.write_dataset(tmp_path / "data", FPHA, {"train": [2, 1]}), "train"
    )
    with (
        logs.MetricLog(tmp_path, 0) as log,
        Monitor(log, source, Span(0, 10, per_epoch=4), 2, Goodput()) as monitor,
    ):
        yield monitor


def test_every_second_step_is_logged_with_its_rates(monitor, tmp_path):
    for step in range(1, 7):
        monitor.started(step, metrics(10 - step), BATCH)
    monitor.drain()
    lines = logs.read(tmp_path)
    assert [(line["step"], line["loss"], line["epoch"]) for line in lines] == [
        (2, 8.0, 0.5),
        (4, 6.0, 1.0),
        (6, 4.0, 1.5),
    ]
    assert set(lines[0]) == {
        *("step", "loss", "loss_depth", "gradient_norm", "real_frame_share", "epoch"),
        *("frames_per_second", "steps_per_second", "data_wait_share"),
        *("time", "goodput", "seconds_steps", *(f"seconds_{cause}" for cause in LOST_TO)),
    }
    ratio = lines[1]["frames_per_second"] / lines[1]["steps_per_second"]
    assert ratio == pytest.approx(12)


def test_metrics_are_read_a_few_steps_later(monitor, tmp_path):
    for step in range(1, LAG + 1):
        monitor.started(step, metrics(1.0), BATCH)
        assert logs.read(tmp_path) == []
    monitor.drain()
    assert [line["step"] for line in logs.read(tmp_path)] == [2]


@pytest.mark.parametrize("bad", [metrics(np.nan), metrics(np.inf), metrics(1.0, np.nan)])
def test_a_loss_that_is_not_finite_names_step_terms_and_clips(monitor, bad):
    monitor.started(1, metrics(1.0), BATCH)
    monitor.started(2, bad, BATCH)
    with pytest.raises(InputError) as stopped:
        monitor.drain()
    message = str(stopped.value)
    assert message.startswith("the loss of step 2 is not finite: gradient_norm ")
    assert f"loss {bad['loss']:g}, loss_depth {bad['loss_depth']:g}, " in message
    assert (
        "its clips: Subject_1/close_milk/1 from frame 16, Subject_1/open_milk/0 from frame 0"
        in message
    )
    assert "\n" not in message


def test_an_evaluation_is_logged_and_its_time_counts_in_no_rate(monitor, tmp_path):
    results = {"pose": {}, "object": {"accuracy": 0.5}, "action": {"accuracy": 0.25}}
    assert monitor.evaluation(3, lambda: results) is results
    assert logs.read(tmp_path) == [
        {"step": 3, "eval_action_accuracy": 0.25, "eval_object_accuracy": 0.5}
    ]
