"""A study at a glance: each measure's means, single seeds and differences, row by row."""

import pathlib
from functools import partial

from matplotlib.axes import Axes

from benchmarks.ablation.findings import Finding, Findings, measure
from benchmarks.ablation.runs import Setting
from htt_jax.evaluation.report import plotting
from htt_jax.evaluation.report.plotting import Panel, Plot
from htt_jax.support.words import counted

_ROW, _AXIS = 26, 90  # pixels


def write(setting: Setting, found: Findings, path: pathlib.Path) -> None:
    """Draws what is done of a study."""
    height = _ROW * len(found.table) + _AXIS
    panels = []
    for place, key in enumerate(found.study.measures):
        column = [of_row[place] for of_row in found.table]
        if any(one.of_seeds for one in column):
            draw = partial(_draw, column)
            panels.append(Panel(measure(key).heading, _description(column), draw, (520, height)))
    if not panels:
        return
    if len(panels) > 1 and len(panels) % 2:
        panels.append(Panel("", "", lambda axes: axes.set_axis_off(), panels[0].size))
    note = "dots: seeds; bar: 95 % interval of the difference from the first row, drawn around it"
    plot = Plot(found.name, found.study.title, panels, note)
    runs = counted(len(found.records), "run")
    plotting.write_png(plot, path, f"{setting.scale.name} scale, {runs} of {found.seeds} seeds")


def _description(column: list[Finding]) -> str:
    shown = measure(column[0].measure).shown
    known = [f"{one.row.title} {shown(one.mean)}" for one in column if one.mean is not None]
    return f"{measure(column[0].measure).heading}: {', '.join(known)}."


def _draw(column: list[Finding], axes: Axes) -> None:
    of = measure(column[0].measure)
    first = column[0].mean
    for place, one in enumerate(column):
        colour = plotting.WRONG if one.tells_apart else plotting.ACCENT
        if one.mean is None:
            continue
        told = one.difference
        if first is not None and told and told.low is not None and told.high is not None:
            ends = [of.factor * (first + end) for end in (told.low, told.high)]
            axes.plot(ends, [place, place], color=colour, lw=2, solid_capstyle="butt")
        seeds = [of.factor * value for value in one.of_seeds.values()]
        axes.plot(seeds, [place] * len(seeds), ".", color=plotting.MUTED, ms=5)
        axes.plot(of.factor * one.mean, place, "o", color=colour, ms=6)
    if first is not None:
        axes.axvline(of.factor * first, color=plotting.INK, dashes=(5, 2), lw=1)
    axes.set_yticks(range(len(column)), [one.row.title for one in column])
    axes.set_ylim(len(column) - 0.5, -0.5)
    axes.set_xlabel(f"{of.heading}, {'less' if of.smaller_is_better else 'more'} is better")
    axes.grid(axis="x")
