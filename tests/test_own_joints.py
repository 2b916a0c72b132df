"""Own recordings whose joints are known in part, in images alone or not at all, in all commands."""

import contextlib
import csv
import io
import json
import re
import shutil

import jax
import numpy as np
import pytest

from benchmarks import fit_joints
from htt_jax import augment, camera, compare, evaluate, export, predict
from htt_jax.data import loader
from htt_jax.data.clips import ClipSpec
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import IN_IMAGES, NO_JOINTS, PARTIAL
from htt_jax.evaluation import estimates
from htt_jax.losses import LossWeights, htt_loss
from htt_jax.runs.config import check
from htt_jax.runs.directory import dataset_facts
from htt_jax.support.errors import InputError
from htt_jax.systems import check_source
from htt_jax.training import best_metric
from htt_jax.training.teacher import open_teacher
from tests import runs
from tests.data_prep import own_folders
from tests.htt_jax.evaluation.report.html_check import Page

pytestmark = pytest.mark.proof  # datasets through all commands

LABELS = (
    "video,start,end,action,split\na,0,3,cut,train\na,4,5,stir,train\nb,2,4,cut,test\n"
    "b,0,1,stir,test\n"
)
FITTED = "fit_joints = true\n" + own_folders.TOML
SIZE = (64, 36)
OF_OTHERS = ("taken_for", "pck_published")
"""Columns that may be empty: of what is always right, and without published figures."""


def joints_of(kind, seed):
    """(frames, 21, 2 or 3), of a recording; None where it has none."""
    if kind == NO_JOINTS:
        return None
    if kind == IN_IMAGES:
        places = np.random.default_rng(seed).uniform(4, 44, (6, 21, 2))
        places[:, 3] = np.nan
        return places
    joints = own_folders.joints(6, seed)
    joints[2], joints[3, 0], joints[:, 5] = np.nan, np.nan, np.nan
    return joints


@pytest.fixture(scope="module", params=[PARTIAL, IN_IMAGES, NO_JOINTS])
def made(request, tmp_path_factory):
    """What is known, a folder of raw recordings, a dataset and a run of it, and what is printed."""
    kind, root = request.param, tmp_path_factory.mktemp("joints")
    own_folders.write(root / "raw", LABELS)
    if kind == PARTIAL:  # and of a recording that is not evaluated joints are to be fitted
        own_folders.write(root / "more", LABELS + "c,0,3,cut,val\n", FITTED, "c")
        shutil.copytree(root / "more", root / "raw", dirs_exist_ok=True)
        acted, _ = fit_joints.acted(seed=1, frames=14)
        places, _ = camera.project(acted[:6, 1], own_folders.MATRIX)
        np.savez(root / "raw/c/joints.npz", joints=places)
    for seed, name in enumerate("ab"):
        joints = joints_of(kind, seed)
        if joints is None:
            (root / "raw" / name / "joints.npz").unlink()
        else:
            np.savez(root / "raw" / name / "joints.npz", joints=joints)
    own_folders.prepare(root / "raw", root / "data")
    runs.initialise_run(root / "run", root / "data", SIZE)
    return kind, root, printed(evaluate.main, "--workdir", root / "run")


def printed(main, *arguments):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        main([str(argument) for argument in arguments])
    return output.getvalue()


def assert_nothing_is_empty(text):
    """No table of a text has a column without a figure, and no figure is none."""
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = [line.strip("\n ")[1:-1].split("|") for line in table.splitlines()]
        for column in list(zip(*rows, strict=True))[1:]:
            assert any(cell.strip() for cell in column[2:]), column
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_errors_are_those_of_known_joints_alone(made):
    kind, root, text = made
    out = root / "run/evaluation/test"
    results = json.loads((out / "results.json").read_text())["results"]
    found = estimates.load(out / "estimates.npz")
    if kind == NO_JOINTS:
        assert results["pose"] == {}
        assert "image" not in results
        assert "The dataset has no joints: poses are not measured." in text
        return
    truth = joints_of(kind, 1)[[0, 1, 2, 3, 4]]  # segments lie one after another, by their starts
    known = np.isfinite(truth).all(axis=-1)
    image = results["image"]["hands"]["right"]
    assert image["joints"] == known.sum() == (100 if kind == IN_IMAGES else 79)
    source = RecordSource(root / "data", "test")
    matrix = source[0].intrinsics.astype(float)
    if kind == IN_IMAGES:
        places = truth * [7.5, 5.625]  # in the stored frames
        assert results["pose"] == {}
        assert "their depth was not learned" in text
    else:
        places, _ = camera.project(np.where(known[..., None], truth, 1.0), matrix)
        off = 1000 * np.linalg.norm(found.joints_3d - truth, axis=-1)
        space = results["pose"]["right"]
        assert space["frames"] == 4
        assert space["camera_space"]["mepe"] == pytest.approx(off[known].mean(), rel=1e-5)
        relative = 1000 * ((found.joints_3d - truth) - (found.joints_3d - truth)[:, :1])
        aligned = np.linalg.norm(relative, axis=-1)[:, 1:]
        expected = aligned[np.isfinite(aligned)]
        assert len(expected) == 3 * 19
        assert space["root_aligned"]["mepe"] == pytest.approx(expected.mean(), rel=1e-5)
    seen, _ = camera.project(found.joints_3d.astype(float), matrix)
    off = np.linalg.norm((seen - places) * [64 / 480, 36 / 270], axis=-1)
    assert image["mepe"] == pytest.approx(off[known].mean(), rel=1e-4)


def test_baselines_are_of_known_joints_alone(made):
    kind, root, _ = made
    report = json.loads((root / "run/evaluation/test/results.json").read_text())
    if kind != PARTIAL:
        assert report["baselines"]["pose"] == {}
        return
    joints = joints_of(kind, 0)  # of both segments: all frames
    known = np.isfinite(joints).all(axis=-1)
    assert known.sum(axis=0).tolist() == [4, 5, 5, 5, 5, 0, *15 * [5]]
    mean = np.nansum(joints, axis=0) / np.maximum(known.sum(axis=0), 1)[:, None]
    off = 1000 * np.linalg.norm(joints_of(kind, 1)[:5] - mean, axis=-1)
    found = report["baselines"]["pose"]["right"]["camera_space"]
    assert found["mepe"] == pytest.approx(off[np.isfinite(off)].mean(), rel=1e-5)


def test_tables_and_the_page_have_nothing_empty(made):
    kind, root, text = made
    out = root / "run/evaluation/test"
    assert_nothing_is_empty(text.replace("hidden", "0"))
    assert ("fitted to labels in images, not measured" in text) == (kind == PARTIAL)
    report = (out / "report.html").read_text()
    assert ("fitted to labels in images, not measured" in report) == (kind == PARTIAL)
    assert Page(report).faults == []
    for path in (out / "tables").glob("*.csv"):
        rows = list(csv.reader(path.read_text().splitlines()))
        for column in zip(*rows, strict=True):
            assert any(column[1:]) or column[0] in OF_OTHERS, (path, column)
            assert "nan" not in column
    text = printed(compare.main, root / "run")
    assert_nothing_is_empty(text)
    assert ("MEPE-2D px" in text) == (kind != NO_JOINTS)
    assert ("fitted to labels in images, not measured" in text) == (kind == PARTIAL)
    assert ("MEPE mm" in text) == ("Tab. 4" in text) == (kind == PARTIAL)


def test_predictions_tell_what_was_learned(made):
    kind, root, _ = made
    out = root / "predicted"
    text = printed(predict.main, root / "raw/a", "--workdir", root / "run", "--out", out)
    content = (out / "predictions.json").read_text()
    assert "NaN" not in content
    frame = json.loads(content)["frames"][0]
    if kind == PARTIAL:
        assert frame["hands"]["right"].keys() >= {"joints_2d", "joints_3d"}
        assert "that were fitted to labels in images, not measured" in text
    elif kind == NO_JOINTS:
        assert "hands" not in frame
        assert not np.load(out / "predictions.npz")["hand_seen"].any()
        assert "trained without joints and tells no hands" in text
    else:
        assert frame["hands"]["right"].keys() == {"joints_2d"}
        assert "places in images alone" in text
    assert (out / "prediction.mp4").stat().st_size > 1000


def test_exports_say_what_was_learned(made):
    kind, root, _ = made
    path = root / "export/a.safetensors"
    printed(export.main, "--workdir", root / "run", "--to", "safetensors", "--out", path)
    card = path.with_name(path.name + ".md").read_text()
    assert_nothing_is_empty(card[card.index("## Results") : card.index("## Exported")])
    said = {
        PARTIAL: "were fitted to labels in images, not measured",
        IN_IMAGES: "known in images alone",
        NO_JOINTS: "the outputs of joints say nothing",
    }
    assert said[kind] in card


def test_only_what_is_known_is_learned(made):
    """A guess that is 3 pixels and 0.1 m off, and far off wherever nothing is known."""
    kind, root, _ = made
    source, clips = RecordSource(root / "data", "train"), ClipSpec(2, 4, 1)
    with contextlib.closing(
        loader.train_batches(source, clips=clips, batch_size=4, seed=0, image_size=SIZE)
    ) as batches:
        inputs = jax.device_get(jax.jit(augment.to_inputs)(next(batches)))
    known = np.zeros((*inputs["depth"].shape, 2), bool)
    if kind == NO_JOINTS:
        assert "joints_known" not in inputs
    else:
        known = inputs["joints_known"] & inputs["valid"][..., None, None]
        assert known[..., 0].any()
        assert known[..., 1].any() == (kind == PARTIAL)
    guess = {
        "joints_2d": inputs["joints_2d"] + np.where(known[..., :1], 3, 1e6),
        "depth": inputs["depth"] + np.where(known[..., 1], 0.1, 1e6),
        "object_logits": np.zeros((*inputs["valid"].shape, 1), np.float32),
        "action_logits": np.zeros((len(inputs["valid"]), 2), np.float32),
    }
    loss, terms = jax.jit(htt_loss, static_argnums=2)(guess, inputs, LossWeights())
    assert float(terms["joints_2d"]) == pytest.approx(3 * known[..., 0].any(), rel=1e-4)
    assert float(terms["depth"]) == pytest.approx(0.1 * known[..., 1].any(), rel=1e-4)
    assert float(terms["action"]) == pytest.approx(np.log(2), rel=1e-5)
    assert np.isfinite(loss)


def test_a_checkpoint_is_not_the_best_by_poses_where_a_split_has_none_in_space(tmp_path):
    own_folders.write(tmp_path / "raw", LABELS)
    np.savez(tmp_path / "raw/b/joints.npz", joints=joints_of(IN_IMAGES, 1))
    made = own_folders.prepare(tmp_path / "raw", tmp_path / "data")
    assert made["test"].spec.joints == PARTIAL
    best_metric.check_measured("mepe", made["train"])
    best_metric.check_measured("mepe_2d", made["test"])
    with pytest.raises(InputError, match=r"'mepe' is not measured on split 'test' of .*: in imag"):
        best_metric.check_measured("mepe", made["test"])
    with pytest.raises(InputError, match=r"'mepe' is .* as joints of split 'train' .*: in images"):
        best_metric.check_measured("mepe", made["train"], learned=IN_IMAGES)


def test_a_checkpoint_is_not_the_best_by_poses_relative_to_a_root_that_is_not_known(tmp_path):
    own_folders.write(tmp_path / "raw", LABELS)
    joints = own_folders.joints(6)
    joints[0, 1:], joints[1:, 0] = np.nan, np.nan  # the wrist alone, and all but the wrist
    np.savez(tmp_path / "raw/b/joints.npz", joints=joints)
    made = own_folders.prepare(tmp_path / "raw", tmp_path / "data")
    best_metric.check_measured("mepe_ra", made["train"])
    best_metric.check_measured("mepe", made["test"])
    said = r"'mepe_ra' is not measured on split 'test' of .*, where in no frame a hand's wrist and "
    with pytest.raises(InputError, match=said) as refused:
        best_metric.check_measured("mepe_ra", made["test"])
    assert "\n" not in str(refused.value)


def test_a_run_knows_of_joints_what_its_training_split_does(tmp_path):
    own_folders.write(tmp_path / "raw", LABELS)
    np.savez(tmp_path / "raw/a/joints.npz", joints=joints_of(IN_IMAGES, 1))
    made = own_folders.prepare(tmp_path / "raw", tmp_path / "data")
    assert made["train"].spec.joints == PARTIAL  # as the test split is known in space
    assert dataset_facts(made["train"], None).spec.joints == IN_IMAGES
    assert dataset_facts(made["test"], None).spec.joints == PARTIAL


def test_poses_that_a_run_has_not_learned_are_not_measured_where_they_are_known(made, tmp_path):
    kind, root, _ = made
    if kind == PARTIAL:
        return
    own_folders.write(tmp_path / "raw", LABELS)
    own_folders.prepare(tmp_path / "raw", tmp_path / "data")
    text = printed(
        evaluate.main,
        *("--workdir", root / "run", "--data", tmp_path / "data", "--out", tmp_path / "out"),
    )
    results = json.loads((tmp_path / "out/results.json").read_text())["results"]
    assert results["pose"] == {}
    assert_nothing_is_empty(text.replace("hidden", "0"))
    if kind == NO_JOINTS:
        assert "image" not in results
        assert "The run was trained without joints: its poses are not measured." in text
    else:
        assert results["image"]["hands"]["right"]["joints"] == 5 * 21
        assert "their depth was not learned" in text
    assert Page((tmp_path / "out/report.html").read_text()).faults == []


def test_a_run_that_has_learned_no_poses_in_space_teaches_none(made):
    kind, root, _ = made
    source = RecordSource(root / "data", "train")
    config = runs.tiny_config(root / "data", SIZE)
    config.distill.teacher = str(root / "run")
    if kind != PARTIAL:
        with pytest.raises(
            InputError, match=rf"no poses in space .*: {kind}\).* config.distill.pose=0"
        ):
            open_teacher(config, source)
        config.distill.pose = 0.0
    assert open_teacher(config, source)


def test_what_cannot_be_measured_or_masked_is_refused(made):
    kind, root, _ = made
    source = RecordSource(root / "data", "train")
    config = runs.tiny_config(root / "data", SIZE)
    check(config)
    config.mask_unannotated_hands = False
    with pytest.raises(InputError, match=rf"are not all known \({kind}\)"):
        check_source(config, source)
    config = runs.tiny_config(root / "data", SIZE)
    config.model.forecast = 1
    if kind != PARTIAL:
        with pytest.raises(InputError, match=rf"forecast=1: .* knows none \({kind}\)"):
            check_source(config, source)
        with pytest.raises(InputError, match=f"'mepe' is not measured on .* known so: {kind}"):
            best_metric.check_measured("mepe", source)
    if kind == NO_JOINTS:
        with pytest.raises(InputError, match="'mepe_2d' is not measured"):
            best_metric.check_measured("mepe_2d", source)
