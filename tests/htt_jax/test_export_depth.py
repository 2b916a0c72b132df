"""Exports of the depth systems: what they take, that they are evaluated as the run is."""

import dataclasses
import json

import jaxtyping
import numpy as np
import onnx
import onnxruntime
import pytest

import htt_jax
from htt_jax.data import loader
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.devices import sharding
from htt_jax.evaluation.results import evaluate, headline, make_evaluation_step
from htt_jax.interop.exporting import export
from htt_jax.interop.formats import FORMATS
from htt_jax.runs.config import load_options, open_source
from htt_jax.runs.opening import open_run
from htt_jax.runs.options import get_config
from htt_jax.support.errors import InputError
from htt_jax.systems.depth.stages import STAGES
from tests import arms, depth_runs, prepared

pytestmark = pytest.mark.proof  # runs of every system, exported

TINY = {
    "model.width": 4,
    "model.blocks": 1,
    "model.hidden": 8,
    "model.components": 6,
    "model.action_width": 8,
    "crops.size": 16,
    "data.first_frames": 6,
    "data.frames": 6,
    "data.held_out": 0,
    "eval.batch_size": 2,
}


@pytest.fixture(autouse=True)
def _traceable(monkeypatch):
    """Dynamo cannot look through the check of annotations."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Datasets by the protocol of crops: honest ones are of one hand."""
    folder, splits = tmp_path_factory.mktemp("depth"), {"train": [3], "test": [3, 6]}
    return {
        protocol: prepared.write_dataset(
            folder / protocol, dataclasses.replace(spec, depth=True), splits
        )
        for protocol, spec in {"published": H2O, "honest": FPHA}.items()
    }


@pytest.fixture
def make(data, tmp_path):
    """Of a stage and options: the directory of a run with random weights."""

    def made(stage, **options):
        config = get_config("depth")
        given = {name.replace("__", "."): value for name, value in options.items()}
        directory = str(data[given.get("crops.protocol", "published")])
        config.update_from_flattened_dict(
            {**STAGES[stage], **TINY, **given, "data.directory": directory}
        )
        return depth_runs.initialise_run(tmp_path / stage, config)

    return made


def results(run):
    mesh = sharding.single_device_mesh()
    source = open_source(run.config, "test", run.config.data.directory)
    batches = loader.eval_batches(
        source,
        **load_options(run.config) | {"image_size": run.dataset.image_size, "workers": 0},
        reader=run.system.reader,
        batch_size=run.config.eval.batch_size,
    )
    step = make_evaluation_step(run.system, mesh, details=True)
    return evaluate(step, run.variables, sharding.to_devices(mesh, batches), run.dataset)


@pytest.mark.parametrize(
    ("stage", "options"),
    [
        ("pose_film", {}),
        ("action_attention", {}),
        ("ensemble_attention", {"told__at_test": "equal"}),
    ],
)
def test_a_program_is_evaluated_as_the_run_it_was_exported_from(make, stage, options):
    workdir = make(stage, **options)
    out = workdir.with_suffix(".stablehlo")
    assert max(export(str(workdir), "stablehlo", out).values()) < 1e-6
    found = results(htt_jax.load(out).run)
    expected = results(open_run(workdir, None, sharding.single_device_mesh()))
    assert headline(found) == pytest.approx(headline(expected), rel=1e-5)
    frames = {hand: of_hand["frames"] for hand, of_hand in found["pose"].items()}
    assert frames == ({} if stage == "action_attention" else {"left": 9, "right": 9})
    assert found["action"]["videos"] == (0 if stage == "pose_film" else 2)


def test_a_program_in_bfloat16_scores_and_predicts_as_its_run_and_says_what_it_takes(make):
    options = {"told__at_test": "predicted", "crops__protocol": "honest"}
    workdir = make("feedback", model__dtype="bfloat16", **options)
    out = workdir.with_suffix(".stablehlo")
    export(str(workdir), "stablehlo", out)
    run = htt_jax.load(out).run
    assert "xbf16>" in run.model.program.mlir_module()
    expected = results(open_run(workdir, None, sharding.single_device_mesh()))
    assert headline(results(run)) == pytest.approx(headline(expected), rel=1e-5)
    predicted, by_run = (
        htt_jax.load(path).predict(depth_runs.make_maps(3), arms.INTRINSICS)
        for path in (out, workdir)
    )
    np.testing.assert_allclose(predicted.joints_3d, by_run.joints_3d, atol=1e-6)
    told = json.loads(out.with_name("feedback.stablehlo.json").read_text())
    assert told["program"]["arguments"] == ["weights", "image", "valid", "centre"]
    image, centre = told["inputs"]["image"], told["inputs"]["centre"]
    assert image["shape"] == ["clips", "windows", 16, 16, 1]
    assert (image["unit"], image["axes"][-1]) == ("millimetres", "right")
    assert centre["shape"] == ["clips", "windows", 1, 3]
    assert list(told["outputs"]) == ["action_logits", "action_over_time", "joints_3d"]
    assert "(protocol 'honest')" in told["preprocessing"][0]


def test_an_onnx_file_computes_what_the_run_does_with_time_as_a_loop(make):
    workdir = make("feedback")
    names = ["joints_3d", "action_logits", "action_over_time"]
    session, card = session_and_card(workdir, names)
    assert [x.name for x in session.get_inputs()] == ["image", "valid", "centre"]
    assert session.get_inputs()[0].shape == ["clips", "frames", 16, 16, 2]
    assert "pixels, millimetres, by the" in card
    assert "in the results below it is told equal" in card


def test_an_onnx_file_of_an_action_network_has_its_attention_over_time(make):
    workdir = make("action_attention")
    session, card = session_and_card(workdir, ["action_logits", "action_over_time"])
    assert session.get_inputs()[0].shape == ["clips", "frames", 42, 3]
    assert "told equal" not in card


def session_and_card(workdir, names):
    """Of the export of a run with outputs of these names."""
    out = workdir.with_suffix(".onnx")
    differences = export(str(workdir), "onnx", out)
    assert list(differences) == names
    assert max(differences.values()) < 1e-5
    nodes = [node.op_type for node in onnx.load(out).graph.node]
    assert nodes.count("Scan") == 1
    return onnxruntime.InferenceSession(out), out.with_name(f"{out.name}.md").read_text()


@pytest.mark.parametrize("to", ["pytorch", "safetensors"])
def test_formats_of_htts_published_layout_are_refused(make, to):
    workdir = make("direct")
    out = workdir.with_suffix(FORMATS[to].suffix)
    message = r"config.system=depth, which has no published layout; .*stablehlo or --to=onnx"
    with pytest.raises(InputError, match=message):
        export(str(workdir), to, out)
    assert not out.exists()
