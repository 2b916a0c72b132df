"""Starting a run from a trained model, its own dataset's or another's."""

import sys
from collections.abc import Mapping
from typing import Any

import jax
from jax.sharding import Mesh

from htt_jax.interop.opening import open_any
from htt_jax.models.htt import HTT
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place
from htt_jax.systems import System

# The parts whose sizes depend on the joints or classes.
_OF_THE_DATASET = (
    "pose_head/output",
    "pose_to_action",
    "object_head/output",
    "object_to_action",
    "action_head",
    "verb_head",
    "noun_head",
    "forecaster/pose_change",
    "forecaster/action",
    "queries/joints",
)
# Those that only models with an option have, and what becomes of them where one of two has them.
_HEAD = ("has none: it starts random", "has one: it is left out")
_OPTIONAL = {
    **dict.fromkeys(("forecaster", "verb_head", "noun_head", "object_box_head"), _HEAD),
    "queries": (
        "has none: they start random, and add nothing before they are trained",
        "has some: they are left out, and what they added to poses and objects is missing",
    ),
}


def pretrained_model(
    path: str, system: System, expected: Mapping[str, Any], mesh: Mesh
) -> dict[str, Any]:
    """Variables of a trained model: of a run's best checkpoint, or of a file of weights.

    Parts that depend on the joints or classes are left out, with a line on stderr, where their
    sizes differ: a model may be fine-tuned for other actions than it was trained for. So are parts
    that only one of both has, being an option.

    Args:
        path: of the run's directory, or of the file.
        system: to be trained.
        expected: the variables to be filled, or their shapes.
        mesh: they lie on.

    Raises:
        InputError: it cannot be read, or is of another model.
    """
    source, model = open_any(path, None, mesh), system.model
    if not isinstance(source.model, HTT) or not isinstance(model, HTT):
        raise InputError(
            f"config.init.checkpoint={path} is a program that cannot be trained; name a run or a "
            "file of weights"
        )
    if source.model.backbone_name != model.backbone_name:
        raise InputError(
            f"config.init.checkpoint={path} has config.model.backbone={source.model.backbone_name},"
            f" here it is {model.backbone_name}; set config.model as it was trained"
        )
    if place(path).is_dir() and source.model.heads != model.heads:  # a file tells no heads
        raise InputError(
            f"config.init.checkpoint={path} has config.model.heads={source.model.heads}, here it "
            f"is {model.heads}; set config.model as it was trained"
        )
    found, wanted = trees.flatten(source.variables), trees.flatten(expected)
    found = _with_same_options(path, found, wanted)
    compared = {name for name in found.keys() | wanted.keys() if not _is_new(found, name)}
    other = {name for name in compared if not _same(found, wanted, name)}
    left_out = {part for part in _OF_THE_DATASET for name in other if f"/{part}/" in name}
    for name in sorted(other):
        if not any(f"/{part}/" in name for part in left_out):
            raise InputError(
                f"config.init.checkpoint={path} is of another model: {name} has shape "
                f"{_shape(found, name)} there, expected {_shape(wanted, name)}; set config.model "
                "as it was trained"
            )
    if left_out and jax.process_index() == 0:
        names = ", ".join(sorted(left_out))
        print(f"{path} has other joints or classes: {names} start random", file=sys.stderr)
    kept = {
        name: x for name, x in found.items() if not any(f"/{part}/" in name for part in left_out)
    }
    return trees.unflatten(kept)


def _with_same_options(
    path: str, found: Mapping[str, Any], wanted: Mapping[str, Any]
) -> dict[str, Any]:
    """What was found, without the optional parts that are not wanted; says which begin anew."""
    for part, (missing, unwanted) in _OPTIONAL.items():
        has, needs = (any(f"/{part}/" in name for name in tree) for tree in (found, wanted))
        if has != needs and jax.process_index() == 0:
            print(f"{path}, {part}: {missing if needs else unwanted}", file=sys.stderr)
    others = [part for part in _OPTIONAL if not any(f"/{part}/" in name for name in wanted)]
    return {name: x for name, x in found.items() if not any(f"/{part}/" in name for part in others)}


def _is_new(found: Mapping[str, Any], name: str) -> bool:
    """Whether it is of an optional part that the trained model does not have."""
    return any(
        f"/{part}/" in name and not any(f"/{part}/" in other for other in found)
        for part in _OPTIONAL
    )


def _same(found: Mapping[str, Any], wanted: Mapping[str, Any], name: str) -> bool:
    return name in found and name in wanted and found[name].shape == wanted[name].shape


def _shape(arrays: Mapping[str, Any], name: str) -> tuple[int, ...] | None:
    return arrays[name].shape if name in arrays else None
