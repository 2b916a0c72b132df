"""Prepares recordings of one's own: `python -m data_prep.own --help`."""

from data_prep.own.command import main
from htt_jax.devices import host_memory
from htt_jax.support import cli

if __name__ == "__main__":
    cli.run(main, host_memory.keep_freed)
