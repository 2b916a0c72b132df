"""HTT on recordings of one's own; nothing but the dataset is named on the command line.

    python -m data_prep.own --raw=recordings --out=data/own
    python -m htt_jax.train --config=configs/own.py --config.data.directory=data/own \
        --workdir=runs/own

Nothing is published.
"""

from ml_collections import ConfigDict

from htt_jax.runs import options


def get_config() -> ConfigDict:
    """The paper's settings."""
    config = options.get_config()
    config.eval.split = ""  # test, or val
    return config
