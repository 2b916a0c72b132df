"""What the simulator's hands, motions and solids must be like."""

import numpy as np
import pytest

from data_prep import h2o
from data_prep.simulation import hand, motion, take
from data_prep.simulation.actions import ACTIONS, DEFAULT_ACTIONS
from data_prep.simulation.geometry import rotation
from data_prep.simulation.objects import ITEMS, Solid
from data_prep.simulation.performance import Performance
from data_prep.simulation.raster import Canvas
from htt_jax.datasets.spec import FPHA, H2O

_INTRINSICS = np.array([[100.0, 0.0, 50.0], [0.0, 100.0, 40.0], [0.0, 0.0, 1.0]])


def _action(layout: str, name: str):
    return next(action for action in ACTIONS[layout] if action.name == name)


def _script(name: str, subject: int, seed: int = 0) -> take.Script:
    segment = take.Segment(_action("fpha", name), 0, 12)
    return take.Script((seed, subject, 1), subject, FPHA.hands, (segment,), 12)


def test_actions_are_those_of_the_datasets():
    nouns = FPHA.object_of_action
    assert [(a.name, a.noun) for a in ACTIONS["fpha"] if a.name != "read_letter"] == [
        pair for pair in nouns.items() if pair[0] != "read_letter"
    ]
    assert tuple(action.name for action in ACTIONS["h2o"]) == h2o.ACTIONS
    for layout, actions in ACTIONS.items():
        assert {action.noun for action in actions} <= set(ITEMS)
        assert {action.motion for action in actions} <= set(motion.PROGRAMS)
        assert set(DEFAULT_ACTIONS[layout]) <= {action.name for action in actions}


@pytest.mark.parametrize("layout", ["fpha", "h2o"])
def test_no_two_actions_look_the_same(layout):
    looks = {(action.noun, action.motion, action.backwards) for action in ACTIONS[layout]}
    assert len(looks) == len(ACTIONS[layout])


@pytest.mark.parametrize("layout", ["fpha", "h2o"])
def test_default_actions_have_pairs_that_only_time_tells_apart(layout):
    chosen = [_action(layout, name) for name in DEFAULT_ACTIONS[layout]]
    looks = {(action.noun, action.motion) for action in chosen}
    assert len(chosen) - len(looks) >= 2


@pytest.mark.parametrize(
    ("layout", "forwards", "backwards"),
    [
        ("fpha", "open_juice_bottle", "close_juice_bottle"),
        ("fpha", "give_coin", "receive_coin"),
        ("h2o", "place book", "grab book"),
    ],
)
def test_reversed_verb_shows_the_same_in_reverse(layout, forwards, backwards):
    shape = hand.hand_shape(np.random.default_rng(0), 1)
    first, second = (
        Performance(np.random.default_rng(5), shape, _action(layout, name))
        for name in (forwards, backwards)
    )
    time = np.linspace(0.0, 1.0, 9)
    np.testing.assert_allclose(
        first.track(time).joints, second.track(1.0 - time).joints, atol=1e-12
    )
    for ours, theirs in zip(first.held(time), second.held(1.0 - time), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    for ours, theirs in zip(first.standing(), second.standing(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert first.desk == second.desk
    # And it is not its own reverse.
    moved = first.track(time).joints - first.track(1.0 - time).joints
    assert np.linalg.norm(moved[0], axis=-1).mean() > 0.04


def test_a_person_keeps_the_same_bones_in_every_video():
    lengths = []
    for name, seed in (("open_milk", 0), ("flip_sponge", 0), ("pour_wine", 0)):
        joints = take.direct(_script(name, 3, seed)).joints()
        lengths.append(
            [np.linalg.norm(joints[:, a] - joints[:, b], axis=-1) for a, b in FPHA.skeleton.bones]
        )
    lengths = np.concatenate(lengths, axis=1)
    assert np.ptp(lengths, axis=1).max() < 1e-9
    other = take.direct(_script("open_milk", 4)).joints()
    differences = [
        abs(np.linalg.norm(other[0, a] - other[0, b]) - lengths[i, 0])
        for i, (a, b) in enumerate(FPHA.skeleton.bones)
    ]
    assert max(differences) > 0.002


def test_fingers_stay_within_their_limits():
    shape = hand.hand_shape(np.random.default_rng(0), 1)
    for action in ACTIONS["fpha"]:
        performance = Performance(np.random.default_rng(1), shape, action)
        angles = performance.angles(np.linspace(0.0, 1.0, 20))
        assert (angles >= hand.LOWER_LIMITS).all()
        assert (angles <= hand.UPPER_LIMITS).all()


def test_motion_is_smooth():
    for action in ACTIONS["fpha"]:
        segment = take.Segment(action, 0, 60)
        script = take.Script((0, 1, 2), 1, FPHA.hands, (segment,), 60)
        steps = np.diff(take.direct(script).joints(), axis=0)
        assert np.linalg.norm(steps, axis=-1).max() < 0.12  # metres between two frames


def test_left_hand_is_the_mirror_image_of_a_right_one():
    segment = take.Segment(_action("h2o", "spray spray"), 0, 5)
    joints = take.direct(take.Script((0, 1), 1, H2O.hands, (segment,), 5)).joints()

    def handedness(one_hand):  # thumb side, finger tips, back of the hand
        thumb, index, little = (one_hand[:, j] - one_hand[:, 0] for j in (2, 5, 17))
        return np.sign((np.cross(index, little) * thumb).sum(-1))

    np.testing.assert_array_equal(handedness(joints[:, :21]), -handedness(joints[:, 21:]))


def test_fingers_close_until_they_touch():
    shape = hand.hand_shape(np.random.default_rng(0), 1)
    centre, radius = np.array([0.0, 0.08, 0.05]), 0.03

    def distance(points):
        return np.linalg.norm((points - centre)[..., 1:], axis=-1) - radius

    tips = hand.joints(shape, hand.close_around(shape, hand.OPEN, distance))[[8, 12, 16]]
    gaps = distance(tips) - shape.radii[1:4, 3]
    assert (gaps > -0.004).all()
    assert (gaps < 0.02).all()


@pytest.mark.parametrize(
    "solid",
    [
        Solid("frustum", (0, 0, -0.05), (0.05, 0.05, 0.1), (200, 100, 50)),
        Solid("box", (0, 0, 0), (0.05, 0.05, 0.05), (200, 100, 50)),
        Solid("capsule", (0, 0, -0.02), (0.05, 0.05, 0.04), (200, 100, 50)),
    ],
)
def test_solids_cover_as_many_pixels_as_they_should(solid):
    canvas = Canvas((100, 80), _INTRINSICS)
    # Seen from the side, half a metre away: 20 pixels wide and high, a little more for the front.
    canvas.solid(solid, np.array([0.0, 0.0, 0.5]), rotation(0, 90.0))
    window, image = canvas.shade(np.array([0.0, 0.0, -1.0]))
    covered = image[..., 3].sum()
    width = np.flatnonzero(image[..., 3].any(0))
    assert 19 <= np.ptp(width) + 1 <= 24
    assert 310 <= covered <= 560
    middle = image[40 - window[0].start, 50 - window[1].start]
    assert middle[0] > middle[1] > middle[2] > 0


def test_nearer_solids_hide_those_behind_in_any_order():
    near = Solid("box", (0, 0, 0), (0.05, 0.05, 0.01), (250, 0, 0))
    far = Solid("box", (0, 0, 0), (0.2, 0.2, 0.01), (0, 0, 250))
    images = []
    for order in ((near, far), (far, near)):
        canvas = Canvas((100, 80), _INTRINSICS)
        for solid in order:
            depth = 0.4 if solid is near else 0.8
            canvas.solid(solid, np.array([0.0, 0.0, depth]), np.eye(3))
        window, image = canvas.shade(np.array([0.0, 0.0, -1.0]))
        images.append(image)
    np.testing.assert_array_equal(images[0], images[1])
    middle = images[0][40 - window[0].start, 50 - window[1].start]
    assert middle[0] > 150 > 60 > middle[2]
