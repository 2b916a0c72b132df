"""A small HTT on the simulated dataset: the whole way in minutes, on a laptop's processor.

    bash demo.sh

README says how long it takes and what comes out, docs/train.md what else was tried.
"""

from ml_collections import ConfigDict

from htt_jax.runs import options


def get_config() -> ConfigDict:
    """A quarter-width backbone on quarter-size frames, from random weights."""
    config = options.get_config()
    config.data.directory = "demo/data"
    config.epochs = 7
    config.batch_size = 24
    config.data.image_size = (120, 68)
    # Few frames, few a video: frames of one video look alike, and random weights need variety.
    config.data.frames = 6
    config.data.spacing = 2
    config.data.workers = 0
    config.data.cache = "host"  # 0.2 GB; else each frame would be decoded 19 times
    config.model.window = 3
    config.model.width = 128
    config.model.heads = 4
    config.model.mlp_width = 256
    config.model.pose_layers = 1
    config.model.action_layers = 1
    config.model.backbone_width = 16
    config.init.backbone = ""
    config.loss.joints_2d = 1.5  # a pixel is four of the paper's
    # Colour is much of what tells these objects apart, and so few steps do not suffice to learn a
    # world that changes it.
    for name in ("brightness", "contrast", "saturation", "hue", "blur"):
        config.augment[name] = 0.0
    config.augment.translation = 8
    config.training.optimizer = "muon"
    config.optimizer.learning_rate = 1e-3
    config.optimizer.warmup_steps = 60
    config.optimizer.decay_factor = 0.1
    config.optimizer.decay_epochs = 6  # once; a rate that falls all the time learns less
    config.eval.every_epochs = 7
    config.eval.batch_size = 48
    return config
