"""Writes a prepared dataset as large and as costly to read as FPHA, which may not be handed on.

Videos as long as FPHA's or H2O's, 480x270 JPEGs of quality 95, random poses and labels; splits
`train` and, a quarter as large, `test`. With --depth also depth maps, 640x480 PNGs of 16 bits.
With --published also what the published code reads of `train`: `pixels`, a file of decoded frames
for each video, as its LMDB for training has them (0.39 MB a frame), or `jpeg`, a folder of single
files, as it reads them to evaluate.

    python -m benchmarks.dataset --out fpha_like --videos 64 --published pixels
"""

import dataclasses
import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from benchmarks import lengths, measure
from htt_jax import camera
from htt_jax.data import records
from htt_jax.data.decode import decode_frame
from htt_jax.datasets.spec import FPHA, STORED_SIZE
from htt_jax.devices import process
from htt_jax.support import cli
from htt_jax.support.errors import InputError

PUBLISHED_FOLDER = "published"
PIXELS, JPEG = "pixels", "jpeg"

_QUALITY = 95
_NOISE = 1.65  # grey levels; frames then have 46 kB and decode in 0.45 ms, as real ones of FPHA
_COARSE = (17, 30)  # rows and columns of the scene before it is made smooth
_POOL = 64  # different frames, which all videos are put together from
_PIXELS_A_FRAME = 2  # that the scene moves

_DEPTH_SIZE = (640, 480)
_DEPTH_CAMERA = (  # intrinsics, and where the colour camera is
    np.array([[475, 0, 316], [0, 475, 245], [0, 0, 1]], np.float32),
    np.eye(4, dtype=np.float32),
)
_DEPTH_RANGE = (73, 1107)  # millimetres, as of FPHA's sample
_HOLES = 1 / 3  # of the pixels, likewise
_COARSE_DEPTH, _COARSE_HOLES = (9, 12), (30, 40)  # rows and columns before they are made smooth
_DEPTH_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 6, cv2.IMWRITE_PNG_STRATEGY, 0]


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=cli.path, required=True, help="folder to write")
    parser.add_argument("--videos", type=int, default=64, help="of the split train")
    parser.add_argument("--lengths", choices=lengths.LENGTHS, default="fpha", help="of the videos")
    parser.add_argument("--depth", action="store_true", help="depth maps, too")
    parser.add_argument("--published", choices=(PIXELS, JPEG), help="write that, too")
    options = parser.parse_args(argv)
    seconds = measure.seconds(
        lambda: write(
            options.out,
            videos=options.videos,
            dataset=options.lengths,
            published=options.published,
            depth=options.depth,
        )
    )
    source = records.RecordSource(options.out, "train")
    result = {
        "seconds": seconds,
        "videos": len(source),
        "frames": int(source.frame_counts.sum()),
        "kb_a_frame": float(np.mean([len(frame) for frame in source[0].frames])) / 1000,
        **measure.machine("opencv-python-headless"),
    }
    line = (
        f"{result['videos']} videos of {result['frames']} frames, {result['kb_a_frame']:.1f} kB "
        f"each, in {seconds:.1f} s: {options.out}"
    )
    measure.report("dataset", result, [line])


def write(
    out: pathlib.Path, *, videos: int, dataset: str, published: str | None, depth: bool = False
) -> None:
    """Writes the dataset.

    Args:
        out: an empty folder, or none.
        videos: of the split `train`.
        dataset: whose lengths, one of `lengths.LENGTHS`.
        published: `PIXELS` or `JPEG`, what the published loader reads; None: nothing for it.
        depth: with depth maps.

    Raises:
        InputError: `out` is not empty, or there is no video.
    """
    if videos < 1:
        raise InputError(f"--videos is {videos}; it must be at least 1")
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; name another folder")
    out.mkdir(parents=True, exist_ok=True)
    pool = _encoded_frames(np.random.default_rng(0))
    maps = _encoded_maps(np.random.default_rng(0)) if depth else None
    spec = dataclasses.replace(FPHA, depth=depth)
    schema = records.features(spec, FPHA.action_names, FPHA.object_names)
    indexes = {}
    for split, count in (("train", videos), ("test", -(-videos // 4))):
        with records.ShardWriter(records.shard_path(out, FPHA, split, 0, 1)) as shard:
            for number, frames in enumerate(lengths.video_lengths(dataset, count).tolist()):
                video = _video(number, frames, pool)
                if maps:
                    of_video = records.Depth(_taken(maps, number, frames), *_DEPTH_CAMERA)
                    video = dataclasses.replace(video, depth=of_video)
                shard.write(records.encode(video, schema), frames, video.video_id)
                if split == "train" and published:
                    _write_published(published_frames(out, number), video, published)
        indexes[split] = [shard.index]
    records.write_metadata(out, spec, FPHA.action_names, FPHA.object_names, indexes)


def published_frames(data: pathlib.Path, video: int) -> pathlib.Path:
    """Where the frames of a training video lie for the published loader, without a suffix."""
    return data / PUBLISHED_FOLDER / f"{video:05d}"


def _video(number: int, frames: int, pool: Sequence[bytes]) -> records.Video:
    rng = np.random.default_rng(number)
    action = number % len(FPHA.action_names)
    object_name = FPHA.object_of_action[FPHA.action_names[action]]
    joints = rng.normal(0.0, 0.05, (frames, FPHA.num_joints, 3)) + np.array([0.0, 0.0, 0.4])
    intrinsics = camera.scale_intrinsics(FPHA.intrinsics, FPHA.native_size, STORED_SIZE)
    return records.Video(
        video_id=f"Subject_1/{FPHA.action_names[action]}/{number}",
        segment_id=-1,
        subject="Subject_1",
        action=action,
        object=FPHA.object_names.index(object_name),
        frames=_taken(pool, number, frames),
        frame_numbers=np.arange(frames),
        joints_3d=joints.astype(np.float32),
        hand_annotated=np.ones((frames, 1), bool),
        intrinsics=intrinsics.astype(np.float32),
    )


def _taken(pool: Sequence[bytes], number: int, frames: int) -> list[bytes]:
    return [pool[(number + frame) % len(pool)] for frame in range(frames)]


def _write_published(path: pathlib.Path, video: records.Video, form: str) -> None:
    path.parent.mkdir(exist_ok=True)
    if form == JPEG:
        path.mkdir()
        for number, encoded in enumerate(video.frames):
            (path / f"color_{number:04d}.jpeg").write_bytes(encoded)
        return
    width, height = STORED_SIZE
    pixels = np.empty((len(video.frames), height, width, 3), np.uint8)
    for encoded, image in zip(video.frames, pixels, strict=True):
        decode_frame(encoded, STORED_SIZE, image)
    np.save(path.with_suffix(".npy"), pixels)


def _encoded_frames(rng: np.random.Generator) -> list[bytes]:
    """A smooth scene that moves to the left, under noise that differs from frame to frame."""
    width, height = STORED_SIZE
    coarse = rng.integers(0, 256, (*_COARSE, 3), dtype=np.uint8)
    scene = cv2.resize(coarse, STORED_SIZE, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    encoded = []
    for number in range(_POOL):
        moved = np.roll(scene, -_PIXELS_A_FRAME * number, axis=1)
        image = np.clip(moved + rng.normal(0, _NOISE, (height, width, 1)), 0, 255).astype(np.uint8)
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        encoded.append(data.tobytes())
    return encoded


def _encoded_maps(rng: np.random.Generator) -> list[bytes]:
    """A smooth surface that moves to the left, with holes; about as many bytes as FPHA's."""
    coarse = rng.uniform(*_DEPTH_RANGE, _COARSE_DEPTH).astype(np.float32)
    surface = cv2.resize(coarse, _DEPTH_SIZE, interpolation=cv2.INTER_CUBIC).clip(*_DEPTH_RANGE)
    coarse = rng.random(_COARSE_HOLES, np.float32)
    roughness = cv2.resize(coarse, _DEPTH_SIZE, interpolation=cv2.INTER_CUBIC)
    surface[roughness < np.quantile(roughness, _HOLES)] = 0
    encoded = []
    for number in range(_POOL):
        moved = np.roll(surface, -_PIXELS_A_FRAME * number, axis=1).astype(np.uint16)
        encoded.append(cv2.imencode(".png", moved, _DEPTH_PNG)[1].tobytes())
    return encoded


if __name__ == "__main__":
    cli.run(main, process.prepare)
