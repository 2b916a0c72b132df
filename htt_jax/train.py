r"""Trains HTT: python -m htt_jax.train --config=configs/fpha.py --workdir=runs/fpha

The same command continues an interrupted run. Any option of the config can be overridden:
--config.optimizer.learning_rate=1e-4. On several hosts, start it on each of them with
--coordinator_address (auto on Cloud TPU and Slurm).
"""

import contextlib
from collections.abc import Sequence

import jax
from absl import app, flags, logging
from ml_collections import config_flags

from htt_jax.devices import hosts, joining, process
from htt_jax.evaluation import results as evaluation
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.paths import expanded
from htt_jax.training.loop import train

_CONFIG = config_flags.DEFINE_config_file("config", None, "The run's config file.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Where the run's files go; all processes see it.")
_COORDINATOR = flags.DEFINE_string(
    "coordinator_address",
    None,
    "host:port of process 0, or auto; only for several processes. With auto the environment "
    "variable JAX_COORDINATOR_PORT names another port than JAX's own.",
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Processes; not needed with auto.")
_JOIN_TIMEOUT = flags.DEFINE_integer(
    "join_timeout", 1800, "Seconds to wait for the other processes to start.", lower_bound=1
)
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "This one's number; not needed with auto.")


def parse_flags(argv: Sequence[str]) -> list[str]:
    """Sets all flags from `argv`; returns what is none, the program's name first.

    Raises:
        InputError: a flag is unknown, missing or wrong, or the config file cannot be loaded.
    """
    with cli.explained_flags():
        rest = flags.FLAGS(cli.expanded_config(argv))
        _CONFIG.value.lock()  # a file that could not be loaded says so only when it is used
    return rest


def main(argv: Sequence[str]) -> None:
    """Joins the other processes, trains, prints the results."""
    if len(argv) > 1:
        raise InputError(f"unexpected argument {argv[1]!r}; options are --config.NAME=VALUE")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)  # Orbax reports every file it writes
    assert _WORKDIR.value is not None, "the flag is required"
    with _joined():
        results = train(_CONFIG.value, expanded(_WORKDIR.value))
        if jax.process_index() == 0:
            for name, value in evaluation.headline(results).items():
                print(f"{name:>16} {value:.4f}")


def _joined() -> contextlib.AbstractContextManager[None]:
    """In which this process is one of several, if it is."""
    address, processes, number = _COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value
    if not address:
        return contextlib.nullcontext()
    if address == "auto":
        joining.join(joining.Place(), _JOIN_TIMEOUT.value)
    elif processes is None or number is None:
        raise InputError("--coordinator_address also needs --num_processes and --process_id")
    else:
        joining.join(joining.Place(address, processes, number), _JOIN_TIMEOUT.value)
    return hosts.watched()


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    cli.run(lambda: app.run(main, flags_parser=parse_flags), process.prepare)
