import hashlib
import json
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from safetensors.numpy import load_file

from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.interop import stablehlo
from htt_jax.models.htt import HTT
from htt_jax.models.htt import signature as htt_signature
from htt_jax.support.errors import InputError

WINDOW, WIDTH, HEIGHT = 4, 64, 36
DATASET = DatasetFacts(FPHA, ("pour",), ("milk",), (WIDTH, HEIGHT), None)
SIGNATURE = htt_signature.signature(DATASET, WINDOW)
FACTS = {"config": {"model": {"window": WINDOW}}, "actions": ["pour", "öffnen"], "step": 7}


def small(**options):
    return HTT(
        num_actions=3,
        num_objects=2,
        window=WINDOW,
        width=32,
        heads=4,
        mlp_width=64,
        pose_layers=1,
        action_layers=1,
        backbone_width=4,
        **options,
    )


def inputs(clips, windows, seed=0):
    rng = np.random.default_rng(seed)
    frames = windows * WINDOW
    pixels = rng.integers(0, 256, (clips, frames, HEIGHT, WIDTH, 3), np.uint8)
    valid = np.ones((clips, frames), bool)
    valid[-1, -3:] = False
    camera = np.array([[58, 0, 32], [0, 57, 18], [0, 0, 1]], np.float32)
    image = pixels.astype(np.float32) / 255 - 0.5
    return image, valid, np.broadcast_to(camera, (clips, frames, 3, 3))


@pytest.fixture(scope="module")
def variables():
    """Random in every tensor, so that none can be left out or mistaken for another."""
    shapes = jax.eval_shape(small().init, jax.random.key(0), *inputs(1, 1))
    rng = np.random.default_rng(1)

    def values(shape):
        if len(shape) == 1:
            return rng.uniform(0.5, 1.5, shape)
        return rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)

    return jax.tree.map(lambda x: values(x.shape).astype(np.float32), shapes)


@pytest.fixture(scope="module")
def written(variables, tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "model.stablehlo"
    stablehlo.write(path, small(), variables, SIGNATURE, FACTS)
    return path


@pytest.fixture
def copied(written, tmp_path):
    """An export that a test may spoil."""
    return shutil.copytree(written.parent, tmp_path / "copy") / written.name


def beside(path, suffix):
    """One of the other files of the export at `path`."""
    return path.with_name(path.name + suffix)


def change_description(path, change):
    """Changes what is in the JSON file beside `path`."""
    description = json.loads(beside(path, ".json").read_text("utf-8"))
    change(description)
    beside(path, ".json").write_text(json.dumps(description))


def replace_program(path, content):
    """Puts another program there, with the checksum it should have."""
    path.write_bytes(content)
    checksum = hashlib.sha256(content).hexdigest()
    change_description(path, lambda description: description["program"].update(sha256=checksum))


def refusal(path):
    with pytest.raises(InputError) as refused:
        stablehlo.read(path)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, x in expected.items():
        assert found[name].dtype == x.dtype, name
        np.testing.assert_allclose(found[name], x, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(("clips", "windows"), [(1, 1), (3, 2)])
def test_any_number_of_clips_and_windows_gives_the_models_outputs(
    written, variables, clips, windows
):
    exported = stablehlo.read(written)
    given = inputs(clips, windows)
    found = jax.jit(exported.apply)(exported.variables, *given)
    assert found["joints_3d"].shape == (clips, windows * WINDOW, 21, 3)
    assert np.ptp(found["joints_2d"][0], axis=0).min() > 1  # pixels, over frames
    assert_same(found, jax.jit(small().apply)(variables, *given))


def test_a_bfloat16_model_computes_in_bfloat16(variables, tmp_path):
    path = tmp_path / "model.stablehlo"
    model = small(dtype=jnp.bfloat16)
    stablehlo.write(path, model, variables, SIGNATURE, {})
    exported = stablehlo.read(path)
    assert "xbf16>" in exported.program.mlir_module()
    found = exported.apply(exported.variables, *inputs(1, 1))
    assert_same(found, jax.jit(model.apply)(variables, *inputs(1, 1)))


def test_weights_are_arguments_by_the_names_in_their_file(written, variables):
    exported = stablehlo.read(written)
    tensors = load_file(beside(written, ".safetensors"))
    assert tensors.keys() == exported.variables.keys()
    kernel = variables["params"]["backbone"]["conv1"]["kernel"]
    np.testing.assert_array_equal(tensors["params/backbone/conv1/kernel"], kernel)
    assert "batch_stats/backbone/conv1/mean" in tensors
    zeros = jax.tree.map(jnp.zeros_like, exported.variables)
    assert not exported.apply(zeros, *inputs(1, 1))["action_logits"].any()


def test_weights_that_lie_otherwise_in_memory_are_written_in_order(variables, tmp_path):
    path = tmp_path / "model.stablehlo"
    turned = jax.tree.map(np.asfortranarray, variables)
    stablehlo.write(path, small(), turned, SIGNATURE, {})
    kernel = variables["params"]["action_head"]["kernel"]
    found = stablehlo.read(path).variables["params/action_head/kernel"]
    np.testing.assert_array_equal(found, kernel)


def test_the_script_in_the_json_runs_the_model_without_this_package(written, variables):
    description = json.loads(beside(written, ".json").read_text("utf-8"))
    script = "\n".join(
        [
            *description["how_to_run"],
            "import sys",
            "assert not {'htt_jax', 'flax', 'torch'} & sys.modules.keys()",
            "np.savez('outputs.npz', **outputs)",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", script],
        cwd=written.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "'action_logits': (1, 3)" in done.stdout
    image = inputs(1, 1)[0]  # the script's noise has the same seed
    valid = np.ones((1, WINDOW), bool)
    camera = np.array([[WIDTH, 0, WIDTH / 2], [0, WIDTH, HEIGHT / 2], [0, 0, 1]], np.float32)
    expected = jax.jit(small().apply)(
        variables, image, valid, np.broadcast_to(camera, (1, WINDOW, 3, 3))
    )
    assert_same(dict(np.load(written.parent / "outputs.npz")), expected)


def test_the_json_tells_shapes_units_platforms_and_facts(written):
    description = json.loads(beside(written, ".json").read_text("utf-8"))
    assert description["program"]["platforms"] == ["cpu", "cuda", "tpu"]
    assert description["program"]["arguments"] == ["weights", *list(description["inputs"])[1:]]
    image, joints = description["inputs"]["image"], description["outputs"]["joints_3d"]
    assert image["shape"] == ["clips", "4*windows", HEIGHT, WIDTH, 3]
    assert (image["dtype"], image["unit"]) == ("float32", "pixel / 255 - 0.5")
    assert joints["shape"] == ["clips", "4*windows", 21, 3]
    assert (joints["dtype"], joints["unit"]) == ("float32", "metres")
    assert len(description["outputs"]) == 5
    for part in ("program", "weights"):
        content = (written.parent / description[part]["file"]).read_bytes()
        assert description[part]["sha256"] == hashlib.sha256(content).hexdigest()
    assert description["facts"] == FACTS
    assert stablehlo.read(written).facts == FACTS


def test_facts_that_are_no_json_leave_an_older_export_as_it_was(copied, variables):
    with pytest.raises(TypeError):
        stablehlo.write(copied, small(), variables, SIGNATURE, {"config": object()})
    assert stablehlo.read(copied).facts == FACTS


@pytest.mark.parametrize("suffix", ["", ".safetensors", ".json"])
def test_each_missing_file_is_named(copied, suffix):
    beside(copied, suffix).unlink()
    message = refusal(copied)
    assert f"cannot read {beside(copied, suffix)}: No such file" in message
    assert "model.stablehlo, model.stablehlo.safetensors, model.stablehlo.json" in message


def test_weights_of_another_export_are_refused(copied):
    path = beside(copied, ".safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert refusal(copied).startswith(f"{path} is damaged or of another export: its SHA-256 is ")


def test_a_program_that_was_cut_short_is_refused(copied):
    content = copied.read_bytes()[:-100]
    copied.write_bytes(content)
    assert refusal(copied).startswith(f"{copied} is damaged or of another export")
    replace_program(copied, content)
    assert f"{copied} cannot be read with jax {jax.__version__}" in refusal(copied)


def test_a_program_of_noise_is_refused(copied):
    replace_program(copied, np.random.default_rng(0).bytes(10_000))
    assert f"{copied} cannot be read with jax {jax.__version__}" in refusal(copied)


def test_a_program_that_calls_python_is_refused_before_it_can(copied):
    target = "xla_ffi_python_cpu_callback"

    def call(x):
        return jax.ffi.ffi_call(target, jax.ShapeDtypeStruct((), jnp.float32))(x, index=0)

    allowed = [export.DisabledSafetyCheck.custom_call(target)]
    program = export.export(jax.jit(call), disabled_checks=allowed)(jnp.float32(0))
    replace_program(copied, bytes(program.serialize()))
    assert f"it calls '{target}', a function outside of itself" in refusal(copied)


def test_a_program_with_a_gradient_is_refused(copied):
    program = export.export(jax.jit(jnp.sin))(jnp.float32(0))
    replace_program(copied, bytes(program.serialize(vjp_order=1)))
    assert "it carries its gradient too" in refusal(copied)


@pytest.mark.parametrize("content", ["{", "[]", '{"format": "HTT as StableHLO"}', "\x00\xff"])
def test_a_json_file_of_another_kind_is_refused(copied, content):
    beside(copied, ".json").write_text(content, "latin-1")
    assert f"{beside(copied, '.json')} does not describe an export" in refusal(copied)


def test_a_json_file_of_another_format_is_refused(copied):
    change_description(copied, lambda description: description.update(version=2))
    message = refusal(copied)
    assert "is of format 'HTT as StableHLO', version 2, expected" in message


def test_another_suffix_is_refused(tmp_path):
    message = refusal(tmp_path / "model.safetensors")
    assert message.endswith("does not end in .stablehlo; name the file of the program")


def test_inputs_that_do_not_fit_are_named(written):
    exported = stablehlo.read(written)
    image, valid, intrinsics = inputs(1, 2)
    with pytest.raises(ValueError, match=r"Division had remainder 2 .* value of 'windows'"):
        exported.apply(exported.variables, image[:, :6], valid[:, :6], intrinsics[:, :6])
    with pytest.raises(ValueError, match=r"Shape mismatch for .*expected .*36, 64, 3"):
        exported.apply(exported.variables, image[:, :, :20], valid, intrinsics)
