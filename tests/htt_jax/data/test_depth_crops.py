"""Crops of depth maps, as the published code made them and around any centre."""

import dataclasses
import pickle

import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax.data import depth_crops
from htt_jax.data.cache import FrameRows
from htt_jax.data.depth_crops import NOWHERE, Cropper, Region, around_joints, crop, cube
from htt_jax.data.depth_maps import map_of
from htt_jax.data.hand_tracking import HandTracker
from htt_jax.data.views import View, open_view
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.support.errors import InputError
from htt_jax.systems.depth import poses
from tests import arms, prepared
from tests.parity.depth import recipe
from tests.parity.depth.cases import CASES, published

INTRINSICS = np.array([[recipe.FX, 0, recipe.U0], [0, recipe.FY, recipe.V0], [0, 0, 1]])


@pytest.mark.parametrize("place", range(3))
def test_published_crops_are_those_of_the_published_code(place):
    case = CASES["preprocess"]
    raw = recipe.raw_frame(case["input_seed"], case["centres_mm"])
    expected = published("preprocess")
    joints = raw["pose"][place].astype(np.float64) / 1000
    region = around_joints(joints, joints[3], INTRINSICS)  # in their order of the joints
    assert list(region.box) == expected["box"][place].tolist()
    assert region.far == pytest.approx(expected["far"][place], abs=1e-3)
    cut = crop(raw["depth"], region, 128)
    depth = jnp.array(joints[3, 2:], jnp.float32)
    found = poses.normalised(jnp.array(cut[None], jnp.float32), depth, "published")[0]
    np.testing.assert_allclose(found, expected["crop"][place], atol=1e-6)
    target = poses.relative(*(jnp.array(x, jnp.float32) for x in (joints, joints[3]))).reshape(-1)
    np.testing.assert_allclose(target, expected["target"][place], atol=1e-6)


def test_a_cube_keeps_what_lies_in_it():
    middle = np.array([0.0, 0.0, 0.5])
    region = cube(middle, np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]))
    assert region == Region((195, 115, 445, 365), 375, 625)
    depth = np.full((480, 640), 500, np.uint16)
    depth[:, :300], depth[:, 340:] = 374, 626
    found = crop(depth, region, 25)
    assert set(np.unique(found)) == {0, 500}
    normalised = poses.normalised(jnp.array([[[500.0, 375, 625, 0]]]), jnp.array([0.5]), "honest")
    np.testing.assert_allclose(normalised[0, 0], [0, -1, 1, 1], atol=1e-6)


@pytest.mark.parametrize(
    "region", [NOWHERE, Region((-90, 0, -10, 20), 0, 999), Region((0, 48, 10, 60), 0, 999)]
)
def test_a_hand_outside_of_the_image_or_a_box_without_pixels_shows_nothing(region):
    assert not crop(np.full((48, 64), 500, np.uint16), region, 8).any()


def test_what_cannot_be_projected_has_no_region():
    behind = np.full((21, 3), -0.1)
    assert around_joints(behind, behind[9], INTRINSICS) == NOWHERE
    assert cube(np.zeros(3), INTRINSICS) == NOWHERE
    assert cube(np.full(3, np.nan), INTRINSICS) == NOWHERE


def test_what_nothing_is_known_of_is_finite():
    nothing = jnp.zeros((1, 4, 4))
    for protocol in depth_crops.PROTOCOLS:
        assert np.isfinite(poses.normalised(nothing, jnp.zeros(1), protocol)).all()


@pytest.fixture(scope="module")
def two_hands(tmp_path_factory):
    spec = dataclasses.replace(H2O, depth=True)
    folder = tmp_path_factory.mktemp("crops") / "data"
    return open_view(prepared.write_dataset(folder, spec, {"train": [3]}), "train", View("depth"))


def test_every_hand_has_a_channel_and_a_centre_and_left_ones_are_mirrored(two_hands):
    video, frames = two_hands[0], np.arange(3)
    video.hand_annotated[1, 0] = False
    reader = Cropper(H2O.hands, 21, 9, "published", 16).reader
    found = np.empty((3, *reader.shape(two_hands.image_size)), reader.dtype)
    reader.read(two_hands, video, frames, found)
    centre = reader.labels(two_hands, video, frames)["centre"]
    np.testing.assert_array_equal(centre[:, 1], video.joints_3d[:, 21 + 9])
    assert not centre[1, 0].any()
    assert not found[1, ..., 0].any()
    as_right = dataclasses.replace(two_hands[0], joints_3d=np.roll(video.joints_3d, 21, axis=1))
    other = np.empty_like(found)
    reader.read(two_hands, as_right, frames, other)
    np.testing.assert_array_equal(found[0, :, ::-1, 0], other[0, ..., 1])
    assert found[0, ..., 0].any()


def test_without_a_size_there_are_centres_alone(two_hands):
    reader = Cropper(H2O.hands, 21, 9, "published", 0).reader
    assert reader.shape(two_hands.image_size) == (0, 0, 2)
    reader.read(two_hands, two_hands[0], np.arange(3), np.empty((3, 0, 0, 2), np.uint16))
    assert reader.labels(two_hands, two_hands[0], np.arange(3))["centre"].shape == (3, 2, 3)


def test_the_published_centre_is_the_knuckle_of_the_middle_finger():
    assert FPHA.skeleton.joints[FPHA.skeleton.palm] == "middle_1"


@pytest.fixture(scope="module")
def one_hand(tmp_path_factory):
    """An arm in each map, whose end is where the joints are."""
    spec = dataclasses.replace(FPHA, depth=True)
    folder = tmp_path_factory.mktemp("arms") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepared, "make_depth", arms.make_depth)
        prepared.write_dataset(folder, spec, {"train": [6, 4]})
    return open_view(folder, "train", View("depth", first_frames=5))


HONEST = Cropper(("right",), 21, 9, "honest", 16)


def read(source, video, frames, reader=HONEST.reader):
    crops = np.empty((len(frames), *reader.shape(source.image_size)), reader.dtype)
    reader.read(source, video, frames, crops)
    return crops, reader.labels(source, video, frames)["centre"]


def test_honest_crops_are_around_the_hand_that_the_maps_show(one_hand):
    video = one_hand[0]
    crops, centres = read(one_hand, video, np.arange(5))
    track = HandTracker(video.intrinsics)
    expected = [track(map_of(one_hand, video, frame)) for frame in range(5)]
    np.testing.assert_allclose(centres[:, 0], expected, rtol=1e-6)
    assert (crops > 0).any(axis=(1, 2, 3)).all()
    hand = video.joints_3d.mean(axis=1)  # the arm's end, 6 cm from the hand's middle
    assert np.linalg.norm(centres[:, 0] - hand, axis=1).max() < 0.13


def test_nothing_of_an_honest_crop_comes_from_the_true_pose(one_hand):
    expected = read(one_hand, one_hand[0], np.arange(5))
    source = open_view(one_hand.directory, "train", one_hand.view)
    video = dataclasses.replace(source[0], joints_3d=source[0].joints_3d + 1)
    video.hand_annotated[2] = False
    for found, wanted in zip(read(source, video, np.arange(5)), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_honest_crops_are_the_same_wherever_a_clip_begins_and_whoever_reads_it(one_hand):
    crops, centres = read(one_hand, one_hand[0], np.arange(5))
    fresh = open_view(one_hand.directory, "train", one_hand.view)
    for source in (fresh, pickle.loads(pickle.dumps(one_hand))):
        later = read(source, source[0], np.array([3, 4]))
        np.testing.assert_array_equal(later[0], crops[3:])
        np.testing.assert_array_equal(later[1], centres[3:])
    cached = FrameRows.read(open_view(one_hand.directory, "train", one_hand.view)).videos[0]
    assert not cached.frames
    found = HONEST.reader.labels(fresh, cached, np.arange(5))["centre"]
    np.testing.assert_array_equal(found, centres)


@pytest.mark.parametrize("hand", ["right", "left"])
def test_a_look_at_a_video_is_what_its_record_gives(one_hand, hand):
    video = one_hand[1]
    reader = dataclasses.replace(HONEST, hands=(hand,)).reader
    crops, centres = read(one_hand, video, np.arange(4), reader)
    look = reader.look(video.intrinsics)
    found = [look(map_of(one_hand, video, frame)) for frame in range(4)]
    np.testing.assert_array_equal([x["image"] for x in found], crops)
    np.testing.assert_array_equal([x["centre"] for x in found], centres)
    assert all(x["hand_seen"].all() for x in found)
    nothing = look(np.zeros(one_hand.image_size[::-1], np.uint16))
    assert not nothing["image"].any()
    assert not nothing["hand_seen"].any()
    np.testing.assert_array_equal(nothing["centre"], centres[3])


def test_what_no_look_is_possible_at_is_said():
    with pytest.raises(InputError, match="takes true poses"):
        dataclasses.replace(HONEST, size=0).reader.look(INTRINSICS)
    with pytest.raises(InputError, match="has 2 hands, and depth maps alone do not tell"):
        dataclasses.replace(HONEST, hands=("left", "right")).reader.look(INTRINSICS)
