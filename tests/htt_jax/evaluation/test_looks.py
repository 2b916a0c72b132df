"""Where queries looked in frames of a split, and how the report shows it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.evaluation.looks import Look, LookCollector
from htt_jax.evaluation.report import attention_plot, blocks, page
from htt_jax.systems.htt.system import HTTSystem
from tests import online_runs
from tests.htt_jax.evaluation.report import cases
from tests.htt_jax.evaluation.report.html_check import Page


class Numbered(HTTSystem):
    """HTT whose attention tells which video, start and place in the clip it is of."""

    def attention(self, variables, inputs):
        place = jnp.arange(inputs["valid"].shape[1])
        of_clip = 100 * inputs["video"] + 10 * inputs["start"]
        maps = (of_clip[:, None] + place).astype(jnp.float32)
        return {"joint_attention": maps[..., None, None, None]}


def test_the_middle_frames_of_the_first_videos_are_looked_at():
    run = online_runs.make_run(spatial="queries")
    run = dataclasses.replace(run, system=Numbered(run.model))
    mesh = sharding.single_device_mesh()
    collector = LookCollector(run, mesh)
    found = {
        "video": np.array([0, 0, 1, 2, -1]),
        "start": np.array([0, 1, 1, 0, 0]),
        "valid": np.arange(4) < np.array([[4], [4], [3], [4], [0]]),
    }
    made = {"slot": np.zeros((5, 4), np.int32), "image": np.zeros((1, 27, 48, 3), np.uint8)}
    made |= {"intrinsics": np.tile(np.eye(3, dtype=np.float32), (5, 4, 1, 1))}
    made |= {"joints_3d": np.ones((5, 4, 21, 3), np.float32)}
    batch = sharding.DeviceBatch(jax.device_put(found | made), found["video"], found["start"])
    for _ in range(2):
        collector.add(found, batch)
    looks = [(look.video, look.frame, int(look.maps.item())) for look in collector.looks]
    assert looks == [(0, 0 + 2 * 2, 2), (1, 1 + 2 * 1, 111)]


def test_the_report_shows_them(tmp_path):
    _, estimates, source = cases.make(tmp_path / "data", FPHA, [4, 4])
    maps = np.random.default_rng(0).random((22, 5, 8))
    plot = attention_plot.attention_plot([Look(0, 2, maps), Look(1, 3, maps)], estimates, source)
    (panel,) = plot.panels
    assert panel.description.endswith(f"frame 2, {source.video_ids[1]}, frame 3.")
    assert panel.size[0] == 6 * 156 - 6
    found = Page(str(blocks.plot(plot)))
    assert found.faults == []
    assert len(found.all("image")) == 1
    assert plot.name in page.PLOT_SECTIONS.values()
