"""ONNX files: the model with its weights in one file, for ONNX Runtime and what reads ONNX.

Inputs are `image`, `valid` and `intrinsics`, outputs those of `htt_jax.models.outputs`. The number
of clips and of windows is free, the image size is not.
"""

import contextlib
import logging
import os
import pathlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from htt_jax.models import outputs
from htt_jax.models.htt import HTT
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write

if TYPE_CHECKING:
    from htt_jax.interop import torch_model

INPUTS = ("image", "valid", "intrinsics")
OUTPUTS = tuple(outputs.OF_NAME)
_INSTALL = "pip install -e '.[onnx]'"
# Axes of 1 would be taken for constants by torch.export.
_EXAMPLE_CLIPS, _EXAMPLE_WINDOWS = 2, 3


def write(
    path: str | os.PathLike[str],
    tensors: Mapping[str, np.ndarray],
    model: HTT,
    image_size: tuple[int, int],
    metadata: Mapping[str, str],
) -> None:
    """Writes a model and its weights as one .onnx file.

    Args:
        path: of the file to write.
        tensors: the published state dict, see `htt_jax.interop.pytorch.to_state_dict`.
        model: whose sizes the tensors have.
        image_size: (width, height) of the frames.
        metadata: goes into the file's `metadata_props`.

    Raises:
        InputError: a package is missing.
    """
    try:
        import onnxscript  # noqa: F401  # what torch.onnx needs; it needs onnx itself
        import torch

        from htt_jax.interop import torch_model
    except ImportError as error:
        raise InputError(
            f"{path}: writing an ONNX file needs torch, onnx and onnxscript: {error}; {_INSTALL}"
        ) from error

    module = torch_model.build(model, {name: torch.tensor(x) for name, x in tensors.items()})
    data = _export(module, image_size, metadata)
    with atomic_write(path) as file:
        file.write(data)


def _export(
    module: "torch_model.HTT", image_size: tuple[int, int], metadata: Mapping[str, str]
) -> bytes:
    """The content of the .onnx file of a model and its weights."""
    import torch
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    width, height = image_size
    size = (_EXAMPLE_CLIPS, _EXAMPLE_WINDOWS * module.window)
    image = torch.zeros(*size, height, width, 3)
    valid = torch.ones(size, dtype=torch.bool)
    intrinsics = torch.eye(3).repeat(*size, 1, 1)
    free = {0: torch.export.Dim("clips"), 1: module.window * torch.export.Dim("windows")}
    with _quiet_exporter():
        program = torch.onnx.export(
            module,
            (image, valid, intrinsics),
            input_names=INPUTS,
            output_names=OUTPUTS,
            dynamic_shapes=(free, free, free),
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # of the exporter that dynamo=False would choose
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
    """A function from (image, valid, intrinsics) to named outputs, on the processor.

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

    def run(image: np.ndarray, valid: np.ndarray, intrinsics: np.ndarray) -> dict[str, np.ndarray]:
        values = (np.asarray(image), np.asarray(valid), np.asarray(intrinsics))
        found = session.run(list(OUTPUTS), dict(zip(INPUTS, values, strict=True)))
        return dict(zip(OUTPUTS, found, strict=True))

    return run
