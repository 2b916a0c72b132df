"""Method 2: the action so far goes into the next frame's pose.

    python -m htt_jax.train --config=configs/depth/feedback.py --workdir=runs/depth/feedback

The settings are the published ones for FPHA; docs/depth.md has all stages in their order.
"""

from ml_collections import ConfigDict

from htt_jax.runs import options
from htt_jax.systems.depth.stages import STAGES


def get_config() -> ConfigDict:
    """The published settings on FPHA."""
    config = options.get_config("depth")
    config.update_from_flattened_dict(STAGES["feedback"])
    config.data.directory = "data/fpha_depth"
    config.init.pose_film = "runs/depth/pose_film"
    config.init.action = "runs/depth/action"
    return config
