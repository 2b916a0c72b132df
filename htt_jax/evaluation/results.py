"""All metrics of one split, for training and for the evaluation command."""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool

from htt_jax import augment, measures, systems
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import COMPLETE, IN_IMAGES, NO_JOINTS
from htt_jax.devices import sharding
from htt_jax.devices.sharding import DeviceBatch
from htt_jax.evaluation import object_boxes
from htt_jax.metrics import ActionMetrics, ImageMetrics, ObjectMetrics, PoseMetrics
from htt_jax.systems import System

Results: TypeAlias = dict[str, Any]
EvaluationStep: TypeAlias = Callable[[Any, Mapping[str, jax.Array]], dict[str, jax.Array]]

_MORE = {
    "forecast_joints_3d": "forecast_joints_3d",
    "forecast_action_probabilities": "forecast_action_probabilities",
    "object_box_3d": object_boxes.ESTIMATED,
}
"""What some systems tell besides, and what it is called here."""
KNOWN = "joints_known"
"""Labels of a dataset that says of each joint what is known, see `htt_jax.data.loader`."""
_ERROR_2D = "error_2d"  # pixels, in the image that the model sees
_BOX_LABELS = ("object_box", "object_box_known")
_LABELS = ("joints_3d", "hand_annotated", "valid", "object", "action", "video")


@functools.lru_cache(maxsize=8)  # traced and compiled once for all evaluations of a process
def make_evaluation_step(
    system: System, mesh: Mesh, *, learned: str = COMPLETE, details: bool = False
) -> EvaluationStep:
    """A function of (variables, uint8 batch): estimates and labels, whole on every host.

    Jitted, unless the system's model is no program of JAX.
    Where the system says nothing of poses, objects or actions, their truth counts as not known; so
    does that of joints or their depth which were not `learned`, as `DatasetSpec.joints` says.
    With `details`, which metrics have no use for, also what `estimates.Collector` takes, and of a
    system that forecasts `forecasting.Collector`, of one that tells the object's box
    `object_boxes.Collector`.
    """

    def step(variables: Any, batch: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        out = system.estimates(variables, system.inputs(batch))
        batch = _of_what_is_told(system, learned, batch)
        found = {
            "estimated_joints_3d": out["joints_3d"],
            "estimated_object": out["object_probabilities"].argmax(axis=-1),
            "action_probabilities": out["action_probabilities"],
        }
        if details:
            found |= {
                "object_probability": out["object_probabilities"].max(axis=-1),
                "action_over_time": out["action_over_time"],
                "intrinsics": batch["intrinsics"][:, 0],  # one camera a video
                "start": batch["start"],
            } | {there: out[name] for name, there in _MORE.items() if name in out}
        if object_boxes.ESTIMATED in found:
            found |= {name: batch[name] for name in _BOX_LABELS}
        if KNOWN in batch:
            places = augment.projected(batch["joints_3d"], batch["intrinsics"])
            found[KNOWN] = batch[KNOWN]
            found[_ERROR_2D] = jnp.linalg.norm(out["joints_2d"] - places, axis=-1)
        return found | {name: batch[name] for name in _LABELS}

    if not systems.is_traceable(system):
        return step
    return jax.jit(step, out_shardings=sharding.replicated(mesh))


def _of_what_is_told(
    system: System, learned: str, batch: Mapping[str, jax.Array]
) -> Mapping[str, jax.Array]:
    """The batch with labels that count as not known where the system says nothing of them."""
    told = systems.told(system.outputs)
    labels = dict(batch)
    if learned == IN_IMAGES:
        labels[KNOWN] = _in_images(batch)
    if "pose" not in told or learned == NO_JOINTS:
        for name in {"hand_annotated", KNOWN} & batch.keys():
            labels[name] = jnp.zeros_like(batch[name])
    for kind in {"object", "action"} - set(told):
        labels[kind] = jnp.full_like(batch[kind], -1)
    return labels


def _in_images(batch: Mapping[str, jax.Array]) -> Bool[Array, "clips frames joints 2"]:
    """Which joints are known in the image, where depths do not count."""
    if KNOWN in batch:
        return batch[KNOWN].at[..., 1].set(False)
    hands, joints = batch["hand_annotated"], batch["joints_3d"].shape[-2]
    places = jnp.repeat(hands, joints // hands.shape[-1], axis=-1)
    return jnp.stack([places, jnp.zeros_like(places)], axis=-1)


def outputs(
    step: EvaluationStep, variables: Any, batches: Iterable[DeviceBatch]
) -> Iterator[tuple[dict[str, np.ndarray], DeviceBatch]]:
    """What the step returns for each batch, on the host, and the batch.

    The devices work on the next batch meanwhile.
    """
    behind: tuple[dict[str, jax.Array], DeviceBatch] | None = None
    for batch in batches:
        running = step(variables, batch.arrays), batch
        if behind is not None:
            yield jax.device_get(behind[0]), behind[1]
        behind = running
    if behind is not None:
        yield jax.device_get(behind[0]), behind[1]


def evaluate(
    step: EvaluationStep,
    variables: Any,
    batches: Iterable[DeviceBatch],
    dataset: DatasetFacts,
    *,
    mask_unannotated: bool = True,
) -> Results:
    """The results of a model on all batches, see `results_of`."""
    found = (found for found, _ in outputs(step, variables, batches))
    return results_of(found, dataset, mask_unannotated=mask_unannotated)


def results_of(
    outputs: Iterable[Mapping[str, np.ndarray]],
    dataset: DatasetFacts,
    *,
    mask_unannotated: bool = True,
) -> Results:
    """`pose` by hand, `object` and `action` results (see `htt_jax.metrics`).

    On a dataset that says of each joint what is known, also `image`, if any place in it is; and of
    runs that have learned places in images alone.

    Args:
        outputs: what an evaluation step returned for every batch.
        dataset: what the model was trained on.
        mask_unannotated: see `PoseMetrics`.
    """
    pose = PoseMetrics(dataset.spec, mask_unannotated=mask_unannotated)
    image = ImageMetrics(dataset.spec)
    objects = ObjectMetrics(len(dataset.object_names))
    actions = ActionMetrics(len(dataset.action_names))
    for found in outputs:
        valid = found["valid"]
        said = found["estimated_joints_3d"][valid]
        pose.update(
            np.where(np.isfinite(said), said, np.inf),  # no number is as wrong as can be
            found["joints_3d"][valid],
            found["hand_annotated"][valid],
            found[KNOWN][valid][..., 1] if KNOWN in found else None,
        )
        if KNOWN in found:
            image.update(found[_ERROR_2D][valid], found[KNOWN][valid][..., 0])
        target = np.broadcast_to(found["object"][:, None], valid.shape)
        objects.update(found["estimated_object"][valid], target[valid])
        actions.update(found["video"], found["action_probabilities"], found["action"])
    return {
        "pose": pose.result(),
        **in_images(image),
        "object": objects.result(),
        "action": actions.result(),
    }


def in_images(image: ImageMetrics) -> Results:
    """What of results is of joints in images; nothing where none was known there."""
    found = image.result()
    return {measures.IMAGE: found} if found else {}


def headline(results: Results) -> dict[str, float]:
    """The few numbers a run is judged by; poses in millimetres, averaged over the hands."""
    numbers = {}
    for key, measure in measures.headline().items():
        parts = results["pose"].values() if measure.is_of_poses else [results]
        values = [value for value in map(measure.of, parts) if value is not None]
        if values:
            numbers[key] = float(np.mean(values))
    return numbers
