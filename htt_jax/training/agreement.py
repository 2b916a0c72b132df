"""What the hosts of a run must have alike before its first step."""

from etils import epath
from ml_collections import ConfigDict

from htt_jax.datasets.facts import DatasetFacts
from htt_jax.devices import hosts
from htt_jax.runs import version
from htt_jax.runs.directory import exists
from htt_jax.runs.options import options_of
from htt_jax.support import trees


def on_inputs(
    config: ConfigDict, workdir: epath.PathLike, dataset: DatasetFacts, steps_per_epoch: int
) -> None:
    """Checks that code, config and dataset are the same on all hosts.

    Where files lie and how many loader processes there are may differ.

    Raises:
        InputError: they are not; names the first difference, and which host has what.
    """
    own = {option.name for option in options_of(config.system) if option.path} | {"data.workers"}
    options = trees.flatten(config.to_dict(), ".")
    hosts.agree(
        {
            # By name it comes before the options, of which other code may well have others.
            "code": f"{version.package_version()} with sources {version.sources()}",
            "dataset": f"{dataset.fingerprint}, {steps_per_epoch} steps an epoch",
            "run in --workdir": "there" if exists(workdir) else "missing",
            **{f"config.{name}": value for name, value in options.items() if name not in own},
        }
    )
