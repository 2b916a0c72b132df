"""HTT (CVPR 2023): frames, in colour or of depth, poses over windows, the action over the clip."""

import dataclasses
import sys
from typing import TypeVar

import jax
from ml_collections import ConfigDict

from htt_jax.augment import AugmentOptions
from htt_jax.data.actions import class_weights
from htt_jax.data.clips import ClipSpec
from htt_jax.data.decode import RGB
from htt_jax.data.depth_maps import DEPTH
from htt_jax.data.known_joints import known_joints
from htt_jax.data.object_labels import with_boxes
from htt_jax.data.records import RecordSource
from htt_jax.datasets import verbs
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import COMPLETE, IN_IMAGES, NO_JOINTS
from htt_jax.datasets.verbs import VerbsAndNouns
from htt_jax.devices import dtypes, sharding
from htt_jax.losses import LossWeights
from htt_jax.models.htt import HTT
from htt_jax.models.htt.frames import BOX, pose_scales
from htt_jax.support.errors import InputError
from htt_jax.support.words import counted
from htt_jax.systems.htt.distillation import Distillation
from htt_jax.systems.htt.options import OPTIONS
from htt_jax.systems.htt.system import HTTSystem

__all__ = ["OPTIONS", "check", "check_source", "for_training", "make"]

_Options = TypeVar("_Options")


def check(config: ConfigDict) -> None:
    """Checks what no single option can tell.

    Raises:
        InputError: the tokens cannot be split among the heads, an option has nothing to work on, or
            a forecast has no room in a clip.
    """
    width, heads = config.model.width, config.model.heads
    if width % heads or width % 2:  # half of the position table is sines, half cosines
        raise InputError(
            f"config.model.width={width} must be even and a multiple of config.model.heads={heads}"
        )
    for name in ("action_over_time", "action_at_cut"):
        if config.loss[name] and config.data.frames == config.model.window:
            raise InputError(
                f"config.loss.{name}={config.loss[name]} needs clips of several windows; "
                f"config.data.frames={config.data.frames} is one, take more frames"
            )
    if config.training.token_dropout and not _droppable(config):
        raise InputError(
            f"config.training.token_dropout={config.training.token_dropout} needs an action block "
            f"that is told poses or objects; config.model.cascaded={config.model.cascaded}, "
            f"config.model.action_inputs={tuple(config.model.action_inputs)}"
        )
    if BOX in config.model.action_inputs and not config.model.object_box:
        raise InputError(
            f"config.model.action_inputs={tuple(config.model.action_inputs)}: the action block "
            'cannot be told the "box" that config.model.object_box=False does not estimate; set '
            "--config.model.object_box=True"
        )
    forecast, window, frames = config.model.forecast, config.model.window, config.data.frames
    if forecast > frames - window:
        raise InputError(
            f"config.model.forecast={forecast} must be at most {frames - window}: a clip of "
            f"config.data.frames={frames} has no more after its first window of {window}"
        )
    _check_distillation(config)


def _check_distillation(config: ConfigDict) -> None:
    distill = config.distill
    if distill.data and not distill.teacher:
        raise InputError(
            f"config.distill.data={distill.data}: nobody says anything of videos without labels; "
            "name a config.distill.teacher"
        )
    if distill.cache and not distill.teacher:
        raise InputError(
            f"config.distill.cache={distill.cache}: there are no answers to keep without a "
            "teacher; name a config.distill.teacher, or leave it out"
        )
    if distill.data and not config.mask_unannotated_hands:
        raise InputError(
            f"config.distill.data={distill.data}: config.mask_unannotated_hands=False would take "
            "the hands of videos without labels for annotated ones; set it to True"
        )
    names = ("pose", "object", "action", "tokens")
    if distill.teacher and not any(distill[name] for name in names):
        raise InputError(
            f"config.distill.teacher={distill.teacher} teaches nothing: all of config.distill."
            f"{{{','.join(names)}}} are 0; set one above, or name no teacher"
        )
    if distill.data and config.data.balance != "none":
        raise InputError(
            f"config.data.balance={config.data.balance}: the actions of the videos in "
            f"config.distill.data={distill.data} are not known; leave one of the two out, or take "
            "config.loss.class_weights=balanced"
        )
    if distill.teacher and distill.action and config.model.verb_noun:
        raise InputError(
            "config.model.verb_noun=True: a teacher's action would teach the action's own head, "
            "not its product with verb and noun, which is the answer; set "
            "config.distill.action=0 or config.model.verb_noun=False"
        )


def check_source(config: ConfigDict, source: RecordSource) -> None:
    """Checks that forecasts and the object's box can be learned from a training split.

    Raises:
        InputError: no video goes on after a window, there are no joints in space or no boxes, or
            hands that are not annotated would be taken for annotated ones.
    """
    if not config.mask_unannotated_hands and source.spec.joints != COMPLETE:
        raise InputError(
            f"config.mask_unannotated_hands=False: of {source.directory} joints are not all known "
            f"({source.spec.joints}), and what is not would be learned as zeros; set it to True"
        )
    if config.model.object_box and not source.spec.object_boxes:
        raise InputError(
            f"config.model.object_box=True: {source.directory} has no object boxes; prepare the "
            "dataset again with its poses of objects, or take config.model.object_box=False"
        )
    if config.model.forecast and (known := known_joints(source)) in (IN_IMAGES, NO_JOINTS):
        raise InputError(
            f"config.model.forecast={config.model.forecast}: forecasts are of joints in space, of "
            f"which split {source.split!r} of {source.directory} knows none ({known}); take "
            "config.model.forecast=0"
        )
    spacing, window = config.data.spacing, config.model.window
    longest, needed = int(source.frame_counts.max()), window * spacing + 1
    if config.model.forecast and longest < needed:
        raise InputError(
            f"config.model.forecast={config.model.forecast} has no future to learn from: after a "
            f"window of {window} frames, config.data.spacing={spacing} apart, a video goes on if "
            f"it has {needed} frames, and the longest of split {source.split!r} has {longest}; "
            "take a smaller config.model.window or spacing, or config.model.forecast=0"
        )


def make(config: ConfigDict, dataset: DatasetFacts) -> HTTSystem:
    """The system of `config` for the joints and classes of `dataset`.

    Raises:
        InputError: `model.verb_noun` is asked of actions whose names have no verbs and nouns.
    """
    options = pose_scales(dataset.image_size[0]) | config.model.to_dict()
    options |= {
        "dtype": dtypes.resolve(config.model.dtype),
        "action_inputs": tuple(config.model.action_inputs),
        "side_by_side": sharding.all_devices()[0].platform == "tpu",
    }
    if options.pop("verb_noun"):
        parts = _verbs_and_nouns(dataset)
        options |= {"verbs": parts.verb_of_action, "nouns": parts.noun_of_action}
    options["backbone_name"] = options.pop("backbone")
    reader = DEPTH if config.data.camera == "depth" else RGB
    model = HTT(
        num_joints=dataset.spec.num_joints,
        num_actions=len(dataset.action_names),
        num_objects=len(dataset.object_names),
        **options,
    )
    return HTTSystem(
        model,
        _from_section(LossWeights, config.loss),
        _from_section(AugmentOptions, config.augment) if config.augment.enabled else None,
        config.mask_unannotated_hands,
        with_boxes(reader) if config.model.object_box else reader,
        config.training.token_dropout,
        _from_section(Distillation, config.distill) if config.distill.teacher else None,
        frozen=tuple(filter(None, map(str.strip, config.training.frozen.split(",")))),
        optimizer_name=config.training.optimizer,
    )


def for_training(
    config: ConfigDict, system: HTTSystem, source: RecordSource, clips: ClipSpec
) -> HTTSystem:
    """The system with the weights of the actions in a training split; says which they are.

    Raises:
        InputError: an action has no video there, or a video's is not known.
    """
    if config.loss.class_weights == "none":
        return system
    option = f"config.loss.class_weights={config.loss.class_weights}"
    weights = class_weights(source, clips, option)
    if jax.process_index() == 0:
        least, most = int(weights.argmin()), int(weights.argmax())
        said = (f"{weights[n]:.3g} ({source.action_names[n]})" for n in (least, most))
        print(f"class weights: {' to '.join(said)}", file=sys.stderr)
    return dataclasses.replace(system, action_weights=tuple(weights.tolist()))


def _droppable(config: ConfigDict) -> set[str]:
    """The inputs of the action block that it can do without."""
    known = {"pose", "object", BOX}
    return known & set(config.model.action_inputs) if config.model.cascaded else set()


def _verbs_and_nouns(dataset: DatasetFacts) -> VerbsAndNouns:
    found = verbs.of_actions(dataset.action_names, dataset.spec)
    if not found.factorise:
        raise InputError(
            f"config.model.verb_noun=True: the {len(dataset.action_names)} actions of "
            f"{dataset.spec.title} have {counted(len(found.verbs), 'verb')} and "
            f"{counted(len(found.nouns), 'noun')} in their names; expected several of both, some "
            "of them shared by actions; leave the option out"
        )
    return found


def _from_section(cls: type[_Options], section: ConfigDict) -> _Options:
    """A dataclass from the options of its fields' names."""
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    return cls(**{name: section[name] for name in names})
