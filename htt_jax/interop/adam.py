"""The state of PyTorch's Adam, to and from the moments that optax keeps; NumPy only."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from htt_jax.errors import InputError
from htt_jax.interop import names, pytorch


@dataclasses.dataclass(frozen=True)
class Moments:
    """What Adam remembers.

    Attributes:
        steps: taken so far.
        mean: of the gradients, a tree like the parameters.
        square: of the squared gradients, a tree like the parameters.
    """

    steps: int
    mean: Mapping[str, Any]
    square: Mapping[str, Any]


def from_torch(optimizer: Mapping[str, Any], state_dict: Mapping[str, np.ndarray]) -> Moments:
    """The moments in an optimizer's `state_dict()`.

    Args:
        optimizer: of PyTorch's Adam, NumPy arrays in the place of tensors.
        state_dict: of the model it was made for, in the module's order. PyTorch numbers the
            parameters instead of naming them.

    Raises:
        InputError: it is another optimizer's, or another model's.
    """
    parameters = [name for name in state_dict if names.is_parameter(name)]
    try:
        numbers = [number for group in optimizer["param_groups"] for number in group["params"]]
        state = dict(optimizer["state"])
    except (KeyError, TypeError) as error:
        raise InputError(f"the optimizer's state has no {error}; expected that of Adam") from error
    if len(numbers) != len(parameters):
        raise InputError(
            f"the optimizer's state is of {len(numbers)} parameters, the model has "
            f"{len(parameters)}; expected Adam over all of them"
        )
    mean, square, steps = {}, {}, [0]
    for name, number in zip(parameters, numbers, strict=True):
        entry = state.get(number)
        if entry is None:  # PyTorch keeps nothing for a parameter that no gradient has reached
            mean[name] = square[name] = np.zeros(state_dict[name].shape, np.float32)
            continue
        mean[name], square[name] = (
            _moment(entry, key, name, state_dict[name].shape) for key in ("exp_avg", "exp_avg_sq")
        )
        steps.append(int(entry["step"]))
    return Moments(max(steps), pytorch.to_params(mean), pytorch.to_params(square))


def to_torch(
    moments: Moments, state_dict: Mapping[str, np.ndarray], learning_rate: float
) -> dict[str, Any]:
    """What `torch.optim.Adam.load_state_dict` takes; `from_torch` turned round.

    Args:
        moments: of the parameters.
        state_dict: of the model, in the module's order.
        learning_rate: of the next step.
    """
    # Buffers are in the layout's way and out of Adam's; their places are filled and left out.
    statistics = pytorch.to_variables(state_dict)["batch_stats"]
    mean, square = (
        pytorch.to_state_dict({"params": tree, "batch_stats": statistics})
        for tree in (moments.mean, moments.square)
    )
    parameters = [name for name in state_dict if names.is_parameter(name)]
    state = {
        number: {
            "step": np.array(moments.steps, np.float32),
            "exp_avg": mean[name],
            "exp_avg_sq": square[name],
        }
        for number, name in enumerate(parameters)
        if not names.is_unused(name)
    }
    group = {
        "lr": learning_rate,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
        "weight_decay": 0,
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "fused": None,
        "params": list(range(len(parameters))),
    }
    return {"state": state, "param_groups": [group]}


def _moment(entry: Mapping[str, Any], key: str, name: str, shape: Sequence[int]) -> np.ndarray:
    found = np.shape(entry.get(key, ()))
    if key not in entry or found != tuple(shape):
        raise InputError(
            f"the optimizer's state of {name} has {key} of shape {found if key in entry else None},"
            f" expected {tuple(shape)}; only Adam's state can be taken over"
        )
    return np.asarray(entry[key], np.float32)
