"""The page that goes with an exported model: what it is, how good, and from where."""

import json
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
from etils import epath

from htt_jax import measures
from htt_jax.datasets.spec import IN_IMAGES, NO_JOINTS
from htt_jax.evaluation.tables import markdown
from htt_jax.models import outputs
from htt_jax.models.signature import Signature
from htt_jax.runs import version
from htt_jax.runs.opening import TrainedRun, metrics
from htt_jax.support.files import atomic_write, sha256
from htt_jax.support.paths import place
from htt_jax.support.words import counted
from htt_jax.systems import told

_NONE = "no objects: none are labelled, and what it says of them means nothing."
_RESUME = (
    "The published code's `--train_cont` looks for a pickled scheduler, which the file does not "
    "hold: to train on, make a `StepLR`, then load the optimizer's state, then set the scheduler's "
    "`last_epoch` to the file's `epoch`."
)


def write(
    path: pathlib.Path,
    run: TrainedRun,
    to: str,
    differences: Mapping[str, float],
    quantised: str = "",
) -> None:
    """Writes the card of an export.

    Args:
        path: of the card; the other files in its folder are those exported.
        run: they were exported from.
        to: the format.
        differences: of the outputs read back, each in its unit.
        quantised: how that was done after, and what it costs; nothing if it was not.
    """
    files = sorted(path.parent.iterdir())
    with atomic_write(path, "w") as file:
        file.write("\n\n".join(_sections(run, to, files, differences, quantised)) + "\n")


_UNLEARNED = {
    IN_IMAGES: " Joints were known in images alone: depth, and joints in space, say nothing.",
    NO_JOINTS: " No joints were known: the outputs of joints say nothing.",
}


_OF_FOLD = " Of a cross-validation: trained without fold {fold} of {folds}."
_FITTED = " True joints in space were fitted to labels in images, not measured."


def _sections(
    run: TrainedRun,
    to: str,
    files: list[pathlib.Path],
    differences: Mapping[str, float],
    quantised: str,
) -> Iterator[str]:
    spec, dataset, signature = run.dataset.spec, run.dataset, run.signature
    yield f"# {signature.name}, {spec.title} layout, as {to}"
    yield (
        f"{signature.full_name}: {_found(signature)}, from {signature.source}. "
        f"{spec.num_joints} joints "
        f"({' and '.join(spec.hands)} hand), {counted(len(dataset.action_names), 'action')}, "
        + (f"{counted(len(dataset.object_names), 'object')}." if dataset.has_objects else _NONE)
        + (" It was trained on simulated frames, not on filmed ones." if spec.simulated else "")
        + (_FITTED if spec.fitted_joints else "")
        + _UNLEARNED.get(spec.joints, "")
        + (_OF_FOLD.format(**run.config.data) if run.config.data.folds else "")
    )
    yield markdown(
        ["file", "bytes", "SHA-256"],
        [[file.name, str(file.stat().st_size), sha256(file)] for file in files],
    )
    yield "## Input and output\n\n" + (
        f"{signature.frames}, in clips of up to "
        f"{run.config.data.frames} frames, every {_ordinal(run.config.data.spacing)} frame of a "
        f"video of {run.config.data.frame_rate:g} frames a second, padded to whole windows of "
        f"{signature.window} and marked in `valid`; "
        f"{signature.besides}. Joints: "
        f"{spec.skeleton.order}"
        + (f"; hands: {', '.join(spec.hands)}." if len(spec.hands) > 1 else ".")
    )
    yield from _steps("How inputs are made of frames:", signature.preprocessing)
    yield markdown(outputs.TABLE_HEADER, outputs.table(signature.outputs))
    yield from _steps("How outputs are read:", signature.postprocessing)
    yield "## Results\n\n" + _results(run)
    units = {output.name: output.unit for output in signature.outputs}
    yield "## Exported\n\n" + markdown(
        ["output", "largest difference when read back", "unit"],
        [[name, f"{x:.2e}", units[name] or ""] for name, x in differences.items()],
    )
    if quantised:
        yield f"## Quantised\n\nAfter it was compared, in float32, as above.\n\n{quantised}"
    if to == "pytorch":
        yield _RESUME
    yield "## Where it comes from\n\n" + markdown(["what", "which"], _origin(run))
    actions, objects = ", ".join(dataset.action_names), ", ".join(dataset.object_names)
    of_objects = f"\n\nObjects: {objects}." if dataset.has_objects else ""
    yield f"## Classes\n\nActions: {actions}.{of_objects}"
    yield f"## Configuration\n\n```json\n{json.dumps(run.config.to_dict(), indent=1)}\n```"


def _steps(title: str, steps: Sequence[str]) -> Iterator[str]:
    if steps:
        numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
        yield f"{title}\n\n{numbered}"


def _found(signature: Signature) -> str:
    kinds = {"pose": "3D hand pose in every frame", "action": "the action of the video"}
    said = told(signature.outputs)
    return " and ".join(words for kind, words in kinds.items() if kind in said)


def _results(run: TrainedRun) -> str:
    """What was measured with this very checkpoint, by split."""
    columns = _measured(run)
    if not columns:
        return "This checkpoint has not been evaluated."
    rows = [
        [
            f"{measure.heading}: {measure.meaning}",
            *(measure.shown(found[key]) if key in found else "" for found in columns.values()),
        ]
        for key, measure in measures.headline().items()
        if any(key in found for found in columns.values())
    ]
    return markdown(["measure", *columns], rows)


def _measured(run: TrainedRun) -> dict[str, Mapping[str, float]]:
    columns: dict[str, Mapping[str, float]] = {}
    during = metrics(run)
    if during:
        columns[f"{run.config.eval.split}, in training"] = during
    for path in sorted(place(run.workdir).glob("evaluation/*/results.json")):
        try:
            report = json.loads(path.read_text())
            headline = {name: float(x) for name, x in report["headline"].items()}
            step, split = report["run"]["step"], str(report["dataset"]["split"])
        except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
            _pass_over(path, error)
            continue
        if step == run.step:
            columns[split] = headline
    return columns


def _pass_over(path: epath.Path, error: Exception) -> None:
    """An export does not wait for an evaluation, which can be made again, and its card too."""
    print(
        f"warning: {path} is not what htt_jax.evaluate writes, so the model card is without it "
        f"({type(error).__name__} {error}); evaluate and export again",
        file=sys.stderr,
    )


def _origin(run: TrainedRun) -> list[list[str]]:
    facts: dict[str, Any] = {
        "run": place(run.workdir).name,
        "step": run.step,
        "imported from": run.description.imported_from,
        "dataset": _dataset(run),
        "fingerprint of the training split": run.dataset.fingerprint,
        "trained by": run.description.trained_by,
        "exported by": version.describe(),
        "jax": jax.__version__,
    }
    return [[name, str(value)] for name, value in facts.items() if value is not None]


def _dataset(run: TrainedRun) -> str:
    """A simulated dataset has the layout of a real one; of a published file nothing is known."""
    layout = f"{run.dataset.spec.title} layout"
    if run.dataset.fingerprint is None:
        return f"not known, {layout} by the number of joints"
    return f"{run.config.data.directory}, {layout}"


def _ordinal(number: int) -> str:
    return {1: "single", 2: "second", 3: "third"}.get(number, f"{number}th")
