"""Where the parts of an FPHA video may lie: the archives are unpacked in several ways."""

from collections.abc import Mapping, Sequence

import numpy as np

from data_prep import folders
from data_prep.raw import RawPath
from htt_jax.support import files

WORLD_TO_CAMERA = np.array(
    [
        [0.999988496304, -0.00468848412856, 0.000982563360594, 25.7],
        [0.00469115935266, 0.999985218048, -0.00273845880292, 1.22],
        [-0.000969709653873, 0.00274303671904, 0.99999576807, 3.902],
    ]
)
"""From the annotations' space to the colour camera's, millimetres."""

Places = Mapping[str, Sequence[RawPath]]
"""By the id of a subject, where its folder may be: the first place counts most."""


def by_subject(tops: Sequence[RawPath], subjects: Sequence[str]) -> Places:
    """The places of each of `subjects` in the folders `tops`; at least one, there or not."""
    return {
        subject: [
            *(place for top in tops for place in folders.unpacked(top / subject)),
            tops[0] / subject,  # named where it is missing
        ]
        for subject in subjects
    }


def fullest(
    places: Places, video_id: str, part: str, stem: str, suffixes: Sequence[str]
) -> tuple[RawPath, int]:
    """The folder `part` of a video, and how many files are in it; see `folders.fullest`."""
    parts = [place / part for place in _of_video(places, video_id)]
    return folders.fullest(parts, stem, suffixes)


def filled(places: Places, video_id: str, name: str) -> RawPath:
    """The file `name` of a video; not an empty one, if there is another."""
    paths = [folders.text_file(place, name) for place in _of_video(places, video_id)]
    there = [path for path in paths if path.is_file()]
    return next((path for path in there if files.size(path)), [*there, *paths][0])


def _of_video(places: Places, video_id: str) -> list[RawPath]:
    subject, action_and_number = video_id.split("/", 1)
    return [place / action_and_number for place in places[subject]]
