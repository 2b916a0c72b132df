"""The options of a study's rows that follow from the scale's."""

import fractions
from typing import Any

from benchmarks.ablation.scales import Scale
from htt_jax.datasets.spec import STORED_SIZE
from htt_jax.models.htt.frames import ACTION_INPUTS

NO_COLOUR = {f"augment.{name}": 0.0 for name in ("brightness", "contrast", "saturation", "hue")}


def shorter(scale: Scale, frames: int) -> dict[str, Any]:
    """Clips of fewer frames, seen together at most."""
    config = scale.config("")
    options = {"data.frames": frames, "model.window": min(config.model.window, frames)}
    if scale.equal_steps:
        times = config.data.frames // frames
        options |= {
            "batch_size": times * config.batch_size,
            "eval.batch_size": times * config.eval.batch_size,
        }
    return options


def small_model(scale: Scale) -> dict[str, Any]:
    """Half as wide; frames half the size where the backbone's weights are of one width."""
    config = scale.config("")
    if config.init.backbone:
        return resized(scale, fractions.Fraction(1, 2))
    names = ("backbone_width", "width", "mlp_width")
    return {f"model.{name}": config.model[name] // 2 for name in names}


def half_budget(scale: Scale) -> dict[str, Any]:
    """Half the epochs, in which the learning rate falls as far."""
    config = scale.config("")
    epochs = max(config.epochs // 2, 1)
    decays, left = ((n - 1) // config.optimizer.decay_epochs for n in (config.epochs, epochs))
    factor = round(config.optimizer.decay_factor ** (decays / max(left, 1)), 6)
    return {"epochs": epochs, "eval.every_epochs": epochs, "optimizer.decay_factor": factor}


def resized(scale: Scale, times: fractions.Fraction) -> dict[str, Any]:
    """Frames of another size; what is counted in pixels is worth the same in them."""
    config = scale.config("")
    width, height = config.data.image_size or STORED_SIZE
    options = {
        "data.image_size": (int(times * width), int(times * height)),
        "loss.joints_2d": float(config.loss.joints_2d / times),
        "augment.translation": int(times * config.augment.translation),
    }
    if config.augment.blur:
        options["augment.blur"] = float(config.augment.blur * times)
    return options


def inputs_without(left_out: str) -> tuple[str, ...]:
    """What the action block is told but one."""
    return tuple(name for name in ACTION_INPUTS if name != left_out)
