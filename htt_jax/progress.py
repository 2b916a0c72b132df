"""Progress bars that stay readable in a log file."""

import sys

from tqdm import tqdm


def bar(*, total: int, unit: str, label: str, initial: int = 0) -> tqdm:
    """A progress bar on stderr: rate and time left; every 30 s where stderr is no terminal."""
    return tqdm(
        total=total,
        initial=initial,
        unit=unit,
        desc=label,
        dynamic_ncols=True,
        mininterval=0.2 if sys.stderr.isatty() else 30.0,
    )
