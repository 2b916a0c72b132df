"""The depth systems of 2019, as training and evaluation know them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, PRNGKeyArray

from htt_jax import camera
from htt_jax.data.decode import FrameReader
from htt_jax.data.depth_crops import Cropper
from htt_jax.data.records import RecordSource
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.models.depth import frozen
from htt_jax.models.depth.ensemble import Ensemble
from htt_jax.models.depth.pose_network import PoseNetwork
from htt_jax.models.outputs import Output
from htt_jax.models.signature import Signature
from htt_jax.optimizer import adam, amsgrad, constant_where_frozen, freezing
from htt_jax.support.errors import InputError
from htt_jax.systems import Applicable, Batch, Estimates, Losses, Part, Stepwise, Variables
from htt_jax.systems.depth import poses, signature, stepping
from htt_jax.systems.depth.losses import (
    DepthLossWeights,
    joint_loss,
    mean_squared,
    negative_log_likelihood,
)
from htt_jax.systems.depth.model import DepthModel, outputs_of
from htt_jax.systems.depth.networks import Clips, Found
from htt_jax.systems.depth.options import parts_of

SMALLEST_CROP = 16
"""Pixels a side: what the strides divide by."""
_TEST_SEED = 0  # of what is drawn at test time


@dataclasses.dataclass(frozen=True)
class Training:
    """How a stage is trained; see the options `training`, `adam` and `loss`.

    Attributes:
        batch_statistics: normalise by the batch.
        dropout: whether there is any.
        amsgrad: otherwise Adam.
        weight_decay: L2, in the gradient.
        frozen: a network of a joint form that is not trained.
        loss_weights: of both terms of joint stages.
        seed: of the poses that principal components are fitted to.
    """

    batch_statistics: bool = False
    dropout: bool = False
    amsgrad: bool = True
    weight_decay: float = 1e-5
    frozen: str = ""
    loss_weights: DepthLossWeights = dataclasses.field(default_factory=DepthLossWeights)
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Told:
    """What a pose network is told of the action; see the options `told`."""

    equal_probability: float = 0.95
    drawn_for: str = "batch"
    at_test: str = "drawn"


@dataclasses.dataclass(frozen=True)
class DepthSystem:
    """See `systems.System`.

    Attributes:
        model: the networks, or an exported program in their place.
        form: of the networks, see the options.
        cropper: makes what they see.
        actions: classes; the form 'pose' says nothing of them.
        objects: classes; nothing is said of them.
        training: how a stage is trained.
        told: what a pose network is told of the action.
    """

    model: Applicable
    form: str
    cropper: Cropper
    actions: int
    objects: int
    training: Training = dataclasses.field(default_factory=Training)
    told: Told = dataclasses.field(default_factory=Told)

    @property
    def reader(self) -> FrameReader:
        """Crops and their centres."""
        return self.cropper.reader

    @property
    def outputs(self) -> tuple[Output, ...]:
        """See `model.outputs_of`."""
        return outputs_of(self.form)

    @property
    def parts(self) -> Mapping[str, Part]:
        """Those of joint forms."""
        networks = self._depth.networks
        places = parts_of(self.form, attention=networks.has_attention)
        found = {name: Part(place, place) for name, place in places.items()}
        network = networks.network
        if isinstance(network, Ensemble) and network.pose_film.num_actions is None:
            found["pose_film"] = Part("pose_film", "pose")  # of a run that was told nothing
        return found

    def signature(self, dataset: DatasetFacts) -> Signature:
        """See `systems.System`; crops are what they are for any dataset."""
        return signature.signature(self.form, self.cropper, self.told.at_test)

    def with_model(self, model: Applicable) -> "DepthSystem":
        """See `systems.System`."""
        return dataclasses.replace(self, model=model)

    def random_variables(self, key: PRNGKeyArray) -> dict[str, Any]:
        """See `systems.System`."""
        cropper = self.cropper
        hands = len(cropper.hands)
        return self._depth.networks.init(
            key, hands * cropper.joints, hands, cropper.size or SMALLEST_CROP
        )

    def measured(self, source: RecordSource) -> dict[str, Any]:
        """The principal components of the training poses, of the form 'pose'."""
        networks = self._depth.networks
        if self.form != "pose":
            return {}
        assert isinstance(networks.network, PoseNetwork)
        count = networks.network.components
        found = poses.fit_components(
            source, self.reader, count, self.training.seed, self._depth.signs
        )
        return {"params": {networks.part: {"principal_components": found._asdict()}}}

    def fitted(self, variables: Variables, batch: Batch) -> dict[str, Any]:
        """As they were."""
        return dict(variables)

    def optimizer(self, schedule: optax.Schedule) -> optax.GradientTransformation:
        """AMSGrad, or Adam, for the parameters that the stage trains."""
        training = self.training
        if training.amsgrad:
            return freezing(amsgrad(schedule, training.weight_decay), self._is_frozen)
        decay = optax.add_decayed_weights(training.weight_decay)
        return freezing(optax.chain(decay, adam(schedule)), self._is_frozen)

    def _is_frozen(self, name: str) -> bool:
        if self.form == "action":
            return False
        if self.form == "pose":
            return frozen.of_pose_training(name.partition("/")[2])
        networks = {self.training.frozen} | ({"pose"} if self.form == "ensemble" else set())
        if self.training.batch_statistics:
            return name.split("/")[0] in networks
        return frozen.of_joint_training(name, networks)

    def inputs(self, batch: Batch) -> Batch:
        """What the networks take of a batch, and at test time are told; or what a program takes."""
        if not isinstance(self.model, DepthModel):
            return _of_clips(batch, self.form)
        at_test, probability = self.told.at_test, self.told.equal_probability
        if at_test != "drawn":
            probability = 1.0 if at_test == "equal" else 0.0
        first = batch["video"][0].astype(jnp.uint32)
        key = jax.random.fold_in(jax.random.key(_TEST_SEED), first)
        return self._inputs(batch, self._replaced(key, batch, probability))

    def unlabelled(self, batch: Batch) -> Batch:
        """What the networks, or a program, take of a batch; nothing is drawn.

        A pose network is told what the action network says, unless it never is at test time.
        """
        if not isinstance(self.model, DepthModel):
            return self.inputs(batch)
        nothing = self.model.networks.nothing_replaced(batch["valid"].shape[1])
        return self._seen(batch, nothing ^ self.model.told_equal)

    def training_inputs(self, key: PRNGKeyArray, batch: Batch) -> Batch:
        """What the networks take of a batch, are told, and drop."""
        of_told, of_dropout = jax.random.split(key)
        replaced = self._replaced(of_told, batch, self.told.equal_probability)
        return {**self._inputs(batch, replaced), "dropout": of_dropout}

    def _inputs(self, batch: Batch, replaced: Bool[Array, "..."]) -> Batch:
        """Of a batch that is packed, with its labels."""
        labels = {name: batch[name] for name in ("action", "hand_annotated")}
        labels["poses"] = self._depth.relative(batch["joints_3d"], batch["centre"])
        return self._seen(batch, replaced) | labels

    def _seen(self, batch: Batch, replaced: Bool[Array, "..."]) -> dict[str, jax.Array]:
        """Of a batch that is packed, what the networks see and are told."""
        of_slot = batch["centre"][batch["slot_clip"], batch["slot_frame"]]
        kept = ("slot", "valid", "intrinsics", "centre")
        return {name: batch[name] for name in kept} | {
            "crops": self._depth.normalised(batch["image"], of_slot),
            "replaced": replaced,
        }

    def _replaced(self, key: PRNGKeyArray, batch: Batch, probability: float) -> Bool[Array, "..."]:
        """Where equal probabilities are told: of each frame (feedback), or each clip (ensemble)."""
        clips, frames = batch["valid"].shape
        shape = (clips,) if self.told.drawn_for == "video" else ()
        if self.form == "feedback":
            shape = (*shape, frames)
        return jax.random.bernoulli(key, probability, shape)

    def loss(self, variables: Variables, inputs: Batch) -> Losses:
        """Of codes (form 'pose'), of actions (form 'action'), or of poses and actions.

        Poses are learned where the crops of all hands show them.
        """
        key = inputs["dropout"] if self.training.dropout else None
        params = constant_where_frozen(variables["params"], self._is_frozen)
        variables = {**variables, "params": params}
        found = self._found(variables, inputs, self.training.batch_statistics, key)
        known = inputs["valid"].any(axis=1)
        action = jnp.where(known, inputs["action"], -1)
        hands = inputs["poses"].reshape(*inputs["hand_annotated"].shape, -1, 3)
        shown = inputs["hand_annotated"] & poses.in_cube(hands[..., self.cropper.palm, :])
        counted = inputs["valid"] & shown.all(axis=-1)
        if self.form == "pose":
            assert found.codes is not None
            loss = mean_squared(found.codes, self._codes(variables, inputs["poses"]), counted)
            return Losses(loss, {"codes": loss}, found.batch_stats)
        if self.form == "action":
            loss = negative_log_likelihood(found.log_probabilities, action)
            return Losses(loss, {"action": loss}, found.batch_stats)
        total, terms = joint_loss(
            found.joints,
            found.log_probabilities,
            inputs["poses"],
            counted,
            action,
            self.training.loss_weights,
        )
        return Losses(total, terms, found.batch_stats)

    def _codes(self, variables: Variables, joints: Any) -> Any:
        """Of true poses, along the principal components."""
        of_network = variables["params"][self._depth.networks.part]["principal_components"]
        components, mean = of_network["components"], of_network["mean"]
        by_hand = joints.reshape(*joints.shape[:2], -1, len(mean)) - mean
        codes = jnp.matmul(by_hand, components.T, precision=jax.lax.Precision.HIGHEST)
        return codes.reshape(*joints.shape[:2], -1)

    def estimates(self, variables: Variables, inputs: Batch) -> Estimates:
        """See `systems.System`; what nothing is said of is all as probable."""
        if isinstance(self.model, DepthModel):
            out = self.model.told(self._found(variables, inputs), inputs["centre"])
        else:
            seen = (inputs[name] for name in ("seen", "valid", "centre"))
            out = self._unsaid(inputs) | self.model.apply(variables, *seen)
        joints_2d, depth = camera.project(out["joints_3d"], inputs["intrinsics"])
        return {
            "joints_2d": joints_2d,
            "depth": depth,
            "joints_3d": out["joints_3d"],
            "object_probabilities": jnp.full((*depth.shape[:2], self.objects), 1 / self.objects),
            "action_probabilities": jax.nn.softmax(out["action_logits"]),
            "action_over_time": jax.nn.softmax(out["action_over_time"]),
        }

    def _unsaid(self, inputs: Batch) -> Estimates:
        """What stands for the outputs that programs of some forms do not have."""
        equal = jnp.zeros((*inputs["valid"].shape, self.actions))
        joints = {"joints_3d": inputs["seen"]} if self.form == "action" else {}
        return joints | {"action_logits": equal[:, 0], "action_over_time": equal}

    def attention(self, variables: Variables, inputs: Batch) -> Mapping[str, jax.Array]:
        """Nothing."""
        return {}

    def stepwise(self, frames: int, size: tuple[int, int]) -> Stepwise:
        """Frame after frame; what is kept is the action network's state."""
        if not isinstance(self.model, DepthModel):
            raise InputError(
                "is a program for whole clips and cannot take frames one at a time; give the run "
                "it was exported from"
            )
        return stepping.stepwise(self.model)

    def _found(
        self,
        variables: Variables,
        inputs: Batch,
        batch_statistics: bool = False,
        dropout: PRNGKeyArray | None = None,
    ) -> Found:
        clips = Clips(inputs["crops"], inputs["slot"], inputs["valid"], inputs.get("poses"))
        return self._depth.networks.apply(
            variables,
            clips,
            inputs["replaced"],
            batch_statistics=batch_statistics,
            dropout=dropout,
        )

    @property
    def _depth(self) -> DepthModel:
        assert isinstance(self.model, DepthModel), "an exported program cannot be trained"
        return self.model


def _of_clips(batch: Batch, form: str) -> Batch:
    """What a program takes of a batch that is packed, and intrinsics."""
    seen = batch["joints_3d"] if form == "action" else batch["image"][batch["slot"]]
    kept = {name: batch[name] for name in ("valid", "centre", "intrinsics")}
    return kept | {"seen": seen.astype(jnp.float32)}
