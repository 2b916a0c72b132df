"""A measure is told in one file: whatever shows figures takes another one from there."""

import csv
import json

import numpy as np
import pytest

from htt_jax import compare, evaluate, measures
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.evaluation import estimates
from htt_jax.evaluation.results import headline
from htt_jax.interop import model_card
from htt_jax.runs.checkpoint import Checkpoints
from htt_jax.runs.config import check_options
from htt_jax.runs.opening import open_run
from tests import prepared, runs, train_runs
from tests.htt_jax.evaluation.report.html_check import Page


@pytest.fixture
def _another_measure(monkeypatch):
    """The error that nine joints in ten stay below, in both spaces, as an entry of the table."""
    added = measures.in_both_spaces(
        "p90", "90 %", "cm", 3, lambda found: float(np.percentile(found.errors, 90)),
        smaller_is_better=True, meaning="error that 90 % of joints stay below", factor=0.1,
    )  # fmt: skip
    monkeypatch.setattr(measures, "MEASURES", (*measures.MEASURES, *added))


@pytest.mark.proof
@pytest.mark.usefixtures("_another_measure", "one_program")
def test_a_measure_added_to_the_table_is_everywhere(tmp_path):
    data = prepared.write_dataset(tmp_path / "data", FPHA, {"train": [3, 2, 2], "test": [7]})
    run, out = tmp_path / "run", tmp_path / "run/evaluation/test"
    runs.initialise_run(run, data, step=5)
    evaluate.main(["--workdir", str(run)])
    found = estimates.load(out / evaluate.ESTIMATES_FILE)
    off = np.linalg.norm(found.joints_3d - found.target_3d, axis=-1) * 1000
    error = float(np.percentile(off[found.hand_annotated[:, 0]], 90))
    shown = f"{error / 10:.3f}"

    report = json.loads((out / evaluate.RESULTS_FILE).read_text())
    assert report["headline"]["p90"] == pytest.approx(error)
    assert report["headline"] == headline(report["results"])
    assert report["results"]["pose"]["right"]["camera_space"]["p90"] == pytest.approx(error)
    assert "p90" in report["baselines"]["pose"]["right"]["root_aligned"]

    tables = (out / evaluate.TABLES_FILE).read_text()
    header, _, row = (line.split("|") for line in tables.splitlines()[:3])
    cells = dict(zip(map(str.strip, header), map(str.strip, row), strict=True))
    assert cells["90 % cm"] == shown
    assert "90 %-RA cm" in cells
    page = Page((out / "report.html").read_text())
    assert page.faults == []
    assert "90 % cm" in page.text
    assert shown in page.text

    compare.main([str(run), "--out", str(tmp_path)])
    assert "90 %-RA cm" in (tmp_path / "compare.md").read_text()
    with open(tmp_path / "compare.csv", newline="") as file:
        (line,) = csv.DictReader(file)
    assert float(line["p90"]) == float(line["right p90"]) == pytest.approx(error)

    card = tmp_path / "export/model.md"
    card.parent.mkdir()
    model_card.write(card, open_run(run, None, sharding.single_device_mesh()), "bin", {})
    lines = [line.split("|") for line in card.read_text().splitlines() if "90 %" in line]
    assert [line[1].strip() for line in lines] == [
        "90 % cm: error that 90 % of joints stay below",
        "90 %-RA cm: error that 90 % of joints stay below, relative to the wrist",
    ]
    assert lines[0][2].strip() == shown


@pytest.mark.usefixtures("_another_measure")
def test_a_checkpoint_can_be_the_best_by_a_measure_added_to_the_table(tmp_path):
    check_options(train_runs.tiny_config("data", checkpoint__best_metric="p90_ra"))
    with Checkpoints(tmp_path, keep=1, best_metric="p90_ra") as checkpoints:
        assert checkpoints.best_step() is None


def test_figures_that_an_earlier_version_did_not_measure_are_left_out():
    hand = {"camera_space": {"mepe": 1.0, "auc": 0.5}, "root_aligned": {"mepe": 2.0}}
    numbers = headline(
        {"pose": {"right": hand}, "object": {"accuracy": None}, "action": {"accuracy": 0.25}}
    )
    assert numbers == {"action_accuracy": 0.25, "mepe": 1.0, "auc": 0.5, "mepe_ra": 2.0}


def test_smaller_errors_and_larger_shares_are_better():
    better = {key: one.smaller_is_better for key, one in measures.headline().items()}
    assert better == {
        "action_accuracy": False,
        "object_accuracy": False,
        "mepe_2d": True,
        "mepe": True,
        "auc": False,
        "mepe_ra": True,
        "auc_ra": False,
    }
