"""The parts of a training step, each a function for itself, for `benchmarks.roofline`."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, PRNGKeyArray, UInt8
from ml_collections import ConfigDict

from benchmarks import clip_batches, ours
from benchmarks.clip_batches import Clips
from htt_jax import augment, systems
from htt_jax.devices import sharding
from htt_jax.models.htt import HTT
from htt_jax.models.resnet import ResNet18
from htt_jax.optimizer import step_decay
from htt_jax.runs.state import TrainState, abstract_state, random_state
from htt_jax.training import loop


class Part(NamedTuple):
    """A function and what it is measured on."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclasses.dataclass
class Step:
    """A training step, its state and a batch on the device.

    Attributes:
        model: with the paper's sizes.
        optimizer: Adam.
        update: the jitted step, which uses up the state given to it.
        state: before the next step.
        batch: of full clips.
        key: that the steps draw from.
    """

    model: HTT
    optimizer: optax.GradientTransformation
    update: Any
    state: TrainState
    batch: Mapping[str, jax.Array]
    key: PRNGKeyArray

    def parts(self) -> Iterator[Part]:
        """One after another, so that the arrays of one are gone before the next."""
        yield Part("augmentation", self._augment, (jax.random.key(0), self.batch))
        image = jax.jit(augment.to_pixel_range)(self.batch["image"])
        backbone = self.state.params["backbone"]
        yield Part("backbone", self._features, (backbone, image))
        yield Part("backbone, gradient", jax.value_and_grad(self._summed), (backbone, image))
        del image
        features = jnp.ones((*self.batch["valid"].shape, self.model.width))
        rest = {name: x for name, x in self.state.params.items() if name != "backbone"}
        blocks = jax.value_and_grad(self._blocks, argnums=(0, 1))
        yield Part("blocks, gradient", blocks, (rest, features, self.batch["valid"]))
        state = self.state
        gradients = jax.tree.map(jnp.ones_like, state.params)
        yield Part("optimizer", self._optimize, (gradients, state.opt_state, state.params))

    def _augment(
        self, key: PRNGKeyArray, batch: Mapping[str, UInt8[Array, "..."]]
    ) -> dict[str, jax.Array]:
        return augment.augment(key, batch)

    def _features(
        self, params: Any, image: Float[Array, "slots height width 3"]
    ) -> Float[Array, "slots features"]:
        backbone = ResNet18(self.model.backbone_width, dtype=self.model.dtype)
        statistics = self.state.batch_stats["backbone"]
        features = backbone.apply({"params": params, "batch_stats": statistics}, image)
        assert isinstance(features, jax.Array)
        return features

    def _summed(self, params: Any, image: Float[Array, "slots height width 3"]) -> Float[Array, ""]:
        return self._features(params, image).sum()

    def _blocks(
        self,
        params: Any,
        features: Float[Array, "clips frames features"],
        valid: Bool[Array, "clips frames"],
    ) -> Float[Array, ""]:
        found = self.model.apply({"params": params}, features, valid, method=_behind_features)
        return sum((x.sum() for x in jax.tree.leaves(found)), jnp.zeros(()))

    def _optimize(self, gradients: Any, opt_state: Any, params: Any) -> tuple[Any, Any]:
        updates, opt_state = self.optimizer.update(gradients, opt_state, params)
        return optax.apply_updates(params, updates), opt_state


def make(config: ConfigDict, clips: Clips) -> Step:
    """The step of `config` with random weights, on the first batch of `clips`."""
    system = systems.make(config, ours.dataset_facts(clips.spec, clips.image_size))
    schedule = step_decay(steps_per_epoch=10_000, **config.optimizer)
    optimizer = system.optimizer(schedule)
    mesh = sharding.single_device_mesh()
    abstract = abstract_state(system, optimizer, mesh)
    update = loop.make_update(system, schedule, mesh)
    state = random_state(system, optimizer, config.seed, abstract)
    (batch,) = ours.on_devices(mesh, clip_batches.packed(clips))
    assert isinstance(system.model, HTT)
    return Step(system.model, optimizer, update, state, batch, loop.random_key(config.seed, mesh))


def _behind_features(
    model: HTT, features: Float[Array, "clips frames features"], valid: Bool[Array, "clips frames"]
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Pose block, heads and action block, as `HTT.__call__` has them for full clips.

    Returns:
        Raw poses, object logits and action logits.
    """
    clips, frames, width = features.shape
    windows = features.reshape(clips, frames // model.window, model.window, width)
    tokens = model.pose_block(windows, valid.reshape(windows.shape[:3])).reshape(features.shape)
    raw_pose, object_logits = model.pose_head(tokens), model.object_head(tokens)
    xy = raw_pose[..., :2].reshape(clips, frames, -1)
    of_objects = model.object_to_action(jax.nn.softmax(object_logits))
    told = jnp.concatenate([tokens, model.pose_to_action(xy), of_objects], axis=-1)
    return raw_pose, object_logits, model.per_clip(model.action_input(told), valid)
