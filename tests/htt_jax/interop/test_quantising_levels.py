"""Where the levels of a quantised image lie: on its pixels."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from htt_jax.interop import onnx as programs
from htt_jax.interop.quantising import graph, levels
from htt_jax.interop.quantising.sample import Sample

FRAMES = 2  # of 16 x 16 pixels
PIXELS = np.random.default_rng(0).permutation(np.arange(FRAMES * 16 * 16 * 3) % 256)
WEIGHTS = np.random.default_rng(1).integers(-127, 128, (5, 3, 3, 3)).astype(np.float32) / 127
WEIGHTS[:, 0, 0, 0] = 1  # so that 8 bits hold them all


def model(channels=3, bias=""):
    """A convolution that looks at an image as HTT's first one does."""
    made = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["": 18]>
        htt (float[1, {FRAMES}, 16, 16, {channels}] image, bool[1, {FRAMES}] valid,
             float[1, {FRAMES}, 3, 3] intrinsics) => (float[{FRAMES}, 5, 16, 16] found)
        <int64[4] shape = {{{FRAMES}, 16, 16, {channels}}}, float[5] bias = {{1, 2, 3, 4, 5}}> {{
            view = Reshape (image, shape)
            seen = Transpose <perm = [0, 3, 1, 2]> (view)
            found = Conv <pads = [1, 1, 1, 1]> (seen, weight {bias})
        }}
    """)
    made.graph.initializer.append(numpy_helper.from_array(WEIGHTS[:, :channels], "weight"))
    made.graph.node[2].name = "first"
    return made


def sample(pixels):
    clip = {
        "image": pixels.reshape(FRAMES, 16, 16, 3).astype(np.uint8),
        "count": FRAMES,
        "intrinsics": np.tile(np.eye(3, dtype=np.float32), (FRAMES, 1, 1)),
    }
    return Sample((clip,), FRAMES)


def quantised(tmp_path, bias, calibrated):
    """In float32, in int8, and the 8 bits that the latter makes of an image."""
    path, out = tmp_path / "whole.onnx", tmp_path / "int8.onnx"
    onnx.save(model(bias=bias), path)
    kept = {"reduce_range": False, "ranges": tmp_path / "ranges.json"}
    graph.quantise(path, out, ["first"], sample(calibrated), **kept)
    in_int8 = onnx.load(out)
    first = next(node for node in in_int8.graph.node if node.op_type == "QuantizeLinear")
    in_int8.graph.output.append(
        onnx.helper.make_tensor_value_info(first.output[0], onnx.TensorProto.UINT8, None)
    )
    onnx.save(in_int8, out)
    (inputs,) = sample(PIXELS).inputs()
    given = programs.load(out)(**inputs)
    return programs.load(path)(**inputs)["found"], given["found"], given[first.output[0]]


@pytest.mark.parametrize("calibrated", [PIXELS, np.full_like(PIXELS, 90)])
def test_all_256_values_of_a_pixel_are_exact(tmp_path, calibrated):
    """Whatever pixels ranges were found on."""
    *_, in_8_bits = quantised(tmp_path, "", calibrated)
    expected = PIXELS.reshape(FRAMES, 16, 16, 3).transpose(0, 3, 1, 2)
    assert len(np.unique(in_8_bits)) == 256
    np.testing.assert_array_equal(in_8_bits, expected)


@pytest.mark.parametrize("bias", ["", ", bias"])
def test_a_convolution_sees_what_it_did(tmp_path, bias):
    """Within the image; at its border it sees half a level more where it is padded."""
    whole, in_int8, _ = quantised(tmp_path, bias, PIXELS)
    away = np.abs(in_int8 - whole)
    half = np.ptp(whole) / 255 / 2
    assert away[..., 1:-1, 1:-1].max() < 1.01 * half
    assert away.max() < half + np.abs(WEIGHTS).sum(axis=(1, 2, 3)).max() / 255 / 2


@pytest.mark.parametrize(("channels", "layers"), [(1, ["first"]), (3, [])])
def test_depths_and_what_stays_in_float_are_not_moved(channels, layers):
    made = model(channels)
    before = made.SerializeToString()
    assert levels.put_pixels_on_levels(made, layers) == {}
    assert made.SerializeToString() == before


@pytest.mark.parametrize("more", ["Conv", "Relu"])
def test_an_image_that_leads_to_more_than_a_convolution_is_not_moved(more):
    """As what else takes it would see it moved."""
    made = model()
    weight = ["weight"] if more == "Conv" else []
    made.graph.node.append(onnx.helper.make_node(more, ["seen", *weight], ["more"]))
    before = made.SerializeToString()
    assert levels.put_pixels_on_levels(made, ["first"]) == {}
    assert made.SerializeToString() == before


def test_what_moves_an_image_has_a_name():
    """By which nodes are told apart that compute in int8."""
    made = model()
    assert levels.put_pixels_on_levels(made, ["first"])
    assert made.graph.node[0].op_type == "Add"
    assert made.graph.node[0].name
