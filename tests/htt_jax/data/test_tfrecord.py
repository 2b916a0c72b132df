import gc
import struct

import google_crc32c
import pytest

from htt_jax.data import tfrecord
from htt_jax.support.errors import InputError
from htt_jax.support.ranges import open_ranges
from tests.full_disk import full_disk

RECORDS = [b"first", b"", b"third" * 1000]


def write(path):
    with tfrecord.ShardWriter(path) as shard:
        for number, data in enumerate(RECORDS):
            shard.write(data, number + 1, f"video {number}")
    return shard.index


def describe(data: bytes) -> tuple[int, str, float | None]:
    number = RECORDS.index(data)
    return number + 1, f"video {number}", None


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shard"


def test_framing_is_that_of_tfrecord_files(path):
    write(path)
    data = path.read_bytes()
    crc = google_crc32c.value(struct.pack("<Q", 5))
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32
    assert data[:12] == struct.pack("<QI", 5, masked)
    assert data[12:17] == b"first"
    # Written by TensorFlow's own TFRecordWriter: the checksum of an empty record's length.
    assert tfrecord.masked_crc(bytes(8)) == 0x07980329


def test_records_come_back_in_any_order(path):
    index = write(path)
    assert list(tfrecord.read_all(path)) == RECORDS
    found = [tfrecord.read_one(open_ranges(path), index, i) for i in (2, 0, 1)]
    assert found == [RECORDS[2], RECORDS[0], RECORDS[1]]


def test_index_is_stored_and_can_be_rebuilt(path):
    index = write(path)
    assert tfrecord.stored_index(path) == index
    assert index.frames == [1, 2, 3]
    assert index.num_bytes == path.stat().st_size
    assert tfrecord.scan(path, describe) == index


def test_index_that_does_not_fit_is_not_used(path):
    write(path)
    text = tfrecord.index_path(path).read_text()
    for wrong in ("", "[1, 2]", '{"offset": []}', text.replace("5000", "5001")):
        tfrecord.index_path(path).write_text(wrong)
        assert tfrecord.stored_index(path) is None
    tfrecord.index_path(path).write_text(text)
    path.write_bytes(path.read_bytes()[:-1])
    assert tfrecord.stored_index(path) is None


def test_nothing_appears_when_writing_fails(path):
    def fail():
        with tfrecord.ShardWriter(path) as shard:
            shard.write(b"data", 1, "video")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("byte", [0, 9, 14, 18])  # length, its checksum, data, its checksum
def test_any_flipped_bit_is_found(path, byte):
    index = write(path)
    data = bytearray(path.read_bytes())
    data[byte] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"shard.*: record 0 at byte 0: .*checksum"):
        list(tfrecord.read_all(path))
    with pytest.raises(InputError, match=r"shard.*: record 0 at byte 0: .*checksum"):
        tfrecord.read_one(open_ranges(path), index, 0)


@pytest.mark.parametrize(
    ("missing", "message"), [(1, "1 bytes are missing"), (5010, "inside the record's header")]
)
def test_a_cut_shard_is_found(path, missing, message):
    index = write(path)
    path.write_bytes(path.read_bytes()[:-missing])
    where = f"record 2 at byte {index.offsets[2]}: .*"
    with pytest.raises(InputError, match=where + message):
        list(tfrecord.read_all(path))
    with pytest.raises(InputError, match=where + "ends inside"):
        tfrecord.read_one(open_ranges(path), index, 2)


def test_without_room_for_the_index_there_is_neither_and_one_error(path):
    shard = tfrecord.ShardWriter(path)
    shard.__enter__()
    shard.write(b"buffered" * 100, 1, "video")
    with full_disk(free=100), pytest.raises(OSError, match="File too large"):
        shard.__exit__(None, None, None)
    assert not list(path.parent.iterdir())
    with full_disk(free=100):
        del shard
        gc.collect()  # what was left open would fail once more
