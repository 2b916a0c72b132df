"""The formats a checkpoint can be exported to: how each is written, read back and run."""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax

from htt_jax.data.decode import RGB
from htt_jax.interop import adam, imported, names, onnx, pytorch, stablehlo, weights
from htt_jax.interop.agreement import Arrays
from htt_jax.interop.opening import read_moments
from htt_jax.interop.web import page
from htt_jax.models.htt import HTT
from htt_jax.runs.directory import to_json
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError
from htt_jax.systems import Applicable
from htt_jax.systems.depth.model import DepthModel

if TYPE_CHECKING:
    from torch import nn


@dataclasses.dataclass(frozen=True)
class Format:
    """One way to write a model.

    Attributes:
        suffix: of the file.
        help: what it is, in a line.
        write: writes the file, and others beside it.
        run: reads it back and runs it on inputs in the order of the run's signature.
        keeps_dtype: whether it computes in the run's own type; otherwise in float32.
    """

    suffix: str
    help: str
    write: Callable[[pathlib.Path, TrainedRun], None]
    run: Callable[[pathlib.Path, TrainedRun, Arrays], Arrays]
    keeps_dtype: bool = False


def description(run: TrainedRun) -> dict[str, Any]:
    """What an exported file carries of the run, so that it can be read as one again."""
    return json.loads(to_json(run.description)) | {"step": run.step}


def network(run: TrainedRun) -> HTT:
    """The run's network, for formats that hold HTT alone.

    Raises:
        InputError: it is another system's, or has parts that they know nothing of.
    """
    if isinstance(run.model, HTT) and run.model.spatial != "pool":
        raise InputError(
            f"{run.workdir} has config.model.spatial={run.model.spatial}, of which the published "
            "layout knows nothing; export it with --to=stablehlo"
        )
    if not isinstance(run.model, HTT):
        raise InputError(
            f"{run.workdir} is of config.system={run.config.system}, which has no published "
            "layout; export it with --to=stablehlo"
            + (" or --to=onnx" if isinstance(run.model, DepthModel) else "")
        )
    return run.model


def _state_dict(run: TrainedRun) -> pytorch.StateDict:
    network(run)
    if run.system.reader.channels != RGB.channels:
        raise InputError(
            f"{run.workdir} sees depth maps, and the published layout is of a model for RGB "
            "images; export it with --to=stablehlo or --to=onnx"
        )
    return pytorch.to_state_dict(jax.device_get(run.variables))


def _write_pth(path: pathlib.Path, run: TrainedRun) -> None:
    state_dict = _state_dict(run)
    moments = read_moments(run)
    # The number tells a file that was trained on in PyTorch from one that was not.
    counted = {"adam_steps": moments.steps} if moments else {}
    steps_per_epoch = run.description.steps_per_epoch
    weights.write_pth(
        str(path),
        state_dict,
        epoch=run.step // steps_per_epoch if steps_per_epoch else 0,
        optimizer=adam.to_torch(moments, state_dict) if moments and moments.steps else None,
        description=json.dumps(description(run) | counted),
    )


def _run_pth(path: pathlib.Path, run: TrainedRun, inputs: Arrays) -> Arrays:
    """By our own PyTorch model, which is loaded strictly."""
    import torch

    from htt_jax.interop import torch_model

    module = torch_model.build(network(run), torch.load(path, weights_only=True)["state_dict"])
    arrays = (torch.tensor(x) for x in inputs.values())
    with torch.inference_mode():
        return {name: x.numpy() for name, x in module(*arrays).items()}


def _write_safetensors(path: pathlib.Path, run: TrainedRun) -> None:
    weights.write_safetensors(str(path), _state_dict(run), json.dumps(description(run)))


def _run_safetensors(path: pathlib.Path, run: TrainedRun, inputs: Arrays) -> Arrays:
    """By the run's model, with the file's variables where its own lie: by the same program."""
    places = jax.tree.map(lambda x: x.sharding, run.variables)
    return apply(run, jax.device_put(imported.read(str(path)).variables, places), inputs)


def _write_stablehlo(path: pathlib.Path, run: TrainedRun) -> None:
    facts = description(run) | {"joint_names": run.dataset.joint_names}
    stablehlo.write(path, run.model, run.variables, run.signature, facts)


def _run_stablehlo(path: pathlib.Path, run: TrainedRun, inputs: Arrays) -> Arrays:
    program = stablehlo.read(path)
    return apply(run.with_model(program), program.variables, inputs)


def _write_onnx(path: pathlib.Path, run: TrainedRun) -> None:
    metadata = {onnx.FACTS: json.dumps(description(run))}
    within = names.WITHIN if isinstance(run.model, HTT) else ()
    onnx.write(path, functools.partial(_torch_module, run), run.signature, metadata, within)


def _write_for_web(path: pathlib.Path, run: TrainedRun) -> None:
    page.check(run)
    _write_onnx(path, run)


def _torch_module(run: TrainedRun) -> "nn.Module":
    """What computes in PyTorch what the run's model does."""
    import torch

    from htt_jax.interop import torch_depth_program, torch_model

    model = run.model if isinstance(run.model, DepthModel) else network(run)
    if isinstance(model, DepthModel):
        size = run.system.reader.shape(run.dataset.image_size)[0]
        return torch_depth_program.build(model, jax.device_get(run.variables), size)
    found = pytorch.to_state_dict(jax.device_get(run.variables))
    module = torch_model.build(model, {name: torch.tensor(x) for name, x in found.items()})
    module.tells_within = True
    return module


def _run_onnx(path: pathlib.Path, run: TrainedRun, inputs: Arrays) -> Arrays:
    return onnx.load(path)(**inputs)


def apply(run: TrainedRun, variables: Any, inputs: Arrays) -> Arrays:
    """The outputs of the run's model with other variables, such as those read back."""
    return jax.device_get(_apply(run.model, variables, *inputs.values()))


@functools.partial(jax.jit, static_argnums=0)  # compiled once for the run and what is read back
def _apply(model: Applicable, variables: Any, *arrays: jax.Array) -> dict[str, jax.Array]:
    return model.apply(variables, *arrays)


FORMATS = {
    "pytorch": Format(
        ".pth",
        "published layout, with Adam's moments where it trained; needs .[torch]",
        _write_pth,
        _run_pth,
    ),
    "safetensors": Format(
        ".safetensors",
        "the same tensors, without torch and code",
        _write_safetensors,
        _run_safetensors,
    ),
    "stablehlo": Format(
        ".stablehlo",
        "program for any JAX, its weights and a JSON beside it",
        _write_stablehlo,
        _run_stablehlo,
        keeps_dtype=True,
    ),
    "onnx": Format(
        ".onnx",
        "program and weights in one file; needs .[onnx]",
        _write_onnx,
        _run_onnx,
    ),
}

WEB = Format(
    page.SUFFIX,
    "page that runs the .onnx file in a browser; needs .[onnx] and npm",
    _write_for_web,
    _run_onnx,
)
"""Written, read back and run as an .onnx file, which `exporting.export_page` puts in a page."""
