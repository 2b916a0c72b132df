"""A model as a StableHLO program with its weights beside it, to be run without this package.

An export is three files: NAME.stablehlo (the program, as `jax.export` serializes it),
NAME.stablehlo.safetensors (the weights, which are arguments of the program) and
NAME.stablehlo.json (what a person or another program must know, and the others' checksums).

Reading executes no code: the program is a flatbuffer with StableHLO bytecode in it. When run, such
a program may call any function that jaxlib knows by name, Python callbacks among them, so that one
that would is refused.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from etils import epath
from jax import export
from jax.typing import ArrayLike
from safetensors import numpy as safetensors

from htt_jax.interop import stablehlo_description
from htt_jax.models.signature import Signature
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.support.paths import place

SUFFIX = ".stablehlo"
PLATFORMS = ("cpu", "cuda", "tpu")

# JAX's check of symbolic shapes is gone before a program is compiled; no other call is needed.
_OUTSIDE_CALL = re.compile(r"custom_call(?! @shape_assertion\()\W*(\w*)")


@dataclasses.dataclass(frozen=True, eq=False)  # told apart by identity, so that jit takes `apply`
class ExportedModel:
    """A model read from an export; `apply` takes the place of the network's.

    Attributes:
        program: `jax.export`'s; cannot be differentiated.
        variables: what `apply` takes, by flat names: 'params/backbone/conv1/kernel'.
        facts: what was given to `write` under this name.
    """

    program: export.Exported
    variables: dict[str, jax.Array]
    facts: dict[str, Any]

    def apply(self, variables: Mapping[str, jax.Array], *arrays: ArrayLike) -> dict[str, jax.Array]:
        """The outputs for the inputs of the system's signature, in its order and sizes.

        Raises:
            ValueError: an input's shape or type does not fit the program.
        """
        return self.program.call(dict(variables), *arrays)


def write(
    path: epath.PathLike,
    model: Any,
    variables: Mapping[str, Any],
    signature: Signature,
    facts: Mapping[str, Any],
) -> None:
    """Writes `path` and the two files beside it, the one with the checksums last.

    Args:
        path: of the program; ends in `.stablehlo`.
        model: a system's network; computes in its own `dtype` there too.
        variables: of `model`.
        signature: of `model`.
        facts: what else a user should know (config, names of classes and joints), for JSON.

    Raises:
        InputError: `path` ends otherwise.
    """
    files = _files(path)
    weights = {
        # Made contiguous, because safetensors writes the memory as it lies there.
        name: np.ascontiguousarray(x)
        for name, x in trees.flatten(jax.device_get(variables)).items()
    }
    program = _export(model, weights, signature)
    contents = {"program": bytes(program.serialize()), "weights": safetensors.save(weights)}
    checked = {
        kind: {"file": files[kind].name, "bytes": len(content), "sha256": _sha256(content)}
        for kind, content in contents.items()
    }
    description = stablehlo_description.describe(program, checked, signature)
    text = json.dumps({**description, "facts": dict(facts)}, indent=2, ensure_ascii=False)
    for kind, content in {**contents, "description": f"{text}\n".encode()}.items():
        with atomic_write(files[kind]) as file:
            file.write(content)


def read(path: epath.PathLike) -> ExportedModel:
    """The model that `write` wrote to `path`.

    Raises:
        InputError: one of the three files is missing, damaged, of another format or of another
            export, or the program calls functions outside of itself.
    """
    files = _files(path)
    description = _read_description(files)
    contents = {
        kind: _read_checked(files, kind, description[kind]["sha256"])
        for kind in ("program", "weights")
    }
    try:
        weights = safetensors.load(contents["weights"])
        program = export.deserialize(bytearray(contents["program"]))
        outside = _OUTSIDE_CALL.search(program.mlir_module())
    except Exception as error:  # Of many kinds, from safetensors, flatbuffers and MLIR.
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"the export {path} cannot be read with jax {jax.__version__}: {reason}; "
            "export the model anew"
        ) from error
    if outside:
        raise InputError(
            f"{path} is no model of this package: it calls {outside[1]!r}, a function outside of "
            "itself; do not run it"
        )
    if program.has_vjp():  # It would be another program, not looked at.
        raise InputError(f"{path} is no model of this package: it carries its gradient too")
    return ExportedModel(program, jax.device_put(weights), description["facts"])


def _files(named: epath.PathLike) -> dict[str, epath.Path]:
    path = place(named)
    if path.suffix != SUFFIX:
        raise InputError(f"{path} does not end in {SUFFIX}; name the file of the program")
    return {
        "program": path,
        "weights": path.with_name(f"{path.name}.safetensors"),
        "description": path.with_name(f"{path.name}.json"),
    }


def _export(model: Any, weights: Mapping[str, np.ndarray], signature: Signature) -> export.Exported:
    """`model.apply` on variables by flat names, for any number of clips and windows."""
    clips, windows = export.symbolic_shape("clips, windows")
    frames = (clips, windows * signature.window)

    def htt(weights: Any, *arrays: Any) -> Any:
        return model.apply(trees.unflatten(weights), *arrays)

    return export.export(jax.jit(htt), platforms=PLATFORMS)(
        {name: jax.ShapeDtypeStruct(x.shape, x.dtype) for name, x in weights.items()},
        *(jax.ShapeDtypeStruct((*frames, *x.sizes), x.dtype) for x in signature.inputs),
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_bytes(files: Mapping[str, epath.Path], kind: str) -> bytes:
    try:
        return files[kind].read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {files[kind]}: {error.strerror or error}; an export is the three files "
            f"{', '.join(path.name for path in files.values())} in one folder"
        ) from error


def _read_description(files: Mapping[str, epath.Path]) -> dict[str, Any]:
    content = _read_bytes(files, "description")
    try:
        description = json.loads(content)
        found = (description["format"], description["version"])
        description["program"]["sha256"], description["weights"]["sha256"], description["facts"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{files['description']} does not describe an export; give the file that was written "
            f"beside {files['program'].name}"
        ) from error
    known = (stablehlo_description.FORMAT, stablehlo_description.VERSION)
    if found != known:
        raise InputError(
            f"{files['description']} is of format {found[0]!r}, version {found[1]!r}, expected "
            f"{known[0]!r}, version {known[1]}; export the model anew with this package"
        )
    return description


def _read_checked(files: Mapping[str, epath.Path], kind: str, expected: str) -> bytes:
    content = _read_bytes(files, kind)
    if _sha256(content) != expected:
        raise InputError(
            f"{files[kind]} is damaged or of another export: its SHA-256 is {_sha256(content)}, "
            f"{files['description'].name} says {expected}; keep the three files of an export "
            "together, or export the model anew"
        )
    return content
