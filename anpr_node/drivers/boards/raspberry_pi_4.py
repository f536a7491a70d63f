"""Raspberry Pi 4: CSI cameras through picamera2, USB cameras through GStreamer; the trigger on GPIO 12."""

from anpr_node.drivers.boards import v4l2
from anpr_node.drivers.boards.board import Board
from anpr_node.drivers.gst_pipelines import SOFTWARE

BOARD = Board(
    "raspberry-pi-4",
    gpio_label="pinctrl-bcm2711",
    gpio_lines=None,
    pwm_device="fe20c000.pwm",
    source=v4l2.source,
    scaling=SOFTWARE,
)
