"""What differs from board to board: the GPIO chip, the PWM that makes the pulses, and where GStreamer finds the camera.

One file beside this one per board holds a `Board`; whether it was ever tried on the real thing stands in
docs/boards.md. Nothing here drives a pin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from anpr_node.config import CameraSection, SensorSection
from anpr_node.drivers.gst_pipelines import Scaling, split


@dataclass(frozen=True, slots=True)
class Board:
    """One kind of computer. `gpio_lines` maps BCM numbers to lines of the GPIO chip, None where they are the same.

    `pwm_device` is the name in sysfs of the PWM at the trigger's pin: numbers of chips change from boot to boot.
    """

    name: str
    gpio_label: str | None
    gpio_lines: Mapping[int, int] | None
    pwm_device: str | None
    source: Callable[[CameraSection, SensorSection], str]
    scaling: Scaling

    def pipeline(self, camera: CameraSection, sensor: SensorSection) -> str:
        """The GStreamer pipeline of this board's camera, or of the source that the settings name."""
        return split(sensor.source or self.source(camera, sensor), self.scaling, sensor.width, sensor.height)
