"""The action network alone, on true poses.

    python -m htt_jax.train --config=configs/depth/action.py --workdir=runs/depth/action

The settings are the published ones for FPHA; docs/depth.md has all stages in their order.
"""

from ml_collections import ConfigDict

from htt_jax.runs import options
from htt_jax.systems.depth.stages import STAGES


def get_config() -> ConfigDict:
    """The published settings on FPHA."""
    config = options.get_config("depth")
    config.update_from_flattened_dict(STAGES["action"])
    config.data.directory = "data/fpha_depth"
    return config
