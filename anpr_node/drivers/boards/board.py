"""What differs from board to board: the GPIO chip, the PWM that makes the pulses, and where GStreamer finds the camera.

One file beside this one per board holds a `Board`; whether it was ever tried on the real thing stands in
docs/boards.md. Nothing here drives a pin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from anpr_node.config import CameraSection, SensorSection
from anpr_node.drivers.gst_pipelines import Scaling, split
from anpr_node.errors import WiringError

SYSFS_PWM = Path("/sys/class/pwm")


@dataclass(frozen=True, slots=True)
class Pwm:
    """The hardware PWM at the trigger's pin. `device` is the controller's name in sysfs: chip numbers change."""

    device: str
    channel: int
    pin: str
    enable: str

    def chip(self, root: Path = SYSFS_PWM) -> Path:
        """The sysfs folder of the controller, pwmchipN. Raises WiringError when the kernel has none for it."""
        for folder in sorted(root.glob("pwmchip*")):
            if (folder / "device").resolve().name == self.device:
                return folder
        raise WiringError(f"no PWM {self.device} in {root}: {self.enable}, then restart")


@dataclass(frozen=True, slots=True)
class Board:
    """One kind of computer. `gpio_lines` maps BCM numbers to lines of the GPIO chip, None where they are the same."""

    name: str
    gpio_label: str | None
    gpio_lines: Mapping[int, int] | None
    pwm: Pwm | None
    source: Callable[[CameraSection, SensorSection], str]
    scaling: Scaling

    def pipeline(self, camera: CameraSection, sensor: SensorSection) -> str:
        """The GStreamer pipeline of this board's camera, or of the source that the settings name."""
        return split(sensor.source or self.source(camera, sensor), self.scaling, sensor.width, sensor.height)
