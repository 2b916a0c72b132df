"""Writes what --preview shows: a page, and beside it the pictures of each recording."""

import collections
import contextlib
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from data_prep.own.preview import page, sheet
from data_prep.own.preview.shown import Shown, read
from data_prep.own.segments import Segment
from data_prep.raw import Note, RawDataset
from htt_jax.support import progress
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write, check_writable, remedy, remove_earlier

PAGE = "preview.html"
PICTURES = "preview_pictures"
SHEET = "sheet.jpg"

_OWN = (PAGE, f"{PICTURES}/[0-9]*_*/{SHEET}", f"{PICTURES}/[0-9]*_*/frame_[0-9]*.jpg")
"""What any preview's files match."""
_SLUG = 60  # letters


def write(folder: pathlib.Path, raw: RawDataset, *, skip_bad: bool) -> None:
    """Writes preview.html and its pictures; removes those of an earlier preview.

    Args:
        folder: they go to; made if need be.
        raw: recordings of one's own, found and not read yet.
        skip_bad: go on without recordings that cannot be read.

    Raises:
        InputError: a bad file, nothing to show, or the folder cannot be written.
    """
    segments = collections.defaultdict(list)
    for found in raw.splits.values():
        for segment in found:
            assert isinstance(segment, Segment)
            segments[segment.recording.name].append(segment)
    check_writable(folder, "--preview")
    with _explained_writes(folder):
        remove_earlier(folder, _OWN)
        recordings, notes = _write_pictures(folder, segments, skip_bad)
        if not recordings:
            raise InputError(f"{raw.root}: no recording can be read; nothing to show")
        # Last: the pictures of a preview that was interrupted have no page.
        with atomic_write(folder / PAGE, "w") as file:
            file.write(page.page(raw, recordings, [*raw.notes, *notes]))


def _write_pictures(
    folder: pathlib.Path, segments: dict[str, list[Segment]], skip_bad: bool
) -> tuple[list[dict[str, Any]], list[Note]]:
    """What the page is told of each recording, and notes on those that cannot be read."""
    recordings, notes = [], []
    with progress.bar(total=len(segments), unit="recording", label="preview") as bar:
        for i, (name, of_recording) in enumerate(sorted(segments.items())):
            slug = re.sub(r"[^\w.-]+", "_", name)[:_SLUG]
            try:
                shown = read(of_recording)
            except InputError as error:
                if not skip_bad:
                    raise
                notes.append(Note("bad", name, str(error)))
            else:
                pictures = f"{PICTURES}/{i:03d}_{slug}"
                files = _write_recording(folder / pictures, shown)
                recordings.append(page.recording(shown, pictures, files))
            bar.update(1)
    return recordings, notes


def _write_recording(folder: pathlib.Path, shown: Shown) -> Sequence[str]:
    """Writes a recording's pictures; the names of those of its frames."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"frame_{shown.numbers[place]:06d}.jpg" for place in shown.frames]
    for name, data in zip(names, shown.frames.values(), strict=True):
        (folder / name).write_bytes(data)
    with atomic_write(folder / SHEET) as file:
        file.write(sheet.encoded(shown))
    return names


@contextlib.contextmanager
def _explained_writes(folder: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"cannot write {error.filename or folder}: {error.strerror or error}"
        raise InputError(f"{what}; {remedy(error.errno)}, or give another --preview") from error
