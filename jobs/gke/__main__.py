"""Trains on TPUs of Google Kubernetes Engine: an image, and a JobSet of one or several slices.

    python -m jobs.gke image --image=us-docker.pkg.dev/PROJECT/REPOSITORY/htt:1
    python -m jobs.gke run --name=fpha --image=us-docker.pkg.dev/PROJECT/REPOSITORY/htt:1 \\
        --cluster=CLUSTER --location=us-west4 --accelerator=tpu-v5-lite-podslice --topology=4x4 \\
        --spot -- --config=configs/fpha.py --workdir=gs://BUCKET/runs/fpha \\
        --config.data.directory=gs://BUCKET/fpha --config.data.local_copy=/tmp/data \\
        --config.batch_size=32 --config.eval.batch_size=32
    python -m jobs.gke follow --name=fpha --cluster=CLUSTER --location=us-west4
    python -m jobs.gke delete --name=fpha --cluster=CLUSTER --location=us-west4

image builds the image (docker) and pushes it. run fills jobs/gke/jobset.yaml and applies it
(kubectl); the cluster then looks after it: when a host is preempted or fails all start anew and the
same command continues. follow shows the first host's log. delete lets the training save first.

The cluster needs JobSet and a node pool of that accelerator and topology for each slice. The
Kubernetes service account must be allowed to use the bucket. What stands behind -- are the options
of htt_jax.train.

Where XPK looks after the cluster, it takes the same image and the same options:

    xpk workload create --workload=fpha --cluster=CLUSTER --tpu-type=v5litepod-16 --num-slices=1 \\
        --docker-image=IMAGE --max-restarts=100 --restart-on-exit-codes=1 \\
        --termination-grace-period-seconds=300 \\
        --command="python -u -m htt_jax.train --coordinator_address=auto --config=..."
"""

import argparse
import json
import math
import pathlib
import string
from collections.abc import Sequence

from jobs import command
from jobs.command import ROOT, JobError, Parser, Shell

_HERE = pathlib.Path(__file__).parent
_NEEDED = {
    "image": ("image",),
    "run": ("name", "cluster", "location", "image", "accelerator", "topology"),
    "follow": ("name", "cluster", "location"),
    "delete": ("name", "cluster", "location"),
}
"""The options that each verb cannot do without."""


def main(argv: Sequence[str]) -> None:
    """Runs one of the verbs."""
    options, training = _parser().parse(argv)
    for option in _NEEDED[options.verb]:
        if getattr(options, option) is None:
            raise JobError(f"{options.verb} needs --{option}; see --help")
    if training and options.verb != "run":
        raise JobError(f"unexpected {training[0]} behind --; only run takes training options")
    shell = Shell([] if options.dry_run else None)
    if options.verb == "image":
        build = ["docker", "build", f"--file={_HERE / 'Dockerfile'}", f"--tag={options.image}"]
        shell.run([*build, str(ROOT)])
        shell.run(["docker", "push", options.image])
        return
    filled = manifest(options, training) if options.verb == "run" else ""
    project = [f"--project={options.project}"] if options.project else []
    where = [options.cluster, f"--location={options.location}", *project]
    shell.run(["gcloud", "container", "clusters", "get-credentials", *where])
    if options.verb == "run":
        shell.run(["kubectl", "apply", "--filename=-"], standard_input=filled)
    elif options.verb == "follow":
        shell.run(["kubectl", "logs", "--follow", f"job/{options.name}-slice-0"])
    else:
        shell.run(["kubectl", "delete", "jobset", options.name])


def manifest(options: argparse.Namespace, training: Sequence[str]) -> str:
    """The filled manifest.

    Raises:
        JobError: the chips do not make whole hosts, or a training option lacks.
    """
    chips = math.prod(map(int, options.topology.split("x")))
    if chips % options.chips_per_host:
        raise JobError(
            f"the {chips} chips of --topology={options.topology} do not make whole hosts of "
            f"--chips-per-host={options.chips_per_host}"
        )
    arguments = command.training_options(training)
    values = vars(options) | {
        "hosts": chips // options.chips_per_host,
        "chips": options.chips_per_host,
        # JSON is YAML; $ stands for variables in the arguments of Kubernetes.
        "arguments": json.dumps([argument.replace("$", "$$") for argument in arguments]),
    }
    return string.Template(_with_options(options)).substitute(values)


def _with_options(options: argparse.Namespace) -> str:
    """The lines of the template that belong to options that are given, and all others."""
    kept = []
    for line in (_HERE / "jobset.yaml").read_text().splitlines():
        text, _, option = line.partition("  # with --")
        if not text.startswith("#") and (not option or getattr(options, option.replace("-", "_"))):
            kept.append(text)
    return "\n".join(kept) + "\n"


def _parser() -> Parser:
    parser = Parser(__doc__)
    add = parser.add_argument
    add("verb", choices=tuple(_NEEDED))
    add("--image", type=command.checked(r"[\w.:/@-]+", "an image's name"), help="with its registry")
    add("--name", type=command.name, help="of the JobSet")
    add("--cluster", type=command.name)
    add("--location", help="of the cluster: its region or zone")
    add("--project", type=command.project, help="without it gcloud's own setting")
    add("--accelerator", choices=_ACCELERATORS, help="of the node pool")
    add("--topology", type=command.topology, help="of a slice's chips, as the node pool has it")
    add("--chips-per-host", type=command.count, default=4, help="without it 4")
    add("--slices", type=command.count, default=1, help="without it 1")
    add("--spot", action="store_true", help="on spot nodes, which may be preempted")
    add("--service-account", type=command.name, default="default", help="of Kubernetes")
    add("--coordinator-port", type=command.count, help="without it JAX's, 8482")
    return parser


_ACCELERATORS = (
    "tpu-v4-podslice",
    "tpu-v5-lite-podslice",
    "tpu-v5p-slice",
    "tpu-v6e-slice",
    "tpu7x",
)


if __name__ == "__main__":
    command.main(main)
