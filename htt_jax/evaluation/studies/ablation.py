"""Groups of runs in the layout of the paper's ablations (Tab. 4 and 5), its figures beside them."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from htt_jax import measures
from htt_jax.datasets import published
from htt_jax.datasets.published import Published
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation import tables
from htt_jax.evaluation.studies.runs import (
    FULL,
    VARIANT,
    Group,
    differing_options,
)
from htt_jax.measures import Measure

WINDOW, FRAMES = "model.window", "data.frames"
VARIED = (WINDOW, FRAMES, VARIANT)
"""The options that Tab. 4 and Tab. 5 vary."""
_OF_TABLE_4 = ("auc", "mepe", "auc_ra", "mepe_ra")
"""What the paper's Tab. 4 shows, in its order."""
_OF_TABLE_5 = "action_accuracy"


def published_beside(spec: DatasetSpec, groups: Sequence[Group]) -> Published:
    """The figures of the paper that stand beside groups; of folds nothing is published."""
    folds = any(group.options.get("data.folds") for group in groups)
    return published.beside(spec.name, {"data.folds": folds})


def figure(group: Group, measure: Measure, hand: str | None = None) -> str:
    """Mean ± deviation over the seeds, as a cell of a table; empty if not measured.

    Of poses it is of one hand, or averaged over the hands.
    """
    name = measure.key if hand is None else f"{hand} {measure.key}"
    return mean_of(group, name, measure.shown)


def mean_of(group: Group, name: str, shown: Callable[[float], str]) -> str:
    """Mean ± deviation over the seeds of one of a run's `values`, each as `shown` has it."""
    mean, deviation = group.mean(name), group.deviation(name)
    if mean is None:
        return ""
    return shown(mean) if deviation is None else f"{shown(mean)} ± {shown(deviation)}"


def ablation_tables(spec: DatasetSpec, groups: Sequence[Group]) -> list[str]:
    """Tab. 4 and Tab. 5, once for each setting of the options that those do not vary.

    Published are the paper's model and the settings that there are runs of.
    """
    settings: dict[str, list[Group]] = {}
    for group in groups:
        other = {name: group.options[name] for name in group.options if name not in VARIED}
        settings.setdefault(json.dumps(other, sort_keys=True), []).append(group)
    firsts = [members[0] for members in settings.values()]
    names = [name for name in differing_options(firsts) if name not in VARIED]
    parts = []
    for members in settings.values():
        setting = "".join(f"; {name} = {shown(members[0].options.get(name))}" for name in names)
        parts += _Study(spec, members, setting).tables()
    return parts


def shown(option: object) -> str:
    """The value of an option, as a cell of a table."""
    if option is None:
        return "-"
    if isinstance(option, Sequence) and not isinstance(option, str):
        return ", ".join(map(str, option))
    return f"{option:g}" if isinstance(option, float) else str(option)


class _Study:
    """Groups that differ in nothing but t, T and the variant of the model.

    What a table does not vary is there as in most of the groups.
    """

    def __init__(self, spec: DatasetSpec, groups: Sequence[Group], setting: str):
        self._spec = spec
        self._groups = groups
        self._setting = setting
        self._usual = {
            WINDOW: _usual([group.options[WINDOW] for group in groups], published.WINDOW),
            FRAMES: _usual([group.options[FRAMES] for group in groups], published.FRAMES),
            VARIANT: FULL,
        }

    def tables(self) -> list[str]:
        """Tab. 4, Tab. 5 and a word on the groups that are in neither."""
        of_window, of_frames, of_variant = map(self._varying, VARIED)
        parts = [*self._window_table(of_window), self._action_table(of_frames, of_variant)]
        shown_groups = [*of_window.values(), *of_frames.values(), *of_variant.values()]
        others = sum(group not in shown_groups for group in self._groups)
        if others:
            parts.append(
                f"Rows of the first table that are in neither of these two: {others}. They differ "
                "from the usual in more than one of t, T and variant."
            )
        return parts

    def _varying(self, name: str) -> dict[Any, Group]:
        """The groups by an option's value, all else as usual."""
        others = [other for other in VARIED if other != name]
        return {
            group.options[name]: group
            for group in self._groups
            if all(group.options[other] == self._usual[other] for other in others)
        }

    def _window_table(self, groups: Mapping[int, Group]) -> list[str]:
        """None where no poses were measured."""
        hands = self._spec.hands
        of_key = measures.headline()
        figures = published_beside(self._spec, self._groups).pose_of_window
        columns = [
            (of_key[key], hand)
            for key in _OF_TABLE_4
            for hand in hands
            if figures or any(figure(group, of_key[key], hand) for group in groups.values())
        ]
        if not columns:
            return []
        header = [
            measure.heading + (f" {hand}" if len(hands) > 1 else "") for measure, hand in columns
        ]
        rows = []
        for t in sorted({*groups, published.WINDOW}):
            if t in groups:
                cells = [figure(groups[t], measure, hand) for measure, hand in columns]
                rows.append([f"t = {t}", str(len(groups[t].runs)), *cells])
            if t in figures:
                cells = [m.shown(figures[t][hand][m.key]) for m, hand in columns]
                rows.append([f"t = {t}, published", "", *cells])
        title = f"Tab. 4: window t; T = {self._usual[FRAMES]}{self._setting}"
        return [f"{title}\n\n{tables.markdown(['poses', 'runs', *header], rows)}"]

    def _action_table(self, of_frames: Mapping[int, Group], of_variant: Mapping[str, Group]) -> str:
        of_paper = published_beside(self._spec, self._groups)
        accuracy_of_frames = of_paper.action_of_frames
        accuracy_of_variant = of_paper.action_of_variant
        # In the paper's order, what it does not have last.
        variants = [name for name in accuracy_of_variant if name in of_variant]
        variants += [name for name in of_variant if name not in accuracy_of_variant]
        rows = [
            _action_row(f"T = {frames}", of_frames.get(frames), accuracy_of_frames.get(frames))
            for frames in sorted({*of_frames, *(accuracy_of_frames.keys() & {published.FRAMES})})
        ]
        rows += [
            _action_row(name, of_variant.get(name), accuracy_of_variant.get(name))
            for name in variants
            if name != FULL
        ]
        title = (
            f"Tab. 5: action; t = {self._usual[WINDOW]}, T = {self._usual[FRAMES]} unless said"
            f"{self._setting}"
        )
        header = ["action", "runs", measures.headline()[_OF_TABLE_5].heading, "published %"]
        if not of_paper.title:
            header, rows = header[:-1], [row[:-1] for row in rows]
        return f"{title}\n\n{tables.markdown(header, rows)}"


def _action_row(name: str, group: Group | None, accuracy: float | None) -> list[str]:
    count, cell = "", ""
    if group is not None:
        count, cell = (
            str(len(group.runs)),
            figure(group, measures.headline()[_OF_TABLE_5]) or tables.HIDDEN,
        )
    return [name, count, cell, "" if accuracy is None else f"{accuracy:.2f}"]


def _usual(values: Sequence[int], of_paper: int) -> int:
    """The most frequent value; among equals the paper's, or else the first."""
    counts = Counter(values)
    most = max(counts.values())
    usual = [value for value, count in counts.items() if count == most]
    return of_paper if of_paper in usual else usual[0]
