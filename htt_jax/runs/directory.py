"""A run's directory: what was trained, on what, so that later commands need nothing else.

`run.json` (config and dataset facts), `checkpoints/`, `metrics.jsonl`, `tensorboard/`.
"""

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from htt_jax.data.known_joints import known_joints
from htt_jax.data.records import RecordSource
from htt_jax.datasets import spec as datasets
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.runs.options import get_config, options_of, without_derived
from htt_jax.runs.schema import check
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write, check_writable
from htt_jax.support.locking import locked
from htt_jax.support.paths import is_bucket, place

CHECKPOINTS = "checkpoints"
_RUN_FILE = "run.json"
_WHOLE = "commit_success.txt"  # the last file of a checkpoint that Orbax writes to a bucket


@dataclasses.dataclass(frozen=True)
class Run:
    """The content of `run.json`.

    Attributes:
        config: the run's options.
        dataset: it is trained on.
        steps_per_epoch: None where it is not known.
        imported_from: the file of weights it began as; None if it was begun here.
        trained_by: version and commit of the code; None where it is not known.
        taught_by: fingerprints of the `teacher` of a student, and of all `videos` it is trained on,
            also those without labels; None: it has no teacher.
    """

    config: ConfigDict
    dataset: DatasetFacts
    steps_per_epoch: int | None = None
    imported_from: str | None = None
    trained_by: str | None = None
    taught_by: dict[str, str] | None = None


@dataclasses.dataclass(frozen=True)
class ExportedFacts:
    """What the description in an exported file says besides that of the run.

    Attributes:
        step: of the checkpoint.
        adam_steps: that Adam had taken; None in a file without its moments.
    """

    step: int | None
    adam_steps: int | None


def dataset_facts(source: RecordSource, image_size: tuple[int, int] | None) -> DatasetFacts:
    """Facts of a training split whose frames are loaded at `image_size` (None: as stored).

    Of joints they say what that split knows, from which a run learns them.
    """
    return DatasetFacts(
        spec=dataclasses.replace(source.spec, joints=known_joints(source)),
        action_names=tuple(source.action_names),
        object_names=tuple(source.object_names),
        image_size=tuple(image_size or source.image_size),  # type: ignore[arg-type]
        fingerprint=source.fingerprint,
    )


def exists(workdir: epath.PathLike) -> bool:
    """Whether there is a run in `workdir`, which a start that came to no checkpoint leaves none."""
    return (place(workdir) / _RUN_FILE).exists() and newest_step(workdir) >= 0


def newest_step(workdir: epath.PathLike) -> int:
    """Of the newest checkpoint in `workdir` that was written to its end; -1: there is none.

    On disk those that are still being written have longer names; in a bucket, where nothing can be
    renamed, they lack a mark.
    """
    directory = place(workdir) / CHECKPOINTS
    whole = (
        int(entry.name)
        for entry in (directory.iterdir() if directory.exists() else ())
        if entry.name.isdigit() and (not is_bucket(entry) or (entry / _WHOLE).exists())
    )
    return max(whole, default=-1)


def read(workdir: epath.PathLike) -> Run:
    """The run in `workdir`.

    Raises:
        InputError: there is none, or its file cannot be read.
    """
    path = place(workdir) / _RUN_FILE
    if not path.exists():
        raise InputError(
            f"no run in {workdir}: {path} is missing; give a --workdir of htt_jax.train or "
            "htt_jax.from_pytorch"
        )
    return from_json(path.read_text(), str(path))


def from_json(text: str, where: str) -> Run:
    """The run that `to_json` described.

    Raises:
        InputError: it did not; names `where`.
    """
    content = _checked(text, where)
    facts = content["dataset"]
    dataset = DatasetFacts(
        spec=datasets.recorded(facts),
        action_names=tuple(facts["action_names"]),
        object_names=tuple(facts["object_names"]),
        image_size=tuple(facts["image_size"]),
        fingerprint=facts.get("fingerprint"),
    )
    # Options that came later are as they were before there was a choice.
    system = content["config"].get("system", "htt")
    defaults = json.loads(get_config(system).to_json())
    config = trees.flatten(defaults, ".") | trees.flatten(content["config"], ".")
    config = without_derived(config, dataset.image_size[0])
    return Run(
        ConfigDict(trees.unflatten(config, ".")),
        dataset,
        steps_per_epoch=content.get("steps_per_epoch"),
        imported_from=content.get("imported_from"),
        trained_by=content.get("trained_by"),
        taught_by=content.get("taught_by"),
    )


def exported_facts(text: str, where: str) -> ExportedFacts:
    """What an export adds to the description of its run.

    Raises:
        InputError: as `from_json`.
    """
    content = _checked(text, where)
    return ExportedFacts(content.get("step"), content.get("adam_steps"))


def _checked(text: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
        check(content)
    except ValueError as error:
        raise InputError(f"{where} is not the description of a run: {error}") from error
    return content


def to_json(run: Run) -> str:
    """The run's description, readable by people."""
    content = {
        "config": run.config.to_dict(),
        "dataset": {"name": run.dataset.name} | dataclasses.asdict(run.dataset),
        "steps_per_epoch": run.steps_per_epoch,
        "imported_from": run.imported_from,
        "trained_by": run.trained_by,
        "taught_by": run.taught_by,
    }
    return json.dumps(content, indent=2)


def check_workdir(workdir: epath.PathLike) -> None:
    """Checks, before the work, that a run can be written to `workdir`; makes nothing.

    Raises:
        InputError: it is not named, or cannot be written to, or its bucket cannot be reached.
    """
    if not os.fspath(workdir):  # which is the current folder, as a path
        raise InputError("no folder for the run: --workdir is empty; name one")
    check_holds_checkpoints(workdir)
    check_writable(place(workdir), "--workdir")


def check_holds_checkpoints(workdir: epath.PathLike) -> None:
    """Checks that checkpoints can be in a place of this kind.

    Raises:
        InputError: they cannot: Orbax would take the address for a folder on disk.
    """
    if is_bucket(workdir) and not os.fspath(workdir).startswith("gs://"):
        raise InputError(
            f"{workdir} cannot be a run's folder: checkpoints can be on disk and in gs://; name a "
            "folder there (data and exports may be in other buckets)"
        )


@contextlib.contextmanager
def claimed(workdir: epath.PathLike) -> Iterator[None]:
    """Keeps other starts of training away from `workdir`, unless it is in a bucket.

    Process 0 does, for all processes of this start.

    Raises:
        InputError: another start has it.
    """
    with contextlib.ExitStack() as stack:
        refusal = None
        if jax.process_index() == 0:
            try:
                stack.enter_context(locked(workdir))
            except InputError as error:
                refusal = error
        if multihost_utils.process_allgather(np.bool_(refusal is not None)).any():
            raise refusal or InputError(f"process 0 cannot have {workdir} for itself")
        yield


def start(workdir: epath.PathLike, run: Run) -> None:
    """Checks that a run already there is the same, and writes `run.json` (process 0).

    Options that may differ are written anew, so that later commands see those in use. Call it
    before the first checkpoint is saved, so that none is ever without its description.

    Raises:
        InputError: it is another run; names the first difference.
    """
    path = place(workdir) / _RUN_FILE
    if exists(workdir):
        there = read(workdir)
        run = dataclasses.replace(run, imported_from=there.imported_from)
        _check_same(workdir, there, run)
    if jax.process_index() > 0:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, "w") as file:
        file.write(to_json(run))


def _check_same(workdir: epath.PathLike, there: Run, here: Run) -> None:
    if there.dataset.fingerprint is None:
        raise InputError(
            f"{workdir} was imported without a dataset to train on; import it again with --data, "
            f"or begin a new run with its weights: --config.init.checkpoint={workdir}"
        )
    before, now = (trees.flatten(json.loads(to_json(run)), ".") for run in (there, here))
    free = {f"config.{option.name}" for option in options_of(here.config.system) if option.free}
    free |= {"steps_per_epoch", "trained_by"}
    for name in sorted(before.keys() | now.keys()):
        # What a dataset says it is follows from its name and the fingerprint of its records.
        is_free = name in free or name.startswith("dataset.spec.")
        if before.get(name) != now.get(name) and not is_free:
            raise InputError(
                f"{workdir} holds another run: {name} is {before.get(name)!r} there and "
                f"{now.get(name)!r} here; continue it as it was, or take a new --workdir"
            )
