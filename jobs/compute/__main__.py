"""Trains on TPUs of Compute Engine (v5p, v6e, TPU7x): one host, or a slice of several.

    python -m jobs.compute run --name=fpha --zone=us-east5-a --machine-type=ct6e-standard-4t \\
        --topology=4x4 --hosts=4 --spot -- \\
        --config=configs/fpha.py --workdir=gs://BUCKET/runs/fpha \\
        --config.data.directory=gs://BUCKET/fpha --config.data.local_copy=~/data \\
        --config.batch_size=32 --config.eval.batch_size=32
    python -m jobs.compute follow --name=fpha --zone=us-east5-a
    python -m jobs.compute delete --name=fpha --zone=us-east5-a

run makes an instance template, for several hosts a workload policy of the slice's topology, and a
managed instance group; it waits for all hosts, installs the code as it is committed, starts the
training on all hosts, and looks after it: when a host is preempted the group is deleted and made
anew and the same command continues. It can be stopped (Ctrl-C) and started again at any time; the
training does not need it. It ends when the training does; the machines cost until delete, which
lets a training save first.

--flex-start=3d waits for machines that then run for at most three days (seven at most), and --spot
for cheaper ones that may be preempted. What stands behind -- are the options of htt_jax.train; the
workdir must be in a bucket or on a disk that all hosts mount. The machines' service account must be
allowed to use the bucket.
"""

import argparse
import pathlib
from collections.abc import Sequence

from jobs import command, hosts
from jobs.command import Answer, CommandFailed, JobError, Shell
from jobs.hosts import State

_IMAGE_PROJECT = "ubuntu-os-accelerator-images"
_IMAGE_FAMILY = "ubuntu-accel-2204-amd64-tpu-v5e-v5p-v6e"
_DEAD = {"STOPPING", "STOPPED", "TERMINATED", "SUSPENDING", "SUSPENDED"}
"""States of a machine that comes to nothing."""


class Group:
    """A managed instance group, its template and its workload policy, all of one name."""

    def __init__(self, shell: Shell, options: argparse.Namespace):
        """Changes nothing yet.

        Args:
            shell: runs gcloud.
            options: of the command line.
        """
        self._shell = shell
        self._options = options
        self._name = options.name
        self._region = f"--region={options.zone.rsplit('-', 1)[0]}"
        self._zone = f"--zone={options.zone}"
        self._hosts: list[str] = []
        self._complete = False  # whether all were there since they were asked for

    def state(self) -> State:
        """What is there."""
        listed = self._managed(
            "list-instances", self._name, "--format=value(instance.basename(),instanceStatus)"
        )
        found = self._shell.ask(listed)
        if found.missing:
            return State.GONE
        if found.status:
            raise CommandFailed(found.error)
        machines = [line.split() for line in found.output.splitlines()]
        self._hosts = sorted(words[0] for words in machines if words[-1] == "RUNNING")
        # To follow and to delete, what there is will do.
        wanted = self._options.hosts if self._options.verb == "run" else 1
        if len(self._hosts) >= wanted:
            self._complete = True
            return State.READY
        dead = any(words[-1] in _DEAD for words in machines)
        return State.LOST if dead or self._complete else State.WAITING

    def create(self) -> None:
        """Asks for the machines."""
        self._complete = False
        self._delete_rest()  # of a group that could not be made
        policy = []
        if self._options.hosts > 1:
            shape = ("--type=HIGH_THROUGHPUT", f"--accelerator-topology={self._options.topology}")
            made = ("resource-policies", "create", "workload-policy", self._name)
            self._shell.run(self._gcloud(*made, *shape, self._region))
            policy = [f"--workload-policy={self._name}"]
        template = ("instance-templates", "create", self._name, *_template_flags(self._options))
        # gcloud learned of flex-start in its beta commands first.
        self._shell.run(self._gcloud(*template, track="beta" if self._options.flex_start else None))
        size = 0 if self._options.flex_start else self._options.hosts
        flags = (f"--template={self._name}", f"--size={size}", *policy)
        repair = "--default-action-on-vm-failure=do-nothing"  # a slice is made anew as a whole
        self._shell.run(self._managed("create", self._name, *flags, repair))
        if self._options.flex_start:
            request = (f"--resize-request={self._name}", f"--resize-by={self._options.hosts}")
            self._shell.run(self._managed("resize-requests", "create", self._name, *request))

    def delete(self) -> None:
        """Deletes the group with its machines, its template and its policy."""
        self._shell.delete(self._managed("delete", self._name, "--quiet"))
        self._delete_rest()

    def _delete_rest(self) -> None:
        template = ("instance-templates", "delete", self._name, "--quiet")
        self._shell.delete(self._gcloud(*template))
        policy = ("resource-policies", "delete", self._name, self._region, "--quiet")
        self._shell.delete(self._gcloud(*policy))

    def copy(self, files: Sequence[pathlib.Path]) -> None:
        """To the home folders."""
        names = [str(file) for file in files]
        self._shell.run(
            *(self._gcloud("scp", *names, f"{host}:", self._zone) for host in self._hosts)
        )

    def on_all(self, shell_command: str) -> None:
        """By ssh."""
        self._shell.run(*(self._ssh(host, shell_command) for host in self._hosts))

    def on_first(self, shell_command: str) -> Answer:
        """By ssh."""
        return self._shell.ask(self._ssh(self._hosts[0], shell_command))

    def follow(self) -> None:
        """Shows the first host's log as it grows."""
        if self.state() is not State.READY:
            raise JobError("not all machines are there yet")
        self._shell.run(self._ssh(self._hosts[0], f"bash {hosts.HOST} log"))

    def _ssh(self, host: str, shell_command: str) -> list[str]:
        return self._gcloud("ssh", host, f"--command={shell_command}", self._zone)

    def _managed(self, *arguments: str) -> list[str]:
        return self._gcloud("instance-groups", "managed", *arguments, self._zone)

    def _gcloud(self, *arguments: str, track: str | None = None) -> list[str]:
        project = [f"--project={self._options.project}"] if self._options.project else []
        return ["gcloud", *([track] if track else []), "compute", *arguments, *project]


def _template_flags(options: argparse.Namespace) -> list[str]:
    flags = [
        f"--machine-type={options.machine_type}",
        f"--image-family={options.image_family}",
        f"--image-project={_IMAGE_PROJECT}",
        "--boot-disk-size=200GB",
        "--maintenance-policy=TERMINATE",  # machines with TPUs cannot move
        "--scopes=cloud-platform",  # what the service account may do decides alone
    ]
    if options.spot:
        flags += ["--provisioning-model=SPOT", "--instance-termination-action=STOP"]
    if options.flex_start:
        flags += ["--provisioning-model=FLEX_START", "--instance-termination-action=DELETE"]
        flags += [f"--max-run-duration={options.flex_start}", "--reservation-affinity=none"]
    return [*flags, *options.create_flag]


def main(argv: Sequence[str]) -> None:
    """Runs one of the verbs."""
    parser = hosts.parser(__doc__)
    add = parser.add_argument
    add(
        "--machine-type",
        type=command.checked(
            r"(ct5p|ct6e|tpu7x)-[a-z]+-\d+t", "one with TPUs, as ct6e-standard-4t"
        ),
        default="ct6e-standard-8t",
        help="of each host; without it ct6e-standard-8t, a single host",
    )
    add("--hosts", type=command.count, default=1, help="of the slice; without it 1")
    add("--topology", type=command.topology, help="of the slice's chips; with --hosts")
    add(
        "--flex-start",
        type=command.checked(r"[1-9]\d*[dhm]", "a duration, such as 3d or 12h"),
        metavar="DURATION",
        help="wait for machines that are there for so long",
    )
    add("--image-family", default=_IMAGE_FAMILY, help=f"without it {_IMAGE_FAMILY}")
    options, training = parser.parse(argv)
    if options.spot and options.flex_start:
        raise JobError("--spot and --flex-start are two ways to be served; name one")
    if (options.hosts > 1) != (options.topology is not None):
        raise JobError("--hosts and --topology belong together: both for a slice of several hosts")
    there = [f"{options.name}-{number:04}" for number in range(options.hosts)]
    ready, lost = ("\n".join(f"{host} {s}" for host in there) for s in ("RUNNING", "TERMINATED"))
    rehearsed = hosts.rehearsal(ready, lost)
    hosts.main(options, training, lambda shell: Group(shell, options), rehearsed)


if __name__ == "__main__":
    command.main(main)
