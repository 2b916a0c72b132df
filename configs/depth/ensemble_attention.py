"""Method 3 with attention over time.

    python -m htt_jax.train --config=configs/depth/ensemble_attention.py \\
        --workdir=runs/depth/ensemble_attention

The settings are the published ones for FPHA; docs/depth.md has all stages in their order.
"""

from ml_collections import ConfigDict

from htt_jax.runs import options
from htt_jax.systems.depth.stages import STAGES


def get_config() -> ConfigDict:
    """The published settings on FPHA."""
    config = options.get_config("depth")
    config.update_from_flattened_dict(STAGES["ensemble_attention"])
    config.data.directory = "data/fpha_depth"
    config.init.pose = "runs/depth/pose"
    config.init.pose_film = "runs/depth/pose_film"
    config.init.action = "runs/depth/action"
    config.init.attention = "runs/depth/action_attention"
    return config
