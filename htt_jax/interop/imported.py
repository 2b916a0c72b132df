"""A file of PyTorch weights as a run: the model it is of, what it was trained on, how far."""

import dataclasses
import functools
import pathlib
from typing import Any

from ml_collections import ConfigDict

from htt_jax.data import loader
from htt_jax.data.clips import ClipSpec
from htt_jax.data.records import RecordSource
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import COMPLETE, SPECS, STORED_SIZE, DatasetSpec
from htt_jax.interop import adam, pytorch, weights
from htt_jax.interop.weights import WeightFile
from htt_jax.models.htt.frames import ACTION_INPUTS
from htt_jax.runs.config import check_options, clip_spec, expand_paths, open_source
from htt_jax.runs.directory import Run, dataset_facts, exported_facts, from_json
from htt_jax.runs.options import former_options_of, get_config
from htt_jax.support.errors import InputError
from htt_jax.support.files import sha256

# Read off the shapes, whatever a config says.
_SIZES = ("width", "mlp_width", "pose_layers", "action_layers", "backbone_width")


@dataclasses.dataclass(frozen=True)
class Imported:
    """What a file of weights holds.

    Attributes:
        file: it was read from.
        variables: of the model, NumPy arrays.
        sizes: attributes of `models.htt.HTT` that the shapes tell.
        moments: Adam's; None if the file has none.
        note: why there are none to go on with; empty if there are some.
    """

    file: WeightFile
    variables: dict[str, Any]
    sizes: dict[str, Any]
    moments: adam.Moments | None
    note: str

    @property
    def spec(self) -> DatasetSpec:
        """The dataset it says it was trained on, else the known one that fits.

        Raises:
            InputError: none fits, or several do.
        """
        if self.exported_run:
            return self.exported_run.dataset.spec
        joints = self.sizes["num_joints"]
        fitting = [spec for spec in SPECS.values() if spec.num_joints == joints]
        if len(fitting) > 1:
            fitting = [spec for spec in fitting if self._has_classes_of(spec)] or fitting
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            titles = " and ".join(spec.title for spec in fitting)
            reason = f"{joints} joints, as {titles} have, and its classes do not tell which it is"
        else:
            known = ", ".join(f"{spec.num_joints} ({spec.title})" for spec in SPECS.values())
            reason = f"{joints} joints, expected {known}"
        raise InputError(
            f"{self.file.path} is of {reason}; name the prepared dataset it was trained on: "
            f"`python -m htt_jax.from_pytorch {self.file.path} --data DATASET`"
        )

    def _has_classes_of(self, spec: DatasetSpec) -> bool:
        numbers = (self.sizes["num_actions"], self.sizes["num_objects"])
        return numbers == (len(spec.action_names), len(spec.object_names))

    @functools.cached_property
    def step(self) -> int | None:
        """Updates done, if the file was exported from a run here and not trained since."""
        if self.file.description is None:
            return None
        facts = exported_facts(self.file.description, self.file.path)
        if self.moments and self.moments.steps != facts.adam_steps:
            return None  # the description is the export's, the rest is not any more
        return facts.step

    @functools.cached_property
    def exported_run(self) -> Run | None:
        """The run here that the file was exported from."""
        if self.file.description is None:
            return None
        return from_json(self.file.description, self.file.path)

    def for_optimizer(self, name: str) -> "Imported":
        """Without the moments where training goes on by another optimizer than Adam."""
        if self.moments is None or name == "adam":
            return self
        note = (
            f"config.training.optimizer={name} does not go on with Adam's; to go on with them, "
            "import the file with --config.training.optimizer=adam"
        )
        return dataclasses.replace(self, moments=None, note=note)

    def misfits(self, dataset: DatasetFacts | RecordSource) -> dict[str, tuple[int, int]]:
        """The numbers that differ from a dataset's: the weights' and the dataset's, by name."""
        there = {
            "num_joints": dataset.spec.num_joints,
            "num_actions": len(dataset.action_names),
            "num_objects": len(dataset.object_names),
        }
        return {
            name: (self.sizes[name], number)
            for name, number in there.items()
            if self.sizes[name] != number
        }

    def default_config(self, source: RecordSource | None = None) -> ConfigDict:
        """The paper's config for a dataset, with what the file was exported with.

        Args:
            source: the dataset; None for the one that the file tells.

        Raises:
            InputError: there is no `source`, and the file does not tell.
        """
        spec = self.spec if source is None else source.spec
        config = get_config()
        config.data.directory = f"data/{spec.name}"
        config.eval.split = spec.evaluation_split
        config.model.dtype = "float32"  # as PyTorch computed with these weights
        if self.exported_run:
            config.update(self.exported_run.config)  # keeps types that JSON has not, as of tuples
        return config


def read(path: str) -> Imported:
    """Reads a checkpoint of HTT in PyTorch's names.

    Raises:
        InputError: it cannot be read, or is not a whole HTT.
    """
    file = weights.read(path)
    variables = pytorch.to_variables(file.tensors, path)
    sizes = pytorch.model_sizes(file.tensors)
    moments, note = _moments(file)
    return Imported(file, variables, sizes, moments, note)


def make_run(imported: Imported, config: ConfigDict, source: RecordSource | None) -> Run:
    """The description of a run that has come as far as the file.

    Args:
        imported: the file.
        config: what the shapes cannot tell: heads, window, clips, training.
        source: the training split; None where there is none.

    Raises:
        InputError: config or dataset do not fit the weights.
    """
    config = config.copy_and_resolve_references()
    expand_paths(config)
    for name in _SIZES:
        config.model[name] = imported.sizes[name]
    config.model.backbone = imported.sizes["backbone_name"]
    for name in ("teacher", "data", "cache"):
        config.distill[name] = ""  # of the run it was, whose teacher is elsewhere
    if not imported.exported_run:  # the published code's scales are the same at every image size
        with config.unlocked():
            published = {option.name: option.default for option in former_options_of("htt")}
            config.update_from_flattened_dict(published)
    _check_config(config, imported.file.path)
    check_options(config)
    origin, before = _origin(imported.file), imported.exported_run
    trained_by = before.trained_by if before else None
    if source is not None:
        _check_dataset(imported, source)
        config.data.directory = str(source.directory)
        seen = open_source(config, "train")
        steps_per_epoch = loader.steps_per_epoch(seen, clip_spec(config), config.batch_size)
        dataset = _as_learned(dataset_facts(source, config.data.image_size), before)
        return Run(config, dataset, steps_per_epoch, origin, trained_by)
    if before:
        _check_description(imported, before)
    dataset = _as_learned(before.dataset if before else _assumed_dataset(imported), before)
    if config.data.image_size:
        dataset = dataclasses.replace(dataset, image_size=tuple(config.data.image_size))
    same_epochs = before and _epoch_options(before.config) == _epoch_options(config)
    return Run(
        config,
        dataset,
        before.steps_per_epoch if before and same_epochs else None,
        origin,
        trained_by,
    )


def _epoch_options(config: ConfigDict) -> tuple[ClipSpec, int, str]:
    """What the number of steps of an epoch depends on, besides the dataset."""
    return clip_spec(config), config.batch_size, config.distill.data


def _moments(file: WeightFile) -> tuple[adam.Moments | None, str]:
    if file.optimizer is None:
        return None, "the file has no optimizer's state, or several"
    try:
        return adam.from_torch(file.optimizer, file.tensors), ""
    except InputError as error:
        return None, str(error)


def _check_config(config: ConfigDict, path: str) -> None:
    """The published layout has all parts of the model."""
    inputs = tuple(config.model.action_inputs)
    for name, fits in (
        ("window", config.model.window > 1),
        ("cascaded", config.model.cascaded),
        ("action_inputs", set(inputs) == set(ACTION_INPUTS)),
        ("object_box", not config.model.object_box),
        ("verb_noun", not config.model.verb_noun),
        ("forecast", not config.model.forecast),
        ("spatial", config.model.spatial == "pool"),
    ):
        if not fits:
            raise InputError(
                f"config.model.{name}={config.model[name]} does not fit {path}: it holds the "
                "whole published model; leave the option as it is"
            )


def _check_dataset(imported: Imported, source: RecordSource) -> None:
    for name, (found, there) in imported.misfits(source).items():
        raise InputError(
            f"{imported.file.path} has {name} {found}, the dataset in {source.directory} {there}; "
            "name the dataset it was trained on with --data"
        )


def _check_description(imported: Imported, described: Run) -> None:
    for name, (found, there) in imported.misfits(described.dataset).items():
        raise InputError(
            f"{imported.file.path} has {name} {found}, its description in the field 'htt_jax' "
            f"{there}: it is of other weights; remove that field, or name the dataset the weights "
            "were trained on with --data"
        )


def _assumed_dataset(imported: Imported) -> DatasetFacts:
    """The known dataset that fits, and its classes if their numbers are right."""
    spec, sizes = imported.spec, imported.sizes
    actions, objects = spec.action_names, spec.object_names
    if len(actions) != sizes["num_actions"]:
        actions = tuple(f"action {i}" for i in range(sizes["num_actions"]))
    if len(objects) != sizes["num_objects"]:
        objects = tuple(f"object {i}" for i in range(sizes["num_objects"]))
    return DatasetFacts(spec, actions, objects, STORED_SIZE, fingerprint=None)


def _as_learned(facts: DatasetFacts, before: Run | None) -> DatasetFacts:
    """`facts`, with the joints that the weights have learned, whatever the labels know.

    Files that tell of no run are of the published code, which learns whole hands in space alone.
    """
    if before is None:
        return dataclasses.replace(facts, spec=dataclasses.replace(facts.spec, joints=COMPLETE))
    of_run = before.dataset.spec
    spec = dataclasses.replace(facts.spec, joints=of_run.joints, fitted_joints=of_run.fitted_joints)
    return dataclasses.replace(facts, spec=spec)


def _origin(file: WeightFile) -> str:
    epoch = "" if file.epoch is None else f", epoch {file.epoch}"
    return f"{pathlib.Path(file.path).name}{epoch}, SHA-256 {sha256(file.path)}"
