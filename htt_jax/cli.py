"""What every command line of the project does the same way."""

import argparse
import sys
from collections.abc import Callable

from absl import flags

from htt_jax.errors import InputError


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults that say something and keeps the line breaks of examples."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False):
            return action.help
        return super()._get_help_string(action)


def run(main: Callable[[], object]) -> None:
    """Runs `main`; bad input becomes one line on stderr and exit status 2, Ctrl-C status 130."""
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # Grain reads absl flags in its worker processes
    try:
        main()
    except InputError as error:
        sys.exit(_report(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _report(error: InputError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 2
