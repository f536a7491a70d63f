"""Any computer without pins: for the bench and for development."""

from anpr_node.drivers.boards import v4l2
from anpr_node.drivers.boards.board import Board
from anpr_node.drivers.gst_pipelines import SOFTWARE

BOARD = Board("pc", gpio_label=None, gpio_lines=None, pwm_device=None, source=v4l2.source, scaling=SOFTWARE)
