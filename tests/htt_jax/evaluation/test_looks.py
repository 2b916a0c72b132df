"""Where queries looked in frames of a split, and how the report shows it."""

import numpy as np

from htt_jax.data import loader
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.evaluation.looks import Look, LookCollector
from htt_jax.evaluation.report import attention_plot, blocks, page
from htt_jax.runs.config import load_options
from tests import online_runs, prepared
from tests.htt_jax.evaluation.report import cases
from tests.htt_jax.evaluation.report.html_check import Page


def test_the_middle_frames_of_the_first_videos_are_looked_at(tmp_path):
    source = RecordSource(
        prepared.write_dataset(tmp_path / "data", FPHA, {"test": [8, 5, 7]}), "test"
    )
    run = online_runs.make_run(spatial="queries")
    options = load_options(run.config)
    batches = loader.eval_batches(source, **options, reader=run.system.reader, batch_size=4)
    mesh = sharding.single_device_mesh()
    collector = LookCollector(run, mesh)
    for batch in sharding.to_devices(mesh, batches):
        names = ("video", "start", "valid")
        collector.add({name: np.asarray(batch.arrays[name]) for name in names}, batch)
    assert [(look.video, look.frame) for look in collector.looks] == [(0, 4), (1, 2)]
    for look in collector.looks:
        assert look.maps.shape == (22, 2, 3)
        np.testing.assert_allclose(look.maps.sum(axis=(1, 2)), 1, rtol=1e-5)


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
