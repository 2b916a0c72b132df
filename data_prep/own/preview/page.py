"""One HTML page in which recordings are looked at."""

import html
import importlib.resources
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_prep.own.preview import look
from data_prep.own.preview.shown import EVENLY, TILES, Part, Shown
from data_prep.raw import Note, RawDataset
from htt_jax.datasets.spec import NO_JOINTS, STORED_SIZE
from htt_jax.evaluation import report
from htt_jax.evaluation.report.markup import Html, element, join
from htt_jax.support.words import counted
from htt_jax.visual import colours
from htt_jax.visual.colours import RGB

_BEHIND = "behind"


def page(raw: RawDataset, recordings: Sequence[dict[str, Any]], notes: Sequence[Note]) -> str:
    """The whole document.

    Args:
        raw: the dataset.
        recordings: what `recording` says of each.
        notes: on all of them together.
    """
    spec = raw.spec
    segments = sum(len(one["segments"]) for one in recordings)
    of_all = [counted(len(recordings), "recording"), counted(segments, "segment")]
    about = f"{', '.join([*of_all, counted(len(raw.action_names), 'action')])}; {raw.root}."
    if spec.fitted_joints:
        about += " Depths of joints that are labelled in images are fitted, not measured."
    texts = {
        "title": html.escape(f"{spec.title}, as it was read"),
        "about": html.escape(about),
        "hands": _swatches(look.of_hands(spec.hands)),
        "fingers": _swatches(colours.of_fingers(spec.skeleton)),
        "notes": join(element("li", _line(note)) for note in notes) or element("li", "nothing"),
        "style": _text("page.css", report.__name__) + _text("page.css"),
        # A script element ends at the first '</script', whatever it holds.
        "facts": json.dumps(_facts(raw, recordings), allow_nan=False).replace("<", "\\u003c"),
        "script": _text("player.js"),
    }
    return re.sub(r"\{(\w+)\}", lambda place: texts[place[1]], _text("page.html"))


def recording(shown: Shown, folder: str, files: Sequence[str]) -> dict[str, Any]:
    """What the page is told of a recording; seconds, and pixels of its frames.

    Args:
        shown: the recording.
        folder: its pictures', from the page's on.
        files: the names of those of its frames.
    """
    places = list(shown.frames)
    what = f"{len(places)} of {counted(len(shown.numbers), 'frame')} are shown"
    if len(places) < len(shown.numbers):
        segments = counted(len(shown.drawn), "segment")
        what += f": {EVENLY} evenly spaced ones, and up to {TILES} of each of {segments}"
    lanes = _lanes(shown.parts)
    return {
        "name": shown.name,
        "folder": folder,
        "files": files,
        "shown": f"{what}.",
        "duration": round(shown.duration, 4),
        "numbers": [shown.numbers[place] for place in places],
        "seconds": [round(shown.seconds[place], 4) for place in places],
        "joints": _joints(shown),
        "segments": [
            _segment(shown, part, lane) for part, lane in zip(shown.parts, lanes, strict=True)
        ],
        "notes": [_line(note) for note in shown.notes],
    }


def _facts(raw: RawDataset, recordings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    spec, joints = raw.spec, len(raw.spec.skeleton.joints)
    hands = {} if spec.joints == NO_JOINTS else look.of_hands(spec.hands)
    shades = look.of_joints(spec).tolist()
    actions = look.of_actions(raw.action_names)
    return {
        "size": STORED_SIZE,
        "hands": [{"name": hand, "colour": colours.hex_code(c)} for hand, c in hands.items()],
        "joints": spec.skeleton.joints,
        "root": spec.skeleton.root,
        "bones": [
            [joints * hand + joint for joint in bone]
            for hand in range(len(hands))
            for bone in spec.skeleton.bones
        ],
        "colours": [colours.hex_code(tuple(shade)) for shade in shades],
        "actions": {action: colours.hex_code(colour) for action, colour in actions.items()},
        "recordings": recordings,
    }


def _joints(shown: Shown) -> list[list[Any]]:
    """By frame, the place of each joint; None of one that is not known."""
    there = np.isfinite(shown.joints_2d).all(axis=-1).tolist()
    places, known = shown.joints_2d.astype(float).round(1).tolist(), shown.known.tolist()
    return [
        [
            (place if ahead else _BEHIND) if is_known else None
            for place, ahead, is_known in zip(*of_frame, strict=True)
        ]
        for of_frame in zip(places, there, known, strict=True)
    ]


def _segment(shown: Shown, part: Part, lane: int) -> dict[str, Any]:
    label, frames = part.label, part.end - part.start
    return {
        "action": label.action,
        "object": label.object,
        "split": label.split,
        "subject": label.subject,
        "lane": lane,
        "frames": frames,
        "first": shown.numbers[part.start] if frames else None,
        "last": shown.numbers[part.end - 1] if frames else None,
        "start": round(shown.seconds[part.start], 4) if frames else None,
        "end": round(shown.until(part.end), 4) if frames else None,
    }


def _lanes(parts: Sequence[Part]) -> list[int]:
    """A row of the timeline for each part, in which it overlaps none of the others."""
    ends: list[int] = []
    found = []
    for part in parts:
        lane = next((i for i, end in enumerate(ends) if end <= part.start), len(ends))
        ends[lane : lane + 1] = [part.end]
        found.append(lane)
    return found


def _swatches(named: dict[str, RGB]) -> Html:
    return join(
        [
            [", " * (i > 0), element("span", class_="swatch", style=f"background:{shade}"), name]
            for i, (name, shade) in enumerate((n, colours.hex_code(c)) for n, c in named.items())
        ]
    )


def _line(note: Note) -> str:
    return f"{note.kind}: {note.path}: {note.what}"


def _text(name: str, package: str = __package__) -> str:
    return importlib.resources.files(package).joinpath(name).read_text("utf-8")
