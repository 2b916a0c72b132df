"""How many crops of depth maps does the loader deliver a second, and what limits it?

A frame counts when its crop, of 128x128 pixels, stands in a batch of 4 videos of up to 120 frames,
as joint stages take them. Alone, on one core: decoding a map, and cropping one that is decoded.

    python -m benchmarks.dataset --depth --out bench/depth --videos 12
    python -m benchmarks.depth_loader --data bench/depth --cache none host
"""

import os
from collections.abc import Sequence

from benchmarks import measure
from benchmarks.loader import delivered_per_second
from htt_jax.data.cache import HostCache
from htt_jax.data.clips import ClipSpec
from htt_jax.data.depth_crops import Cropper, around_joints, crop
from htt_jax.data.depth_maps import map_of
from htt_jax.data.loader import train_batches
from htt_jax.data.records import RecordSource
from htt_jax.data.views import View, open_view
from htt_jax.devices import process
from htt_jax.support import cli

_FRAMES, _CLIPS, _SIZE = 120, 4, 128
_SAMPLED = 20  # frames, decoded and cropped alone


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=cli.location, required=True, help="of benchmarks.dataset --depth"
    )
    parser.add_argument("--cache", nargs="+", choices=("none", "host"), default=["none", "host"])
    parser.add_argument("--steps", type=int, default=6, help="batches of a run")
    parser.add_argument("--repeats", type=int, default=3, help="runs; the median counts")
    options = parser.parse_args(argv)
    source = open_view(options.data, "train", View(camera="depth", first_frames=_FRAMES))
    skeleton = source.spec.skeleton
    cropper = Cropper(source.spec.hands, len(skeleton.joints), skeleton.palm, "published", _SIZE)
    alone = _alone_per_second(source, cropper)
    cores = len(os.sched_getaffinity(0))
    found = {}
    for name in options.cache:
        size = source.image_size
        cache = HostCache.fill(source, size, cropper.reader) if name == "host" else None
        batches = train_batches(
            source,
            clips=ClipSpec(1, _FRAMES, 1),
            batch_size=_CLIPS,
            seed=0,
            reader=cropper.reader,
            cache=cache,
        )
        delivered = delivered_per_second(batches, 0, options.steps, options.repeats)
        found[name] = {"frames_per_second": delivered, "per_core": delivered / cores}
    facts = measure.machine("opencv-python-headless", "grain", "numpy")
    measure.report(
        "depth_loader",
        facts | {"alone_one_core": alone, "cache": found},
        [
            f"cache {name}: {one['frames_per_second']:.0f} crops/s, {one['per_core']:.0f} a core; "
            f"alone on one core {alone['decoded']:.0f} maps/s decoded, {alone['cropped']:.0f} "
            "cropped"
            for name, one in found.items()
        ],
    )


def _alone_per_second(source: RecordSource, cropper: Cropper) -> dict[str, float]:
    """Maps of the first video decoded, and crops made of decoded ones."""
    video = source[0]
    frames = range(min(_SAMPLED, len(video.frames)))
    maps = [map_of(source, video, frame) for frame in frames]
    joints, intrinsics = video.joints_3d.astype(float), video.intrinsics.astype(float)

    def decode() -> None:
        for frame in frames:
            map_of(source, video, frame)

    def cut() -> None:
        for frame in frames:
            region = around_joints(joints[frame], joints[frame, cropper.palm], intrinsics)
            crop(maps[frame], region, cropper.size)

    return {
        name: len(frames) / measure.median_seconds(run, 5)
        for name, run in (("decoded", decode), ("cropped", cut))
    }


if __name__ == "__main__":
    cli.run(main, process.prepare)
