"""Results as tables to read in a terminal and to paste into a draft (Markdown)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from htt_jax import measures
from htt_jax.data.folds import Fold
from htt_jax.datasets import published
from htt_jax.datasets import spec as datasets
from htt_jax.datasets.facts import NO_OBJECT
from htt_jax.datasets.published import Published
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation import early, forecasting, object_box_tables, object_boxes, steadiness
from htt_jax.evaluation.depth_error import PUBLISHED_ERROR
from htt_jax.evaluation.forecasting import tables as of_forecasts
from htt_jax.evaluation.results import Results
from htt_jax.measures import SPACES, Measure
from htt_jax.support import trees
from htt_jax.support.words import counted

_MISSING = ""
HIDDEN = "hidden"
"""Accuracy of actions that are not known."""
_PROTOCOLS = (
    "published is around the true pose, honest around a centre that somebody has who does not know "
    "it, and their figures do not compare."
)
GROUPS = ("action", "object")
"""What is recognised."""
_ALL = ("pose", *GROUPS)
"""What a system says something about; the only one of earlier versions did about all."""


class TextTable(NamedTuple):
    """A table as it is shown; the first cell of the header says what it is about."""

    header: list[str]
    rows: list[list[str]]


def evaluation_tables(report: Mapping[str, Any]) -> str:
    """The headline tables of an evaluation's report (see `htt_jax.evaluate`), with their notes."""
    parts = [markdown(*table) for table in headline_tables(report).values()]
    return "\n\n".join([*parts, "\n".join(notes(report))])


def headline_tables(report: Mapping[str, Any]) -> dict[str, TextTable]:
    """The tables of an evaluation's report by name, as they are read best."""
    spec = datasets.recorded(report["dataset"])
    results, baselines = report["results"], report["baselines"]
    this_run = f"this run, step {report['run']['step']}"
    of_papers = published.beside(spec.name, report["run"]["config"])
    found = {
        f"{hand}_hand": pose_table(spec, hand, results, baselines, this_run, of_papers)
        for hand in results["pose"]
    }
    if measures.IMAGE in results:
        found["in_images"] = image_table(
            results[measures.IMAGE], baselines.get(measures.IMAGE, {}), this_run
        )
    if results.get(steadiness.NAME):
        found[steadiness.NAME] = steadiness_table(results[steadiness.NAME], this_run)
    if results.get(object_boxes.NAME, {}).get("frames"):
        of_boxes = object_box_tables.tables(results[object_boxes.NAME], this_run)
        found |= {name: TextTable(*table) for name, table in of_boxes}
    if forecasting.NAME in results:
        ahead = of_forecasts.tables(results[forecasting.NAME])
        found |= {name: TextTable(*table) for name, table in ahead}
    recognised = [kind for kind in GROUPS if kind in report["run"].get("told", _ALL)]
    if recognised:
        found["recognition"] = recognition_table(
            results, baselines, this_run, of_papers, recognised
        )
    if early.NAME in results:
        constant = baselines["action"]["accuracy"]
        found[early.NAME] = early_table(results[early.NAME], constant, this_run)
        found[f"{early.NAME}_exit"] = exit_table(results[early.NAME]["exit"])
    return found


def pose_table(
    spec: DatasetSpec,
    hand: str,
    results: Results,
    baselines: Results,
    this_run: str,
    of_papers: Published,
) -> TextTable:
    """The measures of one hand, in both spaces; the ratio is of errors, so smaller is better."""
    found, constant = results["pose"][hand], baselines["pose"][hand]
    theirs = of_papers.pose.get(hand)
    ranges = {"camera_space": spec.camera_space, "root_aligned": spec.root_aligned}
    header = [f"{hand} hand, {counted(found['frames'], 'frame')}"]
    rows = [[this_run], ["mean training pose"], ["ratio"]]
    if theirs:
        rows.append([f"{of_papers.method}, published ({of_papers.title})"])
    shown = (one for space in SPACES for one in measures.in_group(space))
    for measure in (one for one in shown if one.of(found) is not None):
        space = measure.place[0]
        header.append(
            f"{measure.title} 0-{ranges[space].maximum:.0f} mm"
            if measure.of_curve
            else measure.heading
        )
        cells = [
            _cell(measure, measure.of(found)),
            _cell(measure, measure.of(constant)),
            _ratio(measure, found, constant) if measure.smaller_is_better else _MISSING,
        ]
        if theirs:
            cells.append(_cell(measure, theirs.get(measure.key)))
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell)
    return TextTable(header, [row for row in rows if any(row[1:])])


def image_table(found: Mapping[str, Any], constant: Mapping[str, Any], this_run: str) -> TextTable:
    """How far joints are off in the image, hand by hand, where their place there is known."""
    header, rows = ["in the image, px"], [[this_run], ["mean training place"]]
    for hand, of in found["hands"].items():
        header.append(f"{hand} hand, {counted(of['joints'], 'joint')}")
        theirs = constant.get("hands", {}).get(hand)
        rows[0].append(f"{of['mepe']:.2f}")
        rows[1].append(_MISSING if theirs is None else f"{theirs['mepe']:.2f}")
    return TextTable(header, [row for row in rows if any(row[1:])])


def recognition_table(
    results: Results,
    baselines: Results,
    this_run: str,
    of_papers: Published,
    groups: Sequence[str] = GROUPS,
) -> TextTable:
    """How well actions and objects are recognised, with the published accuracies of actions."""
    action, objects = results["action"], results["object"]
    columns = [measure for group in groups for measure in measures.in_group(group)]
    hidden = len(action["per_video"]) - action["videos"]
    videos = f"{counted(action['videos'], 'video')}" if action["videos"] or not hidden else HIDDEN
    rows = [
        [
            name,
            *(_cell(measure, measure.of(one), HIDDEN) for measure in columns),
        ]
        for name, one in ((this_run, results), ("most frequent class", baselines))
    ]
    for kind, accuracies in (
        ("published", of_papers.action_accuracy),
        ("later work", of_papers.later_action_accuracy),
    ):
        for name, accuracy in accuracies.items():
            rows.append([f"{name}, {kind} ({of_papers.title})", *_of_action(accuracy, columns)])
    counts = {"action": videos, "object": counted(objects["frames"], "frame")}
    header = ["recognition"]
    for measure in columns:  # what a group's figures are of stands over the first of them
        count = counts.pop(measure.place[0], None)
        header.append(f"{measure.heading}, {count}" if count else measure.heading)
    return TextTable(header, rows)


def steadiness_table(found: Mapping[str, Any], this_run: str) -> TextTable:
    """The acceleration of each hand's joints, of the estimates and of the truth."""
    rows = [[this_run], ["truth"], ["error"]]
    for of_hand in found.values():
        names = ("acceleration", "true_acceleration", steadiness.ERROR)
        for row, name in zip(rows, names, strict=True):
            row.append(f"{of_hand[name]:.2f}")
    return TextTable(["acceleration mm/frame²", *(f"{hand} hand" for hand in found)], rows)


def early_table(found: Mapping[str, Any], constant: float | None, this_run: str) -> TextTable:
    """Accuracies of actions after each share of the videos, and after so many frames."""
    after = [f"{count} frames" for count in found["first_frames"]]
    header = ["action % after", *(f"{share:.0%}" for share in found["shares"]), "mean", *after]
    accuracies = [*found["accuracy"], found["mean_accuracy"], *found["accuracy_after"]]
    rows = [
        [name, *(HIDDEN if value is None else f"{100 * value:.1f}" for value in values)]
        for name, values in (
            (this_run, accuracies),
            ("most frequent class", [constant] * len(accuracies)),
        )
    ]
    return TextTable(header, rows)


def exit_table(found: Mapping[str, Any]) -> TextTable:
    """Accuracy of actions and how much is seen, if one looks until the answer has a confidence."""
    header = ["early exit at", *(f"{100 * least:.0f} % sure" for least in found["confidences"])]
    return TextTable(
        header,
        [
            [title, *(HIDDEN if x is None else f"{100 * x:.1f}" for x in found[name])]
            for title, name in (("action %", "accuracy"), ("seen of a video %", "mean_share"))
        ],
    )


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up as text: the first to the left, others right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * (width - 1) + ":" if column else "-" * width for column, width in enumerate(widths)
    ]
    return "\n".join([line(header), line(rule), *map(line, rows)])


def notes(report: Mapping[str, Any]) -> list[str]:
    """What a reader of the headline tables must know, a sentence or two each."""
    dataset = report["dataset"]
    spec = datasets.recorded(dataset)
    videos, frames = counted(dataset["videos"], "video"), counted(dataset["frames"], "frame")
    found = [
        f"Split {dataset['split']} of {dataset['directory']}: {videos}, {frames}.",
        "Baselines: the mean pose and the most frequent classes of the training split; ratio: this "
        "run's error by the mean pose's.",
    ]
    if spec.simulated:
        found.append(
            "The frames are simulated, not filmed: what holds here may not hold on real ones."
        )
    if spec.fitted_joints:
        found.append(
            "True joints in space are fitted to labels in images, not measured: errors in space "
            "are distances from the fit."
        )
    config = trees.flatten(report["run"]["config"], ".")
    if config.get("data.folds"):
        fold = Fold(config["data.fold"], config["data.folds"])
        found.append(f"The run was trained on the other folds: this is {fold}.")
    if "crops.protocol" in config:
        found.append(f"Crops by the {config['crops.protocol']} protocol; {_PROTOCOLS}")
    error = report["results"].get(PUBLISHED_ERROR)
    if error is not None:
        found.append(f"As published, a mean over batches of their mean errors: {error:.2f} mm.")
    title = published.beside(spec.name, report["run"]["config"]).title
    if title:
        found.append(
            f"Published: from the papers, on the test split of the real {title}; for context, "
            "not measured here."
        )
    beginnings = report["results"].get(early.NAME)
    if beginnings is not None:
        found.append(
            "Early recognition: of videos cut off after their first part; half of the videos are "
            f"decided for good after {beginnings['decided']:.0%} of them. Early exit: seen until "
            "the answer is so sure, looked at after each of these shares."
        )
    boxes = report["results"].get(object_boxes.NAME)
    if boxes is not None:
        found.append(object_box_tables.note(boxes))
    if forecasting.NAME in report["results"]:
        found += of_forecasts.notes(report["results"][forecasting.NAME])
    told = report["run"].get("told", _ALL)
    names = dataset.get("object_names")
    for kind in (kind for kind in _ALL if kind not in told):
        is_unlabelled = kind == "object" and names == [NO_OBJECT]
        found.append(
            "No objects are labelled." if is_unlabelled else f"The system says nothing of {kind}s."
        )
    hidden = sum(entry["action"] < 0 for entry in report["results"]["action"]["per_video"])
    if hidden and "action" in told:
        found.append(f"The actions of {counted(hidden, 'video')} are hidden and not scored.")
    if "pose" in told:
        found += _of_joints(spec, report["run"].get("joints", spec.joints), report["results"])
    return found


def _of_joints(spec: DatasetSpec, learned: str, results: Results) -> list[str]:
    """What of the joints is not known, or was not learned, and so not measured."""
    if spec.joints == datasets.NO_JOINTS:
        return ["The dataset has no joints: poses are not measured."]
    if learned == datasets.NO_JOINTS:
        return ["The run was trained without joints: its poses are not measured."]
    in_images = results.get(measures.IMAGE, {}).get("hands", {})
    seen = {*results["pose"], *in_images}
    found = [
        f"The {hand} hand is annotated in no frame." for hand in spec.hands if hand not in seen
    ]
    if spec.joints == datasets.PARTIAL:
        found.append("Joints that are not annotated count nowhere, nor does their depth.")
    elif spec.joints == datasets.IN_IMAGES:
        found.append("Joints are annotated in images alone; their depth is not measured.")
    if learned == datasets.IN_IMAGES:
        found.append("In training joints were known in images alone; their depth was not learned.")
    return found


def _cell(measure: Measure, value: float | None, missing: str = _MISSING) -> str:
    return missing if value is None else measure.shown(value)


def _ratio(measure: Measure, found: Mapping[str, Any], constant: Mapping[str, Any]) -> str:
    error, of_constant = measure.of(found), measure.of(constant)
    return f"{error / of_constant:.2f}" if error is not None and of_constant else _MISSING


def _of_action(per_cent: float, columns: Sequence[Measure]) -> list[str]:
    """The cells of work that is known by its accuracy of actions alone."""
    return [
        f"{per_cent:.2f}" if measure.key == "action_accuracy" else _MISSING for measure in columns
    ]
