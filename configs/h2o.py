"""HTT on H2O, as in the paper.

    python -m data_prep.h2o --raw=H2O --out=data/h2o
    python -m htt_jax.train --config=configs/h2o.py --workdir=runs/h2o

Published, on the test split: action accuracy 86.36 %, MEPE 35.02 / 35.63 mm, MEPE-RA
16.59 / 17.91 mm, left / right (Tab. 2, 3). The actions of the test split are hidden, so the run
is watched on the validation split. Not yet measured with this code: the dataset is not ours to
hold.
"""

from ml_collections import ConfigDict

from htt_jax.runs import options


def get_config() -> ConfigDict:
    """The paper's settings on H2O."""
    config = options.get_config()
    config.data.directory = "data/h2o"
    config.eval.split = "val"
    return config
