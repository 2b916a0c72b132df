"""What a preparation has to tell: counts per split and everything that was not as it should be."""

import collections
import itertools
from collections.abc import Mapping, Sequence
from typing import TypedDict

from data_prep.plausibility.records import together
from data_prep.raw import Note, RawDataset
from htt_jax.data.records import ShardIndex
from htt_jax.support.words import counted

FILE = "report.json"

_EXAMPLES = 3  # of each kind of note on the screen; the file has all


class SplitCounts(TypedDict):
    """How much a split holds."""

    videos: int
    frames: int
    shards: int
    bytes: int


class Report(TypedDict):
    """The content of report.json."""

    dataset: str
    raw: str
    images: dict[str, object]
    actions: int
    objects: int
    splits: dict[str, SplitCounts]
    notes: list[dict[str, str]]


def make(
    raw: RawDataset, shards: Mapping[str, Sequence[ShardIndex]], images: dict[str, object]
) -> Report:
    """The report on the finished `shards` of each split."""
    return {
        "dataset": raw.spec.name,
        "raw": str(raw.root),
        "images": images,
        "actions": len(raw.action_names),
        "objects": len(raw.object_names),
        "splits": {
            split: {
                "videos": sum(len(index) for index in indexes),
                "frames": sum(sum(index.frames) for index in indexes),
                "shards": len(indexes),
                "bytes": sum(index.num_bytes for index in indexes),
            }
            for split, indexes in shards.items()
        },
        "notes": [note._asdict() for note in all_notes(raw, shards)],
    }


def all_notes(raw: RawDataset, shards: Mapping[str, Sequence[ShardIndex]]) -> list[Note]:
    """Notes on the dataset as a whole, then on each video and each split; each once."""
    indexes = itertools.chain.from_iterable(shards.values())
    notes = [*raw.notes, *(Note(**note) for index in indexes for note in index.notes)]
    empty = [split for split, found in shards.items() if not any(map(len, found))]
    what = "no video of it can be used"
    notes += [Note("empty split", split, what) for split in empty]
    return together([*notes, *_in_both(raw)])


def _in_both(raw: RawDataset) -> list[Note]:
    """What is learned and then evaluated on, if there is such a thing, shows too good figures."""
    ids = {split: {video.video_id for video in videos} for split, videos in raw.splits.items()}
    shared = {f"{a} and {b}": sorted(ids[a] & ids[b]) for a, b in itertools.combinations(ids, 2)}
    return [
        Note("in two splits", splits, f"{counted(len(videos), 'video')}, such as {videos[0]}")
        for splits, videos in shared.items()
        if videos
    ]


def as_text(report: Report) -> str:
    """The report as a table and a few lines, for the screen."""
    lines = [f"{'split':8}{'videos':>8}{'frames':>9}{'shards':>8}{'MB':>9}"]
    for split, counts in report["splits"].items():
        megabytes = counts["bytes"] / 1e6
        lines.append(
            f"{split:8}{counts['videos']:>8}{counts['frames']:>9}{counts['shards']:>8}"
            f"{megabytes:>9.1f}"
        )
    by_kind = collections.defaultdict(list)
    for note in report["notes"]:
        by_kind[note["kind"]].append(f"  {note['path']}: {note['what']}")
    for kind, notes in by_kind.items():
        lines += [f"{kind} ({len(notes)})", *notes[:_EXAMPLES]]
        if len(notes) > _EXAMPLES:
            lines.append(f"  and {len(notes) - _EXAMPLES} more in {FILE}")
    return "\n".join(lines)
