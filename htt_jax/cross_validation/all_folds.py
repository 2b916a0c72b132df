"""The whole of it: a run's training in each fold, and what all folds say of the labels."""

import pathlib
import sys

from htt_jax.cross_validation import running, writing
from htt_jax.cross_validation.doubts import doubts
from htt_jax.data.folds import divide
from htt_jax.support.files import make_folder


def cross_validate(
    workdir: str,
    folds: int,
    out: pathlib.Path,
    *,
    data: str | None = None,
    workers: int = 0,
) -> str:
    """Trains and evaluates all folds that are not done; writes what they found.

    Args:
        workdir: of the run that is repeated.
        folds: how many.
        out: folder of the fold's runs and of the files of `writing`.
        data: the prepared dataset; None: the run's own.
        workers: processes that load clips in evaluation; 0: threads.

    Returns:
        What is to be printed.

    Raises:
        InputError: as `running.configs` and `running.run`.
    """
    configs = running.configs(workdir, folds, data)
    division = divide(configs[0].data.directory, folds)
    running.check_folds(configs)
    make_folder(out)
    found = []
    for number, config in enumerate(configs):
        print(f"fold {number}, {number + 1} of {folds}", file=sys.stderr)
        found.append(running.run(config, out / f"fold_{number}", workers))
    doubted = doubts([fold.videos for fold in found], found[0].action_names)
    return writing.write(out, workdir, division, found, doubted)
