"""Preparing with the workers of Apache Beam."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from data_prep import fpha
from data_prep.parallel import DIED
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.support.paths import place
from tests.data_prep import raw_folders

REPOSITORY = pathlib.Path(__file__).parents[2]
VIDEOS = {
    "train": [f"Subject_1/open_juice_bottle/{i}" for i in range(20)],
    "test": [f"Subject_2/put_salt/{i}" for i in range(3)],
}
FEW = {"train": VIDEOS["train"][:2], "test": VIDEOS["test"][:1]}
# Like a cluster's runner in all that we see of one, but its worker is a thread of this process.
ELSEWHERE = "--runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner"


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    return raw_folders.write_fpha(folder, FEW, frames=2, size=(480, 270))


@pytest.fixture(scope="module")
def in_bucket(few, gcs):
    """The same raw folder in a bucket."""
    raw = place(f"{gcs.root}/raw")
    for path in few.rglob("*"):
        if path.is_file():
            with atomic_write(raw / path.relative_to(few).as_posix()) as file:
                file.write(path.read_bytes())
    return raw


def prepare(raw, out, *options: str) -> None:
    fpha.main([f"--raw={raw}", f"--out={out}", *options])


def start(raw, out, workers: int = 2) -> subprocess.Popen:
    command = [sys.executable, "-m", "data_prep.fpha", f"--raw={raw}", f"--out={out}"]
    return subprocess.Popen(
        [*command, "--runner=DirectRunner", f"--workers={workers}"],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def workers_of(process: subprocess.Popen) -> list[int]:
    children = pathlib.Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(word) for found in children for word in found.read_text().split()]


def content(out) -> dict[str, bytes]:
    """Every file of a prepared dataset, with its metadata and its report."""
    return {path.name: path.read_bytes() for path in place(out).iterdir() if path.name != ".lock"}


@pytest.mark.proof
def test_stopped_by_a_bad_image_and_a_dead_process_the_third_run_makes_the_same_bytes(
    tmp_path, capfd
):
    raw = raw_folders.write_fpha(tmp_path / "raw", VIDEOS, frames=2)
    out = tmp_path / "out"
    image = raw / "Video_files" / VIDEOS["train"][19] / "color" / "color_0000.jpeg"
    whole = image.read_bytes()
    image.write_bytes(b"broken")
    _, errors = (run := start(raw, out, workers=1)).communicate(timeout=120)
    assert run.returncode == 2
    assert errors.startswith(f"error: unreadable image {image}: ")
    assert errors.count("\n") == 1
    image.write_bytes(whole)

    before = {path.name for path in out.glob("fpha-*")}
    run = start(raw, out)
    end = time.monotonic() + 60
    while len(workers := workers_of(run)) < 2 or not list(out.glob(".fpha-*.tmp")):
        assert time.monotonic() < end
        time.sleep(0.002)
    os.kill(workers[0], signal.SIGKILL)
    _, errors = run.communicate(timeout=120)
    assert (run.returncode, errors) == (2, f"error: {DIED}\n")
    assert not any(pathlib.Path(f"/proc/{worker}").exists() for worker in workers)
    assert not (out / "dataset_info.json").exists()
    assert before <= {path.name for path in out.glob("fpha-*")}

    capfd.readouterr()
    prepare(raw, out, "--runner=DirectRunner", "--workers=1")
    printed, errors = capfd.readouterr()
    assert f"written: {out}" in printed
    assert errors == ""
    prepare(raw, tmp_path / "ours", "--workers=1")
    assert content(out) == content(tmp_path / "ours")


@pytest.mark.proof
def test_killed_the_command_leaves_no_process(few, tmp_path):
    run = start(few, tmp_path, workers=1)
    end = time.monotonic() + 60
    while not (workers := workers_of(run)):
        assert time.monotonic() < end
        time.sleep(0.01)
    run.kill()
    run.communicate()
    while any(pathlib.Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.proof
def test_from_and_to_buckets_are_the_bytes_of_the_disk(few, in_bucket, tmp_path, gcs, capsys):
    prepare(in_bucket, f"{gcs.root}/ours", "--workers=1")
    prepare(in_bucket, f"{gcs.root}/beam", ELSEWHERE)
    assert capsys.readouterr().err == ""
    found = content(f"{gcs.root}/beam")
    assert found == content(f"{gcs.root}/ours")
    prepare(few, tmp_path, "--workers=1")
    told = {"preparation.json", "report.json"}  # where the raw folder is
    on_disk = {name: data for name, data in content(tmp_path).items() if name not in told}
    of_bucket = {
        name: data.replace(str(in_bucket).encode(), str(few).encode())  # in notes of shards too
        for name, data in found.items()
        if name not in told
    }
    assert of_bucket == on_disk


def test_a_store_that_gives_no_answer_is_no_bad_file_to_be_skipped(in_bucket, tmp_path, gcs):
    image = in_bucket / "Video_files" / FEW["train"][1] / "color" / "color_0001.jpeg"
    with (
        gcs.disturbed("403", image.name, times=99),
        pytest.raises(InputError, match=r"^cannot read gs://\S*/color_0001.jpeg: "),
    ):
        prepare(in_bucket, tmp_path, "--workers=1", "--skip-bad")


def test_elsewhere_a_failure_is_the_file_s_and_folders_on_disk_are_warned_of(tmp_path, capsys):
    raw = raw_folders.write_fpha(tmp_path / "raw", FEW, frames=1, size=(480, 270))
    image = raw / "Video_files" / FEW["train"][1] / "color" / "color_0000.jpeg"
    whole = image.read_bytes()
    image.write_bytes(b"broken")
    out = tmp_path / "out"
    with pytest.raises(InputError, match=f"^unreadable image {image}: ") as found:
        prepare(raw, out, ELSEWHERE)
    assert "\n" not in str(found.value)
    assert f"FnApiRunner must see {raw} and {out} under the same" in capsys.readouterr().err
    image.write_bytes(whole)
    prepare(raw, out, ELSEWHERE)
    assert not list(out.glob(".*.tmp"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runner=NoRunner"], r"^--runner=NoRunner: Unexpected pipeline runner: NoRunner"),
        (["--runner=no.such.Runner"], r"^--runner=no.such.Runner: No module named 'no'$"),
        (["--runner=DirectRunner", "--", "--direct_workers=2"], "no option --direct_workers$"),
        (
            ["--runner=DirectRunner", "--", "--direct_num_workers=x"],
            r"argument --direct_num_workers: invalid int value: 'x' \(of Beam, after --\)",
        ),
        (["--", "--direct_num_workers=2"], "unexpected argument '--direct_num_workers=2'; see"),
        (["--runner=DirectRunner", "--verify=x"], "--runner has no meaning with --verify"),
    ],
)
def test_bad_options_are_one_clear_line(few, tmp_path, arguments, message):
    with pytest.raises(InputError, match=message) as found:
        prepare(few, tmp_path / "out", *arguments)
    assert "\n" not in str(found.value)
    assert not (tmp_path / "out").exists()


def test_machines_without_these_disks_are_given_no_folders_on_them(few, tmp_path):
    message = f"machines of DataflowRunner do not see {few} and {tmp_path}; name addresses in"
    with pytest.raises(InputError, match=message):
        prepare(few, tmp_path, "--runner=DataflowRunner")


def test_without_beam_the_extra_is_named(few, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "data_prep.beam", None)
    with pytest.raises(InputError, match=r"not installed: pip install -e '\.\[beam\]'"):
        prepare(few, tmp_path / "out", "--runner=DirectRunner")


def test_who_does_not_use_beam_does_not_import_it():
    files = [*(REPOSITORY / "data_prep").rglob("*.py"), *(REPOSITORY / "htt_jax").rglob("*.py")]
    early = r"^(?:from|import) (?:apache_beam|data_prep\.beam|data_prep import .*\bbeam)"
    users = {path.name for path in files if re.search(early, path.read_text(), re.M)}
    assert users == {"beam.py", "beam_processes.py"}
