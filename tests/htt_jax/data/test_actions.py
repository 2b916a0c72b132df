"""What makes up for actions that are rare among the training clips."""

import collections
import dataclasses

import cloudpickle
import numpy as np
import pytest

from htt_jax.data import actions, order
from htt_jax.data.clips import ClipSpec, clip_table
from htt_jax.data.loader import train_batches
from htt_jax.support.errors import InputError

CLIPS = ClipSpec(window=2, frames=4, spacing=2)  # a clip begins at 4 of 8 frames
OPTION = "config.loss.class_weights=balanced"


@pytest.fixture
def skewed(dataset_of, video_of):
    """Clips of three actions: 4 + 4 (videos of 5 and 4 frames), 3 and 1."""
    videos = [video_of(number, frames) for number, frames in enumerate((5, 3, 1, 4))]
    return dataset_of([dataclasses.replace(videos[3], action=0), *videos[:3]])


def test_all_actions_weigh_as_much_in_an_epoch(skewed):
    table = clip_table(skewed.frame_counts, CLIPS, training=True)
    assert np.bincount(table[:, 0]).tolist() == [4, 4, 3, 1]
    found = actions.class_weights(skewed, CLIPS, OPTION)
    np.testing.assert_allclose(found, [12 / (3 * 8), 12 / (3 * 3), 12 / 3])
    np.testing.assert_allclose(found * [8, 3, 1], 4)


def test_balanced_clips_show_every_action_once_in_every_turn(skewed):
    batches = train_batches(skewed, clips=CLIPS, batch_size=3, seed=5, balanced=True)
    found = [next(batches) for _ in range(8)]
    batches.close()
    assert [sorted(batch["action"].tolist()) for batch in found] == 8 * [[0, 1, 2]]
    drawn = collections.Counter(
        (int(video), int(start))
        for batch in found
        for video, start in zip(batch["video"], batch["start"], strict=True)
    )
    # Eight turns: each clip of the common action once, the only one of the rare action always.
    assert sorted(drawn.values()) == [1] * 8 + [2, 3, 3, 8]
    assert len({tuple(batch["action"].tolist()) for batch in found}) > 1


def test_their_order_is_that_of_seed_and_step_and_goes_to_worker_processes(skewed):
    how = {"clips": CLIPS, "batch_size": 2, "balanced": True}
    batches = train_batches(skewed, seed=5, **how)
    expected = [next(batches) for _ in range(6)]
    later = train_batches(skewed, seed=5, first_step=4, **how)
    for batch in expected[4:]:
        np.testing.assert_array_equal(next(later)["start"], batch["start"])
    rows = order.balanced(np.array([0, 0, 1, 0, 2]), 5)
    sent = cloudpickle.loads(cloudpickle.dumps(rows))
    places = range(30)
    assert [sent[place] for place in places] == [rows[place] for place in places]
    other = order.balanced(np.array([0, 0, 1, 0, 2]), 6)
    assert [other[place] for place in places] != [rows[place] for place in places]
    single = order.balanced(np.array([0, 0]), 5)
    assert sorted(single[place] for place in range(2)) == [0, 1]


def test_an_action_without_a_training_video_is_refused(dataset_of, video_of):
    source = dataset_of([video_of(0, 3), dataclasses.replace(video_of(1, 3), action=0)])
    with pytest.raises(InputError, match=r"balanced: action 'close' has no video in split 'train'"):
        actions.class_weights(source, CLIPS, OPTION)
    with pytest.raises(InputError, match=r"\(2 such in all\); record some, leave the action out"):
        train_batches(source, clips=CLIPS, batch_size=2, seed=0, balanced=True)


def test_videos_whose_action_is_not_known_are_refused(dataset_of, video_of):
    source = dataset_of([dataclasses.replace(video_of(0, 3), action=-1)])
    with pytest.raises(InputError, match="the action of 1 video of split 'train' is not known"):
        actions.class_weights(source, CLIPS, OPTION)
