"""The state of PyTorch's Adam, to and from the moments that optax keeps; NumPy only."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from htt_jax.interop import names, pytorch
from htt_jax.support.errors import InputError

# What `optim.adam` computes, in PyTorch's words; groups of another would not go on as they began.
_OPTIONS = {
    "betas": (0.9, 0.999),
    "eps": 1e-8,
    "weight_decay": 0,
    "amsgrad": False,
    "maximize": False,
}


@dataclasses.dataclass(frozen=True)
class Moments:
    """What Adam remembers.

    Attributes:
        steps: taken so far.
        learning_rate: of the next step.
        mean: of the gradients, a tree like the parameters.
        square: of the squared gradients, a tree like the parameters.
    """

    steps: int
    learning_rate: float
    mean: Mapping[str, Any]
    square: Mapping[str, Any]


def from_torch(optimizer: Mapping[str, Any], state_dict: Mapping[str, np.ndarray]) -> Moments:
    """The moments in an optimizer's `state_dict()`.

    Args:
        optimizer: as `weights.WeightFile` has it.
        state_dict: of the model it was made for, in the module's order. PyTorch numbers the
            parameters instead of naming them.

    Raises:
        InputError: it is another optimizer's or another model's, or has options that training
            here has not.
    """
    parameters = [name for name in state_dict if names.is_parameter(name)]
    groups, state = optimizer["param_groups"], optimizer["state"]
    if len(groups) != 1:  # whose numbers follow the groups and not the model
        raise InputError(f"the optimizer has {len(groups)} groups of parameters, expected one")
    numbers, learning_rate = _group(groups[0])
    if not state:
        raise InputError("the optimizer's state is empty: it has taken no step")
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
        shape = state_dict[name].shape
        steps.append(int(_numbers(entry, "step", name, ())))
        mean[name] = _numbers(entry, "exp_avg", name, shape)
        square[name] = _numbers(entry, "exp_avg_sq", name, shape)
    trees = (pytorch.to_params(moments) for moments in (mean, square))
    return Moments(max(steps), learning_rate, *trees)


def to_torch(moments: Moments, state_dict: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What `torch.optim.Adam.load_state_dict` takes; `from_torch` turned round.

    Args:
        moments: of the parameters.
        state_dict: of the model, in the module's order.
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
        "lr": moments.learning_rate,
        **_OPTIONS,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "fused": None,
        "params": list(range(len(parameters))),
    }
    return {"state": state, "param_groups": [group]}


def _group(group: Any) -> tuple[list[Any], float]:
    """The numbers of the parameters and the learning rate of a group with Adam's options."""
    if not isinstance(group, dict):
        raise InputError(f"the optimizer's group is {type(group).__name__}, expected options")
    for option, expected in _OPTIONS.items():
        found = group.get(option)
        is_off = not found and not expected  # as switches are that its version does not know
        if found != expected and not is_off:
            raise InputError(
                f"the optimizer's {option} is {found}, expected {expected}; only the state of Adam "
                "with PyTorch's defaults can be taken over"
            )
    numbers, rate = group.get("params"), group.get("lr")
    if isinstance(rate, np.ndarray) and rate.shape == ():
        rate = rate.item()
    if not isinstance(numbers, list) or not all(isinstance(x, int) for x in numbers):
        raise InputError("the optimizer's group has no numbers of parameters under 'params'")
    if not isinstance(rate, int | float) or not math.isfinite(rate):
        raise InputError(f"the optimizer's learning rate is {rate!r}, expected a number")
    return numbers, float(rate)


def _numbers(entry: Any, key: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """What Adam keeps of a parameter under `key`."""
    value = entry.get(key) if isinstance(entry, dict) else None
    found = None
    if isinstance(value, np.ndarray | np.number | int | float):
        found = np.shape(value)
    if found != shape:
        raise InputError(
            f"the optimizer's state of {name} has {key} of shape {found}, expected {shape}; only "
            "Adam's state can be taken over"
        )
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise InputError(
            f"the optimizer's state of {name} has {key} that is no finite number; only Adam's "
            "state can be taken over"
        )
    # A count of steps stays what it is: float32 has no odd numbers beyond 2 ** 24.
    return array.astype(np.float32) if shape else array
