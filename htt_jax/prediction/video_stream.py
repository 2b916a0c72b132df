"""The stream of a video file that players show, decoded, and what of it is not there."""

import collections
import itertools
import pathlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import av
from av.stream import Disposition

from htt_jax.support.errors import InputError
from htt_jax.support.words import counted

Container: TypeAlias = Any  # PyAV's classes of streams differ in their attributes
Stream: TypeAlias = Any

_PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails
_MICROSECONDS = 10**6  # a second
_LATE = 0.25  # seconds that the end of a file's last packet is known to
_KEYS_KEPT = 64  # more than there are frames in a decoder, as each may be a key frame
_ONE_TO_ONE = ("h264", "hevc")  # codecs that give a frame for each packet


def videos(container: Container) -> list[Stream]:
    """The video streams of a file, without cover pictures, the one to show first.

    The largest: previews are small, and which stream is called the default is seldom told.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & _PICTURES]
    return sorted(
        streams,
        key=lambda stream: (_area(stream), bool(stream.disposition & Disposition.default)),
        reverse=True,
    )


def _area(stream: Stream) -> int:
    """Pixels; 0 where the codec is not known here."""
    return stream.width * stream.height if stream.codec_context else 0


class Decoding:
    """Decodes a stream once; iterate over it for its frames, as the codec has them.

    With threads for whole frames, which are several times as fast, the decoder keeps errors of the
    last frames to itself, and PyAV frames that come after an error while it is emptied. So where
    frames of the end are missing, it is decoded once more without threads.

    Attributes:
        given: frames so far.
        ends_early: whether the file ends before it should, or in frames that are damaged; complete
            once all were given.
        lost: frames in between that the decoder could not give; likewise.
    """

    def __init__(self, path: pathlib.Path, container: Container, stream: Stream):
        """Decodes nothing yet."""
        self.given = self.lost = 0
        self.ends_early = False
        self._path = path
        self._container = container
        self._stream = stream
        stream.thread_type = "AUTO"
        self._last: int | None = None  # time of the frame given last
        self._damaged: int | None = None  # number of the first frame that is
        self._keys: collections.deque[tuple[int, int | None]] = collections.deque(
            [(0, None)], maxlen=_KEYS_KEPT
        )  # place among the packets, and time, of the last ones from which decoding can start

    def __iter__(self) -> Iterator[av.VideoFrame]:
        """Frames in order.

        Raises:
            InputError: a frame is damaged that others follow.
        """
        fed, newest, is_interlaced = 0, None, False
        for place, packet in enumerate(self._packets(self._container, self._stream)):
            if packet.is_keyframe:
                self._keys.append((place, packet.pts))
            if not packet.is_discard:  # before or after what an edit list shows
                fed += 1
                newest = packet.pts if newest is None else max(newest, packet.pts or newest)
            for frame in self._decode(packet):
                is_interlaced |= frame.interlaced_frame
                if self._is_good(frame):
                    yield self._count(frame)
        for frame in self._rest(newest):
            yield self._count(frame)
        if self._stream.codec_context.name in _ONE_TO_ONE and not is_interlaced:
            self.lost = max(0, fed - self.given)

    def _packets(self, container: Container, stream: Stream) -> Iterator[av.Packet]:
        """All packets of the stream; where the file is cut in the last one, without it."""
        held, end = None, 0.0
        try:
            for packet in container.demux():
                if not packet.size:  # the end, or a frame that was dropped when filming
                    continue
                if packet.pts is not None:
                    length = packet.duration or 0
                    end = max(end, float((packet.pts + length) * packet.time_base))
                if packet.stream_index != stream.index:
                    continue
                if held is not None:
                    yield held
                held = packet if packet.is_corrupt else None
                if held is None:
                    yield packet
        except av.error.FFmpegError:
            self.ends_early = True
        declared = (container.duration or 0) / _MICROSECONDS
        late = _LATE + (2 / float(stream.average_rate) if stream.average_rate else 0)
        self.ends_early |= held is not None or 0 < end < declared - late

    def _decode(self, packet: av.Packet | None) -> list[av.VideoFrame]:
        try:
            return _decoded(self._stream, packet)
        except av.error.InvalidDataError:
            self._note_damage()
            return []

    def _is_good(self, frame: av.VideoFrame) -> bool:
        if frame.is_corrupt:
            self._note_damage()
            return False
        if self._damaged is not None:
            raise self._damage(self._damaged)
        return True

    def _note_damage(self) -> None:
        self._damaged = self.given if self._damaged is None else self._damaged

    def _count(self, frame: av.VideoFrame) -> av.VideoFrame:
        self.given += 1
        self._last = frame.pts
        return frame

    def _rest(self, newest: int | None) -> list[av.VideoFrame]:
        """The frames that the decoder still has, up to the first damaged one."""
        frames = self._decode(None)
        last = frames[-1].pts if frames else self._last
        is_whole = self._damaged is None and not any(frame.is_corrupt for frame in frames)
        if newest is None:  # a stream without times
            self.ends_early |= not is_whole
            return [frame for frame in frames if not frame.is_corrupt]
        # Streams of broadcasts do not say how long they are: only the last frame shows a cut.
        if is_whole and last == newest and self._container.format.name != "mpegts":
            return frames
        return self._again()

    def _again(self) -> list[av.VideoFrame]:
        """The frames after the one given last, decoded without threads."""
        good, damaged, places = [], [], {}
        with av.open(str(self._path)) as container:
            stream = container.streams[self._stream.index]
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            # Seeking would be quicker, but where to differs from format to format.
            packets = itertools.islice(self._packets(container, stream), self._restart(), None)
            for place, packet in enumerate(itertools.chain(packets, [None])):
                if packet is not None:
                    places[packet.pts] = place
                try:
                    frames = [frame for frame in _decoded(stream, packet) if self._is_new(frame)]
                except av.error.InvalidDataError:
                    frames = []
                    if packet is None or self._is_new(packet):
                        damaged.append(place)
                damaged += [places.get(frame.pts, place) for frame in frames if frame.is_corrupt]
                good += [frame for frame in frames if not frame.is_corrupt]
        if not damaged:
            return good
        before = [frame for frame in good if places.get(frame.pts, -1) < min(damaged)]
        if len(before) < len(good):
            raise self._damage(self.given + len(before))
        self.ends_early = True
        return before

    def _restart(self) -> int:
        """The place of the last key frame that is not after the frame given last."""
        if self._last is None:
            return 0
        places = [place for place, time in self._keys if time is not None and time <= self._last]
        return places[-1] if places else 0

    def _is_new(self, what: av.Packet | av.VideoFrame) -> bool:
        return self._last is None or (what.pts is not None and what.pts > self._last)

    def _damage(self, number: int) -> InputError:
        return InputError(
            f"frame {number} of {self._path} cannot be decoded: it is damaged; cut the video "
            "around it, or give what is whole as a folder of frames"
        )


def _decoded(stream: Stream, packet: av.Packet | None) -> list[av.VideoFrame]:
    """The frames that the decoder has ready after `packet`, or at the end if that is None."""
    frames = stream.decode(packet)
    for frame in frames:
        frame.time_base = stream.time_base  # which PyAV does not know at the end
    return frames


def shortfall(decoding: Decoding, path: pathlib.Path, count: int) -> list[str]:
    """What to know of frames that a file should have and has not, a line each.

    Args:
        decoding: at its end.
        path: of the file.
        count: of frames, as far as it says.
    """
    read = f"{counted(decoding.given, 'frame')} could be read"
    if decoding.ends_early:
        of = f" of about {count}" if count > decoding.given else ""
        return [f"{path} ends early, it is cut short or damaged at its end: {read}{of}"]
    if decoding.lost:
        return [f"{counted(decoding.lost, 'frame')} of {path} cannot be decoded: {read}"]
    return []
