"""Ablations: trains the models of studies, with several seeds, and says what differs.

Every run that is done is not done again, one that was stopped goes on, and as many processes as
like, on all machines that see --out, share the runs out among themselves: give each the same
command. Each study ends as a table with means, deviations, differences from its first row with
their 95 % intervals, and the commands (STUDY.md), as a sheet (STUDY.csv), with everything
(STUDY.json), and as a picture (STUDY.png).

--scale demo renders a dataset and trains a small model, for two cores; --scale paper trains the
paper's model on the dataset of --data, for a GPU. With --record the figures of what is done are
written to `benchmarks/results.json`, and the tables that docs/ablations.md must have for them are
printed.

    python -m benchmarks.ablations --out ablations --list
    python -m benchmarks.ablations --out ablations --seeds 3
    python -m benchmarks.ablations --out paper --scale paper --data data/fpha --study window
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence

import jax
from absl import logging

from benchmarks.ablation import claims, data, recording, runs, tables
from benchmarks.ablation.findings import findings
from benchmarks.ablation.plan import studies
from benchmarks.ablation.runs import Run, Setting
from benchmarks.ablation.scales import SCALES
from benchmarks.ablation.study import Study
from htt_jax.devices import process
from htt_jax.runs.directory import exists
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.files import check_writable
from htt_jax.support.words import counted


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, type=cli.path, help="folder of runs and tables")
    parser.add_argument("--scale", choices=SCALES, default="demo", help="how large all is")
    parser.add_argument("--data", type=cli.location, help="what data_prep wrote, for --scale paper")
    parser.add_argument("--study", nargs="+", metavar="NAME", help="by default all but pretraining")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each row, from seed 0")
    parser.add_argument("--list", action="store_true", help="say what there is to do, and stop")
    parser.add_argument("--record", action="store_true", help="write results.json, and stop")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    logging.set_verbosity(logging.ERROR)
    if options.seeds < 1:
        raise InputError(f"--seeds={options.seeds} must be at least 1")
    scale = SCALES[options.scale]
    chosen = _chosen(studies(scale), options.study)
    setting = data.setting(scale, options.out, options.data)
    wanted = runs.runs_of(chosen.values(), options.seeds)
    if options.list:
        _list(setting, chosen, wanted, options.seeds)
        return
    runs.check(setting, wanted)
    if options.record:
        for name, study in chosen.items():
            print(recording.record(setting, findings(setting, name, study, options.seeds)), "\n")
        return
    check_writable(options.out)
    data.make_ready(setting)
    failed = _run(setting, wanted)
    for name, study in chosen.items():
        found = findings(setting, name, study, options.seeds)
        tables.write(setting, found)
        print(tables.summary(found, setting.out), "\n")
    if failed:
        raise InputError(f"{counted(len(failed), 'run')} failed, first {failed[0]}; said above why")


def _chosen(known: Mapping[str, Study], names: Sequence[str] | None) -> dict[str, Study]:
    for name in names or ():
        if name not in known:
            raise InputError(f"--study={name} must be of {', '.join(known)}")
    if not names:
        return {name: study for name, study in known.items() if not study.asked_for}
    return {name: study for name, study in known.items() if name in names}


def _run(setting: Setting, wanted: Sequence[Run]) -> list[str]:
    """Performs what no other process does; the names of the runs that failed."""
    if jax.process_count() > 1:
        raise InputError("a run is made by one process here; start one command on each host")
    by_name = {run.name: run for run in wanted}
    seconds: list[float] = []
    failed: list[str] = []

    def perform(name: str) -> None:
        to_do = [one for one in by_name if not claims.is_done(setting.folder(one))]
        rest = f", {len(to_do) * sum(seconds) / len(seconds) / 60:.0f} minutes" if seconds else ""
        print(f"{name}: {len(to_do)} of {len(by_name)} runs to do{rest}", file=sys.stderr)
        start = time.perf_counter()
        if reason := runs.attempt(setting, by_name[name]):
            print(f"error: {name}: {reason}", file=sys.stderr)
            failed.append(name)
            return
        seconds.append(time.perf_counter() - start)

    def waiting(name: str, teacher: str, who: str) -> None:
        print(f"{name}: waits for its teacher {teacher}, which {who} trains", file=sys.stderr)

    elsewhere, has_locks = claims.share(
        list(by_name),
        setting.out / runs.RUNS,
        perform,
        lambda name: by_name[name].teacher,
        waiting,
    )
    for name in elsewhere:
        teacher = by_name[name].teacher
        if teacher in failed:
            print(f"error: {name}: its teacher {teacher} failed", file=sys.stderr)
            failed.append(name)
        elif teacher is not None and not claims.is_done(setting.folder(teacher)):
            print(
                f"{name}: its teacher {teacher} is not done, perhaps another process trains it; "
                "give the same command again when it is",
                file=sys.stderr,
            )
        else:
            print(f"{name}: another process has it, and fills in the tables", file=sys.stderr)
    if not has_locks:
        print(
            f"warning: {setting.out} lies on a file system without locks, on which nothing keeps "
            "two processes off one run; start only one",
            file=sys.stderr,
        )
    return failed


def _list(setting: Setting, chosen: Mapping[str, Study], wanted: Sequence[Run], seeds: int) -> None:
    for name, study in chosen.items():
        print(f"{name}: {study.title}; {counted(len(study.rows), 'row')}, {counted(seeds, 'seed')}")
    done = 0
    for run in wanted:
        record = runs.record(setting, run)
        done += record is not None
        print(f"{_state(setting, run, record):<24} {run.name}")
    print(f"{done} of {counted(len(wanted), 'run')} done")


def _state(setting: Setting, run: Run, record: Mapping[str, float] | None) -> str:
    if record is not None:
        seconds = record["seconds"]
        return "done" if seconds is None else f"done in {seconds / 60:.1f} minutes"
    folder = setting.folder(run.name)
    if who := claims.owner(folder):
        return f"running ({who.name})" if who.sure else f"begun, perhaps by {who.name}"
    return "begun" if exists(folder / runs.WORKDIR) else "to do"


if __name__ == "__main__":
    cli.run(main, process.prepare)
