"""HTT on FPHA's depth maps: the strong row beside the depth systems.

    python -m data_prep.fpha --depth --raw=FPHA --out=data/fpha_depth
    python -m htt_jax.train --config=configs/fpha_depth_htt.py --workdir=runs/fpha_depth_htt

Whole maps, so that nothing is known of where the hand is. Nothing is published.
"""

from ml_collections import ConfigDict

from htt_jax.runs import options


def get_config() -> ConfigDict:
    """The paper's settings, on maps of about as many pixels as its images."""
    config = options.get_config()
    config.data.directory = "data/fpha_depth"
    config.data.camera = "depth"
    config.data.image_size = (384, 288)
    return config
