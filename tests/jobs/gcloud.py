"""Stands in for gcloud: knows its flags, keeps machines as folders, and plays one preemption.

What it is called with is added to calls.jsonl in the folder $STAND_IN. The hosts are folders there,
in which ssh runs its command for real. Once the training has left a file "started", the machines
are preempted, if a file "preempt" asks for it; the first command on hosts that holds what is in a
file "fail" does. gcloud_flags.json lists the flags of gcloud 528's
own help.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(os.environ["STAND_IN"])
HOSTS = ROOT / "hosts"
FLAGS = json.loads(pathlib.Path(__file__).with_name("gcloud_flags.json").read_text())
NEEDED = {
    "compute tpus queued-resources create": [
        *("--accelerator-type", "--runtime-version", "--node-id|--node-count"),
    ],
    "compute instance-groups managed create": ["--template", "--size"],
    "compute instance-groups managed resize-requests create": ["--resize-by", "--resize-request"],
    "compute resource-policies create workload-policy": ["--type"],
}


def fail(message):
    print(f"ERROR: (gcloud) {message}", file=sys.stderr)
    sys.exit(1)


def parsed(argv):
    """The command, its positional arguments and its flags; unknown ones are refused."""
    command = max((c for c in FLAGS if argv[: len(c.split())] == c.split()), key=len, default=None)
    if command is None:
        fail(f"Invalid choice: {argv}")
    rest = argv[len(command.split()) :]
    flags = dict(word.partition("=")[::2] for word in rest if word.startswith("--"))
    unknown = set(flags) - set(f"{FLAGS[command]} {FLAGS['every command']}".split())
    if unknown:
        fail(f"unrecognized arguments: {unknown}")
    for needed in NEEDED.get(command, ()):
        if len(set(needed.split("|")) & set(flags)) != 1:
            fail(f"argument {needed}: must be specified")
    somewhere = "compute" in command and "instance-templates" not in command
    if somewhere and not {"--zone", "--region"} & set(flags):
        fail("Underspecified resource: zone")
    return command, [word for word in rest if not word.startswith("--")], flags


def make(names):
    for name in names:
        (HOSTS / name).mkdir(parents=True)


def there():
    return sorted(host.name for host in HOSTS.iterdir()) if HOSTS.exists() else []


def preempted():
    """Whether the machines are, from now on."""
    if (ROOT / "preempted").exists():
        return True
    if not ((ROOT / "preempt").exists() and (ROOT / "started").exists() and there()):
        return False
    (ROOT / "preempt").rename(ROOT / "preempted")
    kill()
    return True


def kill():
    for pid in HOSTS.glob("*/training.pid"):
        subprocess.run(["pkill", "-KILL", "--session", pid.read_text().strip()], check=False)


def delete():
    kill()
    shutil.rmtree(HOSTS, ignore_errors=True)
    (ROOT / "preempted").unlink(missing_ok=True)


def remember(kind):
    if (ROOT / kind).exists():
        fail(f"The resource {kind} already exists")
    (ROOT / kind).touch()


def forget(kind):
    if not (ROOT / kind).exists():
        fail(f"The resource {kind} was not found")
    (ROOT / kind).unlink()


def ssh(hosts, command):
    """Runs a command on hosts, each with its folder as home; ends with the highest status."""
    failing = ROOT / "fail"
    if preempted() or (failing.exists() and failing.read_text() in command):
        failing.unlink(missing_ok=True)
        fail("could not connect")
    running = [
        subprocess.Popen(
            ["bash", "-c", command], cwd=HOSTS / host, env=os.environ | {"HOME": str(HOSTS / host)}
        )
        for host in hosts
    ]
    sys.exit(max(process.wait() for process in running))


def scp(words, hosts):
    for host in hosts:
        for file in words[:-1]:
            shutil.copy(file, HOSTS / host)


def chosen(flags):
    """The hosts that --node and --worker name; they are called NODE-WORKER."""
    nodes, workers = flags.get("--node", "0"), flags.get("--worker", "0")
    pairs = [(host, *host.split("-")[-2:]) for host in there()]
    return [host for host, n, w in pairs if nodes in ("all", n) and workers in ("all", w)]


def queued_resource(verb, words, flags):
    if verb == "create":
        nodes = int(flags.get("--node-count", "1"))
        workers = 2 if nodes == 1 else 1
        make(f"{words[0]}-{node}-{worker}" for node in range(nodes) for worker in range(workers))
        (ROOT / "waiting").touch()
    elif not there():
        fail("NOT_FOUND: Resource was not found")
    elif verb == "describe":
        if (ROOT / "waiting").exists():
            (ROOT / "waiting").unlink()
            print("WAITING_FOR_RESOURCES")
        else:
            print("SUSPENDED" if preempted() else "ACTIVE")
    elif verb == "delete":
        delete()
    elif verb == "scp":
        scp(words, chosen(flags))
    elif verb == "ssh":
        ssh(chosen(flags), flags["--command"])


def group(verb, words, flags):
    if verb == "create":
        for needed in ("--template", "--workload-policy"):
            if needed in flags and not (ROOT / needed.removeprefix("--")).exists():
                fail(f"The resource {flags[needed]} was not found")
        remember("group")
        make(f"{words[0]}-{host:04}" for host in range(int(flags["--size"])))
    elif verb == "resize-requests create":
        make(f"{words[0]}-{host:04}" for host in range(int(flags["--resize-by"])))
    elif not (ROOT / "group").exists():
        fail("The resource was not found")
    elif verb == "list-instances":
        lost = preempted()
        for number, host in enumerate(there()):
            print(host, "TERMINATED" if lost and number == 0 else "RUNNING", sep="\t")
    elif verb == "delete":
        forget("group")
        delete()


def main(argv):
    with (ROOT / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(["gcloud", *argv]) + "\n")
    command, words, flags = parsed(argv)
    where, _, verb = command.rpartition(" ")
    if "queued-resources" in command:
        queued_resource(verb, words, flags)
    elif "instance-groups" in command:
        group(command.removeprefix("compute instance-groups managed "), words, flags)
    elif "instance-templates" in where:
        remember("template") if verb == "create" else forget("template")
    elif "resource-policies" in where:
        remember("workload-policy") if verb == "workload-policy" else forget("workload-policy")
    elif command == "compute scp":
        scp(words, [words[-1].removesuffix(":")])
    elif command == "compute ssh":
        ssh(words, flags["--command"])


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main(sys.argv[1:])
