"""What the hosts of a run must have alike before its first step."""

from etils import epath
from ml_collections import ConfigDict

from htt_jax.data.records import RecordSource
from htt_jax.data.unlabelled import WithUnlabelled
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.devices import hosts
from htt_jax.runs import version
from htt_jax.runs.directory import exists
from htt_jax.runs.options import options_of
from htt_jax.support import trees


def on_inputs(
    config: ConfigDict,
    workdir: epath.PathLike,
    dataset: DatasetFacts,
    source: RecordSource,
    steps_per_epoch: int,
) -> None:
    """Checks that code, config and dataset are the same on all hosts.

    Where files lie and how many loader processes there are may differ.

    Args:
        config: of the run.
        workdir: of the run.
        dataset: that it is trained on.
        source: all videos that it is trained on.
        steps_per_epoch: over them.

    Raises:
        InputError: they are not; names the first difference, and which host has what.
    """
    hosts.agree(facts(config, workdir, dataset, source, steps_per_epoch))


def facts(
    config: ConfigDict,
    workdir: epath.PathLike,
    dataset: DatasetFacts,
    source: RecordSource,
    steps_per_epoch: int,
) -> dict[str, object]:
    """All that must be the same, by what to call it; arguments are those of `on_inputs`."""
    own = {option.name for option in options_of(config.system) if option.path} | {"data.workers"}
    options = trees.flatten(config.to_dict(), ".")
    return {
        # By name it comes before the options, of which other code may well have others.
        "code": f"{version.package_version()} with sources {version.sources()}",
        "dataset": f"{dataset.fingerprint}, {steps_per_epoch} steps an epoch",
        **_taught(config, source),
        "run in --workdir": "there" if exists(workdir) else "missing",
        **{f"config.{name}": value for name, value in options.items() if name not in own},
    }


def _taught(config: ConfigDict, source: RecordSource) -> dict[str, str]:
    """Of options whose paths may differ, what may not."""
    named = "named" if "distill" in config and config.distill.teacher else "not named"
    of_others = isinstance(source, WithUnlabelled) and source.unlabelled.fingerprint
    return {"config.distill.teacher": named, "config.distill.data": of_others or "not named"}
