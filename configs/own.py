"""HTT on recordings of one's own; the dataset is named on the command line.

    python -m data_prep.own --raw=recordings --out=data/own
    python -m htt_jax.train --config=configs/own.py --config.data.directory=data/own \
        --workdir=runs/own

Nothing is published.
"""

from htt_jax.runs.options import get_config

__all__ = ["get_config"]
