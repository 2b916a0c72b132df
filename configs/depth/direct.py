"""Method 1: pose and action network trained together.

    python -m htt_jax.train --config=configs/depth/direct.py --workdir=runs/depth/direct

The settings are the published ones for FPHA; docs/depth.md has all stages in their order.
"""

from ml_collections import ConfigDict

from htt_jax.runs import options
from htt_jax.systems.depth.stages import STAGES


def get_config() -> ConfigDict:
    """The published settings on FPHA."""
    config = options.get_config("depth")
    config.update_from_flattened_dict(STAGES["direct"])
    config.data.directory = "data/fpha_depth"
    config.init.pose = "runs/depth/pose"
    config.init.action = "runs/depth/action"
    return config
