import jaxtyping
import pytest

from htt_jax.datasets.skeleton import HAND, Skeleton, hand_of


def test_the_published_hand_is_the_wrist_then_each_finger_from_palm_to_tip():
    assert len(HAND.joints) == 21
    assert HAND.joints[:6] == ("wrist", "thumb_1", "thumb_2", "thumb_3", "thumb_4", "index_1")
    assert HAND.bones[:5] == ((0, 1), (1, 2), (2, 3), (3, 4), (0, 5))
    assert len(HAND.bones) == 20
    assert (HAND.root_name, HAND.joints[HAND.palm]) == ("wrist", "middle_1")
    assert HAND.order == "wrist, then thumb, index, middle, ring, little, each from palm to tip"


def test_joints_of_no_finger_stand_for_themselves():
    hand = Skeleton(("tip", "palm", "base", "root"), ((3, 2), (2, 0)), {"claw": (2, 0)}, root=3)
    assert hand.parts == {"claw": (0, 2), "palm": (1,), "root": (3,)}
    assert hand.order == "tip, palm, base, root"
    assert (hand.root_name, hand.palm) == ("root", 2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"joints": ()}, "skeleton.joints must be names"),
        ({"bones": ((0, 2),)}, "skeleton.bones must be joints from 0 to 1"),
        ({"bones": ((0,),)}, "skeleton.bones must be pairs"),
        ({"fingers": {"thumb": (-1,)}}, "skeleton.fingers must be joints from 0 to 1"),
        ({"fingers": {"thumb": ()}}, "skeleton.fingers must have a joint each"),
        ({"root": 2}, "skeleton.root must be joints from 0 to 1"),
    ],
)
def test_joints_that_are_not_there_are_named(fields, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as it comes from a file
    whole = {"joints": ("wrist", "tip"), "bones": ((0, 1),), "fingers": {}} | fields
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        Skeleton(**whole)


def test_hands_may_have_other_fingers():
    hand = hand_of(("thumb", "index"), 2)
    assert hand.joints == ("wrist", "thumb_1", "thumb_2", "index_1", "index_2")
    assert hand.fingers == {"thumb": (1, 2), "index": (3, 4)}
