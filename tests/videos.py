"""Video files of given pictures."""

from fractions import Fraction

import av


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
