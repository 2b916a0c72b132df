"""Files that are there whole or not at all, so that a stopped simulation can go on."""

import pathlib
import shutil
from collections.abc import Iterable

from htt_jax.support.files import atomic_write


def write_lines(path: pathlib.Path, lines: Iterable[str]) -> None:
    """Writes a text file, whole or not at all, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, "w") as file:
        file.write("\n".join(lines) + "\n")


def write_whole(folder: pathlib.Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Writes the files under another name of the folder, which then takes its own."""
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for name, data in files:
        (unfinished / name).write_bytes(data)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)
