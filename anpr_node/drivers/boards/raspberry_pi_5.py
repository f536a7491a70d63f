"""Raspberry Pi 5: CSI cameras through picamera2, USB cameras through GStreamer; the trigger on GPIO 18."""

from anpr_node.drivers.boards import v4l2
from anpr_node.drivers.boards.board import Board, Pwm
from anpr_node.drivers.gst_pipelines import SOFTWARE

BOARD = Board(
    "raspberry-pi-5",
    gpio_label="pinctrl-rp1",
    gpio_lines=None,
    pwm=Pwm(
        "1f00098000.pwm",
        channel=2,
        pin="GPIO 18, pin 12",
        enable="add dtoverlay=pwm-2chan to /boot/firmware/config.txt",
    ),
    source=v4l2.source,
    scaling=SOFTWARE,
)
