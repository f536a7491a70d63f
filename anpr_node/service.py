"""Runs the node as a service: until a signal or a failure, with a heartbeat file for `anpr-node status`."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType

from anpr_node.config import Settings
from anpr_node.drivers.platform import open_platform
from anpr_node.errors import AnprError
from anpr_node.node import Node
from anpr_node.status import write_heartbeat

log = logging.getLogger(__name__)

HEARTBEAT_S = 1.0


def run(settings: Settings) -> None:
    """Run until SIGTERM, SIGINT, or the end of a recording.

    Raises:
        AnprError: a thread failed; what is wrong stands in the log, outputs are off.

    """
    stop = _stop_on_signals()
    with Node(settings, open_platform(settings)) as node:
        log.info("node %s runs, store %s", settings.node.id, settings.state_folder)
        while not node.ended.wait(HEARTBEAT_S) and not stop.is_set():
            _beat(settings, node)
    log.info("node %s stopped", settings.node.id)
    if node.failure is not None:
        raise AnprError(f"the node failed: {node.failure}") from node.failure


def _beat(settings: Settings, node: Node) -> None:
    """Status is a convenience: a full card must not end the node over it."""
    try:
        write_heartbeat(settings, node.snapshot())
    except OSError as error:
        log.warning("no heartbeat: %s", error)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop
