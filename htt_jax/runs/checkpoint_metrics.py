"""What checkpoints were evaluated with, as Orbax keeps it, where a crash has cut it off."""

import json
import pathlib

import jax
from absl import logging
from etils import epath

from htt_jax.support.errors import InputError

_FILE = pathlib.PurePosixPath("metrics/metrics")


def remove_damaged(directory: epath.Path, read_only: bool) -> None:
    """Removes files that are no JSON, each of which would keep Orbax from opening them all.

    Its checkpoint then counts as one that was not evaluated; the log of the run has the numbers.

    Raises:
        InputError: there is one, and nothing may be changed.
    """
    if jax.process_index() or not directory.exists():
        return
    for folder in directory.iterdir():
        path = folder / _FILE
        if not folder.name.isdigit():
            continue
        try:
            json.loads(path.read_bytes())
        except FileNotFoundError:
            continue  # it was not evaluated, or a run that is writing there has just removed it
        except ValueError as error:
            said = f"checkpoint {folder.name}: {path} is no JSON ({error})"
            if read_only:
                raise InputError(f"{said}; remove this file, the checkpoint does without") from None
            logging.warning("%s; it is removed, the checkpoint counts as not evaluated", said)
            path.unlink()
