"""Recordings of one's own: from a folder to records."""

import json
import os
from fractions import Fraction

import cv2
import numpy as np
import pytest

from data_prep import verify
from data_prep.own import layout
from data_prep.own.command import main
from htt_jax.data.records import RecordSource
from htt_jax.datasets.skeleton import HAND
from htt_jax.datasets.spec import STORED_SIZE
from htt_jax.prediction.frames import Resizer
from htt_jax.prediction.sources import open_frames
from htt_jax.support.errors import InputError
from tests import videos
from tests.data_prep import own_folders
from tests.data_prep.own_folders import LABELS, TOML, prepare


def report(out, kind):
    notes = json.loads((out / "report.json").read_text())["notes"]
    return [f"{note['path']}: {note['what']}" for note in notes if note["kind"] == kind]


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    root = tmp_path_factory.mktemp("example")
    main(["--new", str(root / "raw")])
    prepare(root / "raw", root / "out")
    return root


def test_the_example_prepares_with_splits_by_subject(example):
    train, test = (RecordSource(example / "out", split) for split in ("train", "test"))
    assert [video.subject for video in (*train, *test)] == [*2 * ["ben"], *2 * ["anna"]]
    assert train.action_names == ["pour milk", "open lotion"]
    assert [train.object_names[video.object] for video in train] == ["milk", "lotion"]
    assert test.video_ids[0] == "anna_kitchen/0.1-0.6"
    assert train[0].frame_numbers.tolist() == list(range(3, 18))
    assert train.spec.simulated
    assert not verify.verify(example / "out", workers=1).problems
    assert report(example / "out", "splits") == [
        "labels.csv: made by subject with seed 0, labels.csv gives none; test: anna"
    ]


def test_joints_and_camera_are_those_of_the_files(example):
    video = RecordSource(example / "out", "test")[0]
    rows = np.genfromtxt(example / "raw/anna_kitchen/joints.csv", delimiter=",", skip_header=1)
    expected = rows[6:36, 2:].reshape(15, 42, 3)
    np.testing.assert_allclose(video.joints_3d, expected, atol=1e-6)
    assert video.hand_annotated.all()
    # Given for 320x180, the frames are stored as 480x270.
    fx, fy, cx, cy = (1.5 * x for x in (159.164825, 159.063, 158.820975, 91.7185))
    np.testing.assert_allclose(video.intrinsics, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], rtol=1e-5)


def test_an_example_is_not_written_over_anything(example):
    with pytest.raises(InputError, match="raw: it is there already; name a new folder"):
        main(["--new", str(example / "raw")])


def test_frames_are_those_that_predict_reads(tmp_path):
    raw = own_folders.write(tmp_path / "raw", LABELS.replace("a,0,3", "a,2,5"))
    for file in (raw / "a").glob("*.png"):
        file.unlink()
    video = videos.write_lossless(raw / "a/take 1.mp4", videos.moving(8, (800, 450)))
    np.savez(raw / "a/joints.npz", joints=own_folders.joints(8))
    (source,) = (
        found
        for name, found in prepare(raw, tmp_path / "out", "--lossless").items()
        if name == "train"
    )
    frames = open_frames(video)
    expected = [f.image for f in frames.read(Resizer(source.spec, frames.size, STORED_SIZE))][2:6]
    found = [cv2.imdecode(np.frombuffer(f, np.uint8), 1)[..., ::-1] for f in source[0].frames]
    np.testing.assert_array_equal(found, expected)
    assert source[0].frame_numbers.tolist() == [2, 3, 4, 5]


def test_a_jpeg_of_the_stored_size_is_stored_as_it_is(tmp_path):
    raw = own_folders.write(tmp_path / "raw", size=STORED_SIZE, frames=5)
    for file in (raw / "b").glob("*.png"):
        cv2.imwrite(str(file.with_suffix(".jpg")), cv2.imread(str(file)))
        file.unlink()
    (video,) = prepare(raw, tmp_path / "out")["test"]
    assert video.frames == [(raw / f"b/{number:03d}.jpg").read_bytes() for number in (2, 3, 4)]


def test_seconds_begin_with_their_frame_and_end_before_it(tmp_path):
    labels = (
        "video,start,end,action,split\na,0.1,0:00.2,cut,train\na,0.2,,stir,train\nb,,,cut,test\n"
    )
    toml = TOML.replace('"frames"', '"seconds"')
    made = prepare(
        own_folders.write(tmp_path / "raw", labels, "frame_rate = 20" + toml), tmp_path / "out"
    )
    assert [video.frame_numbers.tolist() for video in made["train"]] == [[2, 3], [4, 5]]
    assert made["test"][0].frame_numbers.tolist() == [0, 1, 2, 3, 4, 5]
    assert made["train"].video_ids == ["a/0.1-0.2", "a/0.2-end"]
    assert made["test"].video_ids == ["b/all"]


def test_records_tell_the_rate_of_their_frames(tmp_path):
    raw = own_folders.write(tmp_path / "raw", toml="frame_rate = 50" + TOML)
    for file in (raw / "a").glob("*.png"):
        file.unlink()
    videos.write_lossless(raw / "a/video.mp4", videos.moving(8), Fraction(24000, 1001))
    np.savez(raw / "a/joints.npz", joints=own_folders.joints(8))
    made = prepare(raw, tmp_path / "out")
    assert [made[split].frame_rates for split in ("train", "test")] == [[23.976], [50.0]]
    assert made["train"][0].frame_rate == 23.976


def test_folders_whose_rate_nothing_says_are_named(tmp_path):
    root, labels = tmp_path / "raw", LABELS + "c,0,3,cut,test\n"
    own_folders.write(root, labels, recordings=("a", "b", "c"))
    for file in (root / "a").glob("*.png"):
        file.rename(file.with_name(f"0.{10 + 5 * int(file.stem)}.png"))  # times
    (note,) = (note for note in layout.find(root).notes if note.kind == "frame rate")
    assert (note.path, note.what) == (
        "dataset.toml",
        "nothing says how many frames a second there are in 2 folders of frames, such as "
        f"{root}/b: 30 are assumed, by which clips are cut; write here how many there are, such "
        "as frame_rate = 30",
    )
    (root / "dataset.toml").write_text(TOML.replace('"frames"', '"seconds"'))
    said = str(layout.find(root).notes)
    assert "by which seconds in labels.csv are counted and clips are cut" in said
    (root / "dataset.toml").write_text("frame_rate = 25" + TOML)
    (note,) = (note for note in layout.find(root).notes if note.kind == "frame rate")
    assert note.what == (
        f"frame_rate = 25 is taken, and not the times in the names of 1 folder of frames, such as "
        f"{root}/a"
    )


def test_frames_of_a_folder_have_the_numbers_in_their_names(tmp_path):
    raw = own_folders.write(tmp_path / "raw", LABELS.replace("b,2,4", "b,11,13"))
    for file in (raw / "b").glob("*.png"):
        file.rename(file.with_stem(f"frame_{int(file.stem) + 10:02d}"))
    joints = own_folders.joints(6, seed=1)  # without `frames`: of the images in their order
    np.testing.assert_array_equal(np.load(raw / "b/joints.npz")["joints"], joints)
    (video,) = prepare(raw, tmp_path / "out")["test"]
    assert video.frame_numbers.tolist() == [11, 12, 13]
    np.testing.assert_allclose(video.joints_3d, joints[1:4], rtol=1e-6)
    assert report(tmp_path / "out", "recording") == [
        f"{raw}/b: frames have the numbers in their names, 10 (frame_10.png) to 15"
    ]


def test_decimals_of_seconds_in_names_are_no_numbers_of_frames(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    for file in (raw / "b").glob("*.png"):
        file.rename(file.with_name(f"0.{10 + 5 * int(file.stem)}.png"))
    (video,) = prepare(raw, tmp_path / "out")["test"]
    assert video.frame_numbers.tolist() == [2, 3, 4]
    assert report(tmp_path / "out", "recording")[0] == (
        f"{raw}/b: frames are counted from 0 (0.10.png) to 5 (0.35.png), the numbers in their "
        "names are not taken for frames' numbers"
    )


def test_a_recording_may_have_a_camera_of_its_own(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    (raw / "b/camera.txt").write_text("100 110 60 50 128 96")
    made = prepare(raw, tmp_path / "out")
    factors = np.array([480 / 128, 270 / 96, 1])[:, None]
    expected = factors * [[100, 0, 60], [0, 110, 50], [0, 0, 1]]
    np.testing.assert_allclose(made["test"][0].intrinsics, expected, rtol=1e-6)
    focal = 32 / np.tan(np.radians(35))
    assert made["train"][0].intrinsics[0, 0] == pytest.approx(focal * 480 / 64)


@pytest.mark.parametrize("kind", ["named", "numbered", "h2o", "list"])
def test_joints_are_the_same_from_every_kind_of_file(tmp_path, kind):
    toml, hands = TOML, ["right"]
    joints = own_folders.joints(6)
    raw = own_folders.write(tmp_path / "raw")
    folder = raw / "b"
    (folder / "joints.npz").unlink()
    if kind == "h2o":
        toml, hands = TOML.replace('["right"]', '["left", "right"]'), ["left", "right"]
        toml = f'units = "mm"\njoints = {json.dumps(MEDIAPIPE[::-1])}' + toml  # of no H2O file
        (raw / "a/joints.npz").unlink()
        for name in "ab":
            (raw / name / "hand_pose").mkdir()
            for i, pose in enumerate(joints):
                values = " ".join(f"{x:.4f}" for x in pose.ravel())
                row = f"{int(i == 5)} {values} 1 {values}"  # frame 5 is not labelled
                (raw / name / f"hand_pose/{i:06d}.txt").write_text(row)
    else:
        names = [f"{name}_{c}" for name in HAND.joints for c in "xyz"]
        if kind == "numbered":
            names = [f"{c}{i}" for i in range(21) for c in "xyz"]
        if kind == "list":  # MediaPipe's, the other way round, millimetres
            names = [f"{name}_{c}" for name in MEDIAPIPE for c in "xyz"]
            toml = f'units = "mm"\njoints = {json.dumps(MEDIAPIPE[::-1])}' + TOML
            np.savez(raw / "a/joints.npz", joints=1000 * joints[:, ::-1])
        scale = 1000 if kind == "list" else 1
        rows = [
            f"{i},Right,{','.join(f'{scale * x:g}' for x in pose.ravel())}"
            for i, pose in enumerate(joints)
        ]
        (folder / "joints.csv").write_text("\n".join([",".join(["frame", "hand", *names]), *rows]))
    (raw / "dataset.toml").write_text(toml)
    made = prepare(raw, tmp_path / "out")
    np.testing.assert_allclose(made["test"][0].joints_3d[:, -21:], joints[2:5], rtol=1e-5)
    np.testing.assert_allclose(made["train"][0].joints_3d[:, -21:], joints[:4], rtol=1e-5)
    assert made["test"][0].hand_annotated.tolist() == 3 * [[hand == "right" for hand in hands]]


MEDIAPIPE = [
    *("WRIST", "THUMB_CMC", "THUMB_MCP", "THUMB_IP", "THUMB_TIP"),
    *(
        f"{f}_{part}"
        for f in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
        for part in ("MCP", "PIP", "DIP", "TIP")
    ),
]


def test_frames_without_joints_stay_and_are_marked(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    joints = own_folders.joints(6)
    joints[3] = np.nan
    np.savez(raw / "a/joints.npz", joints=joints[[1, 2, 3]], frames=[1, 2, 3])
    (raw / "b/joints.npz").unlink()
    made = prepare(raw, tmp_path / "out")
    assert made["train"][0].hand_annotated[:, 0].tolist() == [False, True, True, False]
    assert not made["test"][0].hand_annotated.any()
    assert report(tmp_path / "out", "not annotated") == [
        f"{raw}/a/joints.npz: no right hand in 2 of 4 frames of a/0000-0003",
        f"{raw}/b: no joints: frames kept, hands marked as not annotated",
    ]


def test_joints_between_the_images_are_reported(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    (raw / "b/003.png").unlink()
    np.savez(raw / "b/joints.npz", joints=own_folders.joints(6), frames=np.arange(6))
    (video,) = prepare(raw, tmp_path / "out")["test"]
    np.testing.assert_allclose(video.joints_3d, own_folders.joints(6)[[2, 4]], rtol=1e-6)
    assert report(tmp_path / "out", "ignored") == [
        f"{raw}/b/joints.npz: frame 3: {raw}/b has no such image; the joints are not read"
    ]


def test_what_is_odd_is_reported(tmp_path):
    labels = (
        "video,start,end,action,split,comment\na,0,3,cut,train,x\na,3,9,Cut,train,\n"
        "b,2,4,stir,test,\nb,0,1,cut,test,\n"
    )
    raw = own_folders.write(tmp_path / "raw", labels, recordings=("a", "b", "c"))
    (raw / "b/keypoints.json").write_text("{}")
    out = tmp_path / "out"
    prepare(raw, out)
    assert report(out, "two labels") == [
        "a: some frames, by lines 2 and 3 (0000-0003 and 0003-0009); the frame `end` is included; "
        "both kept"
    ]
    assert report(out, "beyond the end") == [
        f"labels.csv, line 3: the label ends at 9, but {raw}/a ends with frame 5, at 0.1667 s; "
        "what there is was taken"
    ]
    assert report(out, "not listed") == [f"{raw}/c: left out: no row of labels.csv names it"]
    assert report(out, "one video") == [
        "Cut: one segment only, of train: it cannot be learned and evaluated",
        "stir: one segment only, of test: it cannot be learned and evaluated",
    ]
    assert report(out, "alike") == [
        f"{raw}/labels.csv: actions 'cut' and 'Cut' are taken for different ones"
    ]
    assert report(out, "ignored") == [
        f"{raw}/labels.csv: columns comment; read are video, action, start, end, object, split, "
        "subject",
        f"{raw}/b/keypoints.json: not read; joints are in joints.csv, joints.npz, hand_pose, "
        "coco.json, person_keypoints_default.json, annotations/person_keypoints_default.json, "
        "result.json, mediapipe.csv, mediapipe.json, the camera in camera.json, "
        "camera.txt, camera.yaml, camera.yml, cam_intrinsics.txt",
    ]


def test_subjects_in_two_splits_and_nested_folders_are_reported(tmp_path):
    labels = "video,action,split,subject\nday/a,cut,train,ann\nday/b,cut,test,ann\nc,cut,test,bob\n"
    raw = own_folders.write(
        tmp_path / "raw", labels, recordings=("day/a", "day/b", "day/d", "c", "old/e")
    )
    prepare(raw, tmp_path / "out")
    left_out = "left out: no row of labels.csv names it"
    assert report(tmp_path / "out", "not listed") == [
        f"{raw}/old: {left_out}",
        f"{raw}/day/d: {left_out}",
    ]
    assert report(tmp_path / "out", "in two splits") == [
        "train and test: recordings of subject ann: figures are not of somebody who is new"
    ]


def test_going_on_with_other_joints_frames_camera_or_description_is_refused(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    prepare(raw, tmp_path / "out")
    for name in ("joints.npz", "000.png", "camera.txt"):
        file = raw / "a" / name
        before = file.read_bytes() if file.exists() else None
        state = file.stat() if file.exists() else None
        file.write_bytes((before or b"50 50 32 24 64 48") + b" ")
        with pytest.raises(InputError, match="the files of own recordings, have changed since"):
            prepare(raw, tmp_path / "out")
        file.unlink()
        if before and state:
            file.write_bytes(before)
            os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
        prepare(raw, tmp_path / "out")
    (raw / "dataset.toml").write_text(TOML.replace("hfov = 70", "hfov = 71"))
    with pytest.raises(InputError, match=r"have changed since .* was begun; use another --out"):
        prepare(raw, tmp_path / "out")
