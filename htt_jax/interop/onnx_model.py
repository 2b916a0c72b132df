"""An .onnx file in a network's place, computed by ONNX Runtime on the host.

HTT's is taken apart where its windows and its action block begin, so that it takes frames one at a
time: what is in memory does not grow with the clip, padding costs nothing, and the action is told
after each window. All parts are of one file, see `formats`. Other programs take whole clips.
"""

import dataclasses
import os
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from htt_jax.interop import names, onnx
from htt_jax.models.htt import seen
from htt_jax.models.signature import Signature
from htt_jax.support.errors import InputError
from htt_jax.systems import HostProgram

SUFFIX = ".onnx"

_TOGETHER = 16  # frames at a time, which bounds memory

_Function: TypeAlias = Callable[..., dict[str, np.ndarray]]


@dataclasses.dataclass(frozen=True, eq=False)  # told apart by identity
class OnnxProgram(HostProgram):
    """Takes whole clips.

    Attributes:
        inputs: their names, in the signature's order.
        run: the outputs by name, of the inputs by name.
    """

    inputs: tuple[str, ...]
    run: _Function

    def apply(self, variables: Any, /, *arrays: Any, method: str | None = None) -> Any:
        """The outputs for the inputs of the system's signature; `variables` are in the file."""
        assert method is None, f"a program of whole clips has no {method}"
        given = (np.ascontiguousarray(x) for x in arrays)
        told = self.run(**dict(zip(self.inputs, given, strict=True)))
        return {name: jnp.asarray(x) for name, x in told.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class OnnxHTT(HostProgram):
    """Takes frames and windows; `apply` has those methods of HTT that estimates need.

    Attributes:
        window: frames that are seen together.
        frames: of image (slots, 1, height, width, channels), frame_features of all slots.
        windows: of frame_features, valid and intrinsics of clips, what is told of their frames.
        clip: of frame_tokens and valid of clips, action_logits.
        forecast: none.
        object_box: none.
    """

    window: int
    frames: _Function
    windows: _Function
    clip: _Function
    forecast: int = 0
    object_box: bool = False

    def apply(self, variables: Any, /, *arrays: Any, method: str | None = None) -> Any:
        """What HTT's method of the name returns; `variables` are in the file."""
        methods: dict[str | None, Callable[..., Any]] = {
            None: self._whole,
            "looked": self._looked,
            "told": self._told,
            "per_frame": self._per_frame,
            "per_clip": self._per_clip,
            "over_time": self._over_time,
        }
        return methods[method](*arrays)

    def _whole(self, image: Any, valid: Any, intrinsics: Any) -> dict[str, jax.Array]:
        out = self._per_frame(image, valid, intrinsics)
        logits = self._per_clip(out.pop(names.TOKENS), jnp.asarray(valid))
        return out | {"action_logits": logits}

    def _looked(
        self, image: Float[Array | np.ndarray, "slots height width channels"]
    ) -> list[Float[Array, "slots features"]]:
        image = np.asarray(image)
        starts = range(0, len(image), _TOGETHER)
        found = [self.frames(image=image[at : at + _TOGETHER, None]) for at in starts]
        return [jnp.concatenate([x[names.FEATURES] for x in found])]

    def _told(
        self,
        looked: list[Float[Array, "clips frames features"]],
        valid: Bool[Array | np.ndarray, "clips frames"],
        intrinsics: Float[Array | np.ndarray, "clips frames 3 3"],
        size: tuple[int, ...],
    ) -> dict[str, jax.Array]:
        """The size of images is in the program."""
        (features,) = looked
        given = {
            names.FEATURES: np.asarray(features).reshape(-1, features.shape[-1]),
            "valid": np.asarray(valid),
            "intrinsics": np.asarray(intrinsics),
        }
        told = self.windows(**given)
        return {name: jnp.asarray(x) for name, x in told.items()}

    def _per_frame(
        self,
        image: Float[Array | np.ndarray, "*places height width channels"],
        valid: Bool[Array | np.ndarray, "clips frames"],
        intrinsics: Float[Array | np.ndarray, "clips frames 3 3"],
        slot: Int[Array | np.ndarray, "clips frames"] | None = None,
    ) -> dict[str, jax.Array]:
        """Windows of padding alone are not looked at: 0 stands for the features of their frames."""
        size = image.shape[-3:]
        image, valid = np.asarray(image).reshape(-1, *size), np.asarray(valid)
        slot = np.arange(valid.size).reshape(valid.shape) if slot is None else np.asarray(slot)
        windows = valid.reshape(-1, self.window).any(axis=1)
        # One at least, to know the shape.
        wanted = np.unique(slot.reshape(-1, self.window)[windows]) if windows.any() else slot[:1, 0]
        (found,) = self._looked(image[wanted])
        features = jnp.zeros((len(image), found.shape[-1]), found.dtype).at[wanted].set(found)
        return self._told([features[slot]], valid, intrinsics, size[:2])

    def _per_clip(
        self,
        frame_tokens: Float[Array, "clips frames features"],
        valid: Bool[Array, "clips frames"],
    ) -> Float[Array, "clips actions"]:
        told = self.clip(frame_tokens=np.asarray(frame_tokens), valid=np.asarray(valid))
        return jnp.asarray(told["action_logits"])

    def _over_time(
        self,
        frame_tokens: Float[Array, "clips frames features"],
        valid: Bool[Array, "clips frames"],
    ) -> Float[Array, "clips windows actions"]:
        logits = self._per_clip(*seen.up_to_each_window(frame_tokens, valid, self.window))
        return logits.reshape(len(valid), -1, logits.shape[-1])


def read(
    path: str | os.PathLike[str], signature_of: Callable[[str], Signature]
) -> tuple[HostProgram, str]:
    """The program in an .onnx file, and the description of its run, as JSON.

    Args:
        path: of the file.
        signature_of: what a program takes and returns, by the description of its run.

    Raises:
        InputError: the file is missing, no ONNX model or none of this package's, or onnxruntime is
            missing.
    """
    content = onnx.read_bytes(path)
    session = onnx.session(path, content)
    facts = session.get_modelmeta().custom_metadata_map.get(onnx.FACTS)
    if facts is None:
        raise InputError(
            f"{path} is not an ONNX file of this package: nothing in it tells of a run; give one "
            "that was written by htt_jax.export --to=onnx"
        )
    signature = signature_of(facts)
    _check(path, session, signature)
    found = parts(path, content)
    if found is None:
        inputs = tuple(x.name for x in signature.inputs)
        return OnnxProgram(inputs, onnx.as_function(session)), facts
    frames, windows, clip = (onnx.as_function(onnx.session(path, part)) for part in found)
    return OnnxHTT(signature.window, frames, windows, clip), facts


def _check(path: str | os.PathLike[str], session: Any, signature: Signature) -> None:
    """Checks that a program takes and returns what its description says."""
    types = {"float32": "tensor(float)", "bool": "tensor(bool)"}
    found = {x.name: (x.type, tuple(x.shape[2:])) for x in session.get_inputs()}
    expected = {x.name: (types[str(x.dtype)], x.sizes) for x in signature.inputs}
    for kind, here, there in (
        ("takes", found, expected),
        ("returns", [x.name for x in session.get_outputs()], [x.name for x in signature.outputs]),
    ):
        if here != there:
            raise InputError(
                f"{path} is not an ONNX file of this package: it {kind} {here}, expected {there} "
                "by what it tells of its run; export the model anew"
            )


def parts(path: str | os.PathLike[str], content: bytes) -> list[bytes] | None:
    """What is done of frames, of windows and of clips; None: the graph has no such places.

    Args:
        path: where it is from, for messages.
        content: of the .onnx file.

    Raises:
        InputError: onnx is missing.
    """
    try:
        import onnx as onnx_format
        from onnx.utils import Extractor
    except ImportError as error:
        raise InputError(f"{path}: taking it apart needs onnx: {error}; {onnx.INSTALL}") from error

    model = onnx_format.load_from_string(content)
    if not {*names.WITHIN} <= {output for node in model.graph.node for output in node.output}:
        return None
    number = onnx_format.TensorProto.FLOAT
    for name in names.WITHIN:
        info = onnx_format.helper.make_tensor_value_info(name, number, None)
        model.graph.value_info.append(info)
    of_frames = [x.name for x in model.graph.output if x.name != "action_logits"]
    ends = (
        (["image"], [names.FEATURES]),
        ([names.FEATURES, "valid", "intrinsics"], [*of_frames, names.TOKENS]),
        ([names.TOKENS, "valid"], ["action_logits"]),
    )
    return [Extractor(model).extract_model(*part).SerializeToString() for part in ends]
