"""Trains on Cloud TPU VMs (v2 to v6e), from one host to slices of many, spot or not.

    python -m jobs.tpu_vm run --name=fpha --zone=us-west4-a --spot \\
        --accelerator-type=v5litepod-16 -- \\
        --config=configs/fpha.py --workdir=gs://BUCKET/runs/fpha \\
        --config.data.directory=gs://BUCKET/fpha --config.data.local_copy=~/data \\
        --config.batch_size=32 --config.eval.batch_size=32
    python -m jobs.tpu_vm follow --name=fpha --zone=us-west4-a
    python -m jobs.tpu_vm delete --name=fpha --zone=us-west4-a

run asks for the machines (a queued resource), waits for them, installs the code as it is committed,
starts the training on all hosts, and looks after it: when the machines are preempted they are
deleted and made anew and the same command continues. It can be stopped (Ctrl-C) and started again
at any time; the training does not need it. It ends when the training does; the machines cost until
delete, which lets a training save first.

What stands behind -- are the options of htt_jax.train; the workdir must be in a bucket or on a disk
that all hosts mount. The TPU service account must be allowed to use the bucket.
"""

import argparse
import pathlib
from collections.abc import Sequence

from jobs import command, hosts
from jobs.command import Answer, CommandFailed, Shell
from jobs.hosts import State

_RUNTIMES = {
    "v2": "tpu-ubuntu2204-base",
    "v3": "tpu-ubuntu2204-base",
    "v4": "tpu-ubuntu2204-base",
    "v5litepod": "v2-alpha-tpuv5-lite",
    "v5p": "v2-alpha-tpuv5",
    "v6e": "v2-alpha-tpuv6e",
}
"""Of each kind of TPU: the system image that Google names for JAX."""

_STATES = {
    "ACTIVE": State.READY,
    "FAILED": State.LOST,
    "SUSPENDING": State.LOST,
    "SUSPENDED": State.LOST,
}
"""Those of a queued resource; in any other it waits."""


class QueuedResource:
    """One or several slices, all their hosts."""

    def __init__(self, shell: Shell, name: str, place: Sequence[str], create: Sequence[str]):
        """Changes nothing yet.

        Args:
            shell: runs gcloud.
            name: of the queued resource, and what its nodes' names begin with.
            place: flags for zone and project.
            create: flags of the machines to be made.
        """
        self._shell = shell
        self._name = name
        self._place = place
        self._create = create

    def state(self) -> State:
        """What is there."""
        found = self._shell.ask(self._gcloud("describe", self._name, "--format=value(state.state)"))
        if found.missing:
            return State.GONE
        if found.status:
            raise CommandFailed(found.error)
        return _STATES.get(found.output, State.WAITING)

    def create(self) -> None:
        """Asks for the machines."""
        self._shell.run(self._gcloud("create", self._name, *self._create, "--async"))

    def delete(self) -> None:
        """Deletes nodes and request, and waits for it."""
        self._shell.delete(self._gcloud("delete", self._name, "--force", "--quiet"))

    def copy(self, files: Sequence[pathlib.Path]) -> None:
        """To the home folders."""
        everywhere = ("--node=all", "--worker=all")
        self._shell.run(self._gcloud("scp", *map(str, files), f"{self._name}:", *everywhere))

    def on_all(self, shell_command: str) -> None:
        """By ssh."""
        self._shell.run(self._ssh("all", shell_command))

    def on_first(self, shell_command: str) -> Answer:
        """By ssh."""
        return self._shell.ask(self._ssh("0", shell_command))

    def follow(self) -> None:
        """Shows the first host's log as it grows."""
        self._shell.run(self._ssh("0", f"bash {hosts.HOST} log"))

    def _ssh(self, which: str, shell_command: str) -> list[str]:
        where = (f"--node={which}", f"--worker={which}", f"--command={shell_command}")
        return self._gcloud("ssh", self._name, *where)

    def _gcloud(self, verb: str, *arguments: str) -> list[str]:
        return ["gcloud", "compute", "tpus", "queued-resources", verb, *arguments, *self._place]


def main(argv: Sequence[str]) -> None:
    """Runs one of the verbs."""
    parser = hosts.parser(__doc__)
    kinds = "|".join(_RUNTIMES)
    parser.add_argument(
        "--accelerator-type",
        type=command.checked(
            rf"({kinds})-\d+", f"a TPU with its size, such as v5litepod-16 ({kinds})"
        ),
        default="v5litepod-8",
        help="which TPU; without it v5litepod-8, a single host",
    )
    parser.add_argument("--slices", type=command.count, default=1, help="without it 1")
    parser.add_argument(
        "--runtime-version", help="system image; without it Google's for JAX on this TPU"
    )
    options, training = parser.parse(argv)
    place = [f"--zone={options.zone}"]
    place += [f"--project={options.project}"] if options.project else []

    def make(shell: Shell) -> QueuedResource:
        return QueuedResource(shell, options.name, place, _create_flags(options))

    hosts.main(options, training, make, hosts.rehearsal("ACTIVE", "SUSPENDED"))


def _create_flags(options: argparse.Namespace) -> list[str]:
    kind = options.accelerator_type.split("-")[0]
    flags = [f"--accelerator-type={options.accelerator_type}"]
    flags += [f"--runtime-version={options.runtime_version or _RUNTIMES[kind]}"]
    if options.slices > 1:
        flags += [f"--node-count={options.slices}", f"--node-prefix={options.name}"]
    else:
        flags += [f"--node-id={options.name}"]
    return [*flags, *(["--spot"] if options.spot else []), *options.create_flag]


if __name__ == "__main__":
    command.main(main)
