"""The dataset of the runs in a folder, and the mark that keeps other runs out of it."""

import json
import pathlib
import sys
import time

from benchmarks.ablation.runs import Setting
from benchmarks.ablation.scales import Scale
from data_prep import fpha, simulate
from htt_jax.data.records import RecordSource
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.support.locking import Taken, locked

MARK = "ablations.json"
_LOOK_AGAIN = 5.0  # seconds


def setting(scale: Scale, out: pathlib.Path, data: str | None) -> Setting:
    """What the runs in `out` have in common, before anything is made.

    Args:
        scale: of the studies.
        out: their folder.
        data: the prepared dataset that was named.

    Raises:
        InputError: a dataset is named that cannot be used, or none where one must be; the folder
            is of another scale or dataset.
    """
    if scale.dataset and data is not None:
        raise InputError(
            f"--data={data}: --scale {scale.name} renders its own dataset; leave it out"
        )
    if not scale.dataset and data is None:
        raise InputError(f"--scale {scale.name} needs --data, a dataset that data_prep has written")
    told = None if data is None else _told(data)
    _check_mark(out, scale, None if told is None else told["fingerprint"])
    return Setting(scale, out, data or str(out / "data"), "fpha" if told is None else told["name"])


def make_ready(made: Setting) -> None:
    """Marks the folder, and renders and prepares the dataset, unless that is done.

    Raises:
        InputError: as the commands of `data_prep`; the dataset is not what it was.
    """
    if not made.scale.dataset:
        _write_mark(made)
        return
    said = False
    while True:
        try:
            with locked(made.out):
                _render(made)
                _write_mark(made)
                return
        except Taken:
            if not said:
                print("another process makes the dataset; waiting for it", file=sys.stderr)
            said = True
            time.sleep(_LOOK_AGAIN)


def commands(made: Setting) -> list[list[str]]:
    """Modules of `data_prep` with their arguments; none where the dataset is given."""
    if not made.scale.dataset:
        return []
    raw = str(made.out / "raw")
    return [
        ["simulate", *made.scale.dataset, f"--out={raw}"],
        ["fpha", f"--raw={raw}", f"--out={made.data}"],
    ]


def _render(made: Setting) -> None:
    if (made.out / MARK).exists() and pathlib.Path(made.data).exists():  # all is there
        return
    for name, *arguments in commands(made):
        {"simulate": simulate.main, "fpha": fpha.main}[name](arguments)


def _told(data: str) -> dict[str, str]:
    source = RecordSource(data, "train")
    return {"name": source.spec.name, "fingerprint": source.fingerprint}


def _write_mark(made: Setting) -> None:
    fingerprint = _told(made.data)["fingerprint"]
    _check_mark(made.out, made.scale, fingerprint)
    made.out.mkdir(parents=True, exist_ok=True)
    with atomic_write(made.out / MARK, "w") as file:
        json.dump({"scale": made.scale.name, "fingerprint": fingerprint}, file)


def _check_mark(out: pathlib.Path, scale: Scale, fingerprint: str | None) -> None:
    mark = out / MARK
    if not mark.exists():
        return
    try:
        there = json.loads(mark.read_text("utf-8"))
        of_scale, of_data = there["scale"], there["fingerprint"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{mark} is damaged; remove it, or take another --out") from error
    if of_scale != scale.name:
        raise InputError(
            f"--out={out} holds runs of --scale {of_scale}, not {scale.name}; take another --out"
        )
    if fingerprint not in (None, of_data):
        raise InputError(
            f"--out={out} holds runs on a dataset of other content; name that one with --data, or "
            "take another --out"
        )
