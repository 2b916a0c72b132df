import json

import pytest

from htt_jax.support.paths import place
from htt_jax.training import logs
from tests.full_disk import full_disk


def test_scalars_are_on_disk_as_soon_as_they_are_logged(tmp_path):
    with logs.MetricLog(tmp_path, 0) as log:
        log.write(1, {"loss": 2.5})
        assert logs.read(tmp_path) == [{"step": 1, "loss": 2.5}]
    (events,) = (tmp_path / logs.TENSORBOARD).iterdir()
    assert b"loss" in events.read_bytes()


def test_a_continued_log_drops_what_is_done_again_and_a_line_cut_off(tmp_path):
    with logs.MetricLog(tmp_path, 0) as log:
        for step in range(1, 8):
            log.write(step, {"loss": 10.0 - step})
    with open(tmp_path / logs.JSON_LINES, "a") as file:
        file.write('{"step": 8, "lo')
    assert [line["step"] for line in logs.read(tmp_path)] == list(range(1, 8))
    with logs.MetricLog(tmp_path, 5) as log:
        log.write(6, {"loss": 40.0})
    lines = (tmp_path / logs.JSON_LINES).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        *({"step": step, "loss": 10.0 - step} for step in range(1, 6)),
        {"step": 6, "loss": 40.0},
    ]


def test_in_a_bucket_a_log_is_parts_of_which_what_is_done_again_is_dropped(gcs):
    workdir = f"{gcs.root}/logs"
    with logs.MetricLog(workdir, 0) as log:
        log.write(1, {"loss": 9.0})
        assert logs.read(workdir) == []
        log.flush()
        for step in range(2, 5):
            log.write(step, {"loss": 10.0 - step})
        log.write(4, {"eval_mepe": 3.0})
        log.flush()
        log.write(5, {"loss": 5.0})
        assert [line["step"] for line in logs.read(workdir)] == [1, 2, 3, 4, 4]
    assert [line["step"] for line in logs.read(workdir)] == [1, 2, 3, 4, 4, 5]
    with logs.MetricLog(workdir, 3) as log:
        log.write(4, {"loss": 40.0})
    assert logs.read(workdir) == [
        *({"step": step, "loss": 10.0 - step} for step in (1, 2, 3)),
        {"step": 4, "loss": 40.0},
    ]
    parts = list((place(workdir) / logs.TENSORBOARD).iterdir())
    assert len(parts) == 4
    assert all(b"loss" in part.read_bytes() for part in parts)


def test_there_is_nothing_to_read_before_anything_is_logged(tmp_path):
    assert logs.read(tmp_path) == []


def test_a_disk_that_is_full_is_told_at_once(tmp_path):
    def write():
        with logs.MetricLog(tmp_path, 0) as log:
            for step in range(1, 100):
                log.write(step, {"loss": 2.5})

    with full_disk(2000), pytest.raises(OSError, match="File too large"):
        write()
    assert len(logs.read(tmp_path)) > 10
    with logs.MetricLog(tmp_path, 5) as log:
        log.write(6, {"loss": 2.5})
    assert [line["step"] for line in logs.read(tmp_path)] == [1, 2, 3, 4, 5, 6]
