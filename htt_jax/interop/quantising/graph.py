"""What is done to ONNX graphs: convolutions to int8, by onnxruntime, and weights to float16.

Needs onnx and onnxruntime; import this module only where they are wanted.
"""

import logging
import pathlib
from collections.abc import Collection, Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from htt_jax.interop.quantising.levels import put_pixels_on_levels
from htt_jax.interop.quantising.sample import Sample

_BETWEEN = ("Relu", "MaxPool", "Add")
_LARGE = 1024  # numbers of a tensor that is worth a cast
_MATRIX = 16384  # of a matrix that is worth a scale
_TINY = float(np.finfo(np.float32).tiny)


class _Reader(CalibrationDataReader):
    """A sample as onnxruntime asks for it."""

    def __init__(self, sample: Sample) -> None:
        self._inputs: Iterator[dict[str, np.ndarray]] = sample.inputs()

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._inputs, None)


def convolutions(path: pathlib.Path) -> tuple[str, ...]:
    """Names of the nodes that convolve, in their order."""
    graph = onnx.load(path).graph
    return tuple(node.name for node in graph.node if node.op_type == "Conv")


def weight_of(path: pathlib.Path, name: str) -> str:
    """The weight of a node, by which people know it."""
    graph = onnx.load(path).graph
    return next(node.input[1] for node in graph.node if node.name == name)


def quantise(
    path: pathlib.Path,
    out: pathlib.Path,
    layers: Collection[str],
    sample: Sample,
    *,
    reduce_range: bool,
    ranges: pathlib.Path,
) -> None:
    """Writes a file whose `layers` compute in int8: signed weights a channel, unsigned activations.

    Args:
        path: of the file in float32.
        out: of the file to write.
        layers: names of nodes; what lies between them alone computes so, too.
        sample: that ranges of activations are found on.
        reduce_range: weights of 7 bits.
        ranges: where these are kept; they are found once, with all layers.
    """
    model = onnx.load(path)
    given = put_pixels_on_levels(model, layers)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # It recommends a step that the exporter has done.
    try:
        quantize_static(
            model,
            out,
            _Reader(sample),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", *_BETWEEN],
            nodes_to_quantize=[*layers, *_between(path, layers)],
            per_channel=True,
            reduce_range=reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibration_cache_path=ranges,
            extra_options={"TensorQuantOverrides": given},
        )
    finally:
        root.setLevel(level)


def _between(path: pathlib.Path, layers: Collection[str]) -> list[str]:
    """Nodes that take what int8 nodes give and nothing else: no way to float and back."""
    known: set[str] = set()
    found = []
    for node in onnx.load(path).graph.node:
        between = node.op_type in _BETWEEN and set(node.input) <= known
        if between or node.name in layers:
            known |= set(node.output)
        if between:
            found.append(node.name)
    return found


def pack_weights(path: pathlib.Path, out: pathlib.Path, *, matrices_in_8_bits: bool) -> None:
    """Writes a file that keeps its large float32 tensors as float16; it computes as before.

    Runtimes make them float32 once, when they read the file.

    Args:
        path: of the file in float32, or with layers in int8, which stay so.
        out: of the file to write.
        matrices_in_8_bits: those of blocks and heads as int8 with a scale a column.
    """
    model = onnx.load(path)
    graph = model.graph
    large = [
        tensor
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and np.prod(tensor.dims) >= _LARGE
    ]
    unpacking = []
    for tensor in large:
        name, values = tensor.name, numpy_helper.to_array(tensor)
        if matrices_in_8_bits and values.ndim == 2 and values.size >= _MATRIX:
            scale = np.maximum(np.abs(values).max(axis=0, keepdims=True), _TINY) / 127
            packed, whole = np.round(values / scale).astype(np.int8), f"{name}.unscaled"
            graph.initializer.append(numpy_helper.from_array(scale, f"{name}.scale"))
            unpacking.append(helper.make_node("Mul", [whole, f"{name}.scale"], [name]))
        else:
            packed, whole = values.astype(np.float16), name
        tensor.CopyFrom(numpy_helper.from_array(packed, f"{name}.packed"))
        cast = helper.make_node("Cast", [f"{name}.packed"], [whole], to=onnx.TensorProto.FLOAT)
        unpacking.insert(0, cast)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*unpacking, *nodes])
    out.write_bytes(model.SerializeToString())
