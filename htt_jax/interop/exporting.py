"""Writes a checkpoint in another format, reads it back, runs it and compares."""

import dataclasses
import os
import pathlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from etils import epath

from htt_jax import systems
from htt_jax.devices import sharding
from htt_jax.interop import agreement, model_card
from htt_jax.interop.agreement import Arrays
from htt_jax.interop.formats import FORMATS, WEB, Format, apply
from htt_jax.interop.quantising.quantised import Asked, Quantised, quantise
from htt_jax.interop.web import page
from htt_jax.interop.web.runtime import Runtime
from htt_jax.models.htt import HTT
from htt_jax.models.htt.frames import BOX
from htt_jax.runs.opening import TrainedRun, open_run
from htt_jax.support.errors import InputError
from htt_jax.support.files import (
    check_writable,
    explained_writes,
    make_folder,
    move,
    temporary_folder,
)
from htt_jax.support.paths import place


def export(workdir: str, to: str, out: epath.PathLike, step: int | None = None) -> dict[str, float]:
    """Writes one checkpoint of a run as `out`, with a model card beside it.

    Args:
        workdir: of the run.
        to: one of `formats.FORMATS`.
        out: the file; what it needs besides lies beside it under the same name.
        step: of the checkpoint; None for the best one.

    Returns:
        The largest difference of each output to the run's own on the same inputs, in the output's
        unit.

    Raises:
        InputError: no run or checkpoint, the format cannot hold the model, a package is missing,
            the suffix is not the format's, or what was written computes something else.
    """
    # Matrix units of a GPU or TPU round float32 by default; no other runtime would agree with them.
    with jax.default_device(_processor()):
        return _export(workdir, to, FORMATS[to], place(out), step)


def export_quantised(
    workdir: str, out: epath.PathLike, asked: Asked, step: int | None = None
) -> tuple[dict[str, float], Quantised]:
    """The same as an .onnx file that is quantised once it was compared; what came of that, too.

    Raises:
        InputError: as `export` and `quantise`.
    """
    found = []

    def then(written: pathlib.Path, run: TrainedRun) -> str:
        found.append(quantise(written, run, asked))
        return found[0].text()

    with jax.default_device(_processor()):
        differences = _export(workdir, "onnx", FORMATS["onnx"], place(out), step, then)
    return differences, found[0]


def export_page(
    workdir: str,
    out: epath.PathLike,
    runtime: Runtime,
    asked: Asked | None = None,
    step: int | None = None,
) -> tuple[dict[str, float], Quantised | None]:
    """The same as a page that runs the .onnx file in a browser, quantised first if it is `asked`.

    Raises:
        InputError: as `export` and `quantise`, or the run sees depth maps.
    """
    found = []

    def then(written: pathlib.Path, run: TrainedRun) -> str:
        if asked:
            found.append(quantise(written, run, asked))
        page.write(written, run, written.read_bytes(), runtime)
        return found[0].text() if found else ""

    with jax.default_device(_processor()):
        differences = _export(workdir, "web", WEB, place(out), step, then)
    return differences, found[0] if found else None


def _export(
    workdir: str,
    to: str,
    form: Format,
    out: epath.Path,
    step: int | None,
    then: Callable[[pathlib.Path, TrainedRun], str] | None = None,
) -> dict[str, float]:
    if out.suffix != form.suffix:
        raise InputError(f"--out={out} must end in {form.suffix}, the suffix of {to}")
    if out.is_dir():
        raise InputError(f"--out={out} is a folder; name a file in it")
    check_writable(out.parent)
    run = open_run(workdir, step, sharding.single_device_mesh(_processor()))
    run = as_format_holds_it(run, form)
    make_folder(out.parent)
    with (
        explained_writes(out),
        temporary_folder(out.parent, f".{out.name}.") as folder,
    ):
        written = folder / out.name
        try:
            form.write(written, run)
            differences = _compare(written, run, to, form)
            more = then(written, run) if then else ""
        except InputError as error:  # The user knows the file by the name it would have had.
            raise InputError(str(error).replace(str(written), str(out))) from error
        model_card.write(pathlib.Path(card_of(written)), run, to, differences, more)
        # The one that was asked for last: where it is, everything is.
        for file in sorted(folder.iterdir(), key=lambda file: file == written):
            move(file, out.parent / file.name)
    return differences


def _processor() -> jax.Device:
    sharding.all_devices()
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError as error:
        raise InputError(
            "an export is compared on the processor, which JAX_PLATFORMS keeps from JAX; add "
            "',cpu' to it"
        ) from error


def _compare(written: pathlib.Path, run: TrainedRun, to: str, form: Format) -> dict[str, float]:
    """Reads an export back, runs it, and says how far its outputs are from the run's."""
    inputs = agreement.noise(run.signature)
    expected = apply(run, run.variables, inputs)
    _check_finite(run, expected)
    found = form.run(written, run, inputs)
    differences = agreement.differences(expected, found, inputs["valid"], run.system.outputs)
    wrong = agreement.too_large(expected, differences, inputs["valid"], run.system.outputs)
    if wrong:
        listed = ", ".join(f"{name} by {differences[name]:.3g}" for name in wrong)
        raise InputError(
            f"the {to} export does not compute what the run does: it differs in {listed}; nothing "
            "is kept, please report it"
        )
    return differences


def card_of(out: epath.PathLike) -> epath.Path:
    """Where the model card of an export lies."""
    return place(f"{os.fspath(out)}.md")


def as_format_holds_it(run: TrainedRun, form: Format) -> TrainedRun:
    """The run without what no format tells, in a type that this one has; says what is left out."""
    run = _as_formats_hold_it(run)
    return run if form.keeps_dtype else _in_float32(run)


def _as_formats_hold_it(run: TrainedRun) -> TrainedRun:
    """The run without what no format tells, whose other outputs stay what they are; says so."""
    model = run.model
    if not isinstance(model, HTT):
        return run
    if model.forecast:
        print("no format holds forecasts: what makes them is left out", file=sys.stderr)
        run = _without(run, "forecaster", {"forecast": 0})
    if model.object_box and model.cascaded and BOX in model.action_inputs:
        said = "no format tells the object's box: it is for the action block alone"
        print(said, file=sys.stderr)
    elif model.object_box:
        print("no format tells the object's box: its head is left out", file=sys.stderr)
        run = _without(run, "object_box_head", {"object_box": False})
    return run


def _without(run: TrainedRun, part: str, options: Mapping[str, Any]) -> TrainedRun:
    """The run without a part of its parameters, by the model's options that leave it out."""
    config = run.config.copy_and_resolve_references()
    config.model.update(options)
    params = {name: x for name, x in run.variables["params"].items() if name != part}
    return dataclasses.replace(
        run.with_model(systems.make(config, run.dataset).model),
        description=dataclasses.replace(run.description, config=config),
        variables={**run.variables, "params": params},
    )


def _in_float32(run: TrainedRun) -> TrainedRun:
    """The run with a model that computes in the type its weights have."""
    config = run.config.copy_and_resolve_references()
    config.model.dtype = "float32"
    return run.with_model(systems.make(config, run.dataset).model)


def _check_finite(run: TrainedRun, outputs: Arrays) -> None:
    wrong = [name for name, x in outputs.items() if not np.isfinite(x).all()]
    if wrong:
        raise InputError(
            f"{run.workdir}, step {run.step}, computes numbers that are not finite: "
            f"{', '.join(wrong)}; nothing is kept, export another checkpoint with --step"
        )
