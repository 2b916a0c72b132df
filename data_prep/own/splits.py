"""Splits that labels.csv does not give: by subject, else by recording, never by segment."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from data_prep.own.labels import FILE, SPLITS, Label
from data_prep.raw import Note
from htt_jax.support.errors import InputError
from htt_jax.support.words import counted

SEED = 0
SHARE = 0.25
"""Of the segments, about, that are kept for the test split."""

_DRAWS = 200  # of which the one is taken whose splits have the classes in common


def with_splits(labels: Sequence[Label]) -> tuple[list[Label], list[Note]]:
    """The labels, each of a split, and how it came to it.

    Raises:
        InputError: there is one recording only.
    """
    if labels[0].split:
        return list(labels), _in_both(labels)
    unit, group_of = _groups(labels)
    if len(set(group_of.values())) < 2:
        raise InputError(
            f"{FILE} gives no split, and there is one {unit} only: what is evaluated would be "
            "trained on; add another recording, or a column split"
        )
    tests = _drawn(labels, group_of)
    made = [
        dataclasses.replace(label, split="test" if group_of[label.video] in tests else "train")
        for label in labels
    ]
    what = f"made by {unit} with seed {SEED}, {FILE} gives none; test: {_shown(sorted(tests))}"
    return made, [Note("splits", FILE, what), *_in_both(made)]


def class_notes(labels: Sequence[Label]) -> list[Note]:
    """Notes on actions that cannot be both learned and evaluated."""
    notes = []
    for action in dict.fromkeys(label.action for label in labels):
        splits = collections.Counter(label.split for label in labels if label.action == action)
        if splits.total() == 1:
            what = f"one segment only, of {next(iter(splits))}: it cannot be learned and evaluated"
            notes.append(Note("one video", action, what))
        elif not splits["train"]:
            what = f"none of its {splits.total()} segments is of train: it cannot be learned"
            notes.append(Note("not trained", action, what))
    return notes


def _groups(labels: Sequence[Label]) -> tuple[str, dict[str, str]]:
    """'subject' or 'recording', and to which of them each recording belongs."""
    subjects = collections.defaultdict(set)
    for label in labels:
        subjects[label.video].add(label.subject)
    is_known = all(len(found) == 1 and "" not in found for found in subjects.values())
    by_subject = {video: min(found) for video, found in subjects.items()}
    if is_known and len(set(by_subject.values())) > 1:
        return "subject", by_subject
    return "recording", {video: video for video in subjects}


def _drawn(labels: Sequence[Label], group_of: Mapping[str, str]) -> set[str]:
    """The groups to test on: of some draws, that whose actions are trained, then tested, most."""
    groups = sorted(set(group_of.values()))
    rng = np.random.default_rng(SEED)
    best: tuple[tuple[int, int, float], set[str]] | None = None
    sizes = collections.Counter(group_of[label.video] for label in labels)
    actions = collections.defaultdict(set)
    for label in labels:
        actions[group_of[label.video]].add(label.action)
    for _ in range(_DRAWS):
        tests: set[str] = set()
        for i in rng.permutation(len(groups))[:-1].tolist():
            if tests and sum(sizes[g] for g in (*tests, groups[i])) > SHARE * len(labels):
                continue
            tests.add(groups[i])
        trained = set().union(*(actions[group] for group in groups if group not in tests))
        tested = set().union(*(actions[group] for group in tests))
        share = sum(sizes[group] for group in tests) / len(labels)
        cost = (len(tested - trained), len(trained - tested), abs(share - SHARE))
        if best is None or cost < best[0]:
            best = (cost, tests)
    assert best is not None
    return best[1]


def _in_both(labels: Sequence[Label]) -> list[Note]:
    """Where other parts of a recording, or of a subject's, are in another split."""
    notes = []
    splits = collections.defaultdict(set)
    for label in labels:
        splits[label.video].add(label.split)
    shared = [video for video, found in splits.items() if len(found) > 1]
    if shared:
        what = f"parts of {counted(len(shared), 'recording')}, such as {shared[0]}"
        names = [split for split in SPLITS if split in splits[shared[0]]]
        notes.append(Note("in two splits", " and ".join(names), what))
    of_subjects = collections.defaultdict(set)
    for label in labels:
        of_subjects[label.subject].add(label.split)
    for subject, found in of_subjects.items():
        if subject and len(found) > 1:
            names = [split for split in SPLITS if split in found]
            what = f"recordings of subject {subject}: figures are not of somebody who is new"
            notes.append(Note("in two splits", " and ".join(names), what))
    return notes


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
