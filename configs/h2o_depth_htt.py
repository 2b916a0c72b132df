"""HTT on H2O's depth maps: the strong row beside the depth systems.

    python -m data_prep.h2o --depth --raw=H2O --out=data/h2o_depth
    python -m htt_jax.train --config=configs/h2o_depth_htt.py --workdir=runs/h2o_depth_htt

Whole maps, so that nothing is known of where the hands are. The actions of the test split are
hidden, so the run is watched on the validation split. Nothing is published.
"""

from ml_collections import ConfigDict

from htt_jax.runs import options


def get_config() -> ConfigDict:
    """The paper's settings."""
    config = options.get_config()
    config.data.directory = "data/h2o_depth"
    config.data.camera = "depth"
    config.data.image_size = (480, 270)
    config.eval.split = "val"
    return config
