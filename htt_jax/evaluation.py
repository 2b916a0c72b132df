"""All metrics of one split, for training and for the evaluation command."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import jax
import numpy as np
from jax.sharding import Mesh

from htt_jax import augment, sharding, train_step
from htt_jax.metrics import ActionMetrics, ObjectMetrics, PoseMetrics
from htt_jax.rundir import DatasetFacts
from htt_jax.sharding import DeviceBatch

Results: TypeAlias = dict[str, Any]
EvaluationStep: TypeAlias = Callable[[Any, Mapping[str, jax.Array]], dict[str, jax.Array]]

_LABELS = ("joints_3d", "hand_annotated", "valid", "object", "action", "video")


def make_evaluation_step(model: train_step.Applicable, mesh: Mesh) -> EvaluationStep:
    """A jitted function of (variables, uint8 batch): estimates and labels, whole on every host."""

    def step(variables: Any, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        out = train_step.predict(model, variables, augment.to_inputs(batch))
        estimates = {
            "estimated_joints_3d": out["joints_3d"],
            "estimated_object": out["object_probabilities"].argmax(axis=-1),
            "action_probabilities": out["action_probabilities"],
        }
        return estimates | {name: batch[name] for name in _LABELS}

    return jax.jit(step, out_shardings=sharding.replicated(mesh))


def evaluate(
    step: EvaluationStep,
    variables: Any,
    batches: Iterable[DeviceBatch],
    dataset: DatasetFacts,
    *,
    mask_unannotated: bool = True,
) -> Results:
    """`pose` by hand, `object` and `action` results (see `htt_jax.metrics`) over all batches.

    Each batch is evaluated on the host while the devices work on the next one.
    """
    pose = PoseMetrics(dataset.spec, mask_unannotated=mask_unannotated)
    objects = ObjectMetrics(len(dataset.object_names))
    actions = ActionMetrics(len(dataset.action_names))

    def account(found: Mapping[str, np.ndarray]) -> None:
        valid = found["valid"]
        pose.update(
            found["estimated_joints_3d"][valid],
            found["joints_3d"][valid],
            found["hand_annotated"][valid],
        )
        target = np.broadcast_to(found["object"][:, None], valid.shape)
        objects.update(found["estimated_object"][valid], target[valid])
        actions.update(found["video"], found["action_probabilities"], found["action"])

    behind: dict[str, jax.Array] | None = None
    for batch in batches:
        running = step(variables, batch.arrays)
        if behind is not None:
            account(jax.device_get(behind))
        behind = running
    if behind is not None:
        account(jax.device_get(behind))
    return {"pose": pose.result(), "object": objects.result(), "action": actions.result()}


def headline(results: Results) -> dict[str, float]:
    """The few numbers a run is judged by; poses in millimetres, averaged over the hands."""
    numbers = {
        "action_accuracy": results["action"]["accuracy"],
        "object_accuracy": results["object"]["accuracy"],
    }
    for name, space in (("", "camera_space"), ("_ra", "root_aligned")):
        for measure in ("mepe", "auc"):
            values = [hand[space][measure] for hand in results["pose"].values()]
            numbers[measure + name] = float(np.mean(values)) if values else None
    return {name: number for name, number in numbers.items() if number is not None}
