"""Cameras of libcamera's virtual pipeline, opened with the real picamera2, for the tests beside this file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import libcamera
from picamera2 import Picamera2
from picamera2.allocators import LibcameraAllocator

from anpr_node.config import CameraSection, SensorSection
from anpr_node.drivers.csi_camera import TRIGGER_MODE, CsiCamera
from anpr_node.drivers.lighting import Lighting

FPS = 2.0
"""What the driver expects, and so its patience: the camera is faster, but the machine may be busy."""


class VirtualDevice(Picamera2):
    """The virtual camera has no raw stream, which picamera2 asks every camera for."""

    def _get_raw_modes(self) -> list[dict[str, Any]]:
        formats = self.camera.generate_configuration([libcamera.StreamRole.VideoRecording]).at(0).formats
        return [
            {"format": str(p), "size": (s.width, s.height)} for p in formats.pixel_formats for s in formats.sizes(p)
        ]


def open_virtual(model: str) -> Any:
    """The virtual camera of that name. Its NV12 has two planes, which picamera2's own allocator does not make."""
    models = [camera["Model"] for camera in Picamera2.global_camera_info()]
    device = VirtualDevice(models.index(model))
    device.allocator = LibcameraAllocator(device.camera)
    return device


class Bench:
    """Opens one driver over one virtual camera; `device` is picamera2's side of it, to break things with."""

    def __init__(self) -> None:
        self.device: Any = None
        self._open: list[CsiCamera] = []

    def triggered(self, trigger_mode: Path, pulse_us: Callable[[int], int]) -> CsiCamera:
        """A camera that is told how long the pulses are; `trigger_mode` stands for the sensor's parameter."""
        trigger_mode.write_text("1\n")
        return self._made("pattern", SensorSection(), Lighting(pulse_us, lambda: True), trigger_mode)

    def camera(self, model: str = "pattern", **sensor: Any) -> CsiCamera:
        """A camera in free run."""
        return self._made(model, SensorSection(**sensor), Lighting(None, lambda: True), TRIGGER_MODE)

    def _made(self, model: str, settings: SensorSection, lighting: Lighting, trigger_mode: Path) -> CsiCamera:
        def remember(_: SensorSection) -> Any:
            self.device = open_virtual(model)
            return self.device

        camera = CsiCamera(CameraSection(fps=FPS), settings, lighting, remember, trigger_mode)
        self._open.append(camera)
        return camera

    def close(self) -> None:
        for camera in self._open:
            camera.close()
