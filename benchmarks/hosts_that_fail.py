"""Does every host of a run end in time, and say which one failed and why?

Processes on this machine stand for hosts; in each case something happens to one of them. The table
says when the last of the others had ended, with which status, and what they said. Where a run can
be continued, it is, and its losses are compared with those of an undisturbed run. The exit status
is 1 where a process did not end, or without such a line.

    python -m benchmarks.hosts_that_fail
    python -m benchmarks.hosts_that_fail --only killed stopped --out proof.jsonl
"""

import dataclasses
import json
import pathlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence

from benchmarks import measure
from benchmarks.host_processes import Run, losses, write_dataset
from htt_jax.devices.watch import ANOTHER_FAILED
from htt_jax.support import cli
from tests.train_runs import ROOT

_LIMIT = 600.0  # seconds after which a process counts as hanging
_UNHURRIED = 1800.0
_BAD_INPUT = 2
_SAVED = 128 + signal.SIGTERM
_SAME = {3: 0.0, 2: 1e-6}  # relative difference of losses, by the number of hosts that go on
_UNDISTURBED = "undisturbed"


@dataclasses.dataclass(frozen=True)
class Case:
    """What happens, and what must come of it.

    Attributes:
        name: in a few words.
        victim: the process that it happens to; None: all end alike.
        start: starts the run in a folder, with a dataset.
        strike: after some steps; None: it is in how the run starts.
        status: of the others.
        says: is in the line of the others.
        goes_on: whether the run is continued, and its losses compared.
    """

    name: str
    victim: int | None
    start: Callable[[pathlib.Path, pathlib.Path], Run]
    strike: Callable[[Run], None] | None
    status: int
    says: str
    goes_on: bool = False


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    names = [case.name for case in _cases()]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="CASE")
    parser.add_argument("--out", type=cli.path, help="adds a line of JSON for each case")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        data = write_dataset(root / "data")
        if any(case.goes_on and case.name in options.only for case in _cases()):
            Run(root / _UNDISTURBED, data).end(_UNHURRIED)
        failed = False
        for case in sorted(_cases(), key=lambda case: [*options.only, case.name].index(case.name)):
            if case.name not in options.only:
                continue
            found = _played(case, root, data)
            failed |= not found["as_expected"]
            print(_row(found), flush=True)
            if options.out:
                with options.out.open("a") as file:
                    file.write(json.dumps(found | measure.machine("jax")) + "\n")
    sys.exit(failed)


def _played(case: Case, root: pathlib.Path, data: pathlib.Path) -> dict[str, object]:
    workdir = root / case.name.replace(" ", "_")
    run = case.start(workdir, data)
    if case.strike is not None:
        run.wait_until(run.at_step(7))
        case.strike(run)
    victims = () if case.victim is None else (case.victim,)
    seconds = run.end(_LIMIT, besides=victims)
    others = [host for i, host in enumerate(run.hosts) if i not in victims]
    ended = [x for i, x in enumerate(seconds) if i not in victims]
    statuses = [host.process.returncode for host in others]
    lines = [host.error for host in others]
    found: dict[str, object] = {
        "case": case.name,
        "seconds": max((x for x in ended if x is not None), default=None),
        "statuses": statuses,
        "line": lines[0],
        "victim": [run.hosts[i].process.returncode for i in victims],
        "as_expected": None not in ended
        and set(statuses) == {case.status}
        and all(_is_right(host.said, case) for host in others),
    }
    if case.goes_on:
        found |= _gone_on(workdir, root, data)
        found["as_expected"] = bool(found["as_expected"]) and found["same_3"] and found["same_2"]
    if not found["as_expected"]:
        print(*(host.said for host in run.hosts), sep="\n-----\n", file=sys.stderr)
    return found


def _is_right(said: str, case: Case) -> bool:
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    told = case.status == _SAVED or (len(lines) == 1 and case.says in lines[0])
    return told and case.says in said and "Traceback" not in said and "stack trace" not in said


def _gone_on(workdir: pathlib.Path, root: pathlib.Path, data: pathlib.Path) -> dict[str, object]:
    """The run, continued on as many hosts and on fewer, beside the undisturbed one."""
    expected = losses(root / _UNDISTURBED)
    found: dict[str, object] = {}
    for count, tolerance in _SAME.items():
        copy = workdir.with_name(f"{workdir.name}_{count}")
        shutil.copytree(workdir, copy)
        run = Run(copy, data, count)
        run.end(_UNHURRIED)
        now = losses(copy)
        largest = max(abs(now[s] / expected[s] - 1) if s in now else 1.0 for s in expected)
        found |= {f"difference_{count}": largest, f"same_{count}": largest <= tolerance}
    return found


def _row(found: dict[str, object]) -> str:
    verdict = "as it should be" if found["as_expected"] else "WRONG"
    went_on = ", ".join(
        f"{n} hosts {found[f'difference_{n}']:.1e}" for n in _SAME if f"same_{n}" in found
    )
    return (
        f"{found['case']} | {found['seconds'] or float('nan'):.1f} s | {found['statuses']} | "
        f"{went_on or '-'} | {verdict} | {found['line']}"
    )


def _cases() -> list[Case]:
    another = ANOTHER_FAILED
    silent = "gives no sign of life"
    return [
        Case("killed", 1, Run, _signal(1, signal.SIGKILL), another, "process 1 of 3", goes_on=True),
        Case("first killed", 0, Run, _signal(0, signal.SIGKILL), another, "process 0 of 3"),
        Case("stopped", 2, Run, _signal(2, signal.SIGSTOP), another, silent),
        Case("first stopped", 0, Run, _signal(0, signal.SIGSTOP), another, silent),
        Case("damaged shard", 1, _with_own_data, _damage, another, "process 1 of 3"),
        Case("lost disk", 2, _with_own_data, _lose, another, "process 2 of 3"),
        Case("out of memory at start", 1, _with_little_memory, None, another, "1 of 3"),
        Case("killed at start", 1, _killed_at_start, None, another, "process 1 of 3"),
        Case("another config", None, _with_option, None, _BAD_INPUT, "learning_rate"),
        Case("another dataset", None, _with_other_data, None, _BAD_INPUT, "dataset is"),
        Case("another code", None, _with_other_code, None, _BAD_INPUT, "code is"),
        Case("one host only", None, _one_only, None, another, "1 of 3 are here"),
        Case(
            "preempted",
            None,
            Run,
            _signal(1, signal.SIGTERM),
            _SAVED,
            "stopped after step",
            goes_on=True,
        ),
    ]


def _signal(process: int, number: int) -> Callable[[Run], None]:
    return lambda run: run.hosts[process].process.send_signal(number)


def _own(data: pathlib.Path, process: int) -> pathlib.Path:
    return data.with_name(f"data_of_{process}")


def _with_own_data(workdir: pathlib.Path, data: pathlib.Path) -> Run:
    for process in range(3):
        shutil.rmtree(_own(data, process), ignore_errors=True)
        shutil.copytree(data, _own(data, process))
    own = {process: {"data.directory": _own(data, process)} for process in range(3)}
    return Run(workdir, data, options=own)


def _shard(data: pathlib.Path, process: int) -> pathlib.Path:
    return next(_own(data, process).glob("*-train.tfrecord*-of-*[0-9]"))


def _damage(run: Run) -> None:
    shard = _shard(run.data, 1)
    content = bytearray(shard.read_bytes())
    for place in range(1000, len(content), 1000):
        content[place] ^= 255
    with shard.open("r+b") as file:  # the same file, which the process has open
        file.write(content)


def _lose(run: Run) -> None:
    with _shard(run.data, 2).open("r+b") as file:
        file.truncate(0)


def _with_little_memory(workdir: pathlib.Path, data: pathlib.Path) -> Run:
    """Enough to join the others, but not to compile."""
    flags = ("--join_timeout=120",)
    return Run(workdir, data, hosts={1: {"memory": 2_300_000_000}}, flags=flags)


def _killed_at_start(workdir: pathlib.Path, data: pathlib.Path) -> Run:
    run = Run(workdir, data)
    run.wait_until(lambda: "random weights" in run.hosts[1].said)
    run.hosts[1].process.kill()
    return run


def _with_option(workdir: pathlib.Path, data: pathlib.Path) -> Run:
    return Run(workdir, data, options={2: {"optimizer.learning_rate": 2e-3}})


def _with_other_data(workdir: pathlib.Path, data: pathlib.Path) -> Run:
    other = data.with_name("other_data")
    return Run(workdir, data, options={2: {"data.directory": write_dataset(other, seed=1)}})


def _with_other_code(workdir: pathlib.Path, data: pathlib.Path) -> Run:
    code = data.with_name("other_code")
    for folder in ("htt_jax", "configs"):
        shutil.copytree(ROOT / folder, code / folder)
    with (code / "htt_jax" / "losses.py").open("a") as file:
        file.write("# another line\n")
    return Run(workdir, data, hosts={2: {"code": code}})


def _one_only(workdir: pathlib.Path, data: pathlib.Path) -> Run:
    return Run(workdir, data, only=(0,), flags=("--join_timeout=15",))


if __name__ == "__main__":
    cli.run(main)
