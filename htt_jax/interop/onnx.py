"""ONNX files: the model with its weights in one file, for ONNX Runtime and what reads ONNX.

Inputs and outputs are those of the system's signature. The number of clips and of windows is free,
the other sizes are not.
"""

import contextlib
import logging
import os
import pathlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from htt_jax.models.signature import Signature
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write

if TYPE_CHECKING:
    from torch import nn

_INSTALL = "pip install -e '.[onnx]'"
# Axes of 1 would be taken for constants by torch.export.
_EXAMPLE_CLIPS, _EXAMPLE_WINDOWS = 2, 3


def write(
    path: str | os.PathLike[str],
    make_module: Callable[[], "nn.Module"],
    signature: Signature,
    metadata: Mapping[str, str],
) -> None:
    """Writes a model and its weights as one .onnx file.

    Args:
        path: of the file to write.
        make_module: called where there is torch; the module takes the signature's inputs in their
            order and returns its outputs by name.
        signature: of the module.
        metadata: goes into the file's `metadata_props`.

    Raises:
        InputError: a package is missing.
    """
    try:
        import onnxscript  # noqa: F401  # what torch.onnx needs; it needs onnx itself
        import torch  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{path}: writing an ONNX file needs torch, onnx and onnxscript: {error}; {_INSTALL}"
        ) from error

    data = _export(make_module(), signature, metadata)
    with atomic_write(path) as file:
        file.write(data)


def _export(module: "nn.Module", signature: Signature, metadata: Mapping[str, str]) -> bytes:
    """The content of the .onnx file of a model and its weights."""
    import torch
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass, RemoveUnusedNodesPass

    window, random = signature.window, np.random.default_rng(0)
    places = (_EXAMPLE_CLIPS, _EXAMPLE_WINDOWS * window)
    arrays = [torch.tensor(x.drawn(random, (*places, *x.sizes))) for x in signature.inputs]
    frames = torch.export.Dim("frames") if window == 1 else window * torch.export.Dim("windows")
    free = {0: torch.export.Dim("clips"), 1: frames}
    with _quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(
            module,
            tuple(arrays),
            input_names=[x.name for x in signature.inputs],
            output_names=[x.name for x in signature.outputs],
            dynamic_shapes=tuple(free for _ in arrays),
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # of the exporter that dynamo=False would choose
    RemoveUnusedNodesPass()(program.model)  # of loops, which runtimes would warn of
    # Otherwise each node holds a stack trace with paths of the machine that wrote the file.
    ClearMetadataAndDocStringPass()(program.model)
    program.model.metadata_props.clear()
    program.model.metadata_props.update(metadata)
    return program.model_proto.SerializeToString()


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silences remarks that concern the exporter's own code and not this model."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    with warnings.catch_warnings():
        # It uses a class of torch that torch deprecated.
        warnings.filterwarnings("ignore", r".*LeafSpec\)` is deprecated", FutureWarning)
        # The inputs share their first two axes, and thus these axes' names.
        warnings.filterwarnings("ignore", r"# The axis name: .* will not be used", UserWarning)
        try:
            logger.setLevel(logging.ERROR)  # It warns of packages that it could also export.
            yield
        finally:
            logger.setLevel(level)


def load(path: str | os.PathLike[str]) -> Callable[..., dict[str, np.ndarray]]:
    """A function from named inputs to named outputs, on the processor.

    Raises:
        InputError: the file is missing or no ONNX model, or onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"{path}: running an ONNX file needs onnxruntime: {error}; {_INSTALL}"
        ) from error

    try:
        session = onnxruntime.InferenceSession(
            pathlib.Path(path).read_bytes(), providers=["CPUExecutionProvider"]
        )
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give an .onnx file") from error
    except Exception as error:  # onnxruntime has many kinds, of no common one.
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not an ONNX model: {reason}; give an .onnx file") from error

    names = [output.name for output in session.get_outputs()]

    def run(**arrays: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, arrays), strict=True))

    return run
