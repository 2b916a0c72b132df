"""Joints of recordings as people save what MediaPipe finds: places in images."""

import re

import numpy as np
import pytest

from data_prep.own import layout
from data_prep.own.skeletons import NAMED
from htt_jax.support.errors import InputError
from tests.data_prep.own_folders import TOML, notes, prepare
from tests.data_prep.test_own_keypoints import FRAMES, HANDS, seen, written
from tests.data_prep.test_own_part_joints import places

SWAPPED = "swap_hands = true" + HANDS
KEPT = "swap_hands = false" + HANDS


def result(style, hands):
    """What MediaPipe says of a frame: {'Left': (21, 2)}."""
    points = [
        [{"x": x / 64, "y": y / 48, "z": -0.01} for x, y in of.tolist()] for of in hands.values()
    ]
    if style == "python":
        return {
            "handedness": [
                [{"index": 0, "score": 0.9, "category_name": side, "display_name": side}]
                for side in hands
            ],
            "hand_landmarks": points,
            "hand_world_landmarks": points,
        }
    if style == "javascript":
        return {
            "handednesses": [[{"categoryName": side, "score": 1}] for side in hands],
            "landmarks": points,
        }
    return {
        "multi_handedness": [
            {"classification": [{"index": 0, "score": 0.9, "label": side}]} for side in hands
        ],
        "multi_hand_landmarks": [{"landmark": of} for of in points],
    }


@pytest.mark.parametrize("style", ["python", "javascript", "older"])
def test_landmarks_are_places_in_the_image_of_the_hand_they_are_said_to_be(tmp_path, style):
    left, right = places(FRAMES, 1), places(FRAMES, 2)
    results = [result(style, {"Left": left[i], "Right": right[i]}) for i in range(FRAMES)]
    results[3] = result(style, {"Right": right[3]})
    content = results if style != "older" else {"frames": results}
    raw = written(tmp_path, content, SWAPPED if style == "older" else KEPT, "mediapipe.json")
    pixels, known = seen(prepare(raw, tmp_path / "out")["train"][0])
    hands = [right, left] if style == "older" else [left, right]
    expected = np.concatenate(hands, axis=1)[:4]
    absent = range(21, 42) if style == "older" else range(21)
    assert np.argwhere(~known).tolist() == [[3, joint] for joint in absent]
    np.testing.assert_allclose(pixels[known], expected[known], atol=1e-3)
    ignored = notes(tmp_path / "out", "ignored")
    assert len(ignored) == (2 if style == "python" else 0)
    assert all("world landmarks: they are around the hand's centre" in note for note in ignored)


@pytest.mark.parametrize("style", ["numbers", "names", "rows"])
def test_landmarks_of_tables_are_the_same(tmp_path, style):
    of = places(FRAMES)
    shares = (of / [64, 48]).round(6)
    if style == "rows":
        rows = ["frame_id,hand_id,handedness,landmark_id,landmark_name,x,y,z"]
        rows += [
            f"{i},0,Right,{k},{NAMED['mediapipe'][k]},{x},{y},-0.01"
            for i in (4, 2)
            for k, (x, y) in enumerate(shares[i].tolist())
        ]
    else:
        joints = [f"{name}_{{}}" for name in NAMED["mediapipe"]]
        if style == "numbers":
            joints = [f"{{}}{i}" for i in range(21)]
        rows = [",".join(["frame", "hand", *(j.format(c) for j in joints for c in "xyz")])]
        for i in (4, 2):
            cells = [cell for x, y in shares[i].tolist() for cell in (x, y, -0.01)]
            rows.append(",".join(map(str, [i, "Right", *cells])))
        rows.append("3,," + 62 * ",")  # without a hand
    toml = "swap_hands = false" + TOML
    raw = written(tmp_path, "\n".join(rows), toml, "mediapipe.csv")
    pixels, known = seen(prepare(raw, tmp_path / "out")["test"][0])  # frames 2 to 4
    assert known.all(axis=1).tolist() == known.any(axis=1).tolist() == [True, False, True]
    np.testing.assert_allclose(pixels[::2], of[[2, 4]], atol=1e-3)


def test_a_hand_found_twice_or_of_another_side_is_not_annotated(tmp_path):
    of = places(FRAMES)
    results = [result("python", {"Right": of[i], "Left": of[i] + 1}) for i in range(FRAMES)]
    results[1]["handedness"][1][0]["category_name"] = "Right"
    raw = written(tmp_path, results, "swap_hands = false" + TOML, "mediapipe.json")
    video = prepare(raw, tmp_path / "out")["train"][0]
    assert video.joints_known[..., 0].all(axis=1).tolist() == [True, False, True, True]
    assert notes(tmp_path / "out", "lost")[0].endswith(
        "right hand twice in frame 1; kept, as not annotated"
    )
    assert any(
        "the left hand in 5 frames: not among `hands`" in x
        for x in notes(tmp_path / "out", "ignored")
    )


def with_result(index, **changes):
    results = [result("python", {"Right": of}) for of in places(FRAMES)]
    results[index] |= changes
    return results


BAD_LANDMARKS = {
    "20 landmarks": (
        with_result(2, hand_landmarks=[[{"x": 0, "y": 0}] * 20]), KEPT,
        "frames[2], hand 0 has 20 landmarks, expected 21",
    ),
    "a text": (
        with_result(2, hand_landmarks=[[{"x": "a", "y": 0}] * 21]), KEPT,
        "frames[2], hand 0, landmark 0: x is 'a', expected a share of the image",
    ),
    "no float": (
        with_result(2, hand_landmarks=[[{"x": 10**400, "y": 0}] * 21]), KEPT,
        "frames[2], hand 0, landmark 0: x is 1000",
    ),
    "no handedness": (
        with_result(1, handedness=[]), KEPT,
        "frames[1] has landmarks of 1 hands and handedness of 0; expected as many of each",
    ),
    "another handedness": (
        with_result(1, handedness=["Both"]), KEPT,
        "frames[1], hand 0: handedness is 'Both', expected Left or Right",
    ),
    "a number": (with_result(1, frame="1"), KEPT, "frames[0] has no frame, and others have"),
    "no results": ({"hands": []}, KEPT, "expected a list of results, one a frame"),
    "too few": (
        with_result(0)[:4], "swap_hands = false" + TOML,
        "has joints of 4 frames, but {raw}/a has 6; give",
    ),
    "pixels": (
        [result("python", {"Right": 64 * of}) for of in places(FRAMES)], KEPT,
        "expected shares of the image, from 0 to 1, as MediaPipe gives them",
    ),
    "not said": (with_result(0), HANDS, "dataset.toml does not say swap_hands: false where"),
    "three hands": (
        with_result(0), KEPT.replace('["left"', '["helping", "left"'),
        "MediaPipe tells left and right hands, but dataset.toml names helping, left, right",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_LANDMARKS)
def test_bad_landmarks_are_one_clear_line(tmp_path, case):
    content, toml, expected = BAD_LANDMARKS[case]
    raw = written(tmp_path, content, toml, "mediapipe.json")
    with pytest.raises(InputError, match=re.escape(expected.replace("{raw}", str(raw)))) as error:
        layout.find(raw)
    assert f"{raw}/a/mediapipe.json" in str(error.value)


def test_bad_tables_of_landmarks_are_one_clear_line(tmp_path):
    rows = [f"0,Right,{k},0.5,0.{k:02d}" for k in range(21)]
    for name, content, expected in (
        (
            "gap",
            rows[:5] + rows[6:],
            "line 7: landmark 6 of the right hand of frame 0, expected lan",
        ),
        ("end", rows[:20], "ends after 20 landmarks of the right hand of frame 0, expected 21"),
        ("hand", ["0,1,0,0.5,0.5"], "line 2: handedness is '1', expected Left or Right"),
    ):
        text = "\n".join(["frame,handedness,landmark,x,y", *content])
        raw = written(tmp_path / name, text, KEPT, "mediapipe.csv")
        with pytest.raises(InputError, match=re.escape(expected)):
            layout.find(raw)
