"""A trained run that teaches another, and the videos on which it does."""

import dataclasses
import hashlib
import json

import numpy as np
from etils import epath
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from htt_jax.data import loader
from htt_jax.data.records import RecordSource
from htt_jax.data.unlabelled import WithUnlabelled
from htt_jax.datasets.spec import IN_IMAGES, NO_JOINTS
from htt_jax.devices import hosts, sharding
from htt_jax.runs.config import open_source
from htt_jax.runs.directory import Run, exists, newest_step, read
from htt_jax.runs.opening import TrainedRun, class_difference, open_run, view_difference
from htt_jax.runs.options import former_options_of, options_of
from htt_jax.support import trees
from htt_jax.support.errors import InputError

_OF_ANSWERS = ("model.", "data.frames", "data.spacing", "data.frame_rate", "data.camera")
"""Options, or the beginnings of their names, that decide what weights make of a video."""


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A run that can teach another.

    Attributes:
        run: the trained model.
        option: that named it, with its value.
        fingerprint: of its weights, and of what else decides what it says.
    """

    run: TrainedRun
    option: str
    fingerprint: str


def trained_on(config: ConfigDict, source: RecordSource) -> RecordSource:
    """The training split, or that and the videos without labels of `config.distill.data`.

    Raises:
        InputError: those cannot be opened, or do not fit.
    """
    directory = _named(config, "data")
    if not directory:
        return source
    others = config.copy_and_resolve_references()
    others.data.held_out = others.data.folds = 0  # of the labelled ones
    try:
        unlabelled = open_source(others, "train", directory)
    except InputError as error:
        raise InputError(f"config.distill.data={directory}: {error}") from None
    if config.data.folds and unlabelled.fingerprint == open_source(others, "train").fingerprint:
        raise InputError(
            f"config.distill.data={directory} is the dataset whose folds are trained on, with the "
            "one that is kept from training; name other videos, or leave it out"
        )
    return WithUnlabelled(source, unlabelled)


def open_teacher(
    config: ConfigDict, source: RecordSource, fingerprint: str | None = None
) -> Teacher | None:
    """The teacher that a config names, by its best checkpoint; None: it names none.

    Args:
        config: of the student.
        source: its labelled training split.
        fingerprint: that it must have; None: any.

    Raises:
        InputError: there is no such run, it is another one, or it cannot teach on `source`; hosts
            have several.
    """
    path = _named(config, "teacher")
    found = _opened(path, config, source) if path else None
    hosts.agree({"config.distill.teacher": found and found.fingerprint})
    if found and fingerprint and found.fingerprint != fingerprint:
        raise InputError(
            f"{found.option} is not as it was when it taught this run; name the one that did, or "
            "take a new --workdir"
        )
    return found


def _opened(path: str, config: ConfigDict, source: RecordSource) -> Teacher:
    option = f"config.distill.teacher={path}"
    if not exists(path):
        raise InputError(
            f"{option} is no trained run; name the folder of one (htt_jax.from_pytorch makes one "
            "of a file of weights)"
        )
    _check(option, read(path), config, source)
    run = open_run(path, None, sharding.make_mesh(fsdp=1))
    return Teacher(run, option, _fingerprint(run))


def taught_by(fingerprint: str | None, source: RecordSource) -> dict[str, str] | None:
    """What a run's description says of its teacher and of all videos that it is trained on."""
    if fingerprint is None:
        return None
    return {"teacher": fingerprint, "videos": source.fingerprint}


def no_longer_asked(config: ConfigDict, workdir: epath.PathLike, last_step: int) -> str | None:
    """The fingerprint of a teacher that a run which has ended was taught by; it may be gone.

    None: the run has not ended, or another teacher is named, or none.
    """
    path = _named(config, "teacher")
    if not path or not exists(workdir):
        return None
    there = read(workdir)
    is_over = _named(there.config, "teacher") == path and newest_step(workdir) >= last_step
    # The paths of hosts may differ: the first one's decides.
    if there.taught_by is None or not multihost_utils.broadcast_one_to_all(np.bool_(is_over)):
        return None
    return there.taught_by["teacher"]


def _named(config: ConfigDict, option: str) -> str:
    """What a config names of distillation; nothing in systems that cannot be taught."""
    return str(config.distill[option]) if "distill" in config else ""


def _check(option: str, run: Run, config: ConfigDict, source: RecordSource) -> None:
    """Checks that a run's answers are those that its student is to learn."""
    if run.config.system != config.system:
        raise InputError(
            f"{option} is of config.system={run.config.system}, the student of "
            f"config.system={config.system}; name a teacher of that system"
        )
    theirs, ours = run.config.data.camera, config.data.camera
    if theirs != ours:
        raise InputError(
            f"{option} looks through the {theirs} camera, in whose space its poses are, the "
            f"student has config.data.camera={ours}; name a teacher that looks through that one"
        )
    where = f"{option} cannot teach on {source.directory}"
    if difference := class_difference(run.dataset, source):
        raise InputError(f"{where}: {difference}; name a teacher of these joints and classes")
    try:
        loader.checked_size(source, run.dataset.image_size)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    if difference := view_difference(run.dataset, source):
        raise InputError(f"{where}: {difference}; name a teacher of frames of that shape")
    joints = run.dataset.spec.joints
    if config.distill.pose and joints in (IN_IMAGES, NO_JOINTS):
        raise InputError(
            f"{option} has learned no poses in space (its joints are known so: {joints}), and what "
            "it says of them is nothing to learn; set config.distill.pose=0, or name another"
        )


def _fingerprint(run: TrainedRun) -> str:
    """Of the weights, and of the options that decide what they make of a video."""
    told = trees.flatten(run.config.to_dict(), ".")
    # Only those that were set, so that an option that comes later changes no fingerprint.
    options = {
        option.name: told[option.name]
        for option in options_of(run.config.system)
        if option.name.startswith(_OF_ANSWERS)
        and option.compared
        and told[option.name] != option.default
    }
    former = (option.name for option in former_options_of(run.config.system))
    options |= {name: told[name] for name in former if name in told}
    content = hashlib.sha256(json.dumps([options, run.dataset.image_size]).encode())
    for name, x in sorted(trees.flatten(run.variables).items()):
        content.update(f"{name} {x.shape} {x.dtype}".encode())
        content.update(np.asarray(x).tobytes())
    return content.hexdigest()
