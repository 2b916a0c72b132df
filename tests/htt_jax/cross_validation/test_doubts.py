"""Labels that are doubted, by numbers."""

import numpy as np

from htt_jax.cross_validation.doubts import doubts, suspected


def test_a_label_is_suspected_where_another_class_is_as_likely_as_in_videos_labelled_so():
    labels = np.array([0, 0, 0, 1, 1, 2])
    probabilities = np.array(
        [
            [0.9, 0.1, 0.0],
            [0.5, 0.5, 0.0],  # not as surely of class 1 as those that are labelled so: 0.6
            [0.2, 0.8, 0.0],  # as surely
            [0.4, 0.6, 0.0],
            [0.4, 0.6, 0.0],
            [0.0, 0.7, 0.3],  # both of class 1 and of its own, but sooner of class 1
        ]
    )
    everything = np.ones(6, bool)
    suspects, believed = suspected(labels, probabilities, everything)
    assert suspects.tolist() == [False, False, True, False, False, True]
    assert believed.tolist() == [0, 0, 1, 1, 1, 1]
    # A class that nobody could learn has no say, and its label none against it.
    suspects, _ = suspected(labels, probabilities, labels != 2)
    assert suspects.tolist() == [False, False, True, False, False, False]


def entry(name, action, *probabilities):
    return {"video_id": name, "action": action, "probabilities": list(probabilities)}


def test_the_most_doubtful_come_first_and_what_no_other_fold_shows_last():
    folds = [
        [entry("right", 0, 0.9, 0.1, 0.0), entry("wrong", 1, 0.95, 0.05, 0.0)],
        [entry("unsure", 0, 0.45, 0.45, 0.1), entry("sure", 1, 0.1, 0.9, 0.0)],
        [entry("alone", 2, 0.8, 0.2, 0.0)],
    ]
    found = doubts(folds, ["open", "close", "pour"])
    assert [one.entry["video_id"] for one in found] == ["wrong", "unsure", "right", "sure", "alone"]
    assert [one.is_suspect for one in found] == [True, False, False, False, False]
    assert [one.is_learned for one in found] == [True, True, True, True, False]
    first = found[0]
    assert (first.fold, first.believed_name, first.of_label, first.of_believed) == (
        *(0, "open"),
        *(0.05, 0.95),
    )
