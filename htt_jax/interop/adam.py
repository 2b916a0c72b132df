"""The state of PyTorch's Adam, to and from the moments that optax keeps; NumPy only."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from htt_jax.errors import InputError
from htt_jax.interop import names, pytorch

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
    _check_options(groups[0])
    numbers = groups[0]["params"]
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
        _check_entry(entry, name, state_dict[name].shape)
        mean[name] = np.asarray(entry["exp_avg"], np.float32)
        square[name] = np.asarray(entry["exp_avg_sq"], np.float32)
        steps.append(int(entry["step"]))
    trees = (pytorch.to_params(moments) for moments in (mean, square))
    return Moments(max(steps), float(groups[0]["lr"]), *trees)


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


def _check_options(group: Mapping[str, Any]) -> None:
    for option, expected in _OPTIONS.items():
        found = group.get(option)
        is_off = not found and not expected  # as switches are that its version does not know
        if found != expected and not is_off:
            raise InputError(
                f"the optimizer's {option} is {found}, expected {expected}; only the state of Adam "
                "with PyTorch's defaults can be taken over"
            )


def _check_entry(entry: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> None:
    for key, expected in (("step", ()), ("exp_avg", shape), ("exp_avg_sq", shape)):
        found = np.shape(entry[key]) if key in entry else None
        if found != expected:
            raise InputError(
                f"the optimizer's state of {name} has {key} of shape {found}, expected {expected}; "
                "only Adam's state can be taken over"
            )
