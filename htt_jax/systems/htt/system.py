"""HTT (CVPR 2023): frames, in colour or of depth, poses over windows, the action over the clip."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PRNGKeyArray

from htt_jax import augment
from htt_jax.augment import AugmentOptions
from htt_jax.data.decode import RGB, FrameReader
from htt_jax.data.depth_maps import DEPTH
from htt_jax.data.records import RecordSource
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.losses import LossWeights, htt_loss
from htt_jax.models import backbones
from htt_jax.models.htt import HTT, attention_weights, seen, windows
from htt_jax.models.htt import signature as htt_signature
from htt_jax.models.htt.windows import TakesWindows
from htt_jax.models.outputs import OUTPUTS, Output
from htt_jax.models.signature import Signature
from htt_jax.optimizer import OPTIMIZERS, constant_where_frozen, freezing
from htt_jax.support.errors import InputError
from htt_jax.systems import Applicable, Batch, Estimates, Losses, Part, Stepwise, Variables
from htt_jax.systems.htt import chance, distillation
from htt_jax.systems.htt.distillation import Distillation


@dataclasses.dataclass(frozen=True)
class HTTSystem:
    """See `systems.System`.

    Attributes:
        model: HTT, or an exported program in its place.
        loss_weights: of the terms.
        augmentation: ranges to draw from in training; None: none.
        mask_unannotated_hands: in the loss.
        reader: of RGB images, or of depth maps.
        token_dropout: see `chance.dropped`.
        distillation: of a student, whose batches tell what its teacher says; None: it has none.
        action_weights: of a clip's answers, by its action; empty: all alike.
        frozen: parts of the network that are not trained.
        optimizer_name: one of `OPTIMIZERS`.
    """

    model: Applicable
    loss_weights: LossWeights = dataclasses.field(default_factory=LossWeights)
    augmentation: AugmentOptions | None = None
    mask_unannotated_hands: bool = True
    reader: FrameReader = RGB
    token_dropout: float = 0.0
    distillation: Distillation | None = None
    action_weights: tuple[float, ...] = ()
    frozen: tuple[str, ...] = ()
    optimizer_name: str = "adam"

    @property
    def outputs(self) -> tuple[Output, ...]:
        """See `models.outputs`."""
        return OUTPUTS

    @property
    def parts(self) -> Mapping[str, Part]:
        """None: it is trained as a whole."""
        return {}

    def signature(self, dataset: DatasetFacts) -> Signature:
        """See `systems.System`."""
        window = self._network.window
        if self.reader.channels == DEPTH.channels:
            return htt_signature.of_depth_maps(dataset, window, augment.FARTHEST)
        return htt_signature.signature(dataset, window)

    def with_model(self, model: Applicable) -> "HTTSystem":
        """See `systems.System`."""
        return dataclasses.replace(self, model=model)

    def random_variables(self, key: PRNGKeyArray) -> dict[str, Any]:
        """See `systems.System`."""
        model = self._network
        frames = model.window
        variables = model.init(
            key,
            # Parameters do not depend on the image's size.
            jnp.zeros((1, frames, 32, 32, self.reader.channels)),
            jnp.ones((1, frames), bool),
            jnp.broadcast_to(jnp.eye(3), (1, frames, 3, 3)),
        )
        return dict(variables)

    def measured(self, source: RecordSource) -> dict[str, Any]:
        """Nothing."""
        return {}

    def fitted(self, variables: Variables, batch: Batch) -> dict[str, Any]:
        """With batch-norm statistics measured, layer after layer, on the batch.

        Frozen statistics normalise nothing unless they fit the weights; those of random weights
        are measured once, here.
        """
        model = self._network
        backbone = backbones.make(
            model.backbone_name, model.backbone_width, calibrate=True, dtype=model.dtype
        )
        # Every place of every clip, padding too: how many slots repeat a frame depends on devices.
        frames = augment.to_inputs(batch)["image"][batch["slot"].reshape(-1)]
        of_backbone = {name: tree["backbone"] for name, tree in variables.items()}
        _, measured = backbone.apply(of_backbone, frames, mutable=["batch_stats"])
        return {"params": variables["params"], "batch_stats": {"backbone": measured["batch_stats"]}}

    def optimizer(self, schedule: optax.Schedule) -> optax.GradientTransformation:
        """See `htt_jax.optimizer`; of the parts that are trained."""
        chosen = OPTIMIZERS[self.optimizer_name](schedule)
        return freezing(chosen, self._is_frozen) if self.frozen else chosen

    def _is_frozen(self, name: str) -> bool:
        return name.split("/")[0] in self.frozen

    def inputs(self, batch: Batch) -> Batch:
        """See `augment.to_inputs`."""
        return augment.to_inputs(batch)

    def unlabelled(self, batch: Batch) -> Batch:
        """Images as the model takes them; a program for whole clips takes those of clips only."""
        image = augment.to_pixel_range(batch["image"])
        if not isinstance(self.model, TakesWindows):
            image = image[batch["slot"]]
        kept = ("valid", "intrinsics", "slot")
        return {"image": image} | {name: batch[name] for name in kept}

    def training_inputs(self, key: PRNGKeyArray, batch: Batch) -> Batch:
        """See `augment.augment`; with what `chance` draws, as far as it is asked for."""
        if not self.mask_unannotated_hands:
            batch = {**batch, "hand_annotated": jnp.ones_like(batch["hand_annotated"])}
        if self.augmentation is None:
            inputs = augment.to_inputs(batch)
        else:
            inputs = augment.augment(key, batch, self.augmentation)
        model = self._network
        if self.loss_weights.action_at_cut:
            inputs["cut"] = chance.cuts(key, batch, model.window)
        if self.token_dropout:
            told = model.action_inputs
            inputs["dropped"] = chance.dropped(key, batch, self.token_dropout, told)
        return distillation.moved(inputs) if self.distillation else inputs

    def loss(self, variables: Variables, inputs: Batch) -> Losses:
        """See `losses.htt_loss`."""
        model, weights, valid = self._network, self.loss_weights, inputs["valid"]
        if self.frozen:
            params = constant_where_frozen(variables["params"], self._is_frozen)
            variables = {**variables, "params": params}
        arrays = (inputs[name] for name in ("image", "valid", "intrinsics", "slot"))
        out: Any = model.apply(variables, *arrays, inputs.get("dropped"), method="per_frame")
        if model.forecast:
            out |= self._ahead(variables, out, inputs)
        answer = functools.partial(model.apply, variables, out["frame_tokens"])
        out |= answer(valid, method="answers")
        if weights.action_at_cut:
            shown = seen.before(valid, inputs["cut"])
            out["action_at_cut"] = answer(shown, method="answers")
        if weights.action_over_time:
            out["action_over_time"] = answer(valid, method="answers_after_windows")
        labels = {**inputs, **self._verb_and_noun(inputs["action"])}
        if self.action_weights:
            of_action = jnp.array(self.action_weights, jnp.float32)
            labels["action_weight"] = of_action[jnp.maximum(inputs["action"], 0)]
        total, terms = htt_loss(out, labels, weights)
        if self.distillation:
            taught = distillation.terms(out, inputs, self.distillation)
            factors = self.distillation.factors(weights)
            total += sum(factors[name] * term for name, term in taught.items())
            terms |= taught
        return Losses(total, terms, variables["batch_stats"])

    def _verb_and_noun(self, action: Int[Array, " clips"]) -> dict[str, jax.Array]:
        """The classes of verb and noun, if the network tells them; negative as the action is."""
        model = self._network
        if not model.verbs:
            return {}
        of_action = {"verb": model.verbs, "noun": model.nouns}
        return {
            kind: jnp.where(action >= 0, jnp.array(classes)[action], action)
            for kind, classes in of_action.items()
        }

    def estimates(self, variables: Variables, inputs: Batch) -> Estimates:
        """See `systems.System`.

        The images are packed if the batch has `slot` (see `HTT.__call__`); a program for whole
        clips takes them as clips only, and cannot tell the action over time: its result for the
        whole clip stands at each window.

        A model that forecasts also tells, after each window, forecast_joints_3d (clips, windows,
        steps, joints, 3), metres, each in the camera of its own frame, and
        forecast_action_probabilities (clips, windows, actions). One that tells the object's box
        tells object_box_3d (clips, frames, points, 3), metres, camera space.
        """
        model, valid = self.model, inputs["valid"]
        more: dict[str, jax.Array] = {}
        arrays = [inputs[name] for name in ("image", "valid", "intrinsics")]
        if isinstance(model, TakesWindows):
            out = model.apply(variables, *arrays, inputs.get("slot"), method="per_frame")
            assert isinstance(out, dict)
            # Both, though the latter ends with the former: a caller of jit pays for what it uses.
            logits = model.apply(variables, out["frame_tokens"], valid, method="per_clip")
            over_time = model.apply(variables, out["frame_tokens"], valid, method="over_time")
            if model.forecast:
                found = self._ahead(variables, out, inputs)
                logits_ahead = found["forecast_action_logits"]
                more = {
                    "forecast_joints_3d": found["forecast_joints_3d"],
                    "forecast_action_probabilities": jax.nn.softmax(logits_ahead),
                }
            if model.object_box:
                more["object_box_3d"] = out["object_box_3d"]
        else:
            out = model.apply(variables, *arrays)
            logits = out["action_logits"]
            over_time = logits[:, None]
        assert isinstance(logits, jax.Array)
        assert isinstance(over_time, jax.Array)
        return {
            "joints_2d": out["joints_2d"],
            "depth": out["depth"],
            "joints_3d": out["joints_3d"],
            "object_probabilities": jax.nn.softmax(out["object_logits"]),
            "action_probabilities": jax.nn.softmax(logits),
            "action_over_time": jax.nn.softmax(over_time),
            **more,
        }

    def _ahead(
        self, variables: Variables, out: Mapping[str, jax.Array], inputs: Batch
    ) -> dict[str, jax.Array]:
        """See `HTT.ahead`, of what `HTT.per_frame` returned."""
        size = inputs["image"].shape[-3:-1]
        found = self._network.apply(
            variables, dict(out), inputs["valid"], inputs["intrinsics"], size, method="ahead"
        )
        assert isinstance(found, dict)
        return found

    def attention(self, variables: Variables, inputs: Batch) -> Mapping[str, jax.Array]:
        """See `attention_weights.weights`; an exported program does not tell."""
        if not isinstance(self.model, HTT):
            return {}
        return attention_weights.weights(self.model, variables, inputs)

    def stepwise(self, frames: int, size: tuple[int, int]) -> Stepwise:
        """Frames are looked at one by one, and windows when they are full; tokens are kept.

        What a clip before left in them stays unseen, so that they are never cleared.
        """
        if not isinstance(self.model, TakesWindows):
            raise InputError(
                "is a program for whole clips and cannot take frames one at a time; "
                "give the run it was exported from, or a .pth, .safetensors or .onnx file"
            )
        model = self.model

        def look(variables: Variables, frame: Batch) -> list[jax.Array]:
            return windows.look(model, variables, augment.to_pixel_range(frame["image"]))

        return Stepwise(
            look,
            lambda variables, window: windows.tokens(model, variables, frames, window, size),
            lambda variables, tokens, place, window: windows.step(
                model, variables, tokens, place, window, size
            ),
            lambda variables, window: windows.present(model, variables, window, size),
        )

    @property
    def _network(self) -> HTT:
        assert isinstance(self.model, HTT), "an exported program cannot be trained"
        return self.model
