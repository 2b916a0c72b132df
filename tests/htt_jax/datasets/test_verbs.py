import pytest

from htt_jax.datasets import verbs
from htt_jax.datasets.spec import FPHA, H2O


@pytest.mark.parametrize(
    ("spec", "action", "parts"),
    [
        (FPHA, "open_juice_bottle", ("open", "juice_bottle")),
        (FPHA, "take_letter_from_enveloppe", ("take", "letter")),
        (FPHA, "put_sugar", ("put", "spoon")),
        (FPHA, "prick", ("prick", "fork")),
        (FPHA, "high_five", ("high_five", "hand")),
        (FPHA, "fold_big_map", ("fold", "big_map")),
        (FPHA, "wave", ("wave", "none")),
        (H2O, "take out espresso", ("take out", "espresso")),
        (H2O, "spray spray", ("spray", "spray")),
    ],
)
def test_names_of_actions_have_a_verb_and_a_noun(spec, action, parts):
    assert verbs.verb_and_noun(action, spec) == parts


def test_published_verbs_are_as_many_as_the_datasets_have():
    of_h2o, of_fpha = (verbs.of_actions(spec.action_names, spec) for spec in (H2O, FPHA))
    assert (len(of_h2o.verbs), len(of_h2o.nouns)) == (11, 8)
    assert of_fpha.nouns == FPHA.object_names
    assert of_h2o.factorise
    assert of_fpha.factorise


def test_published_verbs_and_nouns_keep_their_numbers():
    """The heads of runs are numbered by them: other numbers would give old runs other answers."""
    assert verbs.of_actions(H2O.action_names, H2O).verb_of_action == (
        *(0,) * 8, *(1,) * 8, 2, 2, 2, 3, 3, 3, 4, 5, 5, 5, 5, 6, 6, 6, 7, 7, 8, 8, 9, 10,
    )  # fmt: skip
    assert verbs.of_actions(H2O.action_names, H2O).noun_of_action == (
        *range(8), *range(8), 2, 4, 6, 2, 4, 6, 4, 1, 5, 6, 7, 1, 5, 7, 2, 3, 0, 1, 3, 2,
    )  # fmt: skip
    of_fpha = verbs.of_actions(FPHA.action_names, FPHA)
    assert of_fpha.verb_of_action == (
        0, 1, 2, 0, 1, 3, 4, 5, 6, 7, 0, 1, 2, 8, 6, 6, 0, 1, 2, 9, 10, 11, 12, 0, 13, 14, 15, 12,
        0, 16, 17, 10, 13, 18, 19, 20, 21, 0, 22, 23, 22, 2, 24, 25, 26,
    )  # fmt: skip
    of_object = [FPHA.object_of_action[action] for action in FPHA.action_names]
    assert [of_fpha.nouns[noun] for noun in of_fpha.noun_of_action] == of_object
    assert of_fpha.nouns == FPHA.object_names


def test_each_action_has_the_numbers_of_its_verb_and_noun():
    found = verbs.of_actions(("open_milk", "close_milk", "open_salt"), FPHA)
    assert (found.verbs, found.nouns) == (("open", "close"), ("milk", "salt"))
    assert (found.verb_of_action, found.noun_of_action) == ((0, 1, 0), (0, 0, 1))


@pytest.mark.parametrize(
    "actions",
    [
        ("action 0", "action 1", "action 2"),  # one verb
        ("run", "walk", "stand"),  # no nouns
        ("open_box", "close_door", "pour_tea"),  # none shared
    ],
)
def test_names_that_say_no_more_than_the_actions_are_told_apart(actions):
    assert not verbs.of_actions(actions, FPHA).factorise
