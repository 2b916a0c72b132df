"""Reading tensors from weight files; no code in a file is ever executed."""

import importlib.util
import pathlib

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from htt_jax.errors import InputError


def read_tensors(path: str) -> dict[str, np.ndarray]:
    """The named tensors of a `.safetensors` file, or of a `.pth` file if torch is installed.

    Raises:
        InputError: the file is of another kind or damaged, or torch is missing.
    """
    if pathlib.Path(path).suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise InputError(f"{path} is not a whole .safetensors file: {error}") from error
    if importlib.util.find_spec("torch") is None:
        raise InputError(
            f"{path}: reading a .pth file needs torch; pip install -e '.[torch]', or give a "
            ".safetensors file"
        )
    return _read_pth(path)


def _read_pth(path: str) -> dict[str, np.ndarray]:
    import torch

    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # Pickle and zip errors of many kinds.
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a file of tensors alone: {reason}") from error
    if not isinstance(tensors, dict) or not all(map(torch.is_tensor, tensors.values())):
        raise InputError(f"{path} does not hold a state dict: named tensors and nothing else")
    return {name: tensor.numpy() for name, tensor in tensors.items()}
