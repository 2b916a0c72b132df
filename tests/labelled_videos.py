"""Prepared datasets of segments of recordings, each of a subject and an action."""

import dataclasses

import numpy as np

from htt_jax.data.metadata import shard_path, write_metadata
from htt_jax.data.records import ShardWriter, encode, features
from htt_jax.datasets.spec import FPHA
from tests import prepared


def write(directory, splits, frames=2, size=(32, 18), seed=0):
    """Videos of (id, subject, action) in each split."""
    rng = np.random.default_rng(seed)
    directory.mkdir()
    schema = features(FPHA, prepared.ACTIONS, prepared.OBJECTS)
    indexes = {}
    for split, videos in splits.items():
        with ShardWriter(shard_path(directory, FPHA, split, 0, 1)) as shard:
            for video_id, subject, action in videos:
                video = prepared.make_video(FPHA, rng, 0, frames, size, max(action, 0))
                named = {"video_id": video_id, "subject": subject, "action": action}
                named |= {"segment_id": 0}  # of a recording
                video = dataclasses.replace(video, **named)
                shard.write(encode(video, schema), frames, video_id)
        indexes[split] = [shard.index]
    write_metadata(directory, FPHA, prepared.ACTIONS, prepared.OBJECTS, indexes)
    return directory
