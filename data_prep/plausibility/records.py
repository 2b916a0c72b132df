"""All questions to a record, and the answers of a recording in one line each."""

import collections
import itertools
from collections.abc import Iterable

from data_prep.plausibility import lengths, sides, sliding, views
from data_prep.raw import Note
from htt_jax.data.records import Video
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.support.words import counted

_QUESTIONS = (lengths.notes, views.notes, sides.notes, sliding.notes)

KINDS = ("hand length", "outside", "off centre", "other hand", "out of step")
"""Of notes that `doubts` gives."""


def doubts(video: Video, spec: DatasetSpec, source: str) -> list[Note]:
    """Notes on what may be wrong with a record; one for each thing and hand.

    Args:
        video: its hands that cannot be are marked as not annotated, see `data_prep.poses`.
        spec: its dataset.
        source: the file or folder its poses come from.

    Raises:
        InputError: hands in another unit, or a camera that cannot have taken the images.
    """
    return list(itertools.chain.from_iterable(ask(video, spec, source) for ask in _QUESTIONS))


def together(notes: Iterable[Note]) -> list[Note]:
    """The same notes, each once; doubts about records of one file of poses in one line a kind."""
    once = list(dict.fromkeys(notes))
    of_file = collections.Counter((note.kind, note.path) for note in once)
    found: dict[tuple[str, ...], Note] = {}
    for note in once:
        key = note[:2] if note.kind in KINDS else note
        others = of_file[note.kind, note.path] - 1
        if key in found:
            continue
        more = f" ({counted(others, 'more such line')} of its records)" if others else ""
        found[key] = note._replace(what=note.what + more) if note.kind in KINDS else note
    return list(found.values())
