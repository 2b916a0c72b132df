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
