"""What --preview shows of recordings of one's own: a page's data, pictures, and what is refused."""

import json
import re

import cv2
import numpy as np
import pytest

from data_prep.own.command import main
from data_prep.own.preview.shown import EVENLY, ROWS, TILES
from htt_jax.support.errors import InputError
from tests import chromium, videos
from tests.data_prep import own_folders
from tests.data_prep.own_folders import TOML
from tests.full_disk import full_disk

TWO = "video,start,end,action,split\na,0,3,cut,train\na,2,4,stir,train\na,8,9,cut,train\n"
TWO += "b,2,4,cut,test\n"


def preview(raw, out, *options):
    main(["--raw", str(raw), "--preview", str(out), *options])
    return facts(out)


def facts(out):
    text = (out / "preview.html").read_text()
    return json.loads(re.search(r'<script id="facts"[^>]*>(.*?)</script>', text)[1])


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A preview of videos of 39 frames of 64x48, and the joints of one of them."""
    root = tmp_path_factory.mktemp("shown")
    labels = "video,start,end,action,object,split,subject\na,0.1,0.6,cut,leek,train,anna\n"
    labels += "a,0.7,1.2,stir,,train,anna\nb,,,cut,,test,ben\n"
    own_folders.write(root / "raw", labels, TOML.replace("frames", "seconds"), frames=39)
    joints = own_folders.joints(39)
    joints[:, 0] = (0.1, 0.08, 0.5)  # away from the others
    np.savez(root / "raw/a/joints.npz", joints=joints)
    preview(root / "raw", root / "out")
    return root / "out", joints


def test_the_page_has_each_frame_and_each_label_at_its_time(shown):
    found = facts(shown[0])
    a, b = found["recordings"]
    assert (a["name"], b["name"]) == ("a", "b")
    assert a["numbers"] == list(range(39))
    assert a["shown"] == "39 of 39 frames are shown."
    assert a["seconds"][3] == 0.1
    assert a["duration"] == 1.3
    keys = ("action", "object", "split", "subject", "lane", "frames", "first", "last")
    first, second = ([part[key] for key in keys] for part in a["segments"])
    assert first == ["cut", "leek", "train", "anna", 0, 15, 3, 17]
    assert second == ["stir", "", "train", "anna", 0, 15, 21, 35]
    assert [(part["start"], part["end"]) for part in a["segments"]] == [(0.1, 0.6), (0.7, 1.2)]
    assert [(part["start"], part["end"]) for part in b["segments"]] == [(0.0, 1.3)]
    assert found["actions"] == {"cut": "#4672fa", "stir": "#e69f00"}


def test_joints_are_at_their_pixels_in_the_pages_pictures(shown):
    out, joints = shown
    found = facts(out)
    a = found["recordings"][0]
    # A view of 70 degrees over 64 pixels, which are 480 in the pictures; 48 are 270.
    focal = 32 / np.tan(np.radians(35))
    expected = (joints[..., :2] / joints[..., 2:] * focal + (32, 24)) * (480 / 64, 270 / 48)
    np.testing.assert_allclose(a["joints"], expected, atol=0.06)
    assert found["hands"] == [{"name": "right", "colour": "#e69f00"}]
    assert len(found["bones"]) == 20
    files = [out / a["folder"] / name for name in a["files"]]
    assert {cv2.imread(str(file)).shape for file in files} == {(270, 480, 3)}
    # The sheet draws the wrist in its hand's colour.
    sheet = cv2.imread(str(out / a["folder"] / "sheet.jpg"))[..., ::-1]
    assert sheet.shape == (44 + 2 * (44 + 180), 6 * 324 - 4, 3)
    u, v = (expected[17, 0] + 0.5) * 320 / 480 - 0.5
    place = 44 + 44 + round(v), 5 * 324 + round(u)
    np.testing.assert_allclose(sheet[place].astype(int), (230, 159, 0), atol=80)


def test_the_page_needs_nothing_from_elsewhere(shown):
    text = (shown[0] / "preview.html").read_text()
    assert not re.search(r"(src|href)=|https?:|@import|url\(", text.split('<script id="facts"')[0])
    assert "http" not in text.split('<script id="facts"')[1]


def test_what_is_not_known_behind_or_labelled_nowhere_is_marked(tmp_path):
    raw = own_folders.write(tmp_path / "raw", TWO)
    joints = own_folders.joints(6)
    joints[1, [0, 7]] = np.nan
    joints[2] = np.nan
    np.savez(raw / "a/joints.npz", joints=joints)
    shown = preview(raw, tmp_path / "out")
    a = shown["recordings"][0]
    unknown = [[i for i, place in enumerate(of) if place is None] for of in a["joints"]]
    assert unknown == [[], [0, 7], list(range(21)), [], [], []]
    spans = [(x["action"], x["lane"], x["first"], x["last"]) for x in a["segments"]]
    assert spans == [("cut", 0, 0, 3), ("stir", 1, 2, 4), ("cut", 0, None, None)]
    assert [x["frames"] for x in a["segments"]] == [4, 3, 0]
    assert any("no right hand in 1 of 6 frames" in note for note in a["notes"])
    (tmp_path / "out").joinpath("preview.html").read_text().index("two labels")


def test_hands_are_shown_behind_the_camera_and_not_at_all(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    joints = own_folders.joints(6)
    joints[4, 3, 2] = -0.01
    np.savez(raw / "a/joints.npz", joints=joints)
    of_a = preview(raw, tmp_path / "out")["recordings"][0]["joints"]
    assert [of[3] == "behind" for of in of_a] == [False, False, False, False, True, False]
    for name in "ab":
        (raw / name / "joints.npz").unlink()
    shown = preview(raw, tmp_path / "out")
    assert shown["hands"] == shown["bones"] == []


def test_of_a_long_recording_some_hundred_frames_are_shown(tmp_path):
    rows = [f"a,{20 * i},{20 * i + 9},{'cut' if i % 2 else 'stir'},train\n" for i in range(13)]
    labels = "".join(["video,start,end,action,split\n", *rows, "b,0,3,cut,test\n"])
    raw = own_folders.write(tmp_path / "raw", labels, frames=6)
    for path in (raw / "a").iterdir():
        path.unlink()
    np.savez(raw / "a/joints.npz", joints=own_folders.joints(6), frames=range(6))
    videos.write_lossless(raw / "a/video.mkv", videos.moving(260))
    a = preview(raw, tmp_path / "out")["recordings"][0]
    assert EVENLY < len(a["files"]) <= EVENLY + ROWS * TILES
    what = "frames are shown: 240 evenly spaced ones, and up to 6 of each of 12 segments."
    assert a["shown"] == f"{len(a['files'])} of 260 {what}"
    assert (a["numbers"][0], a["numbers"][-1]) == (0, 259)
    assert np.diff(a["numbers"]).max() == 2
    folder = tmp_path / "out" / a["folder"]
    assert cv2.imread(str(folder / "sheet.jpg")).shape[0] == 44 + ROWS * (44 + 180)
    preview(own_folders.write(tmp_path / "short"), tmp_path / "out")  # leaves none of the others
    assert len(list(folder.glob("*.jpg"))) == 7


def test_it_is_written_before_preparing_too(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    made = own_folders.prepare(raw, tmp_path / "out", "--preview", str(tmp_path / "look"))
    assert set(made) == {"train", "test"}
    assert len(facts(tmp_path / "look")["recordings"]) == 2


def test_what_cannot_be_shown_or_written_is_one_line(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    with pytest.raises(InputError, match=r"--preview .*raw/x is in --raw; give a folder beside"):
        preview(raw, raw / "x")
    with pytest.raises(InputError, match="--preview shows recordings: give --raw, and no --ver"):
        main(["--preview", str(tmp_path / "out")])
    with pytest.raises(InputError, match=r"no directory .*none; --raw must be"):
        preview(tmp_path / "none", tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"folder .*file: Not a directory; give another --preview"):
        preview(raw, tmp_path / "file")
    with full_disk(2000), pytest.raises(InputError, match="make room, or give another --preview"):
        preview(raw, tmp_path / "full")
    assert not (tmp_path / "full/preview.html").exists()
    (raw / "a/003.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a/003\.png"):
        preview(raw, tmp_path / "out")
    assert [x["name"] for x in preview(raw, tmp_path / "out", "--skip-bad")["recordings"]] == ["b"]
    (raw / "b/003.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="no recording can be read; nothing to show"):
        preview(raw, tmp_path / "out", "--skip-bad")


@pytest.mark.proof
@pytest.mark.skipif(chromium.find() is None, reason="there is no Chromium, see .ci/chromium.sh")
def test_in_a_browser_it_plays_and_goes_to_a_segment(shown):
    def wait(page, what):
        return page.evaluate(
            "new Promise((done, fail) => { const end = Date.now() + 60000; (function look() {"
            f"if ({what}) done(); else if (Date.now() > end) fail(); else setTimeout(look, 50);"
            "})(); })"
        )

    with chromium.opened((shown[0] / "preview.html").as_uri()) as page:
        wait(page, "document.readyState === 'complete' && state.recording && image(0).complete")
        page.evaluate("at('segments').children[1].click()")
        assert page.evaluate("[state.frame, state.seconds]") == [21, 0.7]
        assert page.evaluate("at('status').innerText").startswith("stir, frame 21, 0.70 s")
        page.evaluate("at('play').click()")
        wait(page, "!state.playing")
        assert page.evaluate("[state.frame, state.seconds]") == [38, 1.3]
        page.evaluate("at('next').click()")
        assert page.evaluate("state.recording.name") == "b"
        assert not page.errors
