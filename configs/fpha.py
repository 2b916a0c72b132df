"""HTT on FPHA, as in the paper.

    python -m data_prep.fpha --raw=FPHA --out=data/fpha
    python -m htt_jax.train --config=configs/fpha.py --workdir=runs/fpha

Published: action accuracy 94.09 %, AUC 0.810, MEPE 15.81 mm, AUC-RA 0.763, MEPE-RA 12.13 mm
(Tab. 1, 4). Not yet measured with this code: the dataset is not ours to hold.
"""

from ml_collections import ConfigDict

from htt_jax.runs import options


def get_config() -> ConfigDict:
    """The paper's settings on FPHA."""
    config = options.get_config()
    config.data.directory = "data/fpha"
    return config
