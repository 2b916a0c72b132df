"""The report as one self-contained HTML page, section by section."""

from collections.abc import Iterator

from htt_jax import measures
from htt_jax.evaluation import early, tables
from htt_jax.evaluation.report import (
    accuracy,
    attention_plot,
    blocks,
    gallery,
    recognition,
)
from htt_jax.evaluation.report.blocks import Column, figures
from htt_jax.evaluation.report.document import document
from htt_jax.evaluation.report.markup import Html, element, join
from htt_jax.evaluation.report.material import Material
from htt_jax.measures import SPACES
from htt_jax.support.words import counted
from htt_jax.visual.panels import readable

_CONFUSION_NOTES = {
    "action": "Rows: the true action; columns: the predicted one; cells: videos, coloured by their "
    "share of the row. Actions that are taken for each other stand side by side, those with the "
    "most errors first.",
    "object": "Rows: the true object; columns: the predicted one; cells: per cent of the true "
    "object's frames.",
}
PLOT_SECTIONS = {
    "Visibility": "error_by_visibility",
    "Window": "error_by_window_position",
    "Attention": attention_plot.NAME,
}
"""Sections of a plot alone, after those of joints, where there is one of this name."""

_FOOTER = "Beside this page: its plots in plots/ (PNG) and its tables in tables/ (CSV)."
_POSE_NOTE = (
    "Share of joints that lie within a distance of the truth. Root-aligned: relative to the "
    "{root} of the same frame, which is left out."
)


def page(material: Material) -> str:
    """The whole document."""
    sections = list(_sections(material))
    entries = [
        element("li", element("a", short, href=f"#{short.lower()}")) for short, _, _ in sections
    ]
    body = [
        _header(material),
        element("nav", element("ul", entries), aria_label="Contents"),
        element(
            "main",
            [
                element("section", element("h2", title, id=short.lower()), content)
                for short, title, content in sections
            ],
        ),
        element("footer", element("p", _FOOTER, class_="muted")),
    ]
    return document(material.title, body)


def _sections(material: Material) -> Iterator[tuple[str, str, Html]]:
    """Short title, title and content of each section that has something to show."""
    beside = "published figures" if material.of_papers.title else "baselines"
    yield "Headline", f"Beside the {beside}", _headline(material)
    plots = material.plots
    if "pck" in plots:
        note = element("p", _POSE_NOTE.format(root=material.spec.skeleton.root_name))
        yield "PCK", plots["pck"].title, join([note, blocks.plot(plots["pck"])])
        yield "Joints", "Error by joint and finger", _joints(material)
    for short, name in PLOT_SECTIONS.items():
        if name in plots:
            yield short, plots[name].title, blocks.plot(plots[name])
    if early.NAME in plots:
        yield "Early", plots[early.NAME].title, blocks.plot(plots[early.NAME])
    accuracies = _accuracies(material)
    if "action" in material.confusions:
        yield "Confusion", "Which actions are taken for which", _confusion(material, "action")
    if accuracies:
        yield "Accuracy", "Accuracy by action, verb and noun", accuracies
    if "object" in material.confusions:
        yield "Objects", "Which objects are taken for which", _confusion(material, "object")
    yield "Videos", "Videos", _videos(material)


def _header(material: Material) -> Html:
    report = material.report
    dataset, run, software = report["dataset"], report["run"], report["software"]
    commit = f" ({software['commit'][:10]})" if software["commit"] else ""
    facts = {
        "Run": run["workdir"],
        "Checkpoint": f"step {run['step']}",
        "Data": f"{dataset['directory']}, split {dataset['split']}",
        "Size": f"{counted(dataset['videos'], 'video')}, {counted(dataset['frames'], 'frame')}",
        "Evaluated": f"{software['time'][:10]} on {software['devices']} {software['device']}",
        "Software": f"htt-jax {software['htt_jax']}{commit}, JAX {software['jax']}",
    }
    return element(
        "header",
        element("h1", f"{material.spec.title} {dataset['split']}: {run['workdir']}"),
        element("p", _lead(material), class_="lead"),
        element(
            "dl",
            [
                element("div", element("dt", name), element("dd", value))
                for name, value in facts.items()
            ],
        ),
    )


def _lead(material: Material) -> str:
    """The headline in two sentences."""
    numbers, results = material.report["headline"], material.report["results"]
    found = []
    if "action_accuracy" in numbers:
        videos = counted(results["action"]["videos"], "video")
        found.append(f"the action of {100 * numbers['action_accuracy']:.1f} % of {videos}")
    if "object_accuracy" in numbers:
        frames = counted(results["object"]["frames"], "frame")
        found.append(f"the object in {100 * numbers['object_accuracy']:.1f} % of {frames}")
    sentences = []
    if found:
        sentences.append(f"Recognises {' and '.join(found)}.")
    if "mepe" in numbers:
        aligned = ""
        if "mepe_ra" in numbers:
            root = material.spec.skeleton.root_name
            aligned = f", {numbers['mepe_ra']:.1f} mm relative to the {root}"
        sentences.append(f"Its hand joints are {numbers['mepe']:.1f} mm off in the mean{aligned}.")
    elif "mepe_2d" in numbers:
        off = f"{numbers['mepe_2d']:.1f} pixels off in the image, in the mean"
        sentences.append(f"Its hand joints are {off}.")
    return " ".join(sentences)


def _headline(material: Material) -> Html:
    report = material.report
    notes = [element("li", note) for note in tables.notes(report)]
    shown = [blocks.text_table(one) for one in tables.headline_tables(report).values()]
    return join([*shown, element("ul", notes, class_="notes")])


def _joints(material: Material) -> Html:
    columns = [
        Column("joint", lambda row: f"{row['hand']} {readable(row['joint'])}"),
    ]
    for space in SPACES:
        errors = (measures.in_space(name, space) for name in ("mepe", "median"))
        columns += [figures(measure.heading, measure.key, 1) for measure in errors]
    numbers = blocks.table(material.tables["error_by_joint"], columns, "Error of each joint")
    details = element("details", element("summary", "Figures of each joint"), numbers)
    return join([blocks.plot(material.plots["error_by_joint"]), details])


def _confusion(material: Material, kind: str) -> Html:
    matrix = recognition.confusion_table(material.confusions[kind], kind)
    return join([element("p", _CONFUSION_NOTES[kind]), matrix])


def _accuracies(material: Material) -> Html | None:
    shown = {
        part: recognition.accuracy_table(
            material.tables[f"accuracy_by_{part}"], part, part.capitalize()
        )
        for part in accuracy.PARTS
        if f"accuracy_by_{part}" in material.tables
    }
    if not shown:
        return None
    return join([shown["action"], element("div", shown["verb"], shown["noun"], class_="beside")])


def _videos(material: Material) -> Html:
    best, worst = material.best, material.worst
    if not worst:
        return join([gallery.legend(), gallery.videos_list(best, "The only one", "best")])
    return join(
        [
            element(
                "p",
                "Recognised ones before others, then by root-aligned error; each with evenly "
                "spaced frames and the probability of actions as it stands while the video "
                "goes on.",
            ),
            gallery.legend(),
            gallery.videos_list(best, "The best", "best"),
            gallery.videos_list(worst, "The worst", "worst"),
        ]
    )
