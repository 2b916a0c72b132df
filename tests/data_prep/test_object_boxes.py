import dataclasses
import re

import numpy as np
import pytest

from data_prep import fpha, h2o, object_boxes, ply
from htt_jax.data import records
from htt_jax.data.records import RecordSource
from htt_jax.support.errors import InputError
from tests.data_prep import raw_folders, test_fpha
from tests.data_prep.raw_folders import H2O_LABELS, H2O_RECORDINGS
from tests.data_prep.test_h2o import notes, prepare

SIZE = (480, 270)
HALF = np.array([0.02, 0.03, 0.04])
AT = np.array([0.1, -0.05, 0.6])
BOX = object_boxes.around(AT - HALF, AT + HALF)


def text(box, label=8) -> str:
    middles = [(box[1 + a] + box[1 + b]) / 2 for a, b in object_boxes.EDGES]
    return " ".join([str(label), *(f"{x:.6f}" for x in np.concatenate([box, middles]).ravel())])


@pytest.fixture
def h2o_raw(tmp_path):
    """Objects of the first recording only, which move by a centimetre a frame."""
    root = raw_folders.write_h2o(tmp_path / "raw", H2O_RECORDINGS, H2O_LABELS, size=SIZE)
    folder = root / "subject1/h1/0/cam4/obj_pose"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number:06d}.txt").write_text(text(BOX + np.array([0.01 * number, 0, 0])))
    return root


def first(raw):
    return raw / "subject1/h1/0/cam4/obj_pose"


PLY = """ply
format ascii 1.0
comment made by hand
element vertex 3
property float x
property float y
property float z
property uchar red
element face 1
property list uchar int vertex_indices
end_header
-0.02 -0.03 -0.04 7
0.02 0.03 0.01 7
0 0 0.04 7
3 0 1 2
"""


@pytest.fixture
def fpha_raw(tmp_path):
    """A juice bottle that lies askew in the world; salt has no poses, milk no videos."""
    root = raw_folders.write_fpha(tmp_path / "raw", test_fpha.VIDEOS, size=SIZE)
    model = root / "Object_models/juice_model/juice_model.ply"
    model.parent.mkdir(parents=True)
    model.write_text(PLY)
    path = root / "Object_6D_pose_annotation_v1_1" / test_fpha.VIDEO / "object_pose.txt"
    path.parent.mkdir(parents=True)
    path.write_text(rows(3))
    return root


def rows(count: int) -> str:
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    lines = []
    for t in range(count):
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = turn, (10 * t, 20, 600)  # millimetres
        lines.append(f"{t} " + " ".join(f"{x:.6f}" for x in pose.T.ravel()) + " \n")
    return "".join(lines)


def pose_file(raw):
    return raw / "Object_6D_pose_annotation_v1_1" / test_fpha.VIDEO / "object_pose.txt"


def test_h2o_boxes_are_stored_and_what_is_not_known_is_said(h2o_raw, tmp_path, capsys):
    folder = first(h2o_raw)
    (folder / "000001.txt").write_text(text(0 * BOX, label=0))  # no object
    (folder / "000002.txt").write_text(text(np.full((9, 3), np.nan)))
    (folder / "000003.txt").write_text("")
    (folder / "000004.txt").unlink()
    report = prepare(h2o_raw, tmp_path / "out")
    train, val = (RecordSource(tmp_path / "out", split) for split in ("train", "val"))
    assert train.spec.object_boxes
    start, rest = (video.object_boxes for video in train)
    np.testing.assert_allclose(start[0], BOX, atol=1e-6)
    assert np.isnan(start[1]).all()
    assert np.isnan(rest).all()
    assert np.isnan(val[0].object_boxes).all()
    unknown = "kept, where the object is is not known"
    assert notes(report, "lost") == [f"{folder}: object's box, frames 2-3: {unknown}"]
    assert notes(report, "mismatch") == []  # cappuccino is placed, which is object 8
    assert f"{folder}: object's box, frame 4: {unknown}" in notes(report, "missing")
    capsys.readouterr()
    h2o.main(["--verify", str(tmp_path / "out"), "--workers", "1"])
    assert "is whole" in capsys.readouterr().out


def test_another_object_than_the_actions_is_said(h2o_raw, tmp_path):
    (first(h2o_raw) / "000001.txt").write_text(text(BOX, label=3))
    report = prepare(h2o_raw, tmp_path / "out")
    assert notes(report, "mismatch")[0] == (
        f"{first(h2o_raw)}: object's box, frame 1: the box is of another object than the "
        "action's; kept"
    )


def test_fpha_boxes_are_those_of_the_models_in_the_colour_cameras_space(fpha_raw, tmp_path, capsys):
    pose_file(fpha_raw).write_text(rows(2))
    report = test_fpha.prepare(fpha_raw, tmp_path / "out")
    train = RecordSource(tmp_path / "out", "train")
    boxes = train[0].object_boxes
    assert (train.spec.object_boxes, boxes.shape) == (True, (3, 9, 3))
    # The middle of the model, (0, 0, 0), is at (10, 20, 600) mm of the world in frame 1.
    x, y, z = 10.0, 20.0, 600.0
    expected = np.array([
        0.999988496304 * x - 0.00468848412856 * y + 0.000982563360594 * z + 25.7,
        0.00469115935266 * x + 0.999985218048 * y - 0.00273845880292 * z + 1.22,
        -0.000969709653873 * x + 0.00274303671904 * y + 0.99999576807 * z + 3.902,
    ])  # fmt: skip
    np.testing.assert_allclose(boxes[1, 0], expected / 1000, rtol=1e-6)
    # Its x, 4 cm long, is the world's y, and so nearly the camera's.
    np.testing.assert_allclose(boxes[0, 5] - boxes[0, 1], [0, 0.04, 0], atol=1e-3)
    assert np.isnan(boxes[2]).all()
    assert np.isnan(train[1].object_boxes).all()  # salt
    assert f"{pose_file(fpha_raw)}: object's box, frame 2: kept" in "\n".join(
        notes(report, "missing")
    )
    capsys.readouterr()
    fpha.main(["--verify", str(tmp_path / "out"), "--workers", "1"])
    assert "is whole" in capsys.readouterr().out


def test_poses_without_any_model_tell_no_box(fpha_raw, tmp_path):
    (fpha_raw / "Object_models/juice_model/juice_model.ply").unlink()
    report = test_fpha.prepare(fpha_raw, tmp_path / "out")
    assert not RecordSource(tmp_path / "out", "train").spec.object_boxes
    assert "no model of an object: its poses in Object_6D_pose" in notes(report, "missing")[0]


@pytest.mark.parametrize("order", "<>")
def test_binary_models_are_read_as_those_of_text(tmp_path, order):
    kinds = {"<": "binary_little_endian", ">": "binary_big_endian"}
    head = PLY[: PLY.index("end_header") + len("end_header\n")].replace("ascii", kinds[order])
    values = np.array([[-0.02, -0.03, -0.04], [0.02, 0.03, 0.01], [0, 0, 0.04]])
    vertices = np.zeros(3, [*((axis, f"{order}f4") for axis in "xyz"), ("red", "u1")])
    for axis, column in zip("xyz", values.T, strict=True):
        vertices[axis] = column
    (tmp_path / "binary.ply").write_bytes(head.encode() + vertices.tobytes() + b"\x03\0\0\0\0")
    (tmp_path / "text.ply").write_text(PLY)
    for name in ("binary", "text"):
        np.testing.assert_allclose(ply.vertices(tmp_path / f"{name}.ply"), values, rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no header"),
        (PLY.replace("vertex 3", "vertex 9"), "9"),
        (PLY.replace("property float z\n", ""), "'z' is not in list"),
        (PLY.replace("element vertex 3", "element face 3"), "its first element is 'face'"),
        (PLY.replace("0 0 0.04 7", "0 0 nan 7"), "no vertices, or not all finite"),
        (PLY.replace("ascii", "zipped"), "zipped"),
    ],
)
def test_a_bad_model_stops_with_its_name(tmp_path, content, message):
    (tmp_path / "milk_model.ply").write_text(content)
    with pytest.raises(InputError, match=f"(?s)milk_model.ply: .*{message}.*; expected a PLY"):
        ply.vertices(tmp_path / "milk_model.ply")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 2 3", "3 columns in 1 line(s), expected one line of 64: a class and 21 points"),
        (text(BOX) + "\n" + text(BOX), "64 columns in 2 line(s), expected one line of 64"),
        (text(BOX, label="milk"), "could not convert string to float"),
        (text(BOX, label=9), "class 9, expected 0 (no object) to 8"),
        (text(BOX, label=1.5), "class 1.5, expected 0 (no object) to 8"),
    ],
)
def test_a_bad_file_of_h2o_stops_with_its_name(h2o_raw, tmp_path, content, message):
    (first(h2o_raw) / "000001.txt").write_text(content)
    with pytest.raises(InputError, match=f"000001.txt.*{re.escape(message)}"):
        prepare(h2o_raw, tmp_path / "out")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.000000 1.000000", "1.000000", "line 1: 16 columns, expected 17 (frame number and a"),
        ("0.000000", "x", "line 1: could not convert string to float"),
        ("\n1 ", "\n0 ", "line 2: frame 0 again, with another pose"),
        (" 1.000000 \n1", " 2.000000 \n1", "frame 0: its last row is"),
        ("0 0.000000 1.0", "0 0.000000 3.0", "frame 0: its first three columns are no rotation"),
    ],
)
def test_a_bad_row_of_fpha_stops_with_its_place(fpha_raw, tmp_path, old, new, message):
    content = pose_file(fpha_raw).read_text()
    assert old in content
    pose_file(fpha_raw).write_text(content.replace(old, new, 1))
    with pytest.raises(InputError, match=f"object_pose.txt.*{re.escape(message)}"):
        test_fpha.prepare(fpha_raw, tmp_path / "out")


def test_most_boxes_of_another_unit_stop_and_single_ones_are_left_out():
    far, behind = 1000 * BOX, BOX - (0, 0, 1)
    kept, found = object_boxes.checked(np.stack([BOX, BOX, behind]), [4, 5, 7], "folder")
    np.testing.assert_array_equal(kept[0], BOX.astype(np.float32))
    assert np.isnan(kept[2]).all()
    assert (found[0].kind, found[0].path) == ("impossible", "folder")
    assert found[0].what.startswith("object's box, frame 7: it lies -0.44 m in front of the cam")
    kept, _ = object_boxes.checked(np.stack([behind, behind]), [4, 5], "folder")
    assert np.isnan(kept).all()  # which no other unit makes of a box
    with pytest.raises(InputError, match=r"folder: .* 2 of 3 frames: it measures 108 m from corn"):
        object_boxes.checked(np.stack([BOX, far, far]), [4, 5, 7], "folder")


def test_verify_names_what_no_box_is(h2o_raw, tmp_path, capsys):
    prepare(h2o_raw, tmp_path / "out")
    source = RecordSource(tmp_path / "out", "train")
    schema = records.features(source.spec, source.action_names, source.object_names)
    with records.ShardWriter(tmp_path / "out/h2o-train.tfrecord-00000-of-00001") as shard:
        for video in source:
            boxes = video.object_boxes
            boxes[0, 3] = np.inf
            boxes[1] *= 100
            changed = dataclasses.replace(video, object_boxes=boxes)
            shard.write(records.encode(changed, schema), len(video.frames), video.video_id)
    with pytest.raises(InputError, match="4 problem"):
        h2o.main(["--verify", str(tmp_path / "out"), "--workers", "1"])
    said = capsys.readouterr().err
    assert "object's box, frame 0: a point is not finite" in said
    assert "object's box, frame 1: it measures" in said


def test_datasets_with_and_without_boxes_are_not_mixed_in_one_folder(h2o_raw, tmp_path):
    prepare(h2o_raw, tmp_path / "out")
    for path in first(h2o_raw).iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"begun with schema = 1.0.0 with object boxes, this run"):
        prepare(h2o_raw, tmp_path / "out")
