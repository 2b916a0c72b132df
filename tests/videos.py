"""Video files of given pictures."""

from fractions import Fraction

import av
import numpy as np


def write_lossless(path, pictures, rate=Fraction(30)):
    """Writes RGB pictures as H.264 that decodes to exactly them; returns the path."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=rate)
        stream.width, stream.height = pictures[0].shape[1::-1]
        stream.pix_fmt = "rgb24"
        stream.options = {"qp": "0"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def read(path):
    """The rate and the RGB pictures of a video file."""
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return rate, [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def write(path, pictures, *, codec="libx264", pixels="yuv420p", keys=12, between=2, **context):
    """Writes RGB pictures as people's cameras do; `context` are attributes of the encoder."""
    container_options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=container_options) as container:
        add(container, [(codec, pixels, pictures, {"gop_size": keys, **context})], between)
    return path


def add(container, streams, between=0):
    """Writes streams of (codec, pixel format, pictures, attributes of the encoder)."""
    opened = []
    for codec, pixels, pictures, context in streams:
        stream = container.add_stream(codec, rate=30, options=QUIET.get(codec, {}))
        stream.width, stream.height = pictures[0].shape[1::-1]
        stream.pix_fmt = pixels
        if codec.startswith("libx26"):
            stream.codec_context.max_b_frames = between
        for name, value in context.items():
            setattr(stream if name == "disposition" else stream.codec_context, name, value)
        opened.append((stream, pictures))
    for stream, pictures in opened:
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format=FORMATS[picture.dtype.name])
            container.mux(stream.encode(frame))
    for stream, _ in opened:
        container.mux(stream.encode(None))


FORMATS = {"uint8": "rgb24", "uint16": "rgb48le"}
QUIET = {"libx265": {"x265-params": "log-level=none"}}


def moving(count, size=(64, 48)):
    """Pictures of a pattern that moves, each unlike the others."""
    y, x = np.mgrid[: size[1], : size[0]]
    return [
        np.stack([(x + 3 * i) % 256, (y + 2 * i) % 256, (x + y + 5 * i) % 256], -1).astype(np.uint8)
        for i in range(count)
    ]
