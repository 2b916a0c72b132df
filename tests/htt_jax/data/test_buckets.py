"""Prepared datasets in buckets, read from a real store on loopback."""

import pathlib
import pickle
import shutil

import numpy as np
import pytest

from htt_jax.data import loader, local_copy, records, tfrecord
from htt_jax.data.clips import ClipSpec
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import FPHA
from htt_jax.runs.config import open_source
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.support.paths import place
from tests import object_stores, prepared, train_runs

LENGTHS = [9, 4, 12, 7]


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("buckets") / "data"
    return prepared.write_dataset(folder, FPHA, {"train": LENGTHS, "test": [5]}, (32, 18))


def put(folder, address):
    for path in folder.iterdir():
        with atomic_write(place(address) / path.name) as file:
            file.write(path.read_bytes())


@pytest.fixture(scope="module", params=["gcs", "s3"])
def store(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def in_bucket(store, on_disk):
    put(on_disk, f"{store.root}/data")
    return f"{store.root}/data"


@pytest.fixture
def own(store, on_disk, request):
    """A copy for one test to damage."""
    address = f"{store.root}/{request.node.originalname}"
    put(on_disk, address)
    return place(address)


def shard_of(folder, split="train"):
    return records.shard_path(folder, FPHA, split, 0, 1)


def batches(directory, count, **options):
    found = loader.train_batches(
        RecordSource(directory, "train"),
        clips=ClipSpec(window=2, frames=4, spacing=1),
        batch_size=3,
        seed=1,
        **options,
    )
    return [next(found) for _ in range(count)]


def assert_same(found, expected):
    for here, there in zip(found, expected, strict=True):
        for name, values in there.items():
            np.testing.assert_array_equal(here[name], values)


def test_batches_are_those_of_the_disk(in_bucket, on_disk, store):
    asked = len(store.requests)
    assert_same(batches(in_bucket, 6), batches(on_disk, 6))
    shard = shard_of(on_disk).name
    parts = [x for x in store.requests[asked:] if shard in x and "index" not in x]
    assert len(parts) >= 18  # a request a clip


def test_a_source_is_the_same_as_on_disk_also_when_pickled(in_bucket, on_disk):
    found = pickle.loads(pickle.dumps(RecordSource(in_bucket, "train")))
    expected = RecordSource(on_disk, "train")
    assert found.fingerprint == expected.fingerprint
    assert found.video_ids == expected.video_ids
    assert found[2].frames == expected[2].frames


def test_without_its_index_a_shard_is_read_through(own, on_disk):
    tfrecord.index_path(shard_of(own)).unlink()
    assert RecordSource(own, "train").fingerprint == RecordSource(on_disk, "train").fingerprint


def test_damaged_cut_and_missing_objects_are_one_line_with_their_name(own):
    source = RecordSource(own, "train")
    shard = shard_of(own)
    whole, at = shard.read_bytes(), tfrecord.stored_index(shard).offsets[2]
    shard.write_bytes(whole[: at + 200] + b"?" + whole[at + 201 :])
    where = f"damaged shard {shard}: record 2 at byte {at}: "
    with pytest.raises(InputError, match=where + "the checksum of its data is wrong"):
        source[2]
    shard.write_bytes(whole[: at + 200])
    with pytest.raises(InputError, match=where + "the file ends inside the record"):
        source[2]
    with pytest.raises(InputError, match=where):
        RecordSource(own, "train")
    shard.unlink()
    with pytest.raises(InputError, match=f"cannot read {shard}: there is no such object"):
        source[2]
    with pytest.raises(InputError, match=f"no directory {own}/nothing; prepare a dataset"):
        RecordSource(f"{own}/nothing", "train")


@pytest.mark.parametrize("fault", ["slow", "503", "cut"])
def test_what_a_store_fails_at_for_a_while_is_asked_for_again(in_bucket, store, on_disk, fault):
    source = RecordSource(in_bucket, "train")
    with store.disturbed(fault, shard_of(on_disk).name) as left:
        assert source[1].frames == RecordSource(on_disk, "train")[1].frames
    assert not left


def test_a_refusal_is_one_line_that_names_the_object_and_no_secret(in_bucket, store):
    source, shard = RecordSource(in_bucket, "train"), shard_of(in_bucket)
    with (
        store.disturbed("403", shard.name, times=9),
        pytest.raises(InputError, match=f"^cannot read {shard}: ") as refused,
    ):
        source[1]
    assert "\n" not in str(refused.value)
    assert object_stores.SECRET not in str(refused.value)


def test_an_answer_shorter_than_asked_for_is_one_line_and_nothing_wrong(in_bucket, store, on_disk):
    source, shard = RecordSource(in_bucket, "train"), shard_of(in_bucket)
    with (
        store.disturbed("short", shard.name),
        pytest.raises(InputError, match=f"{shard}: record 1 .*ends inside the record"),
    ):
        source[1]
    assert source[1].frames == RecordSource(on_disk, "train")[1].frames


def test_a_local_copy_is_made_once_and_mended(own, on_disk, tmp_path, store):
    copy = local_copy.bring(own, tmp_path)
    names = {path.name for path in on_disk.iterdir()}
    assert {path.name: (copy / path.name).read_bytes() for path in copy.iterdir()} == {
        name: (on_disk / name).read_bytes() for name in names
    }
    asked = len(store.requests)
    assert local_copy.bring(own, tmp_path) == copy
    content = [x for x in store.requests[asked:] if x.endswith("alt=media") and "index" not in x]
    assert not any("tfrecord" in request for request in content)
    shard = shard_of(copy)
    with open(shard, "ab") as file:
        file.write(b"more")
    local_copy.bring(own, tmp_path)
    assert shard.read_bytes() == shard_of(on_disk).read_bytes()


def test_of_a_damaged_dataset_there_is_no_local_copy(own, tmp_path):
    shard = shard_of(own)
    content = bytearray(shard.read_bytes())
    content[300] ^= 1
    shard.write_bytes(bytes(content))
    with pytest.raises(InputError, match=f"damaged shard {shard}: record 0 at byte 0"):
        local_copy.bring(own, tmp_path)
    (folder,) = tmp_path.iterdir()
    assert not (folder / shard.name).exists()
    with pytest.raises(InputError, match="is not a prepared dataset"):
        RecordSource(folder, "train")
    with pytest.raises(InputError, match=r"local_copy=gs://b/x must be a folder on this host"):
        local_copy.bring(own, "gs://b/x")
    shutil.rmtree(folder)


def test_a_run_reads_its_local_copy(in_bucket, on_disk, tmp_path):
    config = train_runs.tiny_config(in_bucket, data__local_copy=str(tmp_path))
    source = open_source(config, "test")
    assert pathlib.Path(source.directory).parent == tmp_path
    assert source.fingerprint == RecordSource(on_disk, "test").fingerprint


def test_a_folder_in_another_of_its_name_is_seen(store):
    outer = place(f"{store.root}/same")
    for path in (outer / "same/file", outer / "other"):
        path.write_bytes(b"content")
    assert [path.name for path in outer.iterdir()] == ["other", "same"]
    assert [path.name for path in (outer / "same").iterdir()] == ["file"]
