"""Lets the 256 values of a pixel be the 256 levels of what the first convolution takes in int8.

Needs onnx; import this module only where it is wanted.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

_IMAGE = "image"
_COLOURS = 3
_KEEP_VALUES = ("Reshape", "Transpose", "Pad")
_SCALE = np.float32(1 / 255)
_ZERO = np.uint8(127)


def put_pixels_on_levels(model: onnx.ModelProto, layers: Collection[str]) -> dict[str, Any]:
    """Moves colours by half a level, if what takes them first computes in int8.

    They come as (pixel - 127.5) / 255. As images are padded by zeros, zero is always a level, and
    each pixel in the middle between two of them: rounded to the even one it has 7 bits. Moved, they
    are (pixel - 127) / 255, and the convolution's bias takes off what that adds. At the border that
    half level stays, as padding is not moved.

    Args:
        model: changed in place; not if its image is of depths, which know more levels, or leads to
            more than that convolution.
        layers: names of the nodes that will compute in int8.

    Returns:
        Of tensors whose levels are given, which: onnxruntime's `TensorQuantOverrides`.
    """
    graph = model.graph
    first = _first_convolution(graph)
    if first is None or first.name not in layers or not _is_of_colours(graph):
        return {}
    half, moved = f"{_IMAGE}.half_a_level", f"{_IMAGE}.on_levels"
    _take_off_bias(graph, first, _SCALE / 2)
    for node in graph.node:
        node.input[:] = [moved if name == _IMAGE else name for name in node.input]
    graph.initializer.append(numpy_helper.from_array(np.array(_SCALE / 2), half))
    graph.node.insert(0, helper.make_node("Add", [_IMAGE, half], [moved], name=moved))
    return {first.input[0]: [{"scale": np.array(_SCALE), "zero_point": np.array(_ZERO)}]}


def _first_convolution(graph: onnx.GraphProto) -> onnx.NodeProto | None:
    """The one that takes the image, its axes in another order or with zeros around it.

    None where something else computes from the image as well.
    """
    same, takers = {_IMAGE}, []
    for node in graph.node:
        if same.isdisjoint(node.input) or node.op_type == "Shape":
            continue
        if node.op_type in _KEEP_VALUES:
            same.update(node.output)
        else:
            takers.append(node)
    return takers[0] if [node.op_type for node in takers] == ["Conv"] else None


def _is_of_colours(graph: onnx.GraphProto) -> bool:
    image = next(x for x in graph.input if x.name == _IMAGE)
    return bool(image.type.tensor_type.shape.dim[-1].dim_value == _COLOURS)


def _take_off_bias(graph: onnx.GraphProto, node: onnx.NodeProto, added: np.float32) -> None:
    """Makes up in a convolution's bias for what is added to all that it takes."""
    data, weight, *before = node.input
    known = {tensor.name: tensor for tensor in graph.initializer}
    bias = -added * numpy_helper.to_array(known[weight]).sum(axis=(1, 2, 3))
    if before:
        bias += numpy_helper.to_array(known[before[0]])
    name = f"{weight}.bias_on_levels"
    graph.initializer.append(numpy_helper.from_array(bias, name))
    node.input[:] = [data, weight, name]
    if before and not any(before[0] in other.input for other in graph.node):
        graph.initializer.remove(known[before[0]])
