"""The depth systems (2019): poses of depth crops, their action, and the action back in poses."""

from ml_collections import ConfigDict

from htt_jax.data.depth_crops import Cropper
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.support.errors import InputError
from htt_jax.systems.depth import networks
from htt_jax.systems.depth.losses import DepthLossWeights
from htt_jax.systems.depth.model import DepthModel
from htt_jax.systems.depth.options import OPTIONS, parts_of
from htt_jax.systems.depth.system import DepthSystem, Told, Training

__all__ = ["OPTIONS", "check", "make"]

_CROP_MULTIPLE = 16  # what the strides divide by
_WIDTH_MULTIPLE = 4  # of channels, in the bottlenecks


def check(config: ConfigDict) -> None:
    """Checks what no single option can tell.

    Raises:
        InputError: names the option, its value and what it must be.
    """
    model, form = config.model, config.model.form
    if config.data.camera != "depth":
        raise InputError(
            f"config.data.camera={config.data.camera!r} must be 'depth' for config.system=depth"
        )
    for name, value, multiple in (
        ("crops.size", config.crops.size, _CROP_MULTIPLE),
        ("model.width", model.width, _WIDTH_MULTIPLE),
    ):
        if value % multiple:
            raise InputError(f"config.{name}={value} must be a multiple of {multiple}")
    if model.window != 1:
        raise InputError(
            f"config.model.window={model.window} must be 1: frames are seen one by one"
        )
    if model.conditioned and form != "pose":
        raise InputError(f"config.model.conditioned=True is for config.model.form=pose, not {form}")
    if model.attention and form in ("pose", "feedback"):
        raise InputError(f"config.model.attention=True is not for config.model.form={form}")
    parts = parts_of(form, attention=model.attention)
    for name in ("pose", "pose_film", "action", "attention"):
        path = config.init[name]
        if path and name not in parts:
            raise InputError(f"config.init.{name}={path} is not for config.model.form={form}")
    if config.training.frozen and config.training.frozen not in parts:
        raise InputError(
            f"config.training.frozen={config.training.frozen!r} is no network of "
            f"config.model.form={form}"
        )
    if not config.mask_unannotated_hands:
        raise InputError("config.mask_unannotated_hands=False is not for config.system=depth")
    if model.rematerialise:
        raise InputError("config.model.rematerialise=True is not for config.system=depth")


def make(config: ConfigDict, dataset: DatasetFacts) -> DepthSystem:
    """The system of `config` for the joints and classes of `dataset`.

    Raises:
        InputError: a pose has fewer numbers than it is to have principal components, or there are
            more hands than the protocol of the crops is for.
    """
    spec, model = dataset.spec, config.model
    joints = len(spec.skeleton.joints)
    numbers = 3 * joints
    if model.components > numbers:
        raise InputError(
            f"config.model.components={model.components} must be at most {numbers}, the numbers of "
            "a pose"
        )
    size = 0 if model.form == "action" else config.crops.size
    cropper = Cropper(spec.hands, joints, spec.skeleton.palm, config.crops.protocol, size)
    if cropper.protocol == "honest":
        try:
            cropper.check_one_hand()
        except InputError as error:
            raise InputError(f"config.crops.protocol=honest: {spec.title} {error}") from None
    return DepthSystem(
        DepthModel(
            networks.make(config, dataset),
            config.crops.protocol,
            cropper.mirrored,
            told_equal=config.told.at_test == "equal",
        ),
        model.form,
        cropper,
        len(dataset.action_names),
        len(dataset.object_names),
        Training(
            config.training.batch_statistics,
            config.training.dropout > 0,
            config.adam.amsgrad,
            config.adam.weight_decay,
            config.training.frozen,
            DepthLossWeights(config.loss.pose, config.loss.action),
            config.seed,
        ),
        Told(**config.told),
    )
