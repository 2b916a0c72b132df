"""How well each action, verb and noun is recognised."""

import collections
from collections.abc import Sequence

from htt_jax.datasets.spec import DatasetSpec
from htt_jax.datasets.verbs import verb_and_noun
from htt_jax.evaluation.analysis.table import Row, Table


def action_table(per_video: Sequence[Row], action_names: Sequence[str]) -> Table:
    """One row for each action that a video shows, in the order of the ids.

    Args:
        per_video: of `results.json`, results -> action; hidden actions are passed over.
        action_names: in the order of the ids.

    Keys: action (name), videos, correct, accuracy, taken_for (the other action it is most often
    taken for, None if never), taken_for_videos (how often).
    """
    return _recognition_table(per_video, "action", list(action_names))


def verb_table(per_video: Sequence[Row], action_names: Sequence[str], spec: DatasetSpec) -> Table:
    """One row for each verb, most videos first; correct where the predicted action's verb is right.

    Keys: verb, actions (classes with it), videos, correct, accuracy, taken_for, taken_for_videos.
    """
    return _part_table(per_video, "verb", [verb_and_noun(name, spec)[0] for name in action_names])


def noun_table(per_video: Sequence[Row], action_names: Sequence[str], spec: DatasetSpec) -> Table:
    """One row for each noun, most videos first; correct where the predicted action's noun is right.

    Keys: noun, actions (classes with it), videos, correct, accuracy, taken_for, taken_for_videos.
    """
    return _part_table(per_video, "noun", [verb_and_noun(name, spec)[1] for name in action_names])


def _part_table(per_video: Sequence[Row], kind: str, part_of: Sequence[str]) -> Table:
    rows = _recognition_table(per_video, kind, part_of)
    return sorted(rows, key=lambda row: -row["videos"])


def _recognition_table(per_video: Sequence[Row], kind: str, part_of: Sequence[str]) -> Table:
    """Rows of what the actions of `per_video` are called in `part_of`, in its order."""
    rows = []
    for part in dict.fromkeys(part_of):
        found = [
            part_of[entry["predicted"]]
            for entry in per_video
            if entry["action"] >= 0 and part_of[entry["action"]] == part
        ]
        if found:
            correct = found.count(part)
            wrong = collections.Counter(other for other in found if other != part)
            taken_for, times = wrong.most_common(1)[0] if wrong else (None, 0)
            row: Row = {kind: part}
            if kind != "action":
                row["actions"] = part_of.count(part)
            row |= {"videos": len(found), "correct": correct, "accuracy": correct / len(found)}
            rows.append(row | {"taken_for": taken_for, "taken_for_videos": times})
    return rows
