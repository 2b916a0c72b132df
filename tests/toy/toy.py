"""A second system: grey pictures in, another network, a squared loss, another output."""

import dataclasses

import cv2
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from htt_jax import camera
from htt_jax.data.decode import FrameReader, decode_frames
from htt_jax.models.htt import signature as htt_signature
from htt_jax.models.outputs import Output
from htt_jax.support.errors import InputError
from htt_jax.support.options import Option
from htt_jax.systems import Losses

OPTIONS = (Option("model.grid", 4, "rows and columns that a picture is shrunk to", least=1),)


def check(config):
    if config.model.window != 1:
        raise InputError("config.model.window must be 1: it sees frames one by one")


def make(config, dataset):
    return Toy(Network(dataset.spec.num_joints, len(dataset.action_names), config.model.grid))


def read_grey(source, video, frames, out):
    colour = np.empty((*out.shape[:3], 3), np.uint8)
    decode_frames(source, video, frames, colour)
    for picture, grey in zip(colour, out, strict=True):
        cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY, dst=grey)


class Network(nn.Module):
    joints: int
    actions: int
    grid: int
    window: int = 1

    @nn.compact
    def __call__(self, image, valid, intrinsics):
        """From (clips, frames, height, width, 1); knows poses, actions, and how sure it is."""
        places = image.shape[:2]
        thumbnails = jax.image.resize(image, (*places, self.grid, self.grid, 1), "linear")
        x = nn.relu(nn.Dense(16)(thumbnails.reshape(*places, self.grid**2)))
        offset = nn.Dense(3 * self.joints)(x).reshape(*x.shape[:2], self.joints, 3)
        real = valid[..., None]
        mean = (x * real).sum(axis=1) / jnp.maximum(real.sum(axis=1), 1)
        return {
            "joints_3d": 0.1 * offset + jnp.array([0.0, 0.0, 0.4]),
            "action_logits": nn.Dense(self.actions)(mean),
            "certainty": nn.sigmoid(nn.Dense(1)(x))[..., 0],
        }


OUTPUTS = (
    Output("joints_3d", ("clips", "frames", "joints", "x y z"), "metres", "camera space"),
    Output("action_logits", ("clips", "actions"), None, "of the action of the clip"),
    Output("certainty", ("clips", "frames"), None, "how sure it is, 0 to 1"),
)


@dataclasses.dataclass(frozen=True)
class Toy:
    model: object
    outputs = OUTPUTS

    @property
    def parts(self):
        return {}

    def signature(self, dataset):
        return dataclasses.replace(
            htt_signature.signature(dataset, window=1),
            name="System toy",
            full_name="System toy",
            inputs=htt_signature.inputs(dataset, channels=1),
            outputs=OUTPUTS,
            preprocessing=(),
            postprocessing=(),
            example=(),
        )

    @property
    def reader(self):
        return FrameReader(1, read_grey)

    def with_model(self, model):
        return dataclasses.replace(self, model=model)

    def random_variables(self, key):
        shapes = jnp.zeros((1, 1, 8, 8, 1)), jnp.ones((1, 1), bool), jnp.ones((1, 1, 3, 3))
        return self.model.init(key, *shapes)

    def measured(self, source):
        return {}

    def optimizer(self, schedule):
        return optax.adamw(schedule)

    def fitted(self, variables, batch):
        return variables

    def inputs(self, batch):
        return {**batch, "image": batch["image"].astype(jnp.float32)[batch["slot"]] / 255}

    def unlabelled(self, batch):
        return self.inputs(batch)

    def training_inputs(self, key, batch):
        return self.inputs(batch)

    def loss(self, variables, inputs):
        out = self._apply(variables, inputs)
        valid = inputs["valid"]
        squared = jnp.square(out["joints_3d"] - inputs["joints_3d"]).sum(axis=(2, 3))
        terms = {"squared": (squared * valid).sum() / jnp.maximum(valid.sum(), 1)}
        return Losses(terms["squared"], terms, variables["batch_stats"])

    def estimates(self, variables, inputs):
        out = self._apply(variables, inputs)
        joints_2d, depth = camera.project(out["joints_3d"], inputs["intrinsics"])
        actions = jax.nn.softmax(out["action_logits"])
        return {
            "joints_2d": joints_2d,
            "depth": depth,
            "joints_3d": out["joints_3d"],
            "object_probabilities": jnp.full((*inputs["valid"].shape, 2), 0.5),
            "action_probabilities": actions,
            "action_over_time": actions[:, None],
        }

    def attention(self, variables, inputs):
        return {}

    def stepwise(self, frames, size):
        raise InputError("sees whole clips")

    def _apply(self, variables, inputs):
        params = {"params": variables["params"]}  # it has nothing that is not trained
        return self.model.apply(params, *(inputs[n] for n in ("image", "valid", "intrinsics")))
