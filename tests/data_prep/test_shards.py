import contextlib
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds

from data_prep import fpha, h2o, images, shards
from htt_jax.data import records, tfrecord
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import FPHA
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place
from tests.data_prep import raw_folders
from tests.full_disk import full_disk

REPOSITORY = pathlib.Path(__file__).parents[2]
VIDEOS = {
    "train": [f"Subject_1/open_juice_bottle/{i}" for i in range(20)],
    "test": [f"Subject_2/put_salt/{i}" for i in range(3)],
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return raw_folders.write_fpha(tmp_path_factory.mktemp("raw"), VIDEOS, frames=2, size=(480, 270))


def prepare(raw: pathlib.Path, out: pathlib.Path, *options: str) -> None:
    fpha.main(["--raw", str(raw), "--out", str(out), "--workers", "1", *options])


def start(raw: pathlib.Path, out: pathlib.Path, workers: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "data_prep.fpha", "--raw", str(raw), "--out", str(out)]
    return subprocess.Popen(
        [*command, "--workers", str(workers)],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def shard_hashes(out: pathlib.Path) -> dict[str, str]:
    """Of every shard and its index."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.glob("fpha-*"))
    }


def wait_until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_tfds_opens_the_result(raw, tmp_path):
    prepare(raw, tmp_path)
    builder = tfds.builder_from_directory(tmp_path)
    counts = {name: split.num_examples for name, split in builder.info.splits.items()}
    assert counts == {"train": 20, "test": 3}
    assert builder.info.splits["train"].num_shards == 3
    assert builder.info.features["action"].names == raw_folders.FPHA_ACTIONS
    assert builder.info.features["object"].names == ["juice_bottle", "salt", "milk"]


@pytest.mark.proof
def test_killed_and_started_again_ends_with_the_same_bytes(tmp_path):
    raw = raw_folders.write_fpha(tmp_path / "raw", VIDEOS, frames=2)
    out, whole = tmp_path / "out", tmp_path / "whole"
    run = start(raw, out, workers=2)
    first = out / "fpha-train.tfrecord-00000-of-00003"
    wait_until(lambda: first.exists() or run.poll() is not None)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    assert not (out / "dataset_info.json").exists()
    inode = first.stat().st_ino

    def no_worker_left() -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, 0)
            return False
        return True

    run.stderr.close()
    wait_until(no_worker_left)
    prepare(raw, out)
    prepare(raw, whole)
    assert first.stat().st_ino == inode  # kept, not written again
    assert shard_hashes(out) == shard_hashes(whole)
    assert len(shard_hashes(out)) == 2 * 4
    assert not list(out.glob(".*.tmp"))
    reports = [json.loads((folder / "report.json").read_text()) for folder in (out, whole)]
    assert reports[0] == reports[1]


def test_an_error_in_a_worker_process_is_one_line_and_status_2(tmp_path):
    raw = raw_folders.write_fpha(tmp_path / "raw", VIDEOS, frames=1, size=(480, 270))
    image = raw / "Video_files" / VIDEOS["train"][19] / "color" / "color_0000.jpeg"
    image.write_bytes(b"broken")
    run = start(raw, tmp_path / "out", workers=2)
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 2
    assert errors.startswith(f"error: unreadable image {image}: ")
    assert errors.count("\n") == 1


def test_a_raw_folder_that_is_gone_is_no_empty_one(tmp_path):
    root = raw_folders.write_h2o(
        tmp_path / "raw", raw_folders.H2O_RECORDINGS, raw_folders.H2O_LABELS, size=(480, 270)
    )
    raw = h2o.find(root)
    root.rename(tmp_path / "elsewhere")
    encoder = images.FrameEncoder(h2o.NATIVE_SIZE, images.resize_bilinear)
    with pytest.raises(InputError, match=f"sees no directory {root}; whatever writes shards"):
        shards.prepare(raw, tmp_path / "out", encoder, workers=1)


def test_a_deleted_shard_is_made_again_with_the_same_bytes(raw, tmp_path):
    prepare(raw, tmp_path)
    before = shard_hashes(tmp_path)
    (tmp_path / "fpha-train.tfrecord-00001-of-00003").unlink()
    (tmp_path / "fpha-test.tfrecord-00000-of-00001.index.json").unlink()
    (tmp_path / ".fpha-train.tfrecord-00001-of-00003.1.tmp").write_bytes(b"left by a killed run")
    prepare(raw, tmp_path)
    assert shard_hashes(tmp_path) == before
    assert not list(tmp_path.glob(".*.tmp"))


def test_in_a_bucket_are_the_bytes_of_the_disk_also_when_it_was_not_finished(
    raw, tmp_path, gcs, capsys
):
    prepare(raw, tmp_path)
    out = place(f"{gcs.root}/prepared")
    prepare(raw, out)
    assert shard_hashes(out) == shard_hashes(tmp_path)
    (out / "dataset_info.json").unlink()
    (out / "fpha-train.tfrecord-00001-of-00003").unlink()
    asked = len(gcs.requests)
    prepare(raw, out)
    assert shard_hashes(out) == shard_hashes(tmp_path)
    uploads = [x for x in gcs.requests[asked:] if x.startswith("POST") and "uploadType" in x]
    assert len([x for x in uploads if "tfrecord-" in x]) <= 2  # the shard and its index
    fpha.main(["--verify", str(out), "--workers", "1"])
    assert f"{out} is whole: 23 videos, 46 frames" in capsys.readouterr().out


def test_other_options_or_data_are_refused_by_name(raw, tmp_path):
    prepare(raw, tmp_path)
    with pytest.raises(InputError, match=r"begun with lossless = False, this run has True"):
        prepare(raw, tmp_path, "--lossless")
    with pytest.raises(InputError, match=r"begun with quality = 95.* this run has 80"):
        prepare(raw, tmp_path, "--quality", "80")
    prepare(raw, tmp_path, "--skip-bad")
    with pytest.raises(InputError, match=r"begun with skip_bad = True, this run has False"):
        prepare(raw, tmp_path)


def test_changed_lists_are_refused(tmp_path):
    videos = {"train": VIDEOS["train"][:2], "test": []}
    raw = raw_folders.write_fpha(tmp_path / "raw", videos, frames=1, size=(480, 270))
    prepare(raw, tmp_path / "out")
    split = raw / "data_split_action_recognition.txt"
    split.write_text(split.read_text().replace("bottle/1 0", "bottle/7 0"))
    with pytest.raises(InputError, match=r"begun with videos = .*'train': 2.*'train': 1"):
        prepare(raw, tmp_path / "out")
    split.write_text(split.read_text().replace("bottle/7 0", "bottle/1 0"))
    actions = raw / "action_object_info.txt"
    actions.write_text(actions.read_text().replace("close_milk milk", "close_milk carton"))
    with pytest.raises(InputError, match=r"lists of videos or classes in .* have changed"):
        prepare(raw, tmp_path / "out")


@pytest.mark.parametrize(
    ("free", "where"),
    [
        (200, "preparation.json"),
        (60_000, "fpha-train.tfrecord-00000-of-00003"),
    ],
)
def test_a_full_disk_is_one_line_and_running_again_continues(raw, tmp_path, free, where):
    message = rf"^cannot write .*{where}: File too large; make room, and .*: it continues$"
    with full_disk(free), pytest.raises(InputError, match=message):
        prepare(raw, tmp_path)
    assert not list(tmp_path.glob(".*.tmp"))
    prepare(raw, tmp_path)
    assert len(RecordSource(tmp_path, "train")) == 20


def test_a_disk_that_fills_with_the_index_or_the_metadata_leaves_whole_shards(tmp_path):
    videos = {"train": VIDEOS["train"][:1], "test": VIDEOS["test"][:1]}
    raw = raw_folders.write_fpha(tmp_path / "raw", videos, frames=1, size=(480, 270))
    out = tmp_path / "out"
    prepare(raw, out)
    hashes, whole = shard_hashes(out), (out / "report.json").read_text()
    shard = "fpha-test.tfrecord-00000-of-00001"
    for name in (shard, f"{shard}.index.json", "report.json", "dataset_info.json"):
        (out / name).unlink()
        out.joinpath(name).mkdir()  # cannot be replaced by a file
        with pytest.raises(InputError, match=r"^cannot write .*: Is a directory; put that right"):
            prepare(raw, out)
        assert not list(out.glob(".*.tmp"))
        out.joinpath(name).rmdir()
        prepare(raw, out)
        assert (shard_hashes(out), (out / "report.json").read_text()) == (hashes, whole)


def test_a_split_of_which_nothing_can_be_used_is_empty_and_reported(tmp_path, capsys):
    videos = {"train": VIDEOS["train"][:1], "test": VIDEOS["test"]}
    raw = raw_folders.write_fpha(tmp_path / "raw", videos, frames=1, size=(480, 270))
    for video in videos["test"]:
        (raw / "Video_files" / video / "color" / "color_0000.jpeg").write_bytes(b"broken")
    out = tmp_path / "out"
    prepare(raw, out, "--skip-bad")
    printed = capsys.readouterr().out
    assert "test           0        0" in printed
    assert "empty split (1)\n  test: no video of it can be used" in printed
    assert len(RecordSource(out, "train")) == 1
    with pytest.raises(InputError, match=r"'test' of .* is empty, its report.json says why"):
        RecordSource(out, "test")
    assert tfds.builder_from_directory(out).info.splits["train"].num_examples == 1
    fpha.main(["--verify", str(out), "--workers", "1"])


def test_a_folder_with_other_files_is_refused(raw, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds other files"):
        prepare(raw, tmp_path)
    with pytest.raises(InputError, match=r"cannot write to .*thesis.tex: File exists"):
        prepare(raw, tmp_path / "thesis.tex")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--raw", "nowhere", "--out", "x"], "no directory nowhere"),
        (["--out", "x"], "--raw and --out are needed"),
        (["--raw", ".", "--out", "x", "--quality", "101"], "--quality is 101"),
        (["--raw", ".", "--out", "x", "--workers", "0"], "--workers is 0"),
        (["--verify", "nowhere"], "no directory nowhere"),
    ],
)
def test_bad_options_are_one_clear_line(arguments, message):
    with pytest.raises(InputError, match=message):
        fpha.main(arguments)


def test_verify_passes_a_whole_dataset(raw, tmp_path, capsys):
    prepare(raw, tmp_path)
    capsys.readouterr()
    fpha.main(["--verify", str(tmp_path), "--workers", "1"])
    assert "is whole: 23 videos, 46 frames" in capsys.readouterr().out


def test_verify_names_shard_and_record_of_everything_wrong(raw, tmp_path, capsys):
    prepare(raw, tmp_path)
    flipped = tmp_path / "fpha-train.tfrecord-00000-of-00003"
    offsets = tfrecord.stored_index(flipped).offsets
    data = bytearray(flipped.read_bytes())
    data[offsets[2] + 500] ^= 1
    flipped.write_bytes(data)
    cut = tmp_path / "fpha-train.tfrecord-00001-of-00003"
    cut.write_bytes(cut.read_bytes()[:-10])
    (tmp_path / "fpha-train.tfrecord-00002-of-00003").unlink()
    with pytest.raises(InputError, match=r"^3 problem"):
        fpha.main(["--verify", str(tmp_path), "--workers", "1"])
    lines = capsys.readouterr().err.splitlines()
    assert f"{flipped}: record 2 at byte {offsets[2]}: the checksum of its data" in lines[0]
    assert f"{cut}: record 6 at byte" in lines[1]
    assert "fpha-train.tfrecord-00002-of-00003: No such file" in lines[2]


def test_verify_checks_what_is_inside_the_records(raw, tmp_path, capsys):
    prepare(raw, tmp_path)
    video = RecordSource(tmp_path, "test")[0]
    video.frames[1] = video.frames[1][:-20]
    video.joints_3d[0, 0, 0] = np.nan
    video.joints_3d[1] = 0.0
    path = tmp_path / "fpha-test.tfrecord-00000-of-00001"
    names = (raw_folders.FPHA_ACTIONS, ["juice_bottle", "salt", "milk"])
    with records.ShardWriter(path) as shard:
        data = records.encode(video, records.features(FPHA, *names))
        shard.write(data, 2, video.video_id)
        shard.write(b"\x0a\x00", 2, "not a record")
    with pytest.raises(InputError, match=r"^5 problem"):
        fpha.main(["--verify", str(tmp_path), "--workers", "1"])
    lines = capsys.readouterr().err.splitlines()
    found = "record 0 (Subject_2/put_salt/0): "
    assert found + "right hand, frame 0: a joint is not finite; prepared again" in lines[0]
    assert found + "right hand, frame 1: all joints are in one place; prepared again" in lines[1]
    assert found + "frame 1: the file is cut short" in lines[2]
    assert "record 1: not a record of this dataset's schema" in lines[3]
    assert "2 records, expected 3 (dataset_info.json)" in lines[4]
