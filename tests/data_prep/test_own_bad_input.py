"""What people may have wrong in recordings, but in their joints, and the line that says so."""

import json
import re

import pytest

from data_prep.own import layout, splits
from data_prep.own.command import main
from data_prep.own.labels import Label, Span, read_labels
from data_prep.own.skeletons import NAMED
from htt_jax.support.errors import InputError
from tests import videos
from tests.data_prep import own_folders
from tests.data_prep.own_folders import LABELS, TOML, prepare

SHEETS = {
    "semicolons": "video;start;end;action;object\r\na;0,5;1,25;'cut';\r\n"
    'b;2;4,0;"put; in";Pan\r\n',
    "tabs": "Video\tStart\tEnd\tAction\tObject\na\t0.5\t1.25\t'cut'\t\nb\t2\t4\tput; in\tPan\n",
    "quotes": 'video,start,end,action,object\na,"0,5","1,25",\'cut\',\nb,2,4,"put; in",Pan\n\n',
    "blanks": " video , start,end,action,object\n a , 0.5,1.25 , 'cut'\n,,,,\n"
    "b,2,4,put; in, Pan ,\n",
    "hint": "sep=;\r\nvideo;start;end;action;object\r\na;0,5;1,25;'cut';\r\nb;2;4;put; in;Pan",
}
SHEETS["hint"] = SHEETS["hint"].replace("put; in", '"put; in"')


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("sheet", SHEETS)
def test_a_table_of_any_spreadsheet_is_read(tmp_path, sheet, encoding):
    path = tmp_path / "labels.csv"
    path.write_bytes(SHEETS[sheet].replace("Pan", "Töpfe").encode(encoding))
    labels, notes = read_labels(path, "seconds")
    assert [(x.video, x.span, x.action, x.object) for x in labels] == [
        ("a", Span(0.5, 1.25, True), "'cut'", ""),
        ("b", Span(2, 4, True), "put; in", "Töpfe"),
    ]
    assert not notes


BAD_LABELS = {
    "video,start,end\na,0,1\n": "line 1: no column action in 'video, start, end'; the first line "
    "names the columns, video, action among them",
    "": "labels.csv is empty; expected a first line video,action",
    "video,start,end,action\n": "labels.csv has no row; write one for each "
    "action: video, start, end, action",
    "video,start,end,action\na,1,5,2,5,cut\n": "line 2: 6 cells, but the first line names 4; quote "
    "what holds the separator, such as a decimal comma",
    "video,start,end,action\na,0,1.5,cut\n": "line 2: end is '1.5', expected the number of a "
    'frame, in digits alone; where it is a time, write times = "seconds" into dataset.toml',
    'video,start,end,action\na,0,"1,000",cut\n': "line 2: end is '1,000', expected the number of a",
    "video,start,end,action\na,0,1_00,cut\n": "line 2: end is '1_00', expected the number of a",
    "video,start,end,action\na,4,2,cut\n": "line 2: from 4 to 2; expected 0 <= start < end",
    "video,start,end,action\na,4,5,\n": "line 2: no action; every row needs one",
    "video,action,split\na,cut,training\n": "line 2: split is 'training', expected train, val, "
    "test; or leave the column away, and splits are made",
    "video,action,split\na,cut,train\nb,cut,\n": "line 3: no split, and other rows have one; give "
    "every row one of train, val, test, or none",
    "video,action,split\na,cut,train\nb,cut,train\n": "labels.csv: every split is train; expected "
    "train, and test or val, or no column split",
    "video,action\n../a,cut\n": "line 2: video is '../a', expected a folder beside labels.csv",
    "video,start,stop,action\na,0,1,cut\n": "column 'stop' is not read; call it end, or remove it",
    "video,action,class\na,cut,1\n": "column 'class' is not read; call it action, or remove it",
    "video,start,action\na,0,cut\n": "labels.csv has a column start and no end; give both",
    "video,end,action\na,0,cut\n": "labels.csv has a column end and no start; give both",
    "video,action\na/..,cut\n": "line 2: video is 'a/..', expected a folder beside labels.csv",
    "video,action,split\na,cut,train\n./a/.,cut,test\n": "lines 2 and 3: both label a, all; remove "
    "one",
    'video,action\na,"cut\nb,cut\n': "a quote is opened before and not closed",
    "video,action,action\na,cut,cut\n": "line 1: column 'action' is there twice; remove one",
    "video,start,end,action\na,0,3,cut\na,0,3,stir\n": "lines 2 and 3: both label a, "
    "0000-0003; remove one",
    "video,start,end,action,split\na,0,3,cut,train\na,2,5,cut,test\n": "lines 2 and 3: both label "
    "a where they overlap (0000-0003 and 0002-0005), one of split train, one of test; what is "
    "evaluated must not be trained on",
    "video,action\na,cut\n": "labels.csv gives no split, and there is one recording only: what is "
    "evaluated would be trained on; add another recording, or a column split",
    "video,action,split\na,cut,train\nB,cut,test\n": "line 3: no folder {raw}/B; there is 'b'; put "
    "the recording there, or leave it out with --skip-bad",
    "video,action,split\na,cut,train\nc,cut,test\n": "line 3: {raw}/c.MP4 is a file; every "
    "recording has a folder of its own: move it to c/video.MP4 and list c",
    "video,action,split\na.avi,cut,train\nb,cut,test\n": "line 2: no folder {raw}/a.avi; there is "
    "'a'; put the recording there, or leave it out",
    "video,action,split\na/000.png,cut,train\nb,cut,test\n": "line 2: {raw}/a/000.png is a file; "
    "list its folder, a",
    "video,action,split\na/frames,cut,train\nb,cut,test\n": "line 2: a/frames holds the frames of "
    "a recording; list that, a",
}


@pytest.mark.parametrize("labels", BAD_LABELS)
def test_bad_labels_are_one_clear_line(tmp_path, labels):
    raw = own_folders.write(tmp_path / "raw", labels)
    (raw / "c.MP4").write_bytes(b"")
    with pytest.raises(InputError, match=re.escape(BAD_LABELS[labels].replace("{raw}", str(raw)))):
        layout.find(raw)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            'a,"1,000","2,000",cut',
            "start is '1,000', which may be 1.000 or 1000 seconds; write one",
        ),
        ('a,"1,000","2,5",cut', None),  # whose comma is a decimal one
        ('a,"0,500",3,cut', None),
    ],
)
def test_a_comma_that_may_be_of_thousands_is_refused(tmp_path, rows, expected):
    path = tmp_path / "labels.csv"
    path.write_text(f"video,start,end,action\n{rows}\n")
    if expected is None:
        assert read_labels(path, "seconds")[0][0].span.start in (1.0, 0.5)
        return
    with pytest.raises(InputError, match=re.escape(f"line 2: {expected}")):
        read_labels(path, "seconds")


def test_a_label_between_two_frames_is_told_so(tmp_path):
    toml = "frame_rate = 10" + TOML.replace('"frames"', '"seconds"')
    labels = "video,start,end,action,split\na,0.11,0.19,cut,train\nb,0,0.2,cut,test\n"
    raw = own_folders.write(tmp_path / "raw", labels, toml)
    expected = (
        f"no frame of a lies in 0.11-0.19 (seconds); the next frame of {raw}/a is 2, at 0.2 s"
    )
    with pytest.raises(InputError, match=re.escape(expected)):
        prepare(raw, tmp_path / "out")


def test_labels_that_are_not_there_or_in_another_format_say_what_to_do(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    (raw / "labels.csv").rename(raw / "labels.xlsx")
    with pytest.raises(InputError, match=r"no .*labels.csv; save labels.xlsx as CSV under this"):
        layout.find(raw)
    (raw / "labels.xlsx").unlink()
    with pytest.raises(InputError, match=r"no .*labels.csv; `python -m data_prep.own --new DIR`"):
        layout.find(raw)


def test_a_camera_for_images_of_unknown_size_is_refused(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    (raw / "b/camera.txt").write_text("100 110 60 50")
    with pytest.raises(InputError, match=r"b/camera\.txt does not say of images of what size"):
        prepare(raw, tmp_path / "out")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            f"video,action\n{3000 * 'a'},cut\n",
            f"line 2: cannot read the folder of the recording '{60 * 'a'}...': File name too long",
        ),
        (
            f"video,action,{140_000 * 'x'}\na,cut\n",
            "labels.csv, line 1: field larger than field limit",
        ),
    ],
    ids=["folder", "column"],
)
def test_a_name_that_is_too_long_is_one_clear_line(tmp_path, rows, expected):
    raw = own_folders.write(tmp_path / "raw", rows)
    with pytest.raises(InputError, match=re.escape(expected)):
        layout.find(raw)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("x", "a number"),
        ("1_0", "a number"),
        ("1e308", "seconds, fewer than 1e+09"),
        ("nan", "seconds, fewer than 1e+09"),
        (f"{400 * '9'}:00:00", "a number"),
    ],
)
def test_an_end_that_is_no_time_is_one_clear_line(tmp_path, end, expected):
    path = tmp_path / "labels.csv"
    path.write_text(f"video,start,end,action\na,0,{end},cut\n")
    what = f"line 2: end is '{end}', expected {expected}"
    with pytest.raises(InputError, match=re.escape(what)):
        read_labels(path, "seconds")


def test_a_table_in_another_encoding_says_what_to_do(tmp_path):
    raw = own_folders.write(
        tmp_path / "raw", LABELS.replace("b,2,4,cut", "b,2,4,kürzen").encode("cp1252")
    )
    with pytest.raises(
        InputError,
        match=r"labels.csv, line 3: not text in UTF-8; have your .* save it as 'CSV UTF-8'",
    ):
        layout.find(raw)


BAD_TOML = {
    "": 'times is None; say what start and end in labels.csv are: times = "seconds" or',
    TOML + "f = 3\n": "unknown key camera.f; known are fx, fy, cx, cy, width, height, "
    "distortion_model, distortion, hfov, file",
    "fps = 3" + TOML: "unknown key fps; known are name, title, times",
    "name = 'My Data'" + TOML: "name is 'My Data'; expected lower-case letters, digits and _",
    'skeleton = "mano"'
    + TOML: "skeleton is 'mano', expected one of ours, mediapipe, coco, openpose",
    'units = "inch"' + TOML: "units is 'inch', expected one of m, cm, mm",
    'joints = ["a"]\nbones = [["a", "b"]]' + TOML: "there is no joint 'b' among a",
    'root = "a"' + TOML: "root is for joints of your own; give `joints` too",
    f'root = "wrist"\njoints = {json.dumps([*NAMED["openpose"]])}' + TOML: "root is for joints of "
    "your own, but `joints` are those of a known skeleton, which has its own; leave root away",
    "frame_rate = 0.0004" + TOML: "frame_rate is 0.0004, expected frames a second, from 0.01 to",
    TOML.replace("70", "200"): "camera.hfov is 200; expected degrees from 0 to 175",
    TOML
    + 'file = "camera.yml"\n': "camera.file is 'camera.yml'; expected a name, and no other key",
    TOML.replace(
        "hfov = 70", 'file = "camera.yml"'
    ): "cannot read the intrinsics in {raw}/camera.yml",
    TOML.replace("hfov = 70", "fx = 3"): "the camera has no fy, cx, cy, width, height; give",
    TOML.replace("hfov = 70", "fx=50\nfy=50\ncx=24\ncy=32\nwidth=48\nheight=64"): "camera is for "
    "images of 48x64, but {raw}/a is 64x48, of another shape; give that recording a camera.txt",
    TOML.replace("hfov = 70", "fx=50\nfy=50\ncx=24\ncy=32\nwidth=320.7\nheight=64"): "the camera's "
    "images are 320.7x64, expected whole pixels",
    TOML.replace(
        "[camera]\nhfov = 70", ""
    ): "{raw}/a has joints in space and no camera (2 recordings in all)",
    "times = seconds": "is no TOML (texts stand in quotes): ",
}


@pytest.mark.parametrize("toml", BAD_TOML)
def test_a_bad_description_is_one_clear_line(tmp_path, toml):
    raw = own_folders.write(tmp_path / "raw", toml=toml)
    with pytest.raises(InputError, match=re.escape(BAD_TOML[toml].replace("{raw}", str(raw)))):
        layout.find(raw)


def test_a_damaged_recording_is_left_out_though_it_is_the_first(tmp_path):
    raw = own_folders.write(
        tmp_path / "raw", LABELS + "c,0,3,cut,train\n", recordings=("a", "b", "c")
    )
    for file in (raw / "a").glob("*.png"):
        file.write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot read the frame .*000\.png"):
        layout.find(raw)
    assert prepare(raw, tmp_path / "out", "--skip-bad")["train"].video_ids == ["c/0000-0003"]


def test_a_label_beyond_the_end_is_refused_or_left_out(tmp_path):
    raw = own_folders.write(tmp_path / "raw", LABELS + "a,20,30,cut,train\n")
    expected = (
        f"labels.csv, line 4: no frame of a lies in 0020-0030 (frames); {raw}/a ends with frame 5, "
        "at 0.1667 s; put the label right, `times` in dataset.toml, or leave it out with --skip-bad"
    )
    with pytest.raises(InputError, match=re.escape(expected)):
        prepare(raw, tmp_path / "out")
    made = prepare(raw, tmp_path / "out", "--skip-bad")
    assert made["train"].video_ids == ["a/0000-0003"]
    notes = json.loads((tmp_path / "out/report.json").read_text())["notes"]
    assert {"kind": "bad", "path": "a/0020-0030", "what": expected} in notes


def test_a_recording_that_is_not_there_can_be_left_out(tmp_path):
    raw = own_folders.write(tmp_path / "raw", LABELS + "gone,0,3,cut,train\n")
    found = layout.find(raw, skip_bad=True)
    assert [note.path for note in found.notes if note.kind == "bad"] == ["gone"]
    assert len(found.splits["train"]) == 1


def test_folders_of_two_recordings_or_none_are_refused(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    videos.write_lossless(raw / "a/video.mp4", videos.moving(2))
    with pytest.raises(
        InputError, match=r"a holds more than one recording, video\.mp4 and frames; keep"
    ):
        layout.find(raw)
    (raw / "c").mkdir()
    (raw / "labels.csv").write_text(LABELS.replace("a,", "c,", 1))
    with pytest.raises(InputError, match=r"c holds no recording; put in video\.mp4"):
        layout.find(raw)


def test_options_that_do_not_go_together_are_refused(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    with pytest.raises(InputError, match="--new writes an example and nothing else"):
        main(["--new", str(tmp_path / "new"), "--raw", str(raw)])
    with pytest.raises(InputError, match="--depth: recordings of your own are prepared in colour"):
        prepare(raw, tmp_path / "out", "--depth")


def rows(*triples):
    return [
        Label(i, video, Span(i, i, False), action, "", "", subject)
        for i, (video, action, subject) in enumerate(triples, 2)
    ]


def test_splits_are_made_by_subject_else_by_recording_never_by_segment():
    by_subject = rows(*((f"{s}{i}", "cut", s) for s in "abcd" for i in range(2)))
    made, (note,) = splits.with_splits(by_subject)
    assert {label.subject for label in made if label.split == "test"} == {note.what[-1]}
    assert "made by subject with seed 0" in note.what
    no_subject = rows(*((video, action, "") for video in "abcd" for action in ("cut", "stir")))
    made, (note,) = splits.with_splits(no_subject)
    assert "made by recording" in note.what
    assert len({label.video for label in made if label.split == "test"}) == 1
    assert made == splits.with_splits(no_subject)[0]
    _, (_, note) = splits.with_splits(rows(("x", "cut", "a"), ("y", "cut", "a")))
    assert note.what == "recordings of subject a: figures are not of somebody who is new"


def test_splits_keep_something_to_learn_of_every_action_where_they_can():
    # c alone shows 'stir', b and d alone 'fold': only a can be spared without losing an action.
    shown = {"a": ["cut"], "b": ["fold"], "c": ["stir", "cut"], "d": ["fold", "cut"]}
    labels = rows(*((video, action, "") for video, actions in shown.items() for action in actions))
    made, _ = splits.with_splits(labels)
    trained = {label.action for label in made if label.split == "train"}
    assert trained == {"cut", "fold", "stir"}
