"""The source of every board whose cameras are plain Video4Linux devices: USB cameras and capture cards."""

from __future__ import annotations

from fractions import Fraction

from anpr_node.config import CameraSection, SensorSection

V4L2_EXPOSURE_UNIT_US = 100
V4L2_EXPOSURE_MANUAL = 1


def source(camera: CameraSection, sensor: SensorSection) -> str:
    """Automatics off; v4l2src warns of controls that a camera lacks, and goes on."""
    exposure = max(1, camera.exposure_us // V4L2_EXPOSURE_UNIT_US)
    controls = (
        f"c,auto_exposure={V4L2_EXPOSURE_MANUAL},exposure_time_absolute={exposure},"
        "white_balance_automatic=0,focus_automatic_continuous=0"
    )
    return f'v4l2src device=/dev/video{sensor.number} extra-controls="{controls}" ! video/x-raw,{caps(camera, sensor)}'


def caps(camera: CameraSection, sensor: SensorSection) -> str:
    """Size and rate as GStreamer writes them."""
    rate = Fraction(camera.fps).limit_denominator(1001)
    return f"width={sensor.width},height={sensor.height},framerate={rate.numerator}/{rate.denominator}"
