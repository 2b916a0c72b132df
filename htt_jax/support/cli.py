"""What every command line of the project does the same way."""

import argparse
import contextlib
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import flags
from etils import epath
from ml_collections import ConfigDict, config_flags

from htt_jax.support import paths
from htt_jax.support.errors import InputError
from htt_jax.support.files import explained_full_disk
from htt_jax.support.paths import expanded

_BROKEN_PIPE = 141  # exit status of what SIGPIPE ends
_OPTIONS = "htt_jax/runs/options.py and htt_jax/systems"


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults that say something and keeps the line breaks of examples."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False):
            return action.help
        return super()._get_help_string(action)


class ArgumentParser(argparse.ArgumentParser):
    """The parser of every command: `HelpFormatter`, and options written in full."""

    def __init__(self, **options: Any):
        """Takes what `argparse.ArgumentParser` does."""
        super().__init__(formatter_class=HelpFormatter, allow_abbrev=False, **options)


def location(text: str) -> str:
    """Type of the options that name something on disk or in a bucket; `~` is the home folder."""
    if not text:  # a shell's variable that is not set; as a path it would be the current folder
        raise argparse.ArgumentTypeError("it is empty; name a file or folder")
    try:
        return expanded(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def path(text: str) -> pathlib.Path:
    """Type of the options that name something on disk."""
    return pathlib.Path(location(text))


def place(text: str) -> epath.Path:
    """Type of the options that name something to write, on disk or in a bucket."""
    try:
        return paths.place(location(text))
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(main: Callable[[], object], prepare: Callable[[], object] | None = None) -> None:
    """Runs `main`; bad input becomes one line on stderr and exit status 2, Ctrl-C status 130.

    Whoever reads what is printed may stop reading, as `head` does: this ends `main` quietly.

    Args:
        main: the command.
        prepare: makes the process ready for it: `devices.process.prepare` where JAX is used.
    """
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # Grain reads absl flags in its worker processes
    try:
        with explained_full_disk():
            if prepare is not None:
                prepare()
            main()
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_BROKEN_PIPE)
    except (PermissionError, InputError, KeyboardInterrupt) as error:
        sys.exit(report(error))


def parse_config(arguments: Sequence[str], default: Callable[[], ConfigDict]) -> ConfigDict:
    """The config of `--config=FILE`, else `default`, with every `--config.NAME=VALUE` set.

    Raises:
        InputError: there are other arguments, an option is unknown or its value wrong, or the
            file cannot be loaded.
    """
    argv = ["", *expanded_config(arguments)]
    options: Any = {"flag_values": flags.FlagValues(), "sys_argv": argv}
    with explained_flags():
        if any(argument.split("=")[0] == "--config" for argument in arguments):
            config = config_flags.DEFINE_config_file("config", **options)
        else:
            config = config_flags.DEFINE_config_dict("config", default(), **options)
        rest = options["flag_values"](argv)[1:]
        if rest:
            raise InputError(f"unexpected argument {rest[0]!r}; see --help")
        config.value.lock()  # a file that could not be loaded says so only when it is used
    return config.value


def expanded_config(arguments: Sequence[str]) -> list[str]:
    """`arguments` with the home folder in the place of `~` in --config=FILE.

    Raises:
        InputError: there is no such home.
    """
    parts = [argument.partition("=") for argument in arguments]
    return [
        f"{name}={expanded(value)}" if name in ("--config", "-config") else name + equals + value
        for name, equals, value in parts
    ]


@contextlib.contextmanager
def explained_flags() -> Iterator[None]:
    """Turns what absl and ml_collections raise for wrong flags into an `InputError`."""
    try:
        yield
    except InputError:
        raise
    except (AttributeError, KeyError) as error:  # how a ConfigDict refuses an unknown option
        reason = error.args[0].args[0] if isinstance(error.args[0], KeyError) else error.args[0]
        raise InputError(
            f"unknown config option {': '.join(reason.splitlines())} ({_OPTIONS} have all)"
        ) from error
    except OSError as error:
        reason = str(error.__cause__ or error).splitlines()[-1].strip()
        raise InputError(f"cannot load the --config file: {reason}") from error
    except (flags.Error, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{reason}; see --help, and {_OPTIONS} for the config") from error


def report(error: BaseException) -> int | None:
    """Prints the line of an error that has one; returns its exit status, None where it has none."""
    if isinstance(error, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return 130
    if isinstance(error, PermissionError):  # of whatever is read: runs and datasets of others
        what = error.filename or "a file"
        error = InputError(f"no permission for {what}; ask its owner, or name another")
    if not isinstance(error, InputError):
        return None
    print(f"error: {error}", file=sys.stderr)
    return 2
