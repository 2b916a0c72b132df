"""How fast does each backbone look at frames, and how large is it? Frames a second.

Random weights, float32, a batch of frames that lies in memory already; the median of some calls.
Forward by JAX or by ONNX Runtime (needs .[onnx]), or in training: forward and the gradients of all
parameters, by JAX. A narrower network is named with its width.

    python -m benchmarks.backbones
    python -m benchmarks.backbones --runtime training
    python -m benchmarks.backbones --runtime onnx --only mobilenetv4_conv_small
"""

import argparse
import functools
import io
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import measure
from htt_jax.devices import process
from htt_jax.interop import torch_model
from htt_jax.models import backbones
from htt_jax.support import cli

_NETWORKS = (
    (backbones.RESNET18, 64),
    (backbones.RESNET18, 32),
    (backbones.RESNET18, 16),
    ("mobilenetv4_conv_small", 64),
    ("mobilenetv4_conv_small", 32),
    ("tf_efficientnet_lite0", 64),
)
"""Names and widths."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--runtime", choices=_RUNTIMES, default="jax")
    parser.add_argument("--only", choices=backbones.NAMES, help="of all widths")
    parser.add_argument("--frames", type=int, default=16, metavar="N", help="of a call")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="calls")
    parser.add_argument("--width", type=int, default=480, metavar="N", help="of a frame, pixels")
    parser.add_argument("--height", type=int, default=270, metavar="N")
    options = parser.parse_args(argv)
    size = (options.frames, options.height, options.width, 3)
    frames = np.random.default_rng(0).random(size, np.float32) - 0.5
    figures: dict[str, float] = {}
    for name, width in _NETWORKS:
        if options.only not in (None, name):
            continue
        key = name if width == backbones.FULL_WIDTH else f"{name}_{width}"
        look = _RUNTIMES[options.runtime](name, width, frames)
        seconds = measure.median_seconds(look, options.repeats)
        parameters, operations = _size(name, width, options)
        figures |= {
            f"{key}_{options.runtime}_frames_per_second": options.frames / seconds,
            f"{key}_million_parameters": parameters / 1e6,
            f"{key}_gflop_a_frame": operations / 1e9,
        }
    lines = [f"{name}: {x:.4g}" for name, x in figures.items()]
    measure.report("backbones", figures | measure.machine("jax", "jaxlib"), lines)


def _by_jax(name: str, width: int, frames: np.ndarray) -> Callable[[], object]:
    backbone = backbones.make(name, width)
    variables = jax.jit(backbone.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    look, on_device = jax.jit(backbone.apply), jax.device_put(frames)
    return lambda: jax.block_until_ready(look(variables, on_device))


def _in_training(name: str, width: int, frames: np.ndarray) -> Callable[[], object]:
    backbone = backbones.make(name, width)
    variables = jax.jit(backbone.init)(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))

    @jax.jit
    def gradients(variables: dict[str, Any], frames: jax.Array) -> dict[str, Any]:
        def loss(params: dict[str, Any]) -> jax.Array:
            features: Any = backbone.apply({**variables, "params": params}, frames)
            return jnp.square(features).mean()

        return jax.grad(loss)(variables["params"])

    on_device = jax.device_put(frames)
    return lambda: jax.block_until_ready(gradients(variables, on_device))


def _by_onnx(name: str, width: int, frames: np.ndarray) -> Callable[[], object]:
    import onnxruntime
    import torch

    module = torch_model.make_backbone(name, width).eval()
    image = np.ascontiguousarray(frames.transpose(0, 3, 1, 2))
    program = torch.onnx.export(module, (torch.tensor(image),), dynamo=True, verbose=False)
    assert program is not None  # of the exporter that dynamo=False would choose
    content = io.BytesIO(program.model_proto.SerializeToString())
    session = onnxruntime.InferenceSession(content.getvalue(), providers=["CPUExecutionProvider"])
    return functools.partial(session.run, None, {session.get_inputs()[0].name: image})


_RUNTIMES = {"jax": _by_jax, "training": _in_training, "onnx": _by_onnx}


def _size(name: str, width: int, options: argparse.Namespace) -> tuple[int, float]:
    """Parameters, and operations of a frame by XLA's count."""
    backbone = backbones.make(name, width)
    image = jax.ShapeDtypeStruct((1, options.height, options.width, 3), jnp.float32)
    shapes = jax.eval_shape(backbone.init, jax.random.key(0), image)
    counted = jax.jit(backbone.apply).lower(shapes, image).cost_analysis()
    assert counted is not None
    return sum(x.size for x in jax.tree.leaves(shapes["params"])), counted["flops"]


if __name__ == "__main__":
    cli.run(main, process.prepare)
