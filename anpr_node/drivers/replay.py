"""A camera that plays clips and folders of frames: as fast as it is asked, or at the recording's own rate.

It decodes one frame at a time and keeps none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from anpr_node import pictures
from anpr_node.drivers.clock import SimulatedClock
from anpr_node.drivers.pacing import Pacer, VirtualPacer
from anpr_node.errors import CameraClosed, ClipError, PictureError
from anpr_node.records import Frame, Plane
from anpr_node.units import NS_PER_S

FOLDER_FPS = 25.0
SHORT_S = 0.5
"""A clip that ends this much before its declared end is cut off; sound may last a little longer than the picture."""

TimedPlane = tuple[int, Plane]
"""Nanoseconds since the start of the recording, and the grey plane of that moment."""


class ReplayCamera:
    """Plays one recording. `clock` is moved to each frame's time, so that everything downstream lives in clip time.

    A clip that breaks off in the middle ends there, and `problem` says so; so does a folder's unreadable picture, which
    is skipped.
    """

    def __init__(self, source: Path, clock: SimulatedClock, pacer: Pacer | None = None) -> None:
        """Open a clip or a folder of frames; played as fast as it is asked unless a WallPacer is given.

        Raises:
            ClipError: missing, empty, or nothing that can be decoded.

        """
        self._clock = clock
        self._pacer = pacer or VirtualPacer()
        self._planes = _folder_planes(source, self) if source.is_dir() else _clip_planes(source, self)
        self._start_ns = clock.monotonic_ns()
        self._sequence = 0
        self._closed = False
        self.problem: str | None = None
        self._ahead: TimedPlane | None = None
        self._ahead = next(self._planes, None)
        if self._ahead is None:
            raise ClipError(f"{source}: {self.problem or 'no frame in it'}")

    def capture(self) -> Frame | None:
        """The next frame, or None at the end of the recording."""
        if self._closed:
            raise CameraClosed("the replay camera is closed")
        if self._ahead is None:
            return None
        offset_ns, plane = self._next_in_time(self._ahead)
        captured_ns = self._start_ns + offset_ns
        self._clock.advance_to(captured_ns)
        plane.flags.writeable = False
        frame = Frame(self._sequence, captured_ns, 0, 1.0, False, plane, pictures.small_plane(plane))
        self._sequence += 1
        return frame

    def _next_in_time(self, current: TimedPlane) -> TimedPlane:
        """Wait for a frame's moment; frames whose successor is due already are lost, as a camera would lose them."""
        now_ns = self._pacer.wait_until(current[0])
        self._ahead = next(self._planes, None)
        while self._ahead is not None and now_ns >= self._ahead[0]:
            self._sequence += 1
            current, self._ahead = self._ahead, next(self._planes, None)
        return current

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        self._closed = True
        self._planes.close()  # type: ignore[attr-defined]


def _clip_planes(path: Path, camera: ReplayCamera) -> Iterator[TimedPlane]:
    """Offset in ns and grey plane of every frame of a clip."""
    camera.problem = None
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                camera.problem = "no video stream in it"
                return
            stream = container.streams.video[0]
            stream.thread_type = "NONE"  # one frame in, one frame out: threads would hold frames back
            rate = float(stream.average_rate or FOLDER_FPS)
            ending = _Ending()
            for index, frame in enumerate(ending.frames_of(container, stream)):
                yield int(index / rate * NS_PER_S), _grey_plane(frame)
            camera.problem = ending.problem(container)
    except (FileNotFoundError, PermissionError) as error:  # of FFmpeg's too
        camera.problem = error.strerror
    except FFmpegError as error:
        camera.problem = f"broken off or not a clip ({error.strerror})"
    except OSError as error:
        camera.problem = error.strerror or str(error)


@dataclass
class _Ending:
    """How a clip ended. Most containers break off without an error: the decoder takes what is missing for the end."""

    end_s: float = 0.0
    packet_is_whole: bool = True
    frame_is_whole: bool = True

    def frames_of(self, container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
        """Every frame, while the last one is watched."""
        for packet in container.demux(stream):
            if packet.size:
                self.packet_is_whole = not packet.is_corrupt
            if packet.pts is not None and packet.time_base is not None:
                self.end_s = max(self.end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            for frame in packet.decode():
                self.frame_is_whole = not frame.is_corrupt
                yield frame

    def problem(self, container: InputContainer) -> str | None:
        """In words, where the last frame is damaged or comes well before the declared end."""
        promised_s = ((container.start_time or 0) + (container.duration or 0)) / av.time_base
        if not self.packet_is_whole or not self.frame_is_whole:
            return "broken off: its last frame is damaged"
        if promised_s - self.end_s > SHORT_S:
            return f"broken off at {self.end_s:.1f} of {promised_s:.1f} s"
        return None


def _grey_plane(frame: av.VideoFrame) -> Plane:
    """The luma plane; full range, as a picture file would give it."""
    return np.ascontiguousarray(frame.to_ndarray(format="gray"))


def _folder_planes(folder: Path, camera: ReplayCamera) -> Iterator[TimedPlane]:
    """The pictures of a folder in the order of their names, 25 a second."""
    camera.problem = None
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in pictures.PICTURE_SUFFIXES)
    for index, path in enumerate(files):
        try:
            yield int(index / FOLDER_FPS * NS_PER_S), pictures.load_grey(path)
        except PictureError as error:
            camera.problem = str(error)
