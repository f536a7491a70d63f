"""Any camera that GStreamer can open: nvarguscamerasrc on a Jetson, v4l2src elsewhere, a file or a test picture here.

The pipeline is a text (`gst_pipelines.py`) that ends in one sink for the full plane and one for the small plane. Frames
are views of GStreamer's own buffers; this module copies none.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np

from anpr_node import pictures
from anpr_node.config import CameraSection, SensorSection
from anpr_node.drivers.clock import SystemClock
from anpr_node.drivers.lighting import Lighting
from anpr_node.drivers.planes import GREY_FIRST, Layout, grey_view
from anpr_node.errors import CameraClosed, FrameTimeout, WiringError
from anpr_node.records import Frame, Plane
from anpr_node.units import NS_PER_S, NS_PER_US

PERIODS_MAX = 3
TIMEOUT_MIN_S = 0.1
START_TIMEOUT_S = 5.0
"""The first frame of a stream may take longer: on a Jetson the camera's daemon needs seconds to start."""
UNSET = 0xFFFF_FFFF_FFFF_FFFF
INSTALL = "sudo apt install python3-gst-1.0 gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-good"


def load_gstreamer() -> tuple[Any, Any]:
    """The modules Gst and GstVideo, initialised. Raises WiringError where they are missing.

    GStreamer brings libunwind, which would take over the unwinding of C++ exceptions from libgcc: the first one that
    LiteRT throws, at a damaged model say, then aborts the process. Loaded first, libgcc keeps it.
    """
    try:
        ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)
        import gi

        for name in ("Gst", "GstApp", "GstVideo"):
            gi.require_version(name, "1.0")
        from gi.repository import Gst, GstApp, GstVideo  # noqa: F401  GstApp gives the sinks their methods
    except (ImportError, ValueError, OSError) as error:
        raise WiringError(f"GStreamer for Python is missing ({error}): {INSTALL}") from error
    Gst.init(None)
    return Gst, GstVideo


class GstCamera:
    """One GStreamer pipeline with a sink `full` and, if it has one, a sink `small`.

    A buffer goes back to the pipeline when the last view of it is gone: whoever wants to keep a frame copies it.
    """

    def __init__(self, pipeline: str, camera: CameraSection, sensor: SensorSection, lighting: Lighting) -> None:
        """Build the pipeline; it starts with the first `capture`, when the pulses run. Raises WiringError."""
        self._gst, self._video = load_gstreamer()
        self._camera, self._sensor, self._lighting = camera, sensor, lighting
        self._period_ns = round(NS_PER_S / camera.fps)
        self._timeout_ns = max(round(TIMEOUT_MIN_S * NS_PER_S), PERIODS_MAX * self._period_ns)
        self._clock = SystemClock()
        try:
            self._pipeline = self._gst.parse_launch(pipeline)
        except RuntimeError as error:
            raise WiringError(f"GStreamer cannot build '{pipeline}': {error}") from error
        self._full, self._small = self._pipeline.get_by_name("full"), self._pipeline.get_by_name("small")
        self._pipeline.use_clock(self._gst.SystemClock.obtain())  # CLOCK_MONOTONIC, the node's own
        self._layouts: dict[str, Layout] = {}
        self._first, self._sequence, self._last_pts_ns = 0, -1, 0
        self._streaming = self._closed = False

    def capture(self) -> Frame | None:
        """The newest frame, or None when a file has ended. Waits three periods at most, longer for the first one."""
        if self._closed:
            raise CameraClosed("the camera is closed; make a new one")
        limit_ns = self._timeout_ns if self._streaming else round(START_TIMEOUT_S * NS_PER_S)
        self._start()
        pair = self._pull_pair(self._clock.monotonic_ns() + limit_ns)
        if pair is None:
            return None
        self._streaming = True
        return self._frame(*pair)

    def restart(self) -> None:
        """Stop the stream; the next `capture` starts it again: the first cure of a stalled camera."""
        self._pipeline.set_state(self._gst.State.NULL)
        self._streaming = False
        self._first = self._sequence + 1

    def close(self) -> None:
        """Stop and let go of the camera. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self.restart()

    def _start(self) -> None:
        """A camera is read as fast as it delivers; a file is paced by its own time stamps."""
        if self._streaming:
            return
        states, live = self._gst.State, self._gst.StateChangeReturn.NO_PREROLL
        is_live = self._pipeline.set_state(states.PAUSED) == live
        for sink in filter(None, (self._full, self._small)):
            sink.set_property("sync", not is_live)
        if self._pipeline.set_state(states.PLAYING) == self._gst.StateChangeReturn.FAILURE:
            raise FrameTimeout(f"the camera does not start: {self._complaint()}")

    def _pull_pair(self, deadline_ns: int) -> tuple[Any, Any] | None:
        """Full and small plane of one exposure: whichever sink is behind is read on."""
        full = self._pull(self._full, deadline_ns)
        small = self._pull(self._small, deadline_ns) if self._small and full else None
        while full and small and full.get_buffer().pts != small.get_buffer().pts:
            if full.get_buffer().pts < small.get_buffer().pts:
                full = self._pull(self._full, deadline_ns)
            else:
                small = self._pull(self._small, deadline_ns)
        return None if full is None or (self._small and small is None) else (full, small)

    def _pull(self, sink: Any, deadline_ns: int) -> Any:
        """The next sample of a sink, None at the end of a file. Raises FrameTimeout."""
        left_ns = max(0, deadline_ns - self._clock.monotonic_ns())
        sample = sink.try_pull_sample(left_ns)
        if sample is None and not sink.is_eos():
            raise FrameTimeout(f"no frame in time: {self._complaint()}")
        return sample

    def _complaint(self) -> str:
        """What the pipeline itself says is wrong."""
        message = self._pipeline.get_bus().pop_filtered(self._gst.MessageType.ERROR)
        if message is None:
            return "check the trigger, the cable and dmesg"
        error, _ = message.parse_error()
        return f"{message.src.get_name()} says: {error.message}"

    def _frame(self, full: Any, small: Any) -> Frame:
        buffer = full.get_buffer()
        ended_ns = self._pipeline.get_base_time() + buffer.pts
        pulse_us = self._lighting.pulse_us
        exposure_us = self._camera.exposure_us if pulse_us is None else pulse_us(ended_ns)
        pixels = self._plane("full", full)
        return Frame(
            sequence=self._count(buffer),
            captured_ns=ended_ns - exposure_us * NS_PER_US // 2,
            exposure_us=exposure_us,
            gain=self._sensor.gain,
            illuminated=self._lighting.illuminated(),
            pixels=pixels,
            small=pictures.small_plane(pixels) if small is None else self._plane("small", small),
        )

    def _count(self, buffer: Any) -> int:
        """The source's own number of the frame, which a restarted stream begins anew.

        Where it gives none, lost frames are told by the time between two, unless pulses set it: these come slower
        while nobody is there, and then none counts as lost.
        """
        if buffer.offset != UNSET:
            self._sequence = self._first + buffer.offset
        elif self._sequence < self._first or self._lighting.pulse_us is not None:
            self._sequence = max(self._first, self._sequence + 1)
        else:
            self._sequence += max(1, round((buffer.pts - self._last_pts_ns) / self._period_ns))
        self._last_pts_ns = buffer.pts
        return self._sequence

    def _plane(self, name: str, sample: Any) -> Plane:
        """A view of the sample's first plane. It unmaps the buffer when its last view is gone, never before."""
        buffer = sample.get_buffer()
        layout, offset = self._layout(name, sample, buffer)
        _, mapped = buffer.map_range(0, 1, self._gst.MapFlags.READ)
        if not isinstance(mapped.data, memoryview):
            raise WiringError(f"without python3-gst-1.0 every frame would be copied: {INSTALL}")
        plane = grey_view(mapped.data, offset, layout)
        weakref.finalize(_root(plane), buffer.unmap, mapped)
        return plane

    def _layout(self, name: str, sample: Any, buffer: Any) -> tuple[Layout, int]:
        """What the buffer says of itself, else what its format implies. Raises WiringError."""
        meta = self._video.buffer_get_video_meta(buffer)
        if meta is not None:
            return Layout(meta.width, meta.height, meta.stride[0]), meta.offset[0]
        if name not in self._layouts:
            info = self._video.VideoInfo.new_from_caps(sample.get_caps())
            if info.finfo.name not in GREY_FIRST:
                raise WiringError(
                    f"{info.finfo.name} has no plane of brightness; add '! videoconvert' to sensor.source"
                )
            self._layouts[name] = Layout(info.width, info.height, info.stride[0])
        return self._layouts[name], 0


def _root(plane: Plane) -> Plane:
    """The array that every view of a plane keeps alive."""
    while isinstance(plane.base, np.ndarray):
        plane = plane.base
    return plane
