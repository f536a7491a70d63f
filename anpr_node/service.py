"""Runs the node as a service: until a signal or a failure, supervised, with a heartbeat file for `anpr-node status`."""

from __future__ import annotations

import logging
import signal
import threading
from contextlib import closing
from types import FrameType

from anpr_node.config import Settings
from anpr_node.drivers.notify import Manager
from anpr_node.drivers.platform import open_platform
from anpr_node.errors import AnprError
from anpr_node.node import Node
from anpr_node.status import write_heartbeat
from anpr_node.watch import Watch, watched

log = logging.getLogger(__name__)

BEAT_S = 0.5


def run(settings: Settings) -> None:
    """Run until SIGTERM, SIGINT, or the end of a recording.

    Raises:
        PowerCycleNeeded: the camera stays faulty after restarts of the process.
        AnprError: a thread failed; what is wrong stands in the log, outputs are off.

    """
    stop = _stop_on_signals()
    manager = Manager()
    platform, camera = watched(open_platform(settings))
    with Node(settings, platform, timeouts_max=None) as node, closing(Watch(settings, node, camera, manager)) as watch:
        log.info("node %s runs, store %s", settings.node.id, settings.state_folder)
        manager.ready()
        while not node.ended.wait(BEAT_S) and not stop.is_set() and watch.gave_up is None:
            watch.beat()
            _beat(settings, node, watch)
        manager.stopping()
    log.info("node %s stopped", settings.node.id)
    if watch.gave_up is not None:
        raise watch.gave_up
    if node.failure is not None:
        raise AnprError(f"the node failed: {node.failure}") from node.failure


def _beat(settings: Settings, node: Node, watch: Watch) -> None:
    """Status is a convenience: a full card must not end the node over it."""
    try:
        write_heartbeat(settings, node.snapshot(), watch.alarms)
    except OSError as error:
        log.warning("no heartbeat: %s", error)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    return stop
