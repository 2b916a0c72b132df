"""ONNX files: the model with its weights in one file, for ONNX Runtime and what reads ONNX.

Inputs and outputs are those of the system's signature. The number of clips and of windows is free,
the other sizes are not. How such a file takes a network's place: `onnx_model`.
"""

import contextlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from htt_jax.models.signature import Signature
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.support.machine import usable_cores
from htt_jax.support.paths import place

if TYPE_CHECKING:
    import onnxruntime
    from torch import nn

INSTALL = "pip install -e '.[onnx]'"
FACTS = "htt_jax"  # the metadata that describes the run, as JSON
# Axes of 1 would be taken for constants by torch.export.
_EXAMPLE_CLIPS, _EXAMPLE_WINDOWS = 2, 3


def write(
    path: str | os.PathLike[str],
    make_module: Callable[[], "nn.Module"],
    signature: Signature,
    metadata: Mapping[str, str],
    within: Sequence[str] = (),
) -> None:
    """Writes a model and its weights as one .onnx file.

    Args:
        path: of the file to write.
        make_module: called where there is torch; the module takes the signature's inputs in their
            order and returns its outputs by name.
        signature: of the module.
        metadata: goes into the file's `metadata_props`.
        within: what the module returns besides, which gets its name in the graph but is no output.

    Raises:
        InputError: a package is missing.
    """
    try:
        import onnxscript  # noqa: F401  # what torch.onnx needs; it needs onnx itself
        import torch  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{path}: writing an ONNX file needs torch, onnx and onnxscript: {error}; {INSTALL}"
        ) from error

    data = _export(make_module(), signature, metadata, within)
    with atomic_write(path) as file:
        file.write(data)


def _export(
    module: "nn.Module", signature: Signature, metadata: Mapping[str, str], within: Sequence[str]
) -> bytes:
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
            output_names=[*(x.name for x in signature.outputs), *within],
            dynamic_shapes=tuple(free for _ in arrays),
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # of the exporter that dynamo=False would choose
    graph = program.model.graph
    del graph.outputs[len(signature.outputs) :]
    _count_by_valid(graph)
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


def _count_by_valid(graph: Any) -> None:
    """Lets the graph read numbers of clips and frames off `valid`, which all its parts take."""
    valid = next(x for x in graph.inputs if x.name == "valid")
    for node in graph:
        if node.op_type == "Shape" and node.inputs[0] in graph.inputs:
            end = node.attributes.get("end")
            if end is not None and 0 < end.as_int() <= 2:
                node.replace_input_with(0, valid)


def load(path: str | os.PathLike[str]) -> Callable[..., dict[str, np.ndarray]]:
    """A function from named inputs to named outputs, on the processor.

    Raises:
        InputError: the file is missing or no ONNX model, or onnxruntime is missing.
    """
    return as_function(session(path, read_bytes(path)))


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of an .onnx file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return place(path).read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give an .onnx file") from error


def session(path: str | os.PathLike[str], content: bytes) -> "onnxruntime.InferenceSession":
    """Runs an ONNX model on the processor, on the cores that this process may use.

    Args:
        path: where it is from, for messages.
        content: of the file.

    Raises:
        InputError: it is no ONNX model, or onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"{path}: running an ONNX file needs onnxruntime: {error}; {INSTALL}"
        ) from error

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors: what it warns of concerns its own optimiser
    # Its own choice does not heed to which cores the process is kept.
    options.intra_op_num_threads = usable_cores()
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has many kinds, of no common one.
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not an ONNX model: {reason}; give an .onnx file") from error


def as_function(session: "onnxruntime.InferenceSession") -> Callable[..., dict[str, np.ndarray]]:
    """From named inputs to named outputs."""
    names = [output.name for output in session.get_outputs()]

    def run(**arrays: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(names, session.run(names, arrays), strict=True))

    return run
