"""Joints of recordings as labelling tools and MediaPipe write them: places in images."""

import json
import re

import numpy as np
import pytest

from data_prep.own import layout
from data_prep.own.skeletons import NAMED
from htt_jax import camera
from htt_jax.datasets import spec as datasets
from htt_jax.support.errors import InputError
from tests import videos
from tests.data_prep import own_folders
from tests.data_prep.own_folders import TOML, notes, prepare
from tests.data_prep.test_own_part_joints import PIXELS, places

HANDS = TOML.replace('["right"]', '["left", "right"]')
FRAMES = 6


def triples(points, seen=2):
    return [x for u, v in points.tolist() for x in (u, v, seen)]


def coco(of_hands, names=NAMED["coco"], file_names=None):
    """As CVAT exports skeletons: {'left_hand': (frames, 21, 2)}."""
    file_names = file_names or [f"{i:03d}.png" for i in range(FRAMES)]
    annotations = [
        {
            "id": FRAMES * category + frame + 1,
            "image_id": frame + 1,
            "category_id": category + 1,
            "keypoints": triples(points),
            "num_keypoints": 21,
            "bbox": [0.0, 0.0, 1.0, 1.0],
            "iscrowd": 0,
            "attributes": {"occluded": False},
        }
        for category, of in enumerate(of_hands.values())
        for frame, points in enumerate(of)
    ]
    categories = [
        {"id": i, "name": hand, "supercategory": "", "keypoints": list(names), "skeleton": []}
        for i, hand in enumerate(of_hands, 1)
    ]
    images = [
        {"id": i, "width": 64, "height": 48, "file_name": name}
        for i, name in enumerate(file_names, 1)
    ]
    return {"licenses": [], "info": {}, "categories": categories, "images": images} | {
        "annotations": annotations
    }


def written(root, content, toml=TOML, name="coco.json"):
    """Two recordings with the same file of joints, a table where it is text."""
    raw = own_folders.write(root / "raw", toml=toml, frames=FRAMES)
    for recording in "ab":
        (raw / recording / "joints.npz").unlink()
        path = raw / recording / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return raw


def seen(video):
    """Pixels of the recording's frames that the stored joints have, and which are known."""
    known = video.joints_known[..., 0]
    pixels, depth = camera.project(np.where(known[..., None], video.joints_3d, 1), video.intrinsics)
    assert (depth == 1).all()
    return pixels / PIXELS, known


def test_keypoints_of_cvat_are_read_hand_by_hand(tmp_path):
    of_hands = {"left_hand": places(FRAMES, 1), "right_hand": places(FRAMES, 2)}
    content = coco(of_hands)
    left = content["annotations"][2]  # of frame 2
    left["keypoints"][3 * 4 : 3 * 4 + 3] = [0, 0, 0]  # not labelled
    left["keypoints"][3 * 5 + 2] = 1  # hidden
    left["num_keypoints"] = 20
    del content["annotations"][FRAMES + 3]  # no right hand in frame 3
    content["annotations"][0]["keypoints"][:3] = [0, 0, 2]  # as some exporters lose them
    name = "annotations/person_keypoints_default.json"
    raw = written(tmp_path, content, 'skeleton = "coco"' + HANDS, name)
    made = prepare(raw, tmp_path / "out")
    assert made["train"].spec.joints == datasets.IN_IMAGES
    pixels, known = seen(made["train"][0])  # frames 0 to 3
    expected = np.concatenate(list(of_hands.values()), axis=1)[:4]
    assert np.argwhere(~known).tolist() == [
        [0, 0],
        [2, 4],
        *([3, joint] for joint in range(21, 42)),
    ]
    np.testing.assert_allclose(pixels[known], expected[known], atol=1e-3)
    assert notes(tmp_path / "out", "keypoints") == [
        f"{raw}/{of}/{name}: 229 of 231 joints of 11 hands are labelled, in 6 images" for of in "ab"
    ]
    assert notes(tmp_path / "out", "lost")[0].endswith(
        "1 joint at x = 0, y = 0, labelled as if it were there: taken for not labelled"
    )


@pytest.mark.parametrize("first", [0, 1])
def test_keypoints_called_by_numbers_are_those_of_the_skeleton(tmp_path, first):
    of = places(FRAMES)
    order = np.random.default_rng(3).permutation(21)
    names = [str(first + joint) for joint in order]
    raw = written(tmp_path, coco({"hand": of[:, order]}, names))
    pixels, known = seen(prepare(raw, tmp_path / "out")["test"][0])
    assert known.all()
    np.testing.assert_allclose(pixels, of[2:5], atol=1e-3)


def test_one_category_of_label_studio_holds_both_hands_of_a_video(tmp_path):
    left, right = places(FRAMES, 1), places(FRAMES, 2)
    names = [f"{hand}_{joint}" for hand in ("left", "right") for joint in NAMED["openpose"]]
    files = [f"images/0a1b2c3d-frame_{i:06d}.png" for i in range(FRAMES)]
    content = coco({"default": np.concatenate([left, right], axis=1)}, names, files)
    for image in content["images"]:
        image |= {"width": 128, "height": 96}  # labelled at twice the size
    for annotation in content["annotations"]:
        annotation["keypoints"] = [
            x * (1 if i % 3 == 2 else 2) for i, x in enumerate(annotation["keypoints"])
        ]
        annotation["num_keypoints"] = 42
    content["annotations"].append(
        {"id": 99, "image_id": 1, "category_id": 1, "bbox": [1, 1, 2, 2], "segmentation": []}
    )
    raw = written(tmp_path, content, 'skeleton = "openpose"' + HANDS, "result.json")
    for recording in "ab":
        for file in (raw / recording).glob("*.png"):
            file.unlink()
        videos.write_lossless(raw / recording / "video.mkv", videos.moving(FRAMES))
    pixels, known = seen(prepare(raw, tmp_path / "out")["test"][0])
    assert known.all()
    np.testing.assert_allclose(pixels, np.concatenate([left, right], axis=1)[2:5], atol=1e-3)
    assert notes(tmp_path / "out", "ignored")[0].endswith(
        "1 annotation without keypoints, such as boxes"
    )


def test_keypoints_of_a_hand_that_the_dataset_has_not_are_left_out(tmp_path):
    of_hands = {"left_hand": places(FRAMES, 1), "right_hand": places(FRAMES, 2)}
    toml = 'skeleton = "coco"' + TOML
    raw = written(tmp_path, coco(of_hands), toml)
    pixels, known = seen(prepare(raw, tmp_path / "out")["train"][0])
    assert known.all()
    np.testing.assert_allclose(pixels, of_hands["right_hand"][:4], atol=1e-3)
    assert notes(tmp_path / "out", "ignored")[0].endswith(
        "6 annotations of a hand not among `hands` in dataset.toml"
    )
    raw = written(tmp_path / "left", coco({"left_hand": of_hands["left_hand"]}), toml)
    with pytest.raises(InputError, match=r"labels no keypoint of right \(dataset.toml\); remove"):
        layout.find(raw)


def changed(path, value):
    """COCO's content with one entry changed, by keys and places."""
    content = coco({"right_hand": places(FRAMES)})
    *parents, last = path
    entry = content
    for key in parents:
        entry = entry[key]
    entry[last] = value
    return content


FIRST = ("annotations", 0)
BAD_COCO = {
    "lost points": (
        (*FIRST, "num_keypoints"), 20,
        "annotations[0]: num_keypoints is 20, but 21 of its keypoints are labelled (v = 1 or 2)",
    ),
    "short": (
        (*FIRST, "keypoints"), [1, 2, 2] * 20,
        "annotations[0]: keypoints is 60 numbers, expected x, y, v of each of the 21 keypoints",
    ),
    "visibility": (
        (*FIRST, "keypoints", 2), 3,
        "annotations[0]: keypoints[0:3] is [",
    ),
    "not finite": (
        (*FIRST, "keypoints", 3), float("nan"),
        "annotations[0]: keypoints[3:6] is [nan",
    ),
    "no float": (
        (*FIRST, "keypoints", 3), 10**400,
        "annotations[0]: keypoints[3:6] is [10000",
    ),
    "category twice": (
        ("categories",), [{"id": 1, "name": "right_hand", "keypoints": ["hand_root"]}] * 2,
        "categories[1]: id is 1 again; keep one",
    ),
    "twice": (
        ("annotations", 1, "image_id"), 1,
        "annotations[1]: the right hand of frame 0 is labelled again; keep one",
    ),
    "no image": ((*FIRST, "image_id"), 77, "annotations[0]: image_id is 77, which none"),
    "no category": ((*FIRST, "category_id"), None, "annotations[0]: category_id is missing"),
    "another image": (
        ("images", 5, "file_name"), "006.png",
        "images[5]: file_name is '006.png', but {raw}/a has no such image; its images are '000' to",
    ),
    "image twice": (
        ("images", 5, "file_name"), "x/000.jpg",
        "images[5]: 'x/000.jpg' is the same image as '000.png'; keep one",
    ),
    "another shape": (
        ("images", 0, "height"), 64,
        "images[0]: width and height are 64 and 64, but {raw}/a is 64x48, of another shape",
    ),
    "another joint": (
        ("categories", 0, "keypoints", 20), "elbow",
        "categories[0]: keypoints[20] is 'elbow', expected one of hand_root, thumb1",
    ),
    "joint twice": (
        ("categories", 0, "keypoints", 20), "thumb1",
        "categories[0]: keypoints[20] is 'thumb1' again; keep one",
    ),
    "no list": (("images",), {}, "images is {}, expected a list of objects, as COCO has images"),
    "no keypoints": (("annotations",), [], "labels no keypoint; remove it where there are no"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_COCO)
def test_bad_keypoints_are_one_clear_line(tmp_path, case):
    path, value, expected = BAD_COCO[case]
    raw = written(tmp_path, changed(path, value), 'skeleton = "coco"' + TOML)
    expected = f"{raw}/a/coco.json{' ' if case == 'no keypoints' else ': '}{expected}"
    with pytest.raises(InputError, match=re.escape(expected.replace("{raw}", str(raw)))):
        layout.find(raw)


def test_keypoints_of_no_hand_and_images_without_numbers_are_one_clear_line(tmp_path):
    raw = written(tmp_path / "1", coco({"hand": places(FRAMES)}), 'skeleton = "coco"' + HANDS)
    expected = "neither its name 'hand' nor its keypoint 'hand_root' names a hand; expected one of "
    with pytest.raises(InputError, match=expected + "left, right"):
        layout.find(raw)
    names = [f"{letter}.png" for letter in "abcdef"]
    content = coco({"right": places(FRAMES)}, file_names=names)
    raw = written(tmp_path / "2", content, 'skeleton = "coco"' + TOML)
    for file in (raw / "a").glob("*.png"):
        file.unlink()
    videos.write_lossless(raw / "a/video.mkv", videos.moving(FRAMES))
    with pytest.raises(InputError, match=r"'a\.png', expected a name that ends with the number"):
        layout.find(raw)
