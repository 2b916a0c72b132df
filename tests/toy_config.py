"""A small run of the system in tests/toy, which it makes known to whoever asks for it."""

import pathlib

from htt_jax import systems
from htt_jax.runs import options

TOY = str(pathlib.Path(__file__).with_name("toy"))


def get_config():
    if TOY not in systems.__path__:
        systems.__path__.append(TOY)
    config = options.get_config("toy")
    config.data.frames = 8
    config.data.spacing = 1
    config.data.workers = 0
    config.model.window = 1
    config.batch_size = 8
    config.eval.batch_size = 8
    config.log.every_steps = 1
    return config
