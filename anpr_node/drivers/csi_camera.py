"""A CSI camera through picamera2 and libcamera: full plane and the ISP's small plane as views of the camera's buffers.

It copies no frame, does nothing in picamera2's callbacks, and configures the camera once: configuring again leaks
memory (picamera2 issue 1102), so whoever wants other settings makes another process.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from anpr_node import pictures
from anpr_node.config import CameraSection, SensorSection
from anpr_node.drivers import csi_controls
from anpr_node.drivers.clock import boottime_lead_ns
from anpr_node.drivers.lighting import Lighting
from anpr_node.drivers.planes import GREY_FIRST, Layout, MappedBuffers
from anpr_node.errors import CameraClosed, FrameTimeout, WiringError
from anpr_node.records import Frame, Plane
from anpr_node.units import NS_PER_US

log = logging.getLogger(__name__)

SMALL_MAX = (320, 240)
PERIODS_MAX = 3
TIMEOUT_MIN_S = 0.1
START_TIMEOUT_S = 3.0
"""The first frame of a stream may take longer: sensor and ISP are started for it."""
SETTLING_FRAMES = 10
"""So many frames may differ from what was set: controls take a few frames to come through."""
TRIGGER_MODE = Path("/sys/module/imx296/parameters/trigger_mode")

OpenDevice = Callable[[SensorSection], Any]


def open_picamera2(sensor: SensorSection) -> Any:
    """The camera of that number, with a tuning for light without colour. Raises WiringError."""
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise WiringError(f"picamera2 is missing ({error}): sudo apt install python3-picamera2") from error
    cameras = Picamera2.global_camera_info()
    if sensor.number >= len(cameras):
        raise WiringError(
            f"no camera {sensor.number}, {len(cameras)} found: check the ribbon cable; see rpicam-hello --list"
        )
    tuning = _tuning(Picamera2, cameras[sensor.number]["Model"], sensor.tuning)
    try:
        return Picamera2(sensor.number, tuning=tuning)
    except RuntimeError as error:
        raise WiringError(f"camera {sensor.number} cannot be opened ({error}): does another program use it?") from error


def _tuning(picamera2: Any, model: str, wanted: str | None) -> Any:
    """The named tuning, else the sensor's own for no IR filter or no colours, else libcamera's choice (None)."""
    for name in [wanted] if wanted else [f"{model}_noir.json", f"{model}_mono.json"]:
        try:
            return picamera2.load_tuning_file(name)
        except RuntimeError as error:
            if wanted:
                raise WiringError(f"sensor.tuning {wanted!r} is not among libcamera's tuning files") from error
    log.info("no infra-red tuning for %s: libcamera's own is used", model)
    return None


def check_trigger_mode(external: bool, parameter: Path = TRIGGER_MODE) -> None:
    """Refuse a sensor that is in the other mode: it would time out, or expose by itself. Raises WiringError."""
    mode = parameter.read_text().strip() if parameter.exists() else None
    if external and mode != "1":
        raise WiringError(
            f"{parameter} is {mode or 'absent'}: install hw/modprobe/anpr-node.conf "
            "and switch the power off and on, or set trigger.kind = 'none'"
        )
    if not external and mode == "1":
        raise WiringError(f"{parameter} is 1 but trigger.kind is 'none': the sensor would wait for pulses")


class CsiCamera:
    """One CSI camera. A frame's planes go back to the camera with the next `capture`, `restart` or `close`."""

    def __init__(
        self,
        camera: CameraSection,
        sensor: SensorSection,
        lighting: Lighting,
        open_device: OpenDevice = open_picamera2,
        trigger_mode: Path = TRIGGER_MODE,
    ) -> None:
        """Open and configure; the stream starts with the first `capture`, when the pulses run. Raises WiringError."""
        check_trigger_mode(lighting.pulse_us is not None, trigger_mode)
        self._camera, self._sensor, self._lighting = camera, sensor, lighting
        self._timeout_s = max(TIMEOUT_MIN_S, PERIODS_MAX / camera.fps)
        self._device = open_device(sensor)
        self.remarks: list[str] = []
        """What the camera does not do as it was told, each once; for the technician."""
        try:
            self._configure()
        except (RuntimeError, ValueError) as error:
            self._device.close()
            raise WiringError(f"the camera refuses {sensor.width}×{sensor.height}: {error}") from error
        self._buffers = {name: MappedBuffers() for name in self._layouts}
        self._lead_ns = boottime_lead_ns()
        self._request: Any = None
        self._job: Any = None
        self._streaming = self._closed = self._disobeyed = False
        self._frames, self._first, self._sequence = 0, 0, -1

    def _configure(self) -> None:
        """Once. What comes of it is read back: libcamera adjusts what it cannot do, without an error."""
        sensor, device = self._sensor, self._device
        width, height = sensor.width, sensor.height
        small = tuple(size // 2 * 2 for size in pictures.fit_size((height, width), *SMALL_MAX))
        controls = csi_controls.plan(self._camera, sensor, device.camera_controls)
        device.configure(
            device.create_video_configuration(
                main={"format": "YUV420", "size": (width, height)},
                lores={"format": "YUV420", "size": small},
                raw=None,
                controls=controls.values,
                buffer_count=sensor.buffers,
                queue=True,  # the newest frame is kept for whoever comes late
                display=None,
                encode=None,
            )
        )
        self._values = controls.values | self._crop()
        for remark in controls.remarks:
            self._remark(remark)
        self._read_back(device.camera_configuration())

    def _read_back(self, configured: dict[str, Any]) -> None:
        self._layouts = {name: _layout(configured[name]) for name in ("main", "lores") if configured.get(name)}
        main, small = self._layouts["main"], self._layouts.get("lores")
        if (main.width, main.height) != (self._sensor.width, self._sensor.height):
            self._remark(f"the camera gives {main.width}×{main.height} instead")
        if small is None or small.width * 2 > main.width:
            self._layouts.pop("lores", None)
            self._remark("the camera makes no small plane: the processor does")

    def _crop(self) -> dict[str, Any]:
        """The control by which only the wanted part of the sensor is scaled to the planes."""
        if self._sensor.region == (0.0, 0.0, 1.0, 1.0):
            return {}
        has, field = self._device.camera_controls, self._device.camera_properties.get("ScalerCropMaximum")
        if field is None or "ScalerCrop" not in has:
            self._remark("the camera cannot crop: sensor.region is left out")
            return {}
        part = csi_controls.crop(self._sensor.region, field)
        return {"ScalerCrops": [part, part]} if "ScalerCrops" in has else {"ScalerCrop": part}

    def _remark(self, text: str) -> None:
        self.remarks.append(text)
        log.warning("camera %d: %s", self._sensor.number, text)

    def capture(self) -> Frame:
        """The newest frame. Waits three periods at most, longer for the first one of a stream."""
        if self._closed:
            raise CameraClosed("the camera is closed; make a new one")
        self._give_back()
        timeout_s = self._timeout_s if self._streaming else START_TIMEOUT_S
        self._start()
        self._request = self._wait(timeout_s)
        self._streaming = True
        return self._frame(self._request)

    def restart(self) -> None:
        """Stop the stream; the next `capture` starts it again: the first cure of a stalled camera."""
        self._halt()

    def close(self) -> None:
        """Stop and let go of the camera. Closing twice is fine."""
        if not self._closed:
            self._closed = True
            self._halt()
            self._device.close()

    def _start(self) -> None:
        if not self._device.started:
            self._device.set_controls(self._values)  # again at each start: picamera2 forgets them
            self._device.start(show_preview=False)

    def _halt(self) -> None:
        """Stop from here, after picamera2's own thread: that may wait for a frame that never comes, or be dead."""
        with contextlib.suppress(FrameTimeout):
            self._give_back()
        with contextlib.suppress(RuntimeError):  # there is none before the first start
            self._device.stop_preview()
        job, self._job = self._job, None
        if job is not None:
            self._device.cancel_all_and_flush()
            with contextlib.suppress(CancelledError, TimeoutError):
                job.get_result(timeout=0).release()
        self._device.stop()
        self._streaming = False
        self._first = self._sequence + 1

    def _give_back(self) -> None:
        request, self._request = self._request, None
        if request is not None:
            try:
                request.release()
            except (OSError, RuntimeError) as error:
                raise FrameTimeout(
                    f"the camera takes no buffer back ({error}): check ribbon cable and dmesg"
                ) from error

    def _wait(self, timeout_s: float) -> Any:
        """The next completed request. A job that timed out stays queued: it gets the frame that comes after all."""
        if self._job is None:
            self._job = self._device.capture_request(wait=False)
        try:
            request = self._job.get_result(timeout=timeout_s)
        except TimeoutError as error:
            raise FrameTimeout(f"no frame within {timeout_s:.1f} s: check trigger, ribbon cable and dmesg") from error
        except CancelledError as error:
            raise CameraClosed("the camera was closed or restarted during a capture") from error
        self._job = None
        return request

    def _frame(self, request: Any) -> Frame:
        metadata = request.get_metadata()
        self._verify(metadata)
        ended_ns = metadata["SensorTimestamp"] - self._lead_ns  # a row is read when its exposure is over
        exposure_us = self._exposure_us(metadata, ended_ns)
        pixels = self._plane(request, "main")
        return Frame(
            sequence=self._count(request),
            captured_ns=ended_ns - exposure_us * NS_PER_US // 2,
            exposure_us=exposure_us,
            gain=float(metadata.get("AnalogueGain", self._sensor.gain)),
            illuminated=self._lighting.illuminated(),
            pixels=pixels,
            small=self._plane(request, "lores")
            if "lores" in self._layouts
            else pictures.small_plane(pixels, *SMALL_MAX),
        )

    def _count(self, request: Any) -> int:
        """The driver's own number, which a restarted stream begins anew."""
        self._sequence = self._first + request.request.buffers[request.stream_map["main"]].metadata.sequence
        return self._sequence

    def _exposure_us(self, metadata: dict[str, Any], ended_ns: int) -> int:
        """With a trigger the pulse's own width: the sensor's metadata then repeats what was set, not what was."""
        if self._lighting.pulse_us is not None:
            return self._lighting.pulse_us(ended_ns)
        return int(metadata.get("ExposureTime", self._camera.exposure_us))

    def _plane(self, request: Any, name: str) -> Plane:
        plane = request.request.buffers[request.stream_map[name]].planes[0]
        return self._buffers[name].plane(plane.fd, plane.offset, self._layouts[name])

    def _verify(self, metadata: dict[str, Any]) -> None:
        """Say once that exposure or gain are not what was set."""
        self._frames += 1
        if self._frames > SETTLING_FRAMES and not self._disobeyed:
            remark = csi_controls.disobeyed(metadata, self._values)
            if remark is not None:
                self._disobeyed = True
                self._remark(remark)


def _layout(stream: dict[str, Any]) -> Layout:
    """Raises ValueError for a format without a grey plane."""
    if stream["format"] not in GREY_FIRST:
        raise ValueError(f"{stream['format']} has no plane of brightness")
    width, height = stream["size"]
    return Layout(width, height, stream["stride"])
