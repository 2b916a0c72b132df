import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pickle
import subprocess
import sys

import cv2
import grain.python as grain
import numpy as np
import pytest

from htt_jax.data import records, tfrecord
from htt_jax.data.records import Depth, RecordSource, Video
from htt_jax.datasets.spec import H2O
from htt_jax.support.errors import InputError

ACTIONS, OBJECTS = ["put salt", "open milk"], ["salt", "milk", "hand"]


def make_video(name="a/1", frames=3, spec=H2O) -> Video:
    rng = np.random.default_rng(frames)
    image = rng.integers(0, 255, (18, 32, 3), np.uint8)
    return Video(
        video_id=name,
        segment_id=7,
        subject="a",
        action=1,
        object=2,
        frames=[cv2.imencode(".png", image + i)[1].tobytes() for i in range(frames)],
        frame_numbers=np.arange(frames) + 10,
        joints_3d=rng.random((frames, spec.num_joints, 3), np.float32),
        hand_annotated=rng.random((frames, len(spec.hands))) > 0.5,
        intrinsics=np.array([[30, 0, 16], [0, 31, 9], [0, 0, 1]], np.float32),
    )


def with_depth(video: Video, maps: list[bytes]) -> Video:
    camera = np.array([[20, 0, 12], [0, 21, 8], [0, 0, 1]], np.float32)
    turn = np.random.default_rng(1).random((4, 4), np.float32)
    return dataclasses.replace(video, depth=Depth(maps, camera, turn))


def depth_map(number: int) -> bytes:
    values = np.arange(number, number + 16 * 24, dtype=np.uint16).reshape(16, 24)
    return cv2.imencode(".png", values)[1].tobytes()


def assert_same(one, other) -> None:
    for name, value in vars(one).items():
        if isinstance(value, Depth):
            assert_same(value, getattr(other, name))
            continue
        np.testing.assert_array_equal(getattr(other, name), value)
        assert type(getattr(other, name)) is type(value)
        assert getattr(getattr(other, name), "dtype", None) == getattr(value, "dtype", None)


def write(directory, splits, spec=H2O):
    """Splits give the videos of each shard."""
    schema = records.features(spec, ACTIONS, OBJECTS)
    indexes = {}
    for split, shards in splits.items():
        indexes[split] = []
        for number, videos in enumerate(shards):
            path = records.shard_path(directory, spec, split, number, len(shards))
            with records.ShardWriter(path) as shard:
                for video in videos:
                    data = records.encode(video, schema)
                    shard.write(data, len(video.frames), video.video_id)
            indexes[split].append(shard.index)
    records.write_metadata(directory, spec, ACTIONS, OBJECTS, indexes)


H2O_DEPTH = dataclasses.replace(H2O, depth=True)
VIDEOS = [make_video(f"a/{n}", n) for n in (1, 2, 3)]


@pytest.fixture
def directory(tmp_path):
    write(tmp_path, {"train": [VIDEOS[:1], [], VIDEOS[1:]], "test": [VIDEOS[2:]], "val": [[]]})
    return tmp_path


def test_encoding_and_decoding_keep_everything():
    schema = records.features(H2O, ACTIONS, OBJECTS)
    for video in VIDEOS:
        assert_same(video, records.decode(records.encode(video, schema), schema))


def test_hidden_action_and_unknown_object_are_kept():
    schema = records.features(H2O, ACTIONS, OBJECTS)
    video = make_video()
    video.action = video.object = -1
    decoded = records.decode(records.encode(video, schema), schema)
    assert (decoded.action, decoded.object) == (-1, -1)


def test_every_process_encodes_to_the_same_bytes_without_tensorflow():
    program = (
        "import hashlib, sys, test_records as t\n"
        "schema = t.records.features(t.H2O, t.ACTIONS, t.OBJECTS)\n"
        "assert 'tensorflow' not in sys.modules\n"
        "print(hashlib.sha256(t.records.encode(t.make_video(), schema)).hexdigest())"
    )
    path = os.pathsep.join([os.path.dirname(__file__), os.getcwd()])
    found = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = records.encode(make_video(), records.features(H2O, ACTIONS, OBJECTS))
    assert found.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_source_reads_across_shards(directory):
    source = RecordSource(directory, "train")
    assert isinstance(source, grain.RandomAccessDataSource)
    assert len(source) == 3
    for number in (2, 0, 1):
        assert_same(VIDEOS[number], source[number])
    assert source.video_ids == ["a/1", "a/2", "a/3"]
    assert source.frame_counts.tolist() == [1, 2, 3]
    assert source.image_size == (32, 18)
    assert (source.action_names, source.object_names) == (ACTIONS, OBJECTS)
    assert source.spec == H2O


def test_source_survives_pickling_and_threads(directory):
    source = pickle.loads(pickle.dumps(RecordSource(directory, "train")))
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        found = list(threads.map(source.__getitem__, [0, 1, 2] * 10))
    for number, video in enumerate(found):
        assert_same(VIDEOS[number % 3], video)


def test_source_without_index_is_the_same(directory):
    before = RecordSource(directory, "train")
    for path in directory.glob("*.index.json"):
        path.unlink()
    after = RecordSource(directory, "train")
    assert after.fingerprint == before.fingerprint
    assert after.video_ids == before.video_ids
    assert_same(VIDEOS[2], after[2])


def test_fingerprint_tells_data_and_schema_apart(directory, tmp_path_factory):
    prints = {RecordSource(directory, split).fingerprint for split in ("train", "test")}
    other = tmp_path_factory.mktemp("other")
    write(other, {"train": [VIDEOS[:1], [], VIDEOS[1:]]})
    assert RecordSource(other, "train").fingerprint in prints
    (other / "action.labels.txt").write_text("put salt\nclose milk\n")
    assert RecordSource(other, "train").fingerprint not in prints
    assert len(prints) == 2


def test_damage_is_named_by_shard_record_and_offset(directory):
    path = directory / "h2o-train.tfrecord-00002-of-00003"
    offset = tfrecord.stored_index(path).offsets[1]
    data = bytearray(path.read_bytes())
    data[offset + 300] ^= 4
    path.write_bytes(data)
    source = RecordSource(directory, "train")
    assert_same(VIDEOS[1], source[1])
    with pytest.raises(InputError, match=rf"{path.name}: record 1 at byte {offset}: .*checksum"):
        source[2]
    path.write_bytes(data[:-4])
    with pytest.raises(InputError, match=rf"{path.name}: record 1 at byte {offset}: .*missing"):
        RecordSource(directory, "train")
    path.unlink()
    with pytest.raises(InputError, match=rf"cannot read the shard .*{path.name}: No such file"):
        RecordSource(directory, "train")


def test_a_record_of_another_schema_is_refused(directory):
    path = directory / "h2o-test.tfrecord-00000-of-00001"
    with records.ShardWriter(path) as shard:
        shard.write(b"something else", 3, "a/3")
    with pytest.raises(InputError, match=rf"{path.name}: record 0 at byte 0: not a record"):
        RecordSource(directory, "test")


def test_a_video_whose_parts_differ_in_length_is_refused():
    schema = records.features(H2O, ACTIONS, OBJECTS)
    video = make_video()
    video.frames.pop()
    with pytest.raises(InputError, match="'a/1' has 2 frames, 3 frame numbers"):
        records.decode(records.encode(video, schema), schema)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("validation", "has no split 'validation'; it has train, test, val"),
        ("val", "split 'val' of .* is empty"),
    ],
)
def test_unknown_and_empty_splits_are_named(directory, split, message):
    with pytest.raises(InputError, match=message):
        RecordSource(directory, split)


def test_a_dataset_prepared_before_it_described_itself_is_known_by_its_name(directory):
    before = RecordSource(directory, "train")
    (directory / "spec.json").unlink()
    source = RecordSource(directory, "train")
    assert source.spec == before.spec == H2O
    assert source.fingerprint == before.fingerprint


def test_what_is_no_prepared_dataset_is_named(directory, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(InputError, match=r"no directory .*elsewhere; prepare a dataset"):
        RecordSource(empty / "elsewhere", "train")
    with pytest.raises(InputError, match=r"not a prepared dataset: it has no dataset_info.json"):
        RecordSource(empty, "train")
    info = directory / "dataset_info.json"
    text = info.read_text()
    info.write_text(text.replace('"1.0.0"', '"0.1.0"'))
    with pytest.raises(InputError, match=r"version is '0.1.0', expected '1.0.0'"):
        RecordSource(directory, "train")
    info.write_text(text.replace('"h2o"', '"ego4d"'))
    with pytest.raises(InputError, match=r"spec.json describes 'h2o', dataset_info.json 'ego4d'"):
        RecordSource(directory, "train")
    (directory / "spec.json").write_text('{"name": "h2o"}')
    with pytest.raises(InputError, match=r"cannot read .*spec.json: .* lacks 'skeleton'"):
        RecordSource(directory, "train")
    (directory / "spec.json").unlink()
    with pytest.raises(InputError, match=r"unknown dataset 'ego4d'"):
        RecordSource(directory, "train")
    info.write_text(text[:50])
    with pytest.raises(InputError, match=r"cannot read .*dataset_info.json"):
        RecordSource(directory, "train")


def test_depth_maps_are_kept_and_where_there_is_none(tmp_path):
    without = with_depth(make_video("a/1", 2), [b"", b""])
    videos = [without, with_depth(make_video("a/2"), [b"", depth_map(900), b""])]
    write(tmp_path, {"train": [videos], "val": [[without]]}, H2O_DEPTH)
    source = pickle.loads(pickle.dumps(RecordSource(tmp_path, "train")))
    assert source.spec == H2O_DEPTH
    for number, video in enumerate(videos):
        assert_same(video, source[number])
    assert (source.image_size, source.depth_size) == ((32, 18), (24, 16))
    assert RecordSource(tmp_path, "val").depth_size is None


def test_a_dataset_without_depth_is_byte_for_byte_what_it_was(directory):
    video = dataclasses.replace(make_video(), frames=[b"some", b"bytes", b""])
    record = records.encode(video, records.features(H2O, ACTIONS, OBJECTS))
    before_there_was_depth = "61e527b4a968edaf"
    assert hashlib.sha256(record).hexdigest().startswith(before_there_was_depth)
    assert not [p.name for p in directory.glob("*.json") if b"depth" in p.read_bytes()]
    assert RecordSource(directory, "train").depth_size is None


def test_depth_in_the_record_and_in_the_spec_must_agree():
    schema, deep = (records.features(spec, ACTIONS, OBJECTS) for spec in (H2O, H2O_DEPTH))
    with pytest.raises(InputError, match="'a/1' has no depth maps, unlike its dataset's spec"):
        records.encode(make_video(), deep)
    video = with_depth(make_video(), [b""] * 3)
    with pytest.raises(InputError, match="'a/1' has depth maps, unlike its dataset's spec"):
        records.encode(video, schema)
    with pytest.raises(InputError, match="'a/1' has 3 frames and 2 depth maps"):
        records.decode(records.encode(with_depth(video, [b""] * 2), deep), deep)


def test_a_spec_that_does_not_say_whether_there_is_depth_is_refused(directory):
    path = directory / "spec.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"depth": "no"}))
    with pytest.raises(InputError, match=r"(?s)cannot read .*spec.json: .*depth.*'no'"):
        RecordSource(directory, "train")


@pytest.mark.parametrize(("part", "shape"), [("camera_poses", (4, 4)), ("object_boxes", (9, 3))])
def test_what_a_dataset_may_lack_is_in_the_record_if_and_only_if_in_the_spec(part, shape):
    spec = dataclasses.replace(H2O, **{part: True})
    schema, posed = (records.features(one, ACTIONS, OBJECTS) for one in (H2O, spec))
    video = dataclasses.replace(make_video(), **{part: np.ones((3, *shape), np.float32)})
    assert_same(video, records.decode(records.encode(video, posed), posed))
    what = part.replace("_", " ")
    with pytest.raises(InputError, match=f"'a/1' has no {what}, unlike its dataset's spec"):
        records.encode(make_video(), posed)
    with pytest.raises(InputError, match=f"'a/1' has {what}, unlike its dataset's spec"):
        records.encode(video, schema)
    setattr(video, part, getattr(video, part)[1:])
    with pytest.raises(InputError, match=rf"and 2 {what}|Type-check"):
        records.decode(records.encode(video, posed), posed)
