"""Folds of a cross-validation: what is never divided, and what a run of one fold sees."""

import numpy as np
import pytest

from htt_jax.data.folds import Fold, assign, divide
from htt_jax.data.views import View, open_view
from htt_jax.support.errors import InputError
from tests import labelled_videos


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Four recordings of two subjects, and a video whose action is hidden."""
    splits = {
        "train": [("a/0", "anna", 0), ("a/1", "anna", 1), ("b/0", "ben", 0), ("b/1", "ben", 2)],
        "test": [("c/0", "anna", 0), ("d/0", "ben", 1), ("d/1", "ben", -1)],
    }
    return labelled_videos.write(tmp_path_factory.mktemp("folds") / "data", splits)


def test_groups_stay_whole_and_actions_are_spread_evenly():
    groups = ["big"] * 4 + ["open"] * 2 + ["shut"] * 2 + ["one", "two"]
    actions = [0, 0, 1, 1, 0, 0, 1, 1, 0, 1]
    folds = assign(groups, actions, 2)
    of_group = {
        group: {f for g, f in zip(groups, folds, strict=True) if g == group} for group in groups
    }
    assert all(len(found) == 1 for found in of_group.values())
    counts = np.zeros((2, 2), int)
    np.add.at(counts, (folds, actions), 1)
    np.testing.assert_array_equal(counts, [[3, 2], [2, 3]])


def test_subjects_are_not_divided_and_where_they_are_too_few_recordings_are_not(dataset):
    by_subject = divide(dataset, 2)
    assert (by_subject.unit, by_subject.groups) == ("subject", 2)
    np.testing.assert_array_equal(by_subject.fold, [0, 0, 1, 1, 0, 1, -1])
    by_recording = divide(dataset, 4)
    assert (by_recording.unit, by_recording.groups) == ("recording", 4)
    fold = by_recording.fold
    assert (fold[0], fold[2]) == (fold[1], fold[3])
    assert sorted({*fold.tolist()}) == [-1, 0, 1, 2, 3]


def test_every_labelled_video_of_all_splits_is_held_out_of_one_fold_and_trained_on_in_the_others(
    dataset,
):
    held_out, prints = [], set()
    for number in range(2):
        view = View(fold=Fold(number, 2))
        trained, kept = (open_view(dataset, split, view) for split in ("train", "held_out"))
        assert sorted([*trained.video_ids, *kept.video_ids]) == [
            *("a/0", "a/1", "b/0", "b/1", "c/0", "d/0")
        ]
        assert [kept[i].video_id for i in range(len(kept))] == kept.video_ids
        assert {kept[i].subject for i in range(len(kept))} == {("anna", "ben")[number]}
        held_out += kept.video_ids
        prints |= {trained.fingerprint, kept.fingerprint}
    assert len(set(held_out)) == len(held_out) == 6
    assert len(prints) == 2  # what is measured in two folds does not compare


def test_what_has_no_fold_is_said(dataset, tmp_path):
    with pytest.raises(InputError, match="has 4 recordings with an action, too few for 5 folds"):
        divide(dataset, 5)
    with pytest.raises(InputError, match=r"fold 1 of 2, .* 'test' too; take the split 'held_out'"):
        open_view(dataset, "test", View(fold=Fold(1, 2)))
