"""What the JSON file of a StableHLO export tells people and programs about it."""

from collections.abc import Mapping
from typing import Any

import jax
from jax import export

from htt_jax.models.outputs import Output
from htt_jax.models.signature import Input, Signature

FORMAT = "HTT as StableHLO"
VERSION = 1

_OLDEST_JAX = "0.8.2"  # of those tried with a program written by 0.10.2
_COMPATIBILITY = (
    "JAX promises that a program runs with releases up to 3 weeks older and 6 months newer than "
    "the one that wrote it; keep the checkpoint, to export it anew later"
)
_HOW_TO_RUN = """\
# Needs no more than: pip install jax flatbuffers safetensors
import pathlib

import jax
import numpy as np
from jax import export
from safetensors.numpy import load_file

program = export.deserialize(bytearray(pathlib.Path("{program}").read_bytes()))
weights = jax.device_put(load_file("{weights}"))
{example}
outputs = jax.jit(program.call)(weights, {inputs})
print({{name: x.shape for name, x in outputs.items()}})
"""


def describe(
    program: export.Exported, files: Mapping[str, Mapping[str, Any]], signature: Signature
) -> dict[str, Any]:
    """The content of the JSON file but for the facts that its user adds.

    Args:
        program: of (weights, *inputs).
        files: name, size and checksum of each of "program" and "weights".
        signature: of the program.
    """
    (weights, *arrays), _ = jax.tree.unflatten(program.in_tree, program.in_avals)
    inputs = {told.name: _array(told, x) for told, x in zip(signature.inputs, arrays, strict=True)}
    found = jax.tree.unflatten(program.out_tree, program.out_avals)
    outputs = {told.name: told for told in signature.outputs}
    return {
        "format": FORMAT,
        "version": VERSION,
        "program": {
            **files["program"],
            "written_by": f"jax.export of jax {jax.__version__}",
            "calling_convention_version": program.calling_convention_version,
            "oldest_jax": _OLDEST_JAX,
            "compatibility": _COMPATIBILITY,
            "platforms": list(program.platforms),
            "arguments": ["weights", *inputs],
            "returns": "the outputs, a dictionary",
        },
        "weights": {
            **files["weights"],
            "tensors": len(weights),
            "numbers": sum(x.size for x in weights.values()),
        },
        "symbols": {
            "clips": "any number from 1; they are independent of each other",
            "windows": f"any number from 1; a clip is whole windows of {signature.window} frames",
        },
        "inputs": {
            "weights": {
                "meaning": "a dictionary of the weight file's tensors by their names; params/... "
                f"were trained, batch_stats/... are {signature.statistics}"
            },
            **inputs,
        },
        "outputs": {name: _array(outputs[name], x) for name, x in found.items()},
        **_use(files, signature),
    }


def _use(files: Mapping[str, Mapping[str, Any]], signature: Signature) -> dict[str, Any]:
    """How inputs are made, outputs read, and a program to do so, where the signature says it."""
    told = {
        "preprocessing": list(signature.preprocessing),
        "postprocessing": list(signature.postprocessing),
        "how_to_run": _how_to_run(files, signature) if signature.example else [],
    }
    return {name: lines for name, lines in told.items() if lines}


def _how_to_run(files: Mapping[str, Mapping[str, Any]], signature: Signature) -> list[str]:
    """A Python script that runs an export without this package."""
    script = _HOW_TO_RUN.format(
        program=files["program"]["file"],
        weights=files["weights"]["file"],
        example="\n".join(signature.example),
        inputs=", ".join(told.name for told in signature.inputs),
    )
    return script.splitlines()


def _array(told: Input | Output, x: Any) -> dict[str, Any]:
    return {
        "dtype": str(x.dtype),
        "shape": [size if isinstance(size, int) else str(size) for size in x.shape],
        "axes": list(told.axes),
        "unit": told.unit,
        "meaning": told.meaning,
    }
