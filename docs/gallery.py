"""Makes the pictures of these pages from the demo's run and from one on depth maps, such as

    bash demo.sh
    python -m benchmarks.depth_evidence --out=evidence --seeds=1 --steps feedback
    python -m htt_jax.evaluate --workdir=evidence/study/seed0/feedback
    python docs/gallery.py --demo=demo --depth=evidence/study/seed0/feedback

with what is not given left as it is.
"""

import pathlib
import tempfile

import av
from PIL import Image

from htt_jax import predict
from htt_jax.devices import process
from htt_jax.support import cli

VIDEO = "Subject_1/pour_juice_bottle/10"  # of the test split
FRAME = 9
PICTURES = pathlib.Path(__file__).parent / "gallery"
PLOTS = (
    "pck",
    "confusion_of_actions",
    "video_best_01",
    "video_worst_01",
)
QUALITY = 85


def main() -> None:
    """Makes those of the runs that are given."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=cli.path, help="what demo.sh wrote")
    parser.add_argument("--depth", type=cli.path, help="an evaluated run on depth maps")
    options = parser.parse_args()
    PICTURES.mkdir(exist_ok=True)
    if options.demo:
        _of_demo(options.demo)
    if options.depth:
        plots = options.depth / "evaluation/test/plots"
        _shrink(plots / "video_best_01.png", PICTURES / "depth_video.png")
    size = sum(file.stat().st_size for file in PICTURES.iterdir())
    print(f"{len(list(PICTURES.iterdir()))} pictures, {size / 1e6:.1f} MB, in {PICTURES}")


def _of_demo(demo: pathlib.Path) -> None:
    """Predicts one video of the test split, and takes pictures of it and of the report."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        frames = demo / "raw/Video_files_480" / VIDEO / "color"
        predict.main([str(frames), f"--workdir={demo / 'run'}", f"--out={out}"])
        with av.open(out / "prediction.mp4") as video:
            for number, frame in enumerate(video.decode(video=0)):
                if number == FRAME:
                    frame.to_image().save(PICTURES / "prediction.jpg", quality=QUALITY)
        for name in ("attention_action", "attention_pose"):
            _shrink(out / f"{name}.png", PICTURES / f"{name}.png")
    for name in PLOTS:
        _shrink(demo / f"run/evaluation/test/plots/{name}.png", PICTURES / f"{name}.png")


def _shrink(source: pathlib.Path, target: pathlib.Path) -> None:
    """At most 1280 pixels wide, with a palette: plots have few colours."""
    image = Image.open(source).convert("RGB")
    if image.width > 1280:
        size = (1280, round(image.height * 1280 / image.width))
        image = image.resize(size, Image.Resampling.LANCZOS)
    image.quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    cli.run(main, process.prepare)
