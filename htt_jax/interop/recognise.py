"""What kind of model a state dict is of, its sizes, and what is wrong with it."""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from htt_jax.interop import names
from htt_jax.models import backbones
from htt_jax.models.htt import HTT
from htt_jax.support.errors import InputError

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]

_MOST_LISTED = 20
# The tensor whose first axis tells a size of the model.
_SIZES = {
    "num_actions": "action_classification.classifier.weight",
    "num_objects": "obj_classification.classifier.weight",
    "mlp_width": "transformer_pose.encoder.layers.0.linear1.weight",
}
_FLATTENED = re.compile(r"(.*\.)?_?flat_param(_\d+)?")  # of FSDP and FairScale
_COORDINATES = "image_to_hand_pose.mlp.4.weight"


def model_sizes(shapes: Shapes) -> dict[str, Any]:
    """The attributes of `models.htt.HTT` that shapes tell; the paper's where a tensor is missing.

    Heads, window and the scales of the pose are not among them: no tensor depends on those.
    """
    found = {
        field: shapes[name][0] if shapes.get(name) else getattr(HTT, field)
        for field, name in _SIZES.items()
    }
    coordinates = shapes[_COORDINATES][0] if shapes.get(_COORDINATES) else 3 * HTT.num_joints
    layers = count_layers(shapes)
    backbone = names.backbone_of(shapes, names.BACKBONE)
    backbone_width = _backbone_width(shapes, backbone)
    projection = shapes.get(f"{names.PROJECTION}.weight")
    features = backbones.make(backbone, backbone_width).features
    return found | {
        "num_joints": coordinates // 3,
        "width": projection[0] if projection else features,
        "backbone_name": backbone,
        "backbone_width": backbone_width,
        "pose_layers": layers["transformer_pose"] or HTT.pose_layers,
        "action_layers": layers["transformer_action"] or HTT.action_layers,
    }


def _backbone_width(shapes: Shapes, backbone: str) -> int:
    if backbone == backbones.RESNET18:
        first = shapes.get(f"{names.BACKBONE}conv1.weight")
        return first[0] if first else HTT.backbone_width
    *_, last = names.backbone_entries(backbone, names.BACKBONE)
    features = shapes.get(last.name)
    return backbones.width_of(backbone, features[0]) if features else HTT.backbone_width


def count_layers(shapes: Mapping[str, object]) -> dict[str, int]:
    """How many layers each encoder has, by its PyTorch name."""
    # As many as there are names for, so that no number in a name makes a model of that size.
    found: dict[str, set[str]] = {name: set() for name in names.ENCODERS}
    for name in shapes:
        match = re.match(r"(\w+)\.encoder\.layers\.(\d+)\.", name)
        if match and match[1] in found:
            found[match[1]].add(match[2])
    return {name: len(numbers) for name, numbers in found.items()}


def check(found: Shapes, expected: Shapes, *, what: str, where: str) -> None:
    """Checks that `found` is `expected`, but for tensors that no output depends on.

    Args:
        found: names and shapes in the file.
        expected: those of the model.
        what: the model, for the message.
        where: the file, for the message.

    Raises:
        InputError: it is another model, or tensors are missing, unexpected or wrongly shaped;
            names them with their shapes.
    """
    wanted = {name: shape for name, shape in expected.items() if not names.is_unused(name)}
    there = {name: shape for name, shape in found.items() if not names.is_unused(name)}
    if len(wanted.keys() & there.keys()) < len(wanted) / 2:
        raise InputError(_another_model(found, what, where))
    wrong = {
        "missing": [f"{name} {wanted[name]}" for name in wanted.keys() - there.keys()],
        "not expected": [f"{name} {there[name]}" for name in there.keys() - wanted.keys()],
        "wrongly shaped": [
            f"{name} {there[name]}, expected {wanted[name]}"
            for name in wanted.keys() & there.keys()
            if there[name] != wanted[name]
        ],
    }
    if any(wrong.values()):
        parts = [
            f"{kind}: {_listed(sorted(entries))}" for kind, entries in wrong.items() if entries
        ]
        raise InputError(
            f"{where} does not hold the tensors of {what}; {'; '.join(parts)}; take a whole "
            "checkpoint of that model"
        )


def check_numbers(state_dict: Mapping[str, np.ndarray], where: str) -> None:
    """Checks that the tensors that outputs depend on hold finite real numbers.

    Raises:
        InputError: names those that do not, and `where`.
    """
    wrong = []
    for name, x in sorted(state_dict.items()):
        if names.is_unused(name):
            continue
        if not np.issubdtype(x.dtype, np.floating):
            wrong.append(f"{name} ({x.dtype})")
        elif not np.isfinite(x).all():
            wrong.append(f"{name} (not finite)")
    if wrong:
        raise InputError(
            f"{where} holds tensors that are no finite floating-point numbers: {_listed(wrong)}; "
            "take a checkpoint of a model that computes"
        )


_TRAIN = "--config.model.backbone={} --config.init.backbone=FILE"


def _another_model(found: Shapes, what: str, where: str) -> str:
    if "layer1.0.conv1.weight" in found:
        depth = "ResNet of bottleneck blocks" if "layer1.0.conv3.weight" in found else "ResNet"
        kind = f"an ImageNet {depth}"
        hint = f"; a ResNet-18 goes to training with {_TRAIN.format(backbones.RESNET18)}"
    elif _is_mobile(found):
        backbone = names.backbone_of(found)
        kind, hint = f"an ImageNet {backbone}", f"; train with {_TRAIN.format(backbone)}"
    elif any(name.startswith("transformer_action.") for name in found):
        kind, hint = "a whole HTT", "; a whole HTT goes to training with --config.init.checkpoint"
    elif any(_FLATTENED.fullmatch(name) for name in found):
        kind = "tensors that FSDP or FairScale has flattened"
        hint = "; save a full state dict, whose tensors have the model's names"
    else:
        kind = f"another model ({_listed(sorted(found), most=3)})"
        hint = "; name a checkpoint of that model"
    return f"{where} does not hold {what} but {kind}{hint}"


def _is_mobile(found: Shapes) -> bool:
    """Whether most tensors are there of a backbone that is not the published one."""
    entries = [*names.backbone_entries(names.backbone_of(found))]
    return sum(entry.name in found for entry in entries) > len(entries) / 2


def _listed(entries: list[str], most: int = _MOST_LISTED) -> str:
    rest = f" and {len(entries) - most} more" if len(entries) > most else ""
    return ", ".join(entries[:most]) + rest
