"""The pose network, then the action network on its poses: evaluated only.

    python -m htt_jax.train --config=configs/depth/untrained.py --workdir=runs/depth/untrained

The settings are the published ones for FPHA; docs/depth.md has all stages in their order.
"""

from ml_collections import ConfigDict

from htt_jax.runs import options
from htt_jax.systems.depth.stages import STAGES


def get_config() -> ConfigDict:
    """The published settings on FPHA."""
    config = options.get_config("depth")
    config.update_from_flattened_dict(STAGES["untrained"])
    config.data.directory = "data/fpha_depth"
    config.init.pose = "runs/depth/pose"
    config.init.action = "runs/depth/action"
    return config
