"""What computes a model: JAX, or ONNX Runtime, for which a run is written as a file first."""

import dataclasses
import pathlib
import tempfile

from etils import epath
from jax.sharding import Mesh

from htt_jax.interop.exporting import as_format_holds_it
from htt_jax.interop.formats import FORMATS
from htt_jax.interop.opening import open_any
from htt_jax.interop.stablehlo import ExportedModel
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError
from htt_jax.systems import is_traceable

RUNTIMES = ("jax", "onnx")


def open_with(
    path: epath.PathLike, step: int | None, mesh: Mesh, runtime: str | None = None
) -> TrainedRun:
    """The model of a run's directory or of a file, see `open_any`, for a runtime.

    Args:
        path: of the run or file.
        step: of the checkpoint; None for the best one.
        mesh: where the variables are to lie.
        runtime: one of `RUNTIMES`; None: onnx for .onnx files, jax for all else.

    Raises:
        InputError: it cannot be opened, the runtime cannot compute it, or a package is missing.
    """
    if runtime not in (None, *RUNTIMES):
        raise InputError(f"--runtime={runtime} must be one of {', '.join(RUNTIMES)}")
    run = open_any(path, step, mesh)
    is_for = "jax" if is_traceable(run.system) else "onnx"
    if runtime in (None, is_for):
        return run
    if is_for == "onnx" or isinstance(run.model, ExportedModel):
        raise InputError(
            f"--runtime={runtime}: {path} is a program for {is_for} alone; leave the option away, "
            "or give the run it was exported from"
        )
    return _for_onnx(run, mesh)


def _for_onnx(run: TrainedRun, mesh: Mesh) -> TrainedRun:
    form = FORMATS["onnx"]
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / f"model{form.suffix}"
        form.write(file, as_format_holds_it(run, form))
        opened = open_any(file, None, mesh)
    return dataclasses.replace(opened, workdir=run.workdir, step=run.step)
