"""The model of the ablations at demo scale: HTT as in the demo, on longer videos.

    python -m benchmarks.ablations --scale demo --out ablations

A clip covers a whole video, so that what comes last can be told from what comes first.
"""

from ml_collections import ConfigDict

from configs import simulated


def get_config() -> ConfigDict:
    """The demo's model, with eight frames a clip and training clips that do not depend on t."""
    config = simulated.get_config()
    config.data.directory = "ablations/data"
    config.data.frames = 8
    config.data.spacing = 4
    config.model.window = 4
    config.data.starts = 2
    for name in ("brightness", "contrast", "saturation"):
        config.augment[name] = 0.1  # so that a study can leave it out
    config.augment.translation = 4
    config.epochs = 4
    config.batch_size = 12
    config.training.optimizer = "adam"
    config.optimizer.decay_factor = 0.4
    config.optimizer.decay_epochs = 1
    config.eval.every_epochs = 4
    config.eval.batch_size = 36
    return config
