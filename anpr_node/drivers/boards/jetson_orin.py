"""Jetson Orin NX and Nano: CSI cameras through NVIDIA's Argus and GStreamer; the trigger on pin 33 of the header.

Lines and PWM are those of NVIDIA's Jetson.GPIO for these modules; the header has the Raspberry Pi's order, so pins keep
their BCM numbers in the settings.
"""

from anpr_node.config import CameraSection, SensorSection
from anpr_node.drivers.boards import v4l2
from anpr_node.drivers.boards.board import Board
from anpr_node.drivers.gst_pipelines import Scaling
from anpr_node.units import NS_PER_US

LINES = {4: 144, 5: 105, 6: 106, 17: 112, 22: 85, 23: 126, 24: 125, 25: 123, 27: 122}


def _source(camera: CameraSection, sensor: SensorSection) -> str:
    """Argus with exposure and gain pinned, all automatics and both temporal and edge filters off."""
    exposure_ns = camera.exposure_us * NS_PER_US
    return (
        f"nvarguscamerasrc sensor-id={sensor.number} aelock=true awblock=true wbmode=0 tnr-mode=0 ee-mode=0"
        f' aeantibanding=0 exposuretimerange="{exposure_ns} {exposure_ns}"'
        f' gainrange="{sensor.gain:g} {sensor.gain:g}" ispdigitalgainrange="1 1"'
        f" ! video/x-raw(memory:NVMM),format=NV12,{v4l2.caps(camera, sensor)}"
    )


BOARD = Board(
    "jetson-orin",
    gpio_label="tegra234-gpio",
    gpio_lines=LINES,
    pwm_device="32c0000.pwm",
    source=_source,
    scaling=Scaling("nvvidconv", "nvvidconv"),  # the video processor copies into plain memory and scales, not the CPU
)
