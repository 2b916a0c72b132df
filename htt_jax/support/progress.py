"""Progress bars that stay readable in a log file."""

import sys

from tqdm import tqdm

LINE_SECONDS = 30.0
"""Between lines of progress where stderr is no terminal."""


class _Lines:
    """Turns what a bar draws over itself into lines."""

    def write(self, text: str) -> None:
        if text := text.strip():
            print(text, file=sys.stderr)

    def flush(self) -> None:
        sys.stderr.flush()


def bar(*, total: int, unit: str, label: str, initial: int = 0) -> tqdm:
    """A bar on stderr with rate and time left; a line now and then where that is no terminal."""
    options = {"total": total, "initial": initial, "unit": unit, "desc": label}
    if sys.stderr.isatty():
        return tqdm(**options, dynamic_ncols=True)
    return tqdm(**options, file=_Lines(), ncols=100, mininterval=LINE_SECONDS, delay=LINE_SECONDS)
