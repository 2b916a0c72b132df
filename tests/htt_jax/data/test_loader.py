import itertools

import cv2
import numpy as np
import pytest

from htt_jax.data.clips import ClipSpec, clip_frames
from htt_jax.data.decode import decode_frame
from htt_jax.data.loader import eval_batches, num_train_clips, steps_per_epoch, train_batches
from htt_jax.support.errors import InputError
from tests.packed import unpack

CLIPS = ClipSpec(window=2, frames=4, spacing=2)
TRAIN = {"clips": CLIPS, "batch_size": 4, "seed": 5}
EVAL = {"clips": CLIPS, "batch_size": 4}


def take(batches, count):
    taken = list(itertools.islice(batches, count))
    batches.close()
    return taken


def order(batches):
    """(video, start) of every clip, batch after batch."""
    return [
        (int(v), int(s))
        for batch in batches
        for v, s in zip(batch["video"], batch["start"], strict=True)
    ]


def assert_equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_a_batch_holds_the_frames_of_its_clips(source, colour_of):
    for batch in take(train_batches(source, **TRAIN), 6):
        assert batch["slot"].shape == (4, 4)
        assert batch["image"].shape[1:] == (32, 48, 3)
        for clip, (video, start) in enumerate(order([batch])):
            count = int(batch["valid"][clip].sum())
            frames, valid = clip_frames(start, count, CLIPS)
            np.testing.assert_array_equal(batch["valid"][clip], valid)
            np.testing.assert_array_equal(batch["joints_3d"][clip, :, 0, 0], video)
            np.testing.assert_array_equal(batch["joints_3d"][clip, :, 0, 1], frames)
            np.testing.assert_array_equal(batch["hand_annotated"][clip, :, 0], frames % 3 != 0)
            assert batch["action"][clip] == video % 3
            assert batch["object"][clip] == video % 2
            for place, frame in enumerate(frames):
                shown = batch["image"][batch["slot"][clip, place]].reshape(-1, 3).astype(int)
                assert np.abs(shown - colour_of(video, frame)).max() <= 3


def test_dtypes_are_those_of_the_contract(source):
    (batch,) = take(train_batches(source, **TRAIN), 1)
    assert {name: array.dtype.name for name, array in batch.items()} == {
        "image": "uint8",
        "slot": "int32",
        "slot_clip": "int32",
        "slot_frame": "int32",
        "valid": "bool",
        "intrinsics": "float32",
        "joints_3d": "float32",
        "hand_annotated": "bool",
        "action": "int32",
        "object": "int32",
        "video": "int32",
        "start": "int32",
    }


def test_slots_hold_every_real_frame_once_and_know_whose_it_is(source):
    for batch in take(train_batches(source, **TRAIN, slot_multiple=3), 6):
        slots = len(batch["image"])
        assert slots % 3 == 0
        real = batch["slot"][batch["valid"]]
        np.testing.assert_array_equal(real, np.arange(len(real)))
        clip, frame = np.nonzero(batch["valid"])
        np.testing.assert_array_equal(batch["slot_clip"][: len(real)], clip)
        np.testing.assert_array_equal(batch["slot_frame"][: len(real)], frame)
        # Behind them the last one is repeated.
        for name in ("image", "slot_clip", "slot_frame"):
            rest = batch[name][len(real) :]
            np.testing.assert_array_equal(
                rest, np.repeat(batch[name][len(real) - 1 :][:1], len(rest), 0)
            )
        last = batch["valid"].sum(axis=1) - 1
        for clip in range(4):
            np.testing.assert_array_equal(
                batch["slot"][clip, last[clip] :], batch["slot"][clip, last[clip]]
            )


def test_an_epoch_holds_every_clip_once_and_the_next_another_order(source):
    clips = num_train_clips(source, CLIPS)
    assert clips == 1 + 5 + 4 + 8
    assert steps_per_epoch(source, CLIPS, batch_size=4) == 5
    drawn = order(take(train_batches(source, **TRAIN | {"batch_size": 2}), clips))
    first, second = drawn[:clips], drawn[clips:]
    assert sorted(first) == sorted(second)
    assert len(set(first)) == clips
    assert first != second
    assert first != sorted(first)


def test_another_seed_gives_another_order(source):
    one, other = (
        order(take(train_batches(source, **TRAIN | {"seed": seed}), 4)) for seed in (5, 6)
    )
    assert one != other


def test_worker_processes_change_nothing(source):
    alone = take(train_batches(source, **TRAIN), 6)
    with_workers = take(train_batches(source, **TRAIN, workers=2), 6)
    assert_equal(alone, with_workers)


def test_two_processes_share_the_batches_of_one(source):
    alone = take(train_batches(source, **TRAIN), 6)
    shares = [
        take(train_batches(source, **TRAIN, process_index=index, process_count=2), 6)
        for index in (0, 1)
    ]
    for whole, even, odd in zip(alone, *shares, strict=True):
        for name in whole.keys() - {"image", "slot", "slot_clip", "slot_frame"}:
            np.testing.assert_array_equal(whole[name][0::2], even[name], err_msg=name)
            np.testing.assert_array_equal(whole[name][1::2], odd[name], err_msg=name)
        # As one global batch: process after process.
        image = np.concatenate([even["image"], odd["image"]])
        for part, share in enumerate((even, odd)):
            np.testing.assert_array_equal(
                unpack(whole)[part::2], unpack({"image": image, "slot": share["slot"]})
            )
            assert len(share["image"]) == len(image) / 2


def test_resuming_goes_on_as_if_never_stopped(source):
    uninterrupted = take(train_batches(source, **TRAIN), 12)
    resumed = take(train_batches(source, **TRAIN, first_step=7), 5)
    assert_equal(uninterrupted[7:], resumed)


@pytest.mark.parametrize("process_count", [1, 2])
def test_evaluation_sees_every_frame_once(source, process_count):
    seen = [np.zeros(n, int) for n in source.frame_counts]
    shares = [
        list(eval_batches(source, **EVAL, process_index=index, process_count=process_count))
        for index in range(process_count)
    ]
    assert len({len(share) for share in shares}) == 1
    for batch in itertools.chain(*shares):
        assert len(batch["video"]) == 4 // process_count
        for clip, (video, start) in enumerate(order([batch])):
            count = int(batch["valid"][clip].sum())
            if video < 0:
                assert (start, count, batch["action"][clip], batch["object"][clip]) == (
                    -1,
                    0,
                    -1,
                    -1,
                )
                assert np.isfinite(batch["intrinsics"][clip]).all()
            else:
                np.add.at(seen[video], start + 2 * np.arange(count), 1)
    for times in seen:
        np.testing.assert_array_equal(times, 1)


def test_a_video_of_one_frame_is_a_clip(dataset_of, video_of):
    one = dataset_of([video_of(2, 1)])
    for batches in (train_batches(one, **TRAIN), eval_batches(one, **EVAL)):
        batch = next(batches)
        np.testing.assert_array_equal(batch["valid"][0], [True, False, False, False])
        np.testing.assert_array_equal(batch["slot"][0], 0)
        batches.close()


def test_smaller_images_come_with_scaled_intrinsics(source):
    (batch,) = take(train_batches(source, **TRAIN, image_size=(24, 8)), 1)
    assert batch["image"].shape[1:] == (8, 24, 3)
    expected = np.array([[30, 0, 12], [0, 15.5, 4], [0, 0, 1]])
    np.testing.assert_allclose(batch["intrinsics"][0, 0], expected)


@pytest.mark.parametrize("size", [(48, 32), (24, 16), (20, 12), (6, 4)])
def test_reduced_decoding_is_near_decoding_and_area_averaging(size):
    rng = np.random.default_rng(0)
    smooth = cv2.resize(rng.integers(40, 216, (3, 4, 3), np.uint8), (48, 32))
    encoded = cv2.imencode(".jpg", smooth, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    out = np.empty((size[1], size[0], 3), np.uint8)
    decode_frame(encoded, (48, 32), out)
    full = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    expected = cv2.resize(full, size, interpolation=cv2.INTER_AREA)
    difference = np.abs(out.astype(int) - expected)
    assert difference.max() <= 6
    assert difference.mean() <= 1


def test_lossless_frames_are_decoded_exactly():
    image = np.random.default_rng(1).integers(0, 256, (32, 48, 3), np.uint8)
    encoded = cv2.imencode(".png", image)[1].tobytes()
    out = np.empty((32, 48, 3), np.uint8)
    decode_frame(encoded, (48, 32), out)
    np.testing.assert_array_equal(out, image[..., ::-1])
    half = np.empty((16, 24, 3), np.uint8)
    decode_frame(encoded, (48, 32), half)
    expected = cv2.resize(image[..., ::-1], (24, 16), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(half, expected)


@pytest.mark.parametrize(("broken", "workers"), [(b"", 0), (b"no image", 0), (b"no image", 1)])
def test_a_frame_that_is_no_image_is_named(dataset_of, video_of, workers, broken):
    video = video_of(1, 6)
    video.frames[4] = broken
    batches = eval_batches(dataset_of([video]), **EVAL, workers=workers)
    message = r"frame 4 \(number 104\) of video subject1/h1/1/0-5 in split train: not a readable"
    with pytest.raises(InputError, match=message):
        list(batches)


def test_a_frame_of_another_size_is_named(dataset_of, video_of):
    video = video_of(1, 3)
    video.frames[1] = cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8))[1].tobytes()
    with pytest.raises(InputError, match=r"frame 1 .*40x30 pixels instead of 48x32"):
        list(eval_batches(dataset_of([video]), **EVAL))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 3, "process_count": 2}, "batch size 3 cannot be divided by 2 processes"),
        ({"batch_size": 0}, "batch size 0"),
        ({"image_size": (96, 64)}, "image size 96x64 does not fit frames stored at 48x32"),
        ({"image_size": (0, 16)}, "image size 0x16"),
    ],
)
def test_numbers_that_do_not_fit_are_refused_at_once(source, wrong, message):
    with pytest.raises(InputError, match=message):
        train_batches(source, **TRAIN | wrong)
