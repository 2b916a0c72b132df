"""The pose network that is told the action, at equal probabilities.

    python -m htt_jax.train --config=configs/depth/pose_film.py --workdir=runs/depth/pose_film

The settings are the published ones for FPHA; docs/depth.md has all stages in their order.
"""

from ml_collections import ConfigDict

from htt_jax.runs import options
from htt_jax.systems.depth.stages import STAGES


def get_config() -> ConfigDict:
    """The published settings on FPHA."""
    config = options.get_config("depth")
    config.update_from_flattened_dict(STAGES["pose_film"])
    config.data.directory = "data/fpha_depth"
    return config
